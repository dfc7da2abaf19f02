import IntelNIC
import Memory
import NICModels
import Testing

/// The hostile inputs that have broken models before: each ends in a counted refusal, and the device goes on.
@Suite struct HostileGuestTests {
  @Test("CVE-2012-6075: a frame larger than its buffer with LPE and SBP off")
  func frameLargerThanBuffer() {
    let bench = ModelBench.running()
    bench.setUpReceive(control: 0x0403_8002, bufferStep: 256)
    bench.memory.fill(0xEE, at: ModelBench.receiveBuffers, count: 0x4000)
    bench.deliver(Frames.plain(9000, to: ModelBench.address))
    #expect(bench.read(Statistic.oversizeReceived) == 1)
    #expect(bench.get(ModelBench.receiveBuffers, 0x4000).allSatisfy { $0 == 0xEE })
    bench.expectAlive()
  }

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

  @Test("CVE-2020-27617: segmentation of something else than the context says", arguments: [0x00, 0x65, 0xF5])
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

  @Test(
    "CVE-2016-1981, CVE-2017-9310: head or tail outside the ring",
    arguments: [Register.transmitHead, Register.transmitTail, Register.receiveHead, Register.receiveTail], [16, 0xFFFF])
  func pointersOutside(_ register: Int, _ value: UInt32) {
    let bench = ModelBench.running()
    bench.write(register, value)
    if register == Register.transmitHead { bench.doorbell() }
    if register >= Register.transmitHead {
      bench.write(Register.transmitTail, bench.read(Register.transmitTail))
    } else {
      #expect(bench.deliver(Frames.plain(64, to: ModelBench.address)))
    }
    #expect(bench.errors(.pointerOutsideRing) > 0)
    bench.expectAlive()
  }

