import IntelNIC
import NICModels
import Packets
import Testing

@Suite struct TransmitRingTests {
  @Test("a frame in one descriptor goes to the wire unchanged, its descriptor is written back")
  func plainFrame() {
    let bench = ModelBench.running()
    let frame = Frames.plain(60)
    bench.transmit(frame)
    #expect(bench.wire.frames == [frame])
    #expect(bench.transmitDescriptor(0).status == .done)
    #expect(bench.read(Register.transmitHead) == 1)
    let causes = InterruptCauses(rawValue: bench.read(Register.interruptCauseRead))
    #expect(causes == [.transmitWrittenBack, .transmitQueueEmpty])
  }

  @Test("without RS nothing is written back, with RPS it is", arguments: [false, true])
  func reporting(_ reportsSent: Bool) {
    let bench = ModelBench.running()
    bench.transmit(
      Frames.plain(60), command: reportsSent ? [.endOfPacket, .insertFCS, .reportSent] : [.endOfPacket, .insertFCS])
    #expect(bench.wire.frames.count == 1)
    #expect(bench.transmitDescriptor(0).status.contains(.done) == reportsSent)
    let causes = InterruptCauses(rawValue: bench.read(Register.interruptCauseRead))
    #expect(causes.contains(.transmitWrittenBack) == reportsSent)
  }

  @Test("a frame of several descriptors is put together, also when the tail moves in its middle")
  func chain() {
    let bench = ModelBench.running()
    let frame = Frames.plain(1000)
    bench.put(frame, at: ModelBench.transmitBuffers)
    let cuts = [0, 1, 14, 14, 600, 1000]
    for index in 0..<cuts.count - 1 {
      let isLast = index == cuts.count - 2
      bench.transmit([
        .legacy(
          address: bench.bus(ModelBench.transmitBuffers + cuts[index]), length: cuts[index + 1] - cuts[index],
          command: isLast ? [.endOfPacket, .insertFCS, .reportStatus] : [.reportStatus])
      ])
      #expect(bench.wire.frames.count == (isLast ? 1 : 0))
      #expect(bench.transmitDescriptor(index).status == .done)
    }
    #expect(bench.wire.frames == [frame])
    #expect(bench.model.counters.guestErrors.total == 0)
  }

  @Test("the ring wraps around")
  func wrap() {
    let bench = ModelBench.running()
    bench.setUpTransmit(entries: 8)
    for index in 0..<50 { bench.transmit(Frames.plain(60 + index, seed: index)) }
    #expect(bench.wire.frames == (0..<50).map { Frames.plain(60 + $0, seed: $0) })
    #expect(bench.read(Register.transmitHead) == 50 % 8)
  }

  @Test("short frames are padded with PSP, and only then", arguments: [14, 42, 59, 60])
  func padding(_ length: Int) {
    let bench = ModelBench.running()
    bench.transmit(Frames.plain(length))
    #expect(bench.wire.frames == [Frames.plain(length) + [UInt8](repeating: 0, count: 60 - length)])
    bench.wire.frames = []
    bench.write(Register.transmitControl, 0x02)
    bench.transmit(Frames.plain(length))
    #expect(bench.wire.frames == [Frames.plain(length)])
  }

  @Test("without IFCS software's FCS is checked and taken off; a wrong one is refused")
  func ownFCS() {
    let bench = ModelBench.running()
    let frame = Frames.plain(80)
    let crc = CRC32().checksum(of: frame.span.bytes)
    let fcs = (0..<4).map { UInt8(truncatingIfNeeded: crc >> UInt32($0 * 8)) }
    bench.transmit(frame + fcs, command: [.endOfPacket, .reportStatus])
    #expect(bench.wire.frames == [frame])
    bench.transmit(frame + [1, 2, 3, 4], command: [.endOfPacket, .reportStatus])
    #expect(bench.wire.frames.count == 1)
    #expect(bench.errors(.frameCheckSequence) == 1)
    bench.expectAlive()
  }

  @Test("an empty descriptor is reported and sends nothing")
  func empty() {
    let bench = ModelBench.running()
    bench.transmit([.legacy(address: 0, length: 0, command: [.endOfPacket, .insertFCS, .reportStatus])])
    #expect(bench.wire.frames.isEmpty)
    #expect(bench.transmitDescriptor(0).status == .done)
    #expect(bench.model.counters.guestErrors.total == 0)
    bench.transmit(Frames.plain(77))
    #expect(bench.wire.frames.count == 1)
  }

