import IntelNIC
import Memory
import NICModels
import Testing

/// The hostile inputs that have broken models' segmentation before: each ends in a counted refusal, and the device goes
/// on.
@Suite struct HostileSegmentationTests {
  /// Sends a segmentation whose context was changed by `change`.
  private func segmentation(
    _ bench: ModelBench, payload: Int = 3000, data: Int? = nil, isDone: Bool = true,
    _ change: (inout TransmitContext) -> Void
  ) {
    let given = Frames.large(.ipv4, .tcp, payload: Frames.payload(payload))
    bench.put(given.bytes, at: ModelBench.transmitBuffers)
    var context = Frames.context(given, .ipv4, segmentSize: 1460, payloadLength: payload)
    change(&context)
    bench.transmit([
      context.descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: data ?? given.bytes.count,
        command: [.endOfPacket, .insertFCS, .segment, .reportStatus], options: [.ipChecksum, .transportChecksum]),
    ])
    #expect(bench.transmitDescriptor(1).status.contains(.done) == isDone)
  }

  @Test("CVE-2015-6815: segmentation that makes no progress (MSS 0)")
  func segmentSizeZero() {
    let bench = ModelBench.running()
    segmentation(bench) { $0.high &= 0x0000_FFFF_FFFF_FFFF }
    #expect(bench.errors(.segmentSize) == 1 && bench.wire.frames.isEmpty)
    #expect(bench.read(Statistic.segmentationFailures) == 1)
    bench.expectAlive()
  }

  @Test("segments of more than 16 KiB")
  func segmentSizeHuge() {
    let bench = ModelBench.running()
    segmentation(bench) { $0.high |= 0xFFFF_0000_0000_0000 }
    #expect(bench.errors(.segmentSize) == 1 && bench.wire.frames.isEmpty)
    bench.expectAlive()
  }

  @Test("CVE-2021-20257: more data than PAYLEN announces, and less", arguments: [-1000, 1000])
  func wrongPayloadLength(_ difference: Int) {
    let bench = ModelBench.running()
    segmentation(bench) { $0.high = UInt64(Int($0.high) + difference) }
    #expect(bench.errors(.segmentLength) == 1)
    #expect(bench.wire.frames.count == (difference < 0 ? 2 : 3))
    bench.expectAlive()
  }

  @Test("a header length that does not hold the headers", arguments: [0, 1, 13, 14, 33, 53])
  func headerLength(_ length: UInt64) {
    let bench = ModelBench.running()
    segmentation(bench) { $0.high = $0.high & ~(0xFF << 40) | length << 40 }
    #expect(bench.errors(.segmentHeader) == 1 && bench.wire.frames.isEmpty)
    bench.expectAlive()
  }

  @Test(
    "VirtualBox 5.2.22: EOP before the headers are complete, and an empty descriptor with EOP", arguments: [0, 1, 65])
  func shortData(_ data: Int) {
    let bench = ModelBench.running()
    segmentation(bench, data: data) { _ in }
    #expect(bench.errors(.segmentHeader) == 1 && bench.wire.frames.isEmpty)
    bench.expectAlive()
  }

  @Test("VirtualBox 5.2.22: a context between the data descriptors of a frame does not touch that frame")
  func contextInsideFrame() {
    let bench = ModelBench.running()
    let payload = Frames.payload(3000)
    let given = Frames.large(.ipv4, .tcp, payload: payload)
    bench.put(given.bytes, at: ModelBench.transmitBuffers)
    let good = Frames.context(given, .ipv4, segmentSize: 1460, payloadLength: 3000)
    var bad = good
    bad.high &= 0x0000_00FF_FFFF_FFFF
    let command: TransmitCommand = [.insertFCS, .segment]
    bench.transmit([
      good.descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: 500, command: command,
        options: [.ipChecksum, .transportChecksum]),
      bad.descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers + 500), length: given.bytes.count - 500,
        command: command.union(.endOfPacket), options: []),
    ])
    #expect(bench.wire.frames == Frames.segments(.ipv4, .tcp, payload: payload, size: 1460))
    #expect(bench.errors(.contextInsideFrame) == 1)
    bench.expectAlive()
  }

  @Test(
    "CVE-2020-16092, CVE-2020-27617: segmentation of something else than the context says",
    arguments: [0x00, 0x65, 0xF5])
  func unknownProtocol(_ version: UInt8) {
    let bench = ModelBench.running()
    let given = Frames.large(.ipv4, .tcp, payload: Frames.payload(3000))
    bench.put(given.bytes, at: ModelBench.transmitBuffers)
    bench.memory.store(version, ModelBench.transmitBuffers + 14)
    bench.transmit([
      Frames.context(given, .ipv4, segmentSize: 1460, payloadLength: 3000).descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: given.bytes.count,
        command: [.endOfPacket, .insertFCS, .segment]),
    ])
    #expect(bench.errors(.segmentProtocol) == 1 && bench.wire.frames.isEmpty)
    bench.expectAlive()
  }

  @Test("a megabyte at an MSS of one byte does not hold the loop up")
  func manySegments() {
    let bench = ModelBench.running()
    bench.wire.room = 5000
    segmentation(bench, payload: 1, data: 1 << 19, isDone: false) { context in
      context.high = context.high & ~0xF_FFFF & 0x0000_FFFF_FFFF_FFFF | 1 << 48 | 0x7_FF00
    }
    #expect(bench.wire.frames.count <= 4097)
    let before = bench.model.counters.transmitStalls
    bench.loop.advance(by: .milliseconds(1))
    #expect(bench.model.counters.transmitStalls == before + 1)
    bench.expectAlive()
  }
}
