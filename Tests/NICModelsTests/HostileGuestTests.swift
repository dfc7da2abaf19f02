import IntelNIC
import Machine
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
    "any: addresses outside of memory, at its very end, wrapping 2^64, or the device's own registers",
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

  @Test("any: rings outside of memory", arguments: [0, 0xFEBC_0000, 0xFFFF_FFF0] as [UInt32])
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

  @Test("any: memory that is unmapped while frames are under way")
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

  @Test("CVE-2020-16092, CVE-2020-27617: fragments without end")
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

  @Test(
    "CVE-2020-15859, CVE-2021-3416, CVE-2023-3019: buffers that are the device's own registers, in loopback and not",
    arguments: [false, true])
  func ownRegisters(_ loops: Bool) {
    let bench = ModelBench.running()
    let place: UInt64 = 0xFEBC_0000
    bench.model.configuration.write(PCIRegister.baseAddress0, size: 4, value: UInt32(place))
    if loops { bench.writePHY(PHYRegister.control, 0x4140) }
    for index in 0..<16 {
      bench.memory.store(place + UInt64(Register.transmitTail), ModelBench.receiveRing + 16 * index)
    }
    for register in [Register.deviceControl, Register.transmitTail, Register.receiveTail] {
      bench.transmit([
        .legacy(
          address: place + UInt64(register), length: 64, command: [.endOfPacket, .insertFCS, .reportStatus])
      ])
    }
    #expect(bench.errors(.dmaRefused) == 3 && bench.wire.frames.isEmpty)
    // A frame that can be sent comes back (or in from the wire) to such a buffer.
    let frame = Frames.plain(100, to: ModelBench.address)
    if loops { bench.transmit(frame) } else { bench.deliver(frame) }
    #expect(bench.errors(.dmaRefused) == 4 && bench.receiveDescriptor(0).errors == .data)
    #expect(bench.read(Register.transmitTail) == (loops ? 4 : 3), "no register was written by DMA")
    bench.writePHY(PHYRegister.control, 0x1140)
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("CVE-2024-3567: the checksum of a fragment that is too short for it, of SCTP or anything", arguments: 14..<60)
  func shortFragment(_ length: Int) {
    let bench = ModelBench.running()
    var frame = Frames.packet(.ipv4, .tcp, payload: []).bytes
    frame[23] = 132
    bench.put(frame, at: ModelBench.transmitBuffers)
    bench.transmit([
      // Where SCTP has its checksum: offset 8 of a header that begins at 34.
      TransmitContext(
        ipStart: 14, ipOffset: 24, ipEnd: 33, transportStart: 34, transportOffset: 42, command: .ipv4
      ).descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: length, command: [.endOfPacket, .insertFCS],
        options: .transportChecksum),
    ])
    #expect(bench.errors(.checksumRange) == (length < 44 ? 1 : 0))
    #expect(bench.wire.frames.count == 1 && bench.wire.frames[0].count == 60)
    bench.expectAlive()
  }

  @Test("CVE-2021-3416: a buffer that is the transmit ring itself, in loopback: the pass ends")
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