  @Test("a wire without room stops the ring; the frame follows when it has room", arguments: [1, 3])
  func flowControl(_ pieces: Int) {
    let bench = ModelBench.running()
    bench.wire.room = 1
    let frame = Frames.plain(300)
    bench.put(frame, at: ModelBench.transmitBuffers)
    for _ in 0..<2 {
      bench.push(
        (0..<pieces).map {
          .legacy(
            address: bench.bus(ModelBench.transmitBuffers + $0 * 300 / pieces), length: 300 / pieces,
            command: $0 == pieces - 1 ? [.endOfPacket, .insertFCS, .reportStatus] : [])
        })
    }
    bench.doorbell()
    #expect(bench.wire.frames == [frame])
    #expect(bench.model.counters.transmitStalls == 1)
    #expect(bench.transmitDescriptor(2 * pieces - 1).status == [])
    bench.doorbell()
    #expect(bench.model.counters.transmitStalls == 1, "a doorbell does not press the wire")
    bench.wire.room = 5
    bench.model.wireIsReady()
    #expect(bench.wire.frames == [frame, frame])
    #expect(bench.read(Register.transmitHead) == UInt32(2 * pieces))
  }

  @Test("a wire that says it is ready while it refuses is asked again, and recursion is counted")
  func reentry() {
    let bench = ModelBench.running()
    bench.wire.room = 0
    bench.wire.duringSend = { [wire = bench.wire, model = bench.model] in
      wire.duringSend = { wire.room = 9 }
      model.wireIsReady()
    }
    bench.transmit(Frames.plain(100))
    #expect(bench.wire.frames.isEmpty)
    bench.loop.advance(by: .milliseconds(1))
    #expect(bench.wire.frames.count == 1)
    #expect(bench.model.counters.reentries == 1)
  }

  @Test("disabling keeps the ring; enabling goes on where it was")
  func disableAndEnable() {
    let bench = ModelBench.running()
    bench.transmit(Frames.plain(60))
    bench.write(Register.transmitControl, 0)
    bench.transmit(Frames.plain(61))
    #expect(bench.wire.frames.count == 1)
    bench.write(Register.transmitControl, 0x0A)
    #expect(bench.wire.frames.count == 2)
    #expect(bench.read(Register.transmitHead) == 2)
  }

  @Test("frames wait for the link")
  func waitsForLink() {
    let bench = ModelBench.running()
    bench.wire.hasCarrier = false
    bench.transmit(Frames.plain(60))
    #expect(bench.wire.frames.isEmpty)
    bench.wire.hasCarrier = true
    bench.loop.advance(by: .seconds(1))
    #expect(bench.wire.frames.count == 1)
  }

  @Test("frames wait for bus mastering")
  func waitsForBusMastering() {
    let bench = ModelBench.running()
    bench.slot.dma.isMasterEnabled = false
    bench.transmit(Frames.plain(60))
    #expect(bench.wire.frames.isEmpty)
    #expect(bench.errors(.dmaRefused) == 1)
    bench.slot.dma.isMasterEnabled = true
    bench.model.configurationWritten(offset: 4, size: 2)
    #expect(bench.wire.frames.count == 1)
  }

  @Test("registers in any order: length, base and tail after enabling")
  func anyOrder() {
    let bench = ModelBench()
    bench.bringLinkUp()
    bench.write(Register.transmitControl, 0x0A)
    bench.write(Register.transmitHead, 0)
    bench.write(Register.transmitTail, 0)
    bench.write(Register.transmitLength, 256)
    bench.write(Register.transmitBaseHigh, 0)
    bench.write(Register.transmitBaseLow, UInt32(bench.bus(ModelBench.transmitRing)))
    bench.transmitEntries = 16
    bench.transmit(Frames.plain(64))
    #expect(bench.wire.frames.count == 1)
    #expect(bench.model.counters.guestErrors.total == 0)
  }

  @Test("a VLAN tag is inserted with VME and VLE", arguments: [false, true])
  func vlan(_ mode: Bool) {
    let bench = ModelBench.running()
    if mode { bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 30) }
    let frame = Frames.plain(100)
    bench.put(frame, at: ModelBench.transmitBuffers)
    bench.transmit([
      .legacy(
        address: bench.bus(ModelBench.transmitBuffers), length: 100,
        command: [.endOfPacket, .insertFCS, .insertVLAN], special: 0x6005)
    ])
    let tagged = Array(frame[..<12]) + [0x81, 0x00, 0x60, 0x05] + Array(frame[12...])
    #expect(bench.wire.frames == [mode ? tagged : frame])
  }

  @Test("a pass is bounded; the rest follows from the loop")
  func budget() {
    var options = Intel8254x.Options()
    options.transmitBudget = 4
    let bench = ModelBench.running(options: options)
    for _ in 0..<10 {
      bench.push([
        .legacy(address: bench.bus(ModelBench.transmitBuffers), length: 64, command: [.endOfPacket, .insertFCS])
      ])
    }
    bench.doorbell()
    #expect(bench.wire.frames.count == 4)
    bench.loop.advance(by: .milliseconds(1))
    #expect(bench.wire.frames.count == 10)
  }
}
