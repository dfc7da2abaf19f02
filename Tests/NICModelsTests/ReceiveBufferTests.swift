import EventLoop
import IntelNIC
import NICModels
import Packets
import Testing

/// The packet buffer's receive part between wire and ring, and the pause frames that its filling starts.
@Suite struct ReceiveBufferTests {
  /// Bytes of the buffer that a frame takes: a header of 16, its FCS, in steps of 16.
  static func extent(_ length: Int) -> Int { (16 + length + 4 + 15) / 16 * 16 }

  private func bench(lossless: Bool = true, kilobytes: UInt32 = 8, free: Int = 0) -> ModelBench {
    var options = Intel8254x.Options()
    options.lossless = lossless
    let bench = ModelBench.running(options: options)
    bench.write(Register.packetBufferAllocation, kilobytes)
    bench.setUpReceive(free: free)
    return bench
  }

  private func frame(_ index: Int, _ length: Int = 100) -> [UInt8] {
    Frames.plain(length, to: ModelBench.address, seed: index)
  }

  private func causes(_ bench: ModelBench) -> InterruptCauses {
    InterruptCauses(rawValue: bench.read(Register.interruptCauseRead))
  }

  private func enablePauses(_ bench: ModelBench, high: UInt32, low: UInt32) {
    bench.write(Register.flowControlAddressLow, 0x00C2_8001)
    bench.write(Register.flowControlAddressHigh, 0x0100)
    bench.write(Register.flowControlType, 0x8808)
    bench.write(Register.flowControlTransmitTimer, 0x0680)
    bench.write(Register.flowControlThresholdLow, low)
    bench.write(Register.flowControlThresholdHigh, high)
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 28)
  }

  private func pause(_ quanta: UInt16) -> [UInt8] {
    var frame = Frames.pause(quanta)
    frame.replaceSubrange(6..<12, with: Frames.octets(ModelBench.address))
    return frame
  }

  @Test("frames without descriptors wait, are counted in RNBC and as good ones, and arrive in order when RDT moves")
  func order() {
    let bench = bench(free: 1)
    for index in 0..<6 { #expect(bench.deliver(frame(index, 100 + index))) }
    #expect(bench.read(Register.receiveHead) == 1)
    #expect(bench.read(Statistic.receivedWithoutBuffer) == 5 && bench.read(Statistic.missedPackets) == 0)
    #expect(bench.read(Statistic.goodReceived) == 6 && bench.read(Statistic.totalReceived) == 6)
    #expect(causes(bench) == .receiverTimer)
    #expect(bench.model.counters.framesReceived == 1 && bench.model.counters.framesBuffered == 5)

    bench.write(Register.receiveTail, 4)
    #expect(bench.read(Register.receiveHead) == 4)
    #expect(bench.deliver(frame(6, 106)), "a new frame does not overtake")
    bench.write(Register.receiveTail, 15)
    #expect(causes(bench).contains(.receiverTimer))
    #expect(bench.read(Register.receiveHead) == 7)
    for index in 0..<7 {
      #expect(bench.receiveDescriptor(index).length == 100 + index)
      #expect(bench.receiveDescriptor(index).status.contains([.done, .endOfPacket]))
      #expect(bench.get(ModelBench.receiveBuffers + 2048 * index, 100 + index) == frame(index, 100 + index))
    }
    #expect(bench.read(Statistic.goodReceived) == 1 && bench.read(Statistic.receivedWithoutBuffer) == 1)
    #expect(bench.read(0x4088) == UInt32((100...106).reduce(0) { $0 + $1 + 4 }))
    bench.expectAlive()
  }

  @Test("many rounds wrap around the end of the buffer, and every frame comes out as it went in")
  func wrapping() {
    let bench = bench()
    let random = SeededRandom(seed: 3)
    var sent: [[UInt8]] = []
    var seen = 0
    var tail = 0
    for round in 0..<400 {
      let next = frame(round, 60 + Int(random.next() % 1400))
      if bench.deliver(next) { sent.append(next) }
      if random.next() % 3 == 0 {
        tail = min(sent.count, tail + Int(random.next() % 8))
        bench.write(Register.receiveTail, UInt32(tail % 16))
      }
      while seen < sent.count, seen < tail {
        #expect(bench.receiveDescriptor(seen % 16).length == sent[seen].count, "frame \(seen)")
        #expect(bench.get(ModelBench.receiveBuffers + 2048 * (seen % 16), sent[seen].count) == sent[seen])
        seen += 1
      }
    }
    #expect(seen > 200 && bench.model.counters.framesMissed == 0)
  }

  @Test("a full buffer leaves the frame with the wire, which is called when there is room")
  func lossless() {
    let bench = bench()
    for index in 0..<5 { #expect(bench.deliver(frame(index, 1514))) }
    #expect(!bench.deliver(frame(5, 1514)) && !bench.deliver(frame(5, 1514)))
    #expect(bench.model.counters.receiveStalls == 1 && bench.wire.readyCalls == 0)
    #expect(bench.read(Statistic.receivedWithoutBuffer) == 5, "a frame that was not taken is not counted yet")
    bench.write(Register.receiveTail, 1)
    #expect(bench.wire.readyCalls == 1)
    #expect(bench.deliver(frame(5, 1514)))
    bench.write(Register.receiveTail, 15)
    #expect(bench.read(Register.receiveHead) == 6)
    #expect(bench.wire.readyCalls == 1, "only after a refusal")
    #expect(bench.read(Statistic.missedPackets) == 0)
    bench.expectAlive()
  }

  @Test("with losses allowed what a full buffer cannot take counts in MPC, and in the totals, and raises RXO")
  func lossy() {
    let bench = bench(lossless: false)
    for index in 0..<7 { #expect(bench.deliver(frame(index, 1514))) }
    #expect(bench.read(Statistic.missedPackets) == 2 && bench.read(Statistic.receivedWithoutBuffer) == 7)
    #expect(bench.read(Statistic.goodReceived) == 5 && bench.read(Statistic.totalReceived) == 7)
    #expect(bench.read(0x4088) == 5 * 1518 && bench.read(0x40C0) == 7 * 1518)
    #expect(causes(bench) == .receiverOverrun)
    #expect(bench.deliver(frame(7, 60)), "a small one still fits")
    bench.write(Register.receiveTail, 15)
    #expect(bench.read(Register.receiveHead) == 6)
    #expect(bench.receiveDescriptor(5).length == 60)
    bench.expectAlive()
  }

  @Test("PBA bounds the buffer, in KiB", arguments: [0, 8, 16, 48, 64, 127] as [UInt32])
  func allocation(_ kilobytes: UInt32) {
    let bench = bench(kilobytes: kilobytes)
    var taken = 0
    while bench.deliver(frame(taken, 1514)) { taken += 1 }
    #expect(taken == Int(min(kilobytes, 64)) * 1024 / Self.extent(1514))
    bench.write(Register.packetBufferAllocation, 48)
    #expect(bench.read(Register.receiveFIFOPacketCount) == (kilobytes == 48 ? UInt32(taken) : 0), "cut anew: empty")
    bench.expectAlive()
  }

  @Test("RDFH, RDFT and RDFPC tell what the buffer holds; its bytes can be read in PBM")
  func diagnostics() {
    let bench = bench()
    let first = Self.extent(100)
    let second = Self.extent(1000)
    func registers() -> [UInt32] {
      [
        Register.receiveFIFOHead, Register.receiveFIFOTail, Register.receiveFIFOHeadSaved,
        Register.receiveFIFOTailSaved, Register.receiveFIFOPacketCount,
      ].map(bench.read)
    }
    #expect(registers() == [0, 0, 0, 0, 0])
    bench.deliver(frame(1))
    bench.deliver(frame(2, 1000))
    let end = UInt32((first + second) / 8)
    #expect(registers() == [0, end, 0, end, 2])
    #expect(bench.registers.bytes(Register.packetBufferMemory, 100).array == frame(1))
    bench.write(Register.receiveTail, 1)
    #expect(registers() == [UInt32(first / 8), end, UInt32(first / 8), end, 1])
    bench.write(Register.receiveTail, 2)
    #expect(registers() == [end, end, end, end, 0])
  }

  @Test("a guest that overwrites buffer and registers spoils its own frames and nothing else")
  func overwritten() {
    let bench = bench()
    bench.deliver(frame(1))
    for offset in stride(from: 0, to: 0x1_0000, by: 4) { bench.write(Register.packetBufferMemory + offset, .max) }
    for register in [Register.receiveFIFOHead, Register.receiveFIFOTail, Register.receiveFIFOPacketCount] {
      bench.write(register, .max)
    }
    bench.write(Register.receiveTail, 3)
    #expect(bench.receiveDescriptor(0).length == 100)
    #expect(bench.get(ModelBench.receiveBuffers, 100) == [UInt8](repeating: 0xFF, count: 100))
    #expect(bench.read(Register.receiveFIFOPacketCount) == 0)
    bench.expectAlive()
  }

  @Test("a reset empties the buffer; so does the way back from D3")
  func reset() {
    let bench = bench()
    for reset: (ModelBench) -> Void in [
      { $0.write(Register.deviceControl, 1 << 26) }, { $0.model.reset() },
      { bench in
        for state: UInt32 in [3, 0] {
          bench.model.configuration.write(0xE0, size: 2, value: state)
          bench.model.configurationWritten(offset: 0xE0, size: 2)
        }
      },
    ] {
      bench.setUpReceive(free: 0)
      let lost = bench.model.counters.framesMissed
      bench.deliver(frame(1))
      bench.deliver(frame(2))
      #expect(bench.read(Register.receiveFIFOPacketCount) == 2)
      reset(bench)
      #expect(bench.read(Register.receiveFIFOPacketCount) == 0 && bench.read(Register.receiveFIFOTail) == 0)
      #expect(bench.model.counters.framesMissed == lost + 2)
      bench.bringLinkUp()
      bench.expectAlive()
    }
  }

  @Test("a receiver that is off takes nothing in, and keeps what it had")
  func disabled() {
    let bench = bench()
    bench.deliver(frame(1))
    bench.write(Register.receiveControl, 0x0400_8000)
    bench.write(Register.receiveTail, 4)
    #expect(bench.deliver(frame(2)) && bench.model.counters.framesFiltered == 1)
    #expect(bench.read(Register.receiveHead) == 0)
    bench.write(Register.receiveControl, 0x0400_8002)
    #expect(bench.read(Register.receiveHead) == 1 && bench.get(ModelBench.receiveBuffers, 100) == frame(1))
  }

  @Test("frames wait for bus mastering too, once they wait")
  func mastering() {
    let bench = bench()
    bench.deliver(frame(1))
    bench.slot.dma.isMasterEnabled = false
    bench.write(Register.receiveTail, 4)
    #expect(bench.read(Register.receiveHead) == 0 && bench.errors(.dmaRefused) == 0)
    bench.slot.dma.isMasterEnabled = true
    bench.model.configurationWritten(offset: 4, size: 2)
    #expect(bench.read(Register.receiveHead) == 1)
  }

  @Test("a frame of several descriptors waits for all of them, and those behind it for it")
  func wide() {
    let bench = bench()
    bench.setUpReceive(free: 0, control: 0x0402_8002, bufferStep: 512)
    bench.deliver(frame(1, 1400))
    bench.deliver(frame(2))
    bench.write(Register.receiveTail, 2)
    #expect(bench.read(Register.receiveHead) == 0)
    bench.deliver(frame(3))
    bench.write(Register.receiveTail, 4)
    #expect(bench.read(Register.receiveHead) == 4)
    #expect((0..<4).map { bench.receiveDescriptor($0).length } == [512, 512, 376, 100])
    bench.write(Register.receiveTail, 5)
    #expect(bench.get(ModelBench.receiveBuffers + 512 * 4, 100) == frame(3))
  }

  @Test("RXDMT0, VLAN tags and checksums are those of the moment when the frame is stored")
  func settings() {
    let bench = bench()
    let packet = Frames.packet(.ipv4, .udp, payload: Frames.payload(50), to: ModelBench.address).bytes
    bench.deliver(Array(packet[..<12]) + [0x81, 0x00, 0x20, 0x05] + packet[12...])
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 30)
    bench.write(Register.receiveChecksumControl, 0x300)
    bench.write(Register.receiveTail, 9)
    let done = bench.receiveDescriptor(0)
    #expect(done.length == packet.count && done.special == 0x2005)
    #expect(done.status.contains([.vlan, .networkChecked, .transportChecked]) && done.errors == [])
    #expect(causes(bench) == [.receiverTimer, .receiveMinimumThreshold])
  }

  @Test("an interrupt handler that gives descriptors, receives or resets while the buffer empties", arguments: 0..<4)
  func handler(_ kind: Int) {
    let bench = bench()
    for index in 0..<6 { bench.deliver(frame(index)) }
    bench.write(Register.interruptMaskSet, .max)
    var calls = 0
    bench.slot.pinChanged = { [unowned bench] asserted in
      guard asserted, calls < 3 else { return }
      calls += 1
      _ = bench.read(Register.interruptCauseRead)
      switch kind {
      case 0: bench.write(Register.receiveTail, 15)
      case 1: bench.deliver(frame(5 + calls))
      case 2: bench.write(Register.deviceControl, 1 << 26)
      default: bench.write(Register.receiveControl, 0)
      }
    }
    bench.write(Register.receiveTail, 4)
    bench.slot.pinChanged = nil
    switch kind {
    case 0, 1:
      bench.write(Register.receiveTail, 15)
      let count = kind == 0 ? 6 : 9
      #expect(bench.read(Register.receiveHead) == UInt32(count))
      for index in 0..<count { #expect(bench.get(ModelBench.receiveBuffers + 2048 * index, 100) == frame(index)) }
    case 2: #expect(bench.read(Register.receiveFIFOPacketCount) == 0 && bench.read(Register.receiveHead) == 0)
    default: #expect(bench.read(Register.receiveFIFOPacketCount) == 5 && bench.read(Register.receiveHead) == 1)
    }
    bench.bringLinkUp()
    bench.expectAlive()
  }

  // MARK: Flow control

  @Test("XOFF goes out when the filling reaches FCRTH, XON when it is down at FCRTL")
  func thresholds() {
    let bench = bench()
    let extent = UInt32(Self.extent(100))
    enablePauses(bench, high: 3 * extent - 8, low: 1 << 31 | extent + 8)
    bench.deliver(frame(0))
    bench.deliver(frame(1))
    #expect(bench.wire.frames.isEmpty)
    bench.deliver(frame(2))
    #expect(bench.wire.frames == [pause(0x0680)])
    bench.deliver(frame(3))
    #expect(bench.wire.frames.count == 1, "once")
    bench.write(Register.receiveTail, 2)
    #expect(bench.wire.frames.count == 1, "two frames are still more than FCRTL")
    bench.write(Register.receiveTail, 3)
    #expect(bench.wire.frames == [pause(0x0680), pause(0)])
    #expect(bench.read(Statistic.xoffTransmitted) == 1 && bench.read(Statistic.xonTransmitted) == 1)
    #expect(bench.read(Statistic.goodTransmitted) == 0 && bench.read(Statistic.totalTransmitted) == 0)
    #expect(bench.model.counters.pausesSent == 2)
    for index in 4..<7 { bench.deliver(frame(index)) }
    #expect(bench.wire.frames.count == 3, "and again")
  }

  @Test("without XONE no XON goes out, without TFCE nothing does")
  func disabledPauses() {
    let bench = bench()
    enablePauses(bench, high: 8, low: 0)
    bench.deliver(frame(0))
    bench.write(Register.receiveTail, 3)
    #expect(bench.wire.frames == [pause(0x0680)])
    bench.write(Register.receiveTail, bench.read(Register.receiveHead))
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) & ~(1 << 28))
    bench.deliver(frame(1))
    bench.write(Register.receiveTail, 15)
    #expect(bench.wire.frames.count == 1)
  }

  @Test("an overflow after XOFF sends it once more")
  func overflow() {
    let bench = bench(lossless: false)
    enablePauses(bench, high: 4096, low: 1 << 31)
    for index in 0..<8 { bench.deliver(frame(index, 1514)) }
    #expect(bench.read(Statistic.missedPackets) == 3)
    #expect(bench.wire.frames == [pause(0x0680), pause(0x0680)])
  }

  @Test("a pause frame that the wire has no room for follows when it has; the newest counts")
  func owed() {
    let bench = bench()
    enablePauses(bench, high: 8, low: 1 << 31)
    bench.wire.room = 0
    bench.deliver(frame(0))
    #expect(bench.wire.frames.isEmpty && bench.read(Statistic.xoffTransmitted) == 0)
    bench.wire.room = .max
    bench.model.wireIsReady()
    #expect(bench.wire.frames == [pause(0x0680)] && bench.read(Statistic.xoffTransmitted) == 1)
    bench.wire.room = 0
    bench.write(Register.receiveTail, 1)
    bench.deliver(frame(1))
    bench.wire.room = .max
    bench.model.wireIsReady()
    #expect(bench.wire.frames == [pause(0x0680), pause(0x0680)])
  }

  @Test("a frame that comes back while one is sent has its XOFF follow the sent one")
  func duringTransmit() {
    let bench = bench()
    enablePauses(bench, high: 8, low: 1 << 31)
    var isFirst = true
    bench.wire.duringSend = { [unowned bench] in
      guard isFirst else { return }
      isFirst = false
      bench.deliver(frame(0))
    }
    bench.transmit(Frames.plain(100))
    #expect(bench.wire.frames == [Frames.plain(100)])
    bench.loop.advance(by: .zero)
    #expect(bench.wire.frames == [Frames.plain(100), pause(0x0680)])
    #expect(bench.read(Register.transmitHead) == 1)
  }

  @Test("two models on one cable: the sender falls silent for the receiver's sake, and nothing is lost")
  func partners() {
    let receiver = bench(lossless: false)
    enablePauses(receiver, high: 4096, low: 1 << 31 | 1024)
    let sender = ModelBench.running()
    enablePauses(sender, high: 0xFFF8, low: 0)
    sender.write(Register.deviceControl, sender.read(Register.deviceControl) | 1 << 27)
    // What one sends the other hears.
    for index in 0..<12 {
      sender.transmit(frame(index, 1514))
      for sent in sender.wire.frames { receiver.deliver(sent) }
      sender.wire.frames = []
      for sent in receiver.wire.frames { sender.deliver(sent) }
      receiver.wire.frames = []
    }
    #expect(sender.read(Statistic.goodTransmitted) == 3, "4 KiB are reached by the third frame")
    #expect(DeviceStatus(rawValue: sender.read(Register.deviceStatus)).transmissionPaused)
    receiver.write(Register.receiveTail, 15)
    for sent in receiver.wire.frames { sender.deliver(sent) }
    #expect(sender.read(Statistic.xonReceived) == 1 && sender.read(Statistic.xoffReceived) == 1)
    for sent in sender.wire.frames { receiver.deliver(sent) }
    #expect(receiver.read(Register.receiveHead) == 12 && receiver.read(Statistic.missedPackets) == 0)
  }
}
