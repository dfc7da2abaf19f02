import IntelNIC
import NICModels
import Packets
import Testing

@Suite struct ReceiveRingTests {
  @Test("a frame is stored, reported and counted; RDH moves and RXT0 is raised")
  func plainFrame() {
    let bench = ModelBench.running()
    let frame = Frames.plain(200, to: ModelBench.address)
    #expect(bench.deliver(frame))
    let descriptor = bench.receiveDescriptor(0)
    #expect(descriptor.length == 200)
    #expect(descriptor.status == [.done, .endOfPacket, .ignoreChecksum])
    #expect(descriptor.errors == [])
    #expect(descriptor.checksum == ~Frames.sum(frame), "PCSS is 0: the whole frame")
    #expect(bench.get(ModelBench.receiveBuffers, 200) == frame)
    #expect(bench.read(Register.receiveHead) == 1)
    #expect(InterruptCauses(rawValue: bench.read(Register.interruptCauseRead)) == .receiverTimer)
  }

  @Test("a short frame is padded to 60 bytes as its sender should have", arguments: [14, 42, 59])
  func padding(_ length: Int) {
    let bench = ModelBench.running()
    bench.memory.fill(0xAA, at: ModelBench.receiveBuffers, count: 128)
    let frame = Frames.plain(length, to: ModelBench.address)
    bench.deliver(frame)
    #expect(bench.receiveDescriptor(0).length == 60)
    #expect(
      bench.get(ModelBench.receiveBuffers, 61) == frame + [UInt8](repeating: 0, count: 60 - length) + [0xAA])
  }

  @Test("without SECRC the FCS follows the frame and is counted in the length")
  func keepsFCS() {
    let bench = ModelBench.running()
    bench.setUpReceive(control: 0x0000_8002)
    let frame = Frames.plain(100, to: ModelBench.address)
    bench.deliver(frame)
    let crc = CRC32().checksum(of: frame.span.bytes)
    #expect(bench.receiveDescriptor(0).length == 104)
    #expect(bench.memory.load(ModelBench.receiveBuffers + 100, as: UInt32.self) == crc)
  }

  @Test(
    "buffer sizes by BSIZE and BSEX; a frame that is longer goes over several descriptors",
    arguments: [
      (0, false, 2048), (1, false, 1024), (2, false, 512), (3, false, 256), (3, true, 4096), (1, true, 16384),
    ])
  func bufferSizes(_ code: UInt32, _ extended: Bool, _ size: Int) {
    let bench = ModelBench.running()
    var control = ReceiveControl(rawValue: 0x0400_8022)
    control.bufferSizeCode = code
    control.sizeExtension = extended
    bench.setUpReceive(control: control.rawValue, bufferStep: 16384)
    let frame = Frames.plain(9000, to: ModelBench.address)
    bench.deliver(frame)
    let count = (9000 + size - 1) / size
    guard count < 16 else {
      #expect(bench.errors(.receiveRingTooSmall) == 1)
      return
    }
    var stored: [UInt8] = []
    for index in 0..<count {
      let descriptor = bench.receiveDescriptor(index)
      let isLast = index == count - 1
      #expect(descriptor.length == (isLast ? 9000 - size * index : size))
      #expect(descriptor.status.contains(.done) && descriptor.status.contains(.endOfPacket) == isLast)
      stored += bench.get(ModelBench.receiveBuffers + index * 16384, descriptor.length)
    }
    #expect(stored == frame)
    #expect(bench.read(Register.receiveHead) == UInt32(count))
  }

  @Test("LPE and SBP decide about long frames; ROC counts those that are dropped")
  func longFrames() {
    let bench = ModelBench.running()
    bench.deliver(Frames.plain(1518, to: ModelBench.address))
    #expect(bench.read(Register.receiveHead) == 1)
    bench.deliver(Frames.plain(1519, to: ModelBench.address))
    #expect(bench.read(Register.receiveHead) == 1)
    bench.deliver(Frames.plain(1519))
    #expect(bench.read(Statistic.oversizeReceived) == 1, "only those that the address filter passes")
    #expect(bench.read(Statistic.receiveLengthErrors) == 1)
    bench.write(Register.receiveControl, 0x0400_8022)
    bench.deliver(Frames.plain(1519, to: ModelBench.address))
    #expect(bench.read(Register.receiveHead) == 2)
    bench.write(Register.receiveControl, 0x0400_8006)
    bench.deliver(Frames.plain(3000, to: ModelBench.address))
    #expect(bench.read(Register.receiveHead) == 4)
    #expect(bench.receiveDescriptor(3).errors == .data)
  }

  @Test("RXDMT0 comes when free descriptors reach the threshold", arguments: [(0, 8), (1, 4), (2, 2)])
  func minimumThreshold(_ code: UInt32, _ threshold: Int) {
    let bench = ModelBench.running()
    var control = ReceiveControl(rawValue: 0x0400_8002)
    control.minimumThreshold = code
    bench.setUpReceive(control: control.rawValue)
    for free in (0..<15).reversed() {
      bench.deliver(Frames.plain(100, to: ModelBench.address))
      let causes = InterruptCauses(rawValue: bench.read(Register.interruptCauseRead))
      #expect(causes.contains(.receiveMinimumThreshold) == (free == threshold))
    }
  }

  @Test("RSRPD raises SRPD for small frames")
  func smallPackets() {
    let bench = ModelBench.running()
    bench.write(Register.receiveSmallPacketDetect, 100)
    bench.deliver(Frames.plain(101, to: ModelBench.address))
    #expect(!InterruptCauses(rawValue: bench.read(Register.interruptCauseRead)).contains(.smallReceivePacket))
    bench.deliver(Frames.plain(100, to: ModelBench.address))
    #expect(InterruptCauses(rawValue: bench.read(Register.interruptCauseRead)).contains(.smallReceivePacket))
  }

  @Test("the ring wraps, and survives disabling and enabling")
  func wrapAndDisable() {
    let bench = ModelBench.running()
    for index in 0..<40 {
      let frame = Frames.plain(64 + index, to: ModelBench.address, seed: index)
      if index == 20 {
        bench.write(Register.receiveControl, 0x0400_8000)
        bench.deliver(frame)
        bench.write(Register.receiveControl, 0x0400_8002)
      }
      #expect(bench.deliver(frame))
      let place = index % 16
      #expect(bench.receiveDescriptor(place).length == 64 + index)
      #expect(bench.get(ModelBench.receiveBuffers + place * 2048, frame.count) == frame)
      bench.write(Register.receiveTail, UInt32(place))
    }
    #expect(bench.model.counters.framesFiltered == 1)
  }

  @Test("nothing is received while disabled or without a link")
  func disabled() {
    let bench = ModelBench()
    bench.setUpReceive()
    #expect(bench.deliver(Frames.plain(64, to: ModelBench.address)))
    #expect(bench.read(Register.receiveHead) == 0)
    bench.bringLinkUp()
    #expect(bench.deliver(Frames.plain(64, to: ModelBench.address)))
    #expect(bench.read(Register.receiveHead) == 1)
    bench.write(Register.receiveControl, 0)
    #expect(bench.deliver(Frames.plain(64, to: ModelBench.address)))
    #expect(bench.read(Register.receiveHead) == 1)
  }

  @Test("statistics tell what passed")
  func statistics() {
    let bench = ModelBench.running()
    let lengths = [60, 61, 123, 124, 251, 252, 507, 508, 1019, 1020]
    for (index, length) in lengths.enumerated() {
      bench.deliver(Frames.plain(length, to: ModelBench.address))
      bench.write(Register.receiveTail, UInt32(index))
      bench.transmit(Frames.plain(length))
    }
    let octets = UInt32(lengths.reduce(0) { $0 + $1 + 4 })
    let sizes: [UInt32] = [1, 2, 2, 2, 2, 1]
    for (base, good, total, octetsGood, octetsTotal) in [
      (0x405C, Statistic.goodReceived, Statistic.totalReceived, 0x4088, 0x40C0),
      (0x40D8, Statistic.goodTransmitted, Statistic.totalTransmitted, 0x4090, 0x40C8),
    ] {
      #expect((0..<6).map { bench.read(base + 4 * $0) } == sizes)
      #expect(bench.read(good) == 10 && bench.read(total) == 10)
      #expect(bench.read(octetsGood) == octets && bench.read(octetsTotal) == octets)
      #expect(bench.read(octetsGood) == octets, "the low half alone clears nothing")
      #expect(bench.read(octetsGood + 4) == 0)
      #expect(bench.read(octetsGood) == 0, "the high half clears both")
      #expect(bench.read(good) == 0)
    }
  }

  @Test("jumbo frames up to 16384 bytes with FCS pass both ways, longer ones neither")
  func jumbo() {
    let bench = ModelBench.running()
    bench.setUpReceive(control: 0x0401_8022 | 1 << 25, bufferStep: 16384)
    for length in [9018, 16110, 16380] {
      let frame = Frames.plain(length, to: ModelBench.address, seed: length)
      bench.put(frame, at: ModelBench.transmitBuffers)
      bench.transmit([
        .legacy(
          address: bench.bus(ModelBench.transmitBuffers), length: length, command: [.endOfPacket, .insertFCS])
      ])
      #expect(bench.wire.frames.last == frame)
      let place = Int(bench.read(Register.receiveHead))
      #expect(bench.deliver(frame))
      #expect(bench.receiveDescriptor(place).length == length && bench.receiveDescriptor(place).errors == [])
      #expect(bench.get(ModelBench.receiveBuffers + 16384 * place, length) == frame)
    }
    let head = bench.read(Register.receiveHead)
    bench.deliver(Frames.plain(16381, to: ModelBench.address))
    #expect(bench.read(Register.receiveHead) == head && bench.read(Statistic.oversizeReceived) == 1)
    bench.transmit([
      .legacy(address: bench.bus(ModelBench.transmitBuffers), length: 16385, command: [.endOfPacket, .insertFCS])
    ])
    #expect(bench.wire.frames.count == 3 && bench.errors(.oversizeTransmit) == 1)
  }

  @Test("counters stick at all ones, 32 bits and 64")
  func sticking() {
    let bench = ModelBench.running()
    bench.registers.store(UInt32.max, Statistic.goodReceived)
    bench.registers.store(UInt64.max - 10, Statistic.goodOctetsReceived)
    bench.deliver(Frames.plain(100, to: ModelBench.address))
    #expect(bench.read(Statistic.goodReceived) == .max)
    #expect(bench.registers.load(Statistic.goodOctetsReceived, as: UInt64.self) == .max)
    bench.deliver(Frames.plain(100, to: ModelBench.address))
    #expect(bench.read(Statistic.goodReceived) == 1, "cleared by the read before")
  }

  @Test("broadcasts and multicasts are counted apart, both ways")
  func groups() {
    let bench = ModelBench.running()
    bench.write(Register.receiveControl, 0x0400_8012)
    let group = MACAddress("01:00:5e:01:02:03")!
    for destination in [MACAddress.broadcast, group, group, ModelBench.address] {
      bench.deliver(Frames.plain(64, to: destination))
      bench.transmit(Frames.plain(64, to: destination))
    }
    #expect(bench.read(Statistic.broadcastReceived) == 1 && bench.read(Statistic.multicastReceived) == 2)
    #expect(bench.read(Statistic.broadcastTransmitted) == 1 && bench.read(Statistic.multicastTransmitted) == 2)
    #expect(bench.read(Statistic.goodReceived) == 4 && bench.read(Statistic.goodTransmitted) == 4)
  }
}
