import IntelNIC
import Memory
import NICModels
import Testing

/// A guest's register write may come at any time, also from inside of what its last one started: the wire calls the
/// other end, the interrupt line calls the driver.
@Suite struct ReentryTests {
  /// Sends two frames; `change` happens while the first one is given to the wire.
  private func during(_ change: @escaping (ModelBench) -> Void) -> ModelBench {
    let bench = ModelBench.running()
    bench.put(Frames.plain(100), at: ModelBench.transmitBuffers)
    var isFirst = true
    bench.wire.duringSend = { [unowned bench] in
      guard isFirst else { return }
      isFirst = false
      change(bench)
    }
    let descriptor = TransmitDescriptor.legacy(
      address: bench.bus(ModelBench.transmitBuffers), length: 100, command: [.endOfPacket, .insertFCS, .reportStatus])
    bench.transmit([descriptor, descriptor])
    return bench
  }

  @Test("a reset from inside of a frame ends the ring: head stays 0, nothing is reported")
  func reset() {
    let bench = during { $0.write(Register.deviceControl, 1 << 26) }
    #expect(bench.wire.frames.count == 1)
    #expect(bench.read(Register.transmitHead) == 0 && bench.transmitDescriptor(0).status == [])
    #expect(bench.read(Register.interruptCauseRead) == 0)
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("a ring set up anew from inside of a frame begins at its own head")
  func newRing() {
    let bench = during { bench in
      bench.write(Register.transmitBaseLow, UInt32(bench.bus(0x1000)))
      bench.write(Register.transmitHead, 5)
      bench.write(Register.transmitTail, 5)
    }
    #expect(bench.read(Register.transmitHead) == 5 && bench.transmitDescriptor(0).status == [])
    bench.expectAlive()
  }

  @Test("memory taken away from inside of a frame is not written any more")
  func unmapped() {
    let bench = during {
      $0.slot.dma.unmap(start: ModelBench.memoryBase, byteCount: UInt64(ModelBench.memoryByteCount))
    }
    #expect(bench.wire.frames.count == 1 && bench.transmitDescriptor(0).status == [])
    bench.loop.advance(by: .milliseconds(1))
    #expect(bench.wire.frames.count == 1 && bench.errors(.dmaRefused) == 1, "the second frame finds no ring")
    try! bench.slot.dma.map(bench.memory, at: ModelBench.memoryBase)
    bench.expectAlive()
  }

  @Test(
    "segments of a packet whose memory is taken away, or whose device is reset, in its middle",
    arguments: [false, true])
  func segments(_ resets: Bool) {
    let bench = ModelBench.running()
    let payload = Frames.payload(6000)
    let given = Frames.large(.ipv4, .tcp, payload: payload)
    bench.put(given.bytes, at: ModelBench.transmitBuffers)
    var sent = 0
    bench.wire.duringSend = { [unowned bench] in
      sent += 1
      guard sent == 2 else { return }
      if resets {
        bench.write(Register.deviceControl, 1 << 26)
      } else {
        bench.slot.dma.unmap(start: ModelBench.memoryBase, byteCount: UInt64(ModelBench.memoryByteCount))
        try! bench.slot.dma.map(bench.memory, at: ModelBench.memoryBase)
      }
    }
    bench.transmit([
      Frames.context(given, .ipv4, segmentSize: 1460, payloadLength: payload.count).descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: given.bytes.count,
        command: [.endOfPacket, .insertFCS, .segment, .reportStatus], options: [.ipChecksum, .transportChecksum]),
    ])
    bench.loop.advance(by: .milliseconds(1))
    let all = Frames.segments(.ipv4, .tcp, payload: payload, size: 1460)
    #expect(bench.wire.frames == (resets ? Array(all[..<2]) : all), "memory that came back goes on where it was")
    bench.wire.duringSend = nil
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("whatever the interrupt handler writes while the device reports to it")
  func handler() {
    let bench = ModelBench.running()
    bench.write(Register.interruptMaskSet, .max)
    var calls = 0
    bench.slot.pinChanged = { [unowned bench] asserted in
      guard asserted, calls < 8 else { return }
      calls += 1
      _ = bench.read(Register.interruptCauseRead)
      switch calls {
      case 1: bench.write(Register.receiveTail, bench.read(Register.receiveTail))
      case 2: bench.deliver(Frames.plain(100, to: ModelBench.address))
      case 3: bench.transmit(Frames.plain(100))
      case 4: bench.write(Register.receiveControl, 0)
      case 5: bench.setUpReceive()
      default: bench.write(Register.deviceControl, 1 << 26)
      }
    }
    for _ in 0..<8 {
      bench.deliver(Frames.plain(100, to: ModelBench.address))
      bench.deliver(Frames.plain(1000, to: .broadcast))
      bench.transmit(Frames.plain(100))
      bench.write(Register.interruptMaskSet, .max)
      bench.write(Register.deviceControl, 0x241)
    }
    #expect(calls >= 6)
    bench.slot.pinChanged = nil
    bench.write(Register.deviceControl, 1 << 26)
    bench.bringLinkUp()
    bench.expectAlive()
  }
}
