import Machine
import Memory
import Testing

/// Remote memory that remembers what was asked of it.
final class RecordedMemory: RemoteMemory {
  var bytes: [UInt8]
  let base: UInt64
  var reads: [Range<UInt64>] = []
  var writes: [Range<UInt64>] = []
  var isReachable = true

  init(byteCount: Int, at base: UInt64) {
    bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0) }
    self.base = base
  }

  func read(_ address: UInt64, into target: MemoryWindow) -> Bool {
    guard isReachable else { return false }
    reads.append(address..<address + UInt64(target.count))
    for index in 0..<target.count { target.store(bytes[Int(address - base) + index], index) }
    return true
  }

  func write(_ address: UInt64, from source: MemoryWindow) -> Bool {
    guard isReachable else { return false }
    writes.append(address..<address + UInt64(source.count))
    for index in 0..<source.count { bytes[Int(address - base) + index] = source.load(index) }
    return true
  }
}

@Suite struct RemoteMemoryTests {
  let memory = RecordedMemory(byteCount: 0x1000, at: 0x1_0000)
  let space = DMASpace()

  init() throws {
    try space.map(memory, at: 0x1_0000, byteCount: 0x1000)
    space.isMasterEnabled = true
  }

  @Test("a place is fetched once and seen again until the copies are dropped")
  func fetching() throws {
    let before = space.changes
    #expect(try #require(space.resolve(0x1_0010, 16, .read)).load(0, as: UInt8.self) == 0x10)
    #expect(try #require(space.resolve(0x1_0018, 8, .read)).load(0, as: UInt8.self) == 0x18)
    #expect(memory.reads == [0x1_0010..<0x1_0020] && space.hasCopies && space.changes == before)
    memory.bytes[0x10] = 0xEE
    space.dropCopies()
    #expect(!space.hasCopies && space.changes != before)
    #expect(try #require(space.resolve(0x1_0010, 16, .read)).load(0, as: UInt8.self) == 0xEE)
    #expect(space.reach(0x1_0010) == nil, "copies are no memory to stay in")
    #expect(memory.writes.isEmpty)
  }

  @Test("only what the device changed is written back, the newest copy first, short gaps included")
  func flushing() throws {
    let ring = try #require(space.resolve(0x1_0000, 256, .write))
    let buffer = try #require(space.resolve(0x1_0400, 256, .write))
    ring.store(0xFF as UInt8, 12)
    ring.store(0xFF as UInt8, 28)
    ring.store(0xFF as UInt8, 100)
    ring.store(0xFF as UInt8, 117)
    buffer.fill(0xAA, at: 8, count: 100)
    memory.bytes[64] = 0x77
    space.flush()
    #expect(
      memory.writes == [
        0x1_0408..<0x1_046C, 0x1_000C..<0x1_001D, 0x1_0064..<0x1_0065, 0x1_0075..<0x1_0076,
      ])
    #expect(memory.bytes[64] == 0x77 && memory.bytes[12] == 0xFF && memory.bytes[117] == 0xFF)
    space.flush()
    #expect(memory.writes.count == 4, "written once")
    ring.store(0x11 as UInt8, 12)
    space.flush()
    #expect(memory.writes.last == 0x1_000C..<0x1_000D)
  }

  @Test("a copy that overlaps a changed one sees the change, for which no other copy is looked through")
  func overlapping() throws {
    try #require(space.resolve(0x1_0400, 32, .write)).store(UInt32(0x1234), 0)
    try #require(space.resolve(0x1_0000, 32, .write)).store(UInt32(0xDEAD_BEEF), 28)
    #expect(try #require(space.resolve(0x1_001C, 32, .read)).load(0, as: UInt32.self) == 0xDEAD_BEEF)
    #expect(memory.writes == [0x1_001C..<0x1_0020])
    space.flush()
    #expect(memory.writes.last == 0x1_0400..<0x1_0404, "written back when its time has come")
  }

  @Test("bounds, rights, mastering and failures hold for remote memory too")
  func refusals() throws {
    try space.map(memory, at: 0x8_0000, byteCount: 0x100, writable: false)
    #expect(space.resolve(0x1_0FFF, 2, .read) == nil && space.resolve(0x1_0000, -1, .read) == nil)
    #expect(space.resolve(0xFFFF, 1, .read) == nil)
    #expect(space.counters.outsideMemory == 3)
    #expect(space.resolve(0x8_0000, 4, .write) == nil && space.counters.readOnly == 1)
    memory.isReachable = false
    #expect(space.resolve(0x1_0000, 4, .read) == nil && space.counters.remoteFailures == 1)
    memory.isReachable = true
    space.isMasterEnabled = false
    #expect(space.resolve(0x1_0000, 4, .read) == nil && space.counters.withoutMastering == 1)
    #expect(space.refusals == 6)
  }

  @Test("what a device asks for at once is bounded")
  func bounded() throws {
    let large = RecordedMemory(byteCount: 1 << 20, at: 1 << 32)
    try space.map(large, at: 1 << 32, byteCount: 1 << 40)
    #expect(space.resolve(1 << 32, 1 << 36, .read) == nil)
    #expect(space.counters.remoteFailures == 1)
    #expect(space.resolve(1 << 32, 1 << 20, .read) != nil)
  }

  @Test("windows and remote memory do not overlap, and go the same way")
  func mapping() throws {
    let shared = try SharedMemory(creating: "test", byteCount: 0x1000)
    #expect(throws: MachineError.self) { try space.map(shared.window, at: 0x1_0800) }
    #expect(throws: MachineError.self) { try space.map(memory, at: 0xFFFF, byteCount: 2) }
    #expect(throws: MachineError.self) { try space.map(memory, at: .max, byteCount: 2) }
    #expect(throws: MachineError.self) { try space.map(memory, at: 0, byteCount: 0) }
    try space.map(shared.window, at: 0x2_0000)
    #expect(throws: MachineError.self) { try space.map(memory, at: 0x2_0FFF, byteCount: 1) }
    #expect(space.unmap(start: 0, byteCount: 0x2_1000) == 2)
    #expect(space.resolve(0x1_0000, 1, .read) == nil && space.resolve(0x2_0000, 1, .read) == nil)
  }
}