  @Test(
    "CVE-2016-2857, CVE-2019-5609, CVE-2022-23087: checksum start or offset beyond the frame",
    arguments: [(100, 10), (255, 10), (10, 99), (10, 255), (255, 255)])
  func checksumOutside(_ start: UInt8, _ offset: UInt8) {
    let bench = ModelBench.running()
    let frame = Frames.plain(100)
    bench.put(frame, at: ModelBench.transmitBuffers)
    bench.transmit([
      .legacy(
        address: bench.bus(ModelBench.transmitBuffers), length: 100,
        command: [.endOfPacket, .insertFCS, .insertChecksum], checksumStart: start, checksumOffset: offset),
      TransmitContext(transportStart: start, transportOffset: offset, command: .tcp).descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: 100, command: [.endOfPacket, .insertFCS],
        options: .transportChecksum),
    ])
    #expect(bench.errors(.checksumRange) == 2)
    #expect(bench.wire.frames == [frame, frame], "sent as they are")
    bench.expectAlive()
  }

  @Test("a checksum whose end lies before its start, or beyond the frame")
  func checksumEnds() {
    let bench = ModelBench.running()
    let frame = Frames.plain(100)
    bench.put(frame, at: ModelBench.transmitBuffers)
    for end: UInt16 in [5, 0xFFFF] {
      bench.transmit([
        TransmitContext(transportStart: 20, transportOffset: 30, transportEnd: end, command: .tcp).descriptor,
        .data(
          address: bench.bus(ModelBench.transmitBuffers), length: 100, command: [.endOfPacket, .insertFCS],
          options: .transportChecksum),
      ])
    }
    var summed = frame
    summed.replaceSubrange(30..<32, with: Frames.big(~Frames.sum(Array(frame[20...]))))
    #expect(bench.wire.frames == [frame, summed])
    #expect(bench.errors(.checksumRange) == 1)
    bench.expectAlive()
  }

  @Test("CVE-2020-13754: sizes and alignments that registers do not take")
  func accessSizes() {
    let bench = ModelBench.running()
    for (offset, size) in [(0, 1), (0, 2), (0, 8), (1, 4), (2, 4), (0x3818, 2), (0, 0), (0, 3)] {
      let expected: UInt64 = size == 8 ? .max : size == 0 ? 0 : (1 << UInt64(size * 8)) - 1
      #expect(bench.model.read(bar: 0, offset: offset, size: size) == expected)
      bench.model.write(bar: 0, offset: offset, size: size, value: .max)
    }
    #expect(bench.errors(.accessSize) == 16)
    for offset in [-4, 0x2_0000, 0x7FFF_FFFC] {
      #expect(bench.model.read(bar: 0, offset: offset, size: 4) == 0xFFFF_FFFF)
      bench.model.write(bar: 0, offset: offset, size: 4, value: 0)
    }
    _ = bench.model.read(bar: 3, offset: 0, size: 4)
    bench.model.write(bar: 6, offset: 0, size: 4, value: 0)
    #expect(bench.errors(.unknownRegister) == 8)
    bench.expectAlive()
  }

  @Test(
    "addresses outside of memory, at its very end, wrapping 2^64, or the device's own registers",
    arguments: [0xFEBC_0000, 0x10_0000 + (1 << 20) - 50, UInt64.max - 10, UInt64.max, 0x0F_FFFF] as [UInt64])
  func unreachableBuffers(_ address: UInt64) {
    let bench = ModelBench.running()
    for descriptor in [
      TransmitDescriptor.legacy(address: address, length: 100, command: [.endOfPacket, .insertFCS, .reportStatus]),
      .data(address: address, length: 100, command: [.endOfPacket, .insertFCS, .reportStatus], options: .ipChecksum),
    ] {
      bench.transmit([descriptor])
    }
    #expect(bench.wire.frames.isEmpty && bench.errors(.dmaRefused) == 2 && bench.model.counters.framesRefused == 2)
    #expect(bench.transmitDescriptor(0).status == .done && bench.transmitDescriptor(1).status == .done)
    bench.memory.store(address, ModelBench.receiveRing)
    #expect(bench.deliver(Frames.plain(100, to: ModelBench.address)))
    #expect(bench.errors(.dmaRefused) == 3)
    #expect(bench.receiveDescriptor(0).errors == .data && bench.receiveDescriptor(0).length == 0)
    bench.expectAlive()
  }

  @Test("rings outside of memory", arguments: [0, 0xFEBC_0000, 0xFFFF_FFF0] as [UInt32])
  func unreachableRings(_ base: UInt32) {
    let bench = ModelBench.running()
    bench.write(Register.transmitBaseLow, base)
    bench.write(Register.transmitBaseHigh, base == 0xFFFF_FFF0 ? .max : 0)
    bench.doorbell()
    bench.write(Register.transmitTail, 5)
    bench.write(Register.receiveBaseLow, base)
    #expect(bench.deliver(Frames.plain(100, to: ModelBench.address)))
    #expect(bench.errors(.dmaRefused) == 2)
    bench.expectAlive()
  }

  @Test("memory that is unmapped while frames are under way")
  func unmapped() {
    let bench = ModelBench.running()
    bench.wire.room = 0
    bench.transmit(Frames.plain(100))
    bench.slot.dma.unmap(start: ModelBench.memoryBase, byteCount: UInt64(ModelBench.memoryByteCount))
    bench.wire.room = 5
    bench.model.wireIsReady()
    #expect(bench.wire.frames.isEmpty && bench.errors(.dmaRefused) == 1)
    #expect(bench.deliver(Frames.plain(100, to: ModelBench.address)))
    #expect(bench.errors(.dmaRefused) == 2)
    try! bench.slot.dma.map(bench.memory, at: ModelBench.memoryBase)
    bench.expectAlive()
  }

  @Test("CVE-2020-16092: fragments without end")
  func endlessFragments() {
    let bench = ModelBench.running()
    for _ in 0..<200 {
      bench.transmit([.legacy(address: bench.bus(ModelBench.transmitBuffers), length: 60_000, command: [])])
    }
    #expect(bench.errors(.oversizeTransmit) == 1)
    for _ in 0..<200 {
      bench.transmit([.legacy(address: bench.bus(ModelBench.transmitBuffers), length: 0, command: [])])
    }
    bench.transmit([.legacy(address: bench.bus(ModelBench.transmitBuffers), length: 60, command: .endOfPacket)])
    #expect(bench.wire.frames.isEmpty && bench.model.counters.framesRefused == 1)
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

  @Test("CVE-2020-28916: null receive buffers are passed over")
  func nullReceiveBuffers() {
    let bench = ModelBench.running()
    bench.memory.store(UInt64(0), ModelBench.receiveRing)
    #expect(bench.deliver(Frames.plain(100, to: ModelBench.address)))
    #expect(bench.receiveDescriptor(0).status == .done && bench.receiveDescriptor(0).length == 0)
    #expect(bench.receiveDescriptor(1).status.contains(.endOfPacket) && bench.receiveDescriptor(1).length == 100)
    for index in 0..<16 { bench.memory.store(UInt64(0), ModelBench.receiveRing + 16 * index) }
    #expect(bench.deliver(Frames.plain(100, to: ModelBench.address)))
    #expect(bench.errors(.nullReceiveBuffer) == 1 + 13)
    #expect(bench.receiveDescriptor(14).errors == .data)
    bench.expectAlive()
  }

  @Test("null transmit buffers, unknown descriptor types, mixed kinds, frames shorter than a header")
  func badDescriptors() {
    let bench = ModelBench.running()
    let buffer = bench.bus(ModelBench.transmitBuffers)
    bench.transmit([.legacy(address: 0, length: 100, command: [.endOfPacket, .insertFCS])])
    #expect(bench.errors(.nullTransmitBuffer) == 1)
    for type: UInt64 in 2..<16 {
      bench.transmit([TransmitDescriptor(low: buffer, high: 1 << 29 | 1 << 24 | type << 20 | 100)])
    }
    #expect(bench.errors(.unknownDescriptor) == 14)
    bench.transmit([
      .data(address: buffer, length: 100, command: []),
      .legacy(address: buffer, length: 100, command: [.endOfPacket, .insertFCS]),
    ])
    #expect(bench.errors(.mixedDescriptors) == 1)
    for length in 1..<14 {
      bench.transmit([.legacy(address: buffer, length: length, command: [.endOfPacket, .insertFCS])])
    }
    bench.transmit([.legacy(address: buffer, length: 4, command: .endOfPacket)])
    #expect(bench.errors(.shortTransmit) == 14)
    #expect(bench.wire.frames.isEmpty)
    bench.expectAlive()
  }

  @Test("CVE-2025-12464: short frames in PHY loopback")
  func shortLoopback() {
    let bench = ModelBench.running()
    bench.writePHY(PHYRegister.control, 0x4140)
    bench.write(Register.transmitControl, 0x02)
    for length in 1..<60 { bench.transmit(Frames.payload(length).map { _ in 0xFF }) }
    #expect(bench.errors(.shortTransmit) == 13)
    bench.writePHY(PHYRegister.control, 0x1140)
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("a buffer that is the transmit ring itself, in loopback: the pass ends")
  func loopbackIntoRing() {
    let bench = ModelBench.running()
    bench.writePHY(PHYRegister.control, 0x4140)
    for index in 0..<16 {
      bench.memory.store(bench.bus(ModelBench.transmitRing), ModelBench.receiveRing + 16 * index)
    }
    let frame = Frames.plain(256, to: ModelBench.address)
    bench.put(frame, at: ModelBench.transmitBuffers)
    for _ in 0..<15 {
      bench.push([
        .legacy(address: bench.bus(ModelBench.transmitBuffers), length: 256, command: [.endOfPacket, .insertFCS])
      ])
    }
    bench.doorbell()
    #expect(bench.read(Register.transmitHead) == 15)
    bench.writePHY(PHYRegister.control, 0x1140)
    bench.write(Register.deviceControl, 1 << 26)
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("random registers, descriptors and memory never trap; after a reset the device works", arguments: 0..<20)
  func random(_ seed: UInt64) {
    let bench = ModelBench.running()
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
    let rows = RegisterTable.family8254x.rows
    for step in 0..<3000 {
      switch next() % 8 {
      case 0:
        let row = rows[Int(next() % UInt64(rows.count))]
        let offset = row.offset + Int(next() % UInt64(row.count)) * row.stride
        bench.write(offset, UInt32(truncatingIfNeeded: next() & next()))
      case 1: bench.write(Int(next() & 0xFFFF) & ~3, UInt32(truncatingIfNeeded: next()))
      case 2: _ = bench.read(Int(next() & 0x1_FFFF) & ~3)
      case 3, 4:
        let place = Int(next() % 16)
        let low = next() % 3 == 0 ? next() : bench.bus(Int(next() % UInt64(ModelBench.memoryByteCount)))
        bench.memory.store(
          TransmitDescriptor(low: low, high: next() & next() | next() % 2 << 29), ModelBench.transmitRing + 16 * place)
        bench.write(Register.transmitTail, UInt32(next() % 17))
      case 5:
        let place = Int(next() % 16)
        let address = next() % 3 == 0 ? next() : bench.bus(Int(next() % UInt64(ModelBench.memoryByteCount)))
        bench.memory.store(ReceiveDescriptor(address: address), ModelBench.receiveRing + 16 * place)
        bench.write(Register.receiveTail, UInt32(next() % 17))
      case 6:
        bench.deliver(Frames.payload(Int(next() % 2000), seed: step))
        bench.deliver(Frames.packet(.ipv4, .tcp, payload: Frames.payload(Int(next() % 900)), to: .broadcast).bytes)
      default:
        bench.wire.room = Int(next() % 20)
        bench.model.wireIsReady()
        bench.loop.advance(by: .microseconds(Int(next() % 100)))
        if step % 50 == 0 {
          bench.write(Register.deviceControl, 0x241)
          bench.setUpTransmit()
          bench.setUpReceive()
        }
      }
      bench.wire.frames.removeAll()
    }
    bench.wire.room = .max
    bench.model.wireIsReady()
    bench.model.reset()
    bench.bringLinkUp()
    bench.loop.advance(by: .seconds(2))
    bench.expectAlive()
  }
}
