import Machine
import Memory
import Testing

@Suite struct DMASpaceTests {
  let memory: SharedMemory
  let space = DMASpace()

  init() throws {
    memory = try SharedMemory(creating: "test", byteCount: 0x8000)
    try space.map(memory.window.slice(0, 0x1000), at: 0x1_0000)
    try space.map(memory.window.slice(0x1000, 0x1000), at: 0x4_0000, writable: false)
    try space.map(memory.window.slice(0x2000, 0x1000), at: 0xFFFF_FFFF_FFFF_F000)
    space.isMasterEnabled = true
  }

  @Test(
    "an access is resolved only if all of it lies in one mapping",
    arguments: [
      (0x1_0000, 0x1000, true), (0x1_0000, 0x1001, false), (0x1_0FFF, 1, true), (0x1_0FFF, 2, false),
      (0x1_1000, 1, false), (0xFFFF, 1, false), (0xFFFF, 2, false), (0, 1, false), (0x4_0000, 16, true),
      (.max, 1, true), (.max, 2, false), (0xFFFF_FFFF_FFFF_F000, 0x1000, true), (0xFFFF_FFFF_FFFF_F000, 0x1001, false),
      (0xFFFF_FFFF_FFFF_FFF8, .max, false), (0x1_0000, -1, false), (0x1_0000, .min, false), (0x1_0000, .max, false),
      (0x1_0800, 0, true), (0x1_1000, 0, false),
    ] as [(UInt64, Int, Bool)])
  func bounds(address: UInt64, count: Int, allowed: Bool) {
    // Twice: the second time goes through the remembered region.
    for _ in 0..<2 {
      let window = space.resolve(address, count, .read)
      #expect((window != nil) == allowed)
      if let window { #expect(window.count == count) }
      _ = space.resolve(0x1_0000, 4, .read)
    }
    #expect(space.counters.outsideMemory == (allowed ? 0 : 2))
    #expect(space.refusals == (allowed ? 0 : 2))
  }

  @Test("the window is the memory that was mapped")
  func sameMemory() throws {
    try #require(space.resolve(0x1_0010, 4, .write)).store(UInt32(0xDEAD_BEEF), 0)
    #expect(memory.window.load(0x10, as: UInt32.self) == 0xDEAD_BEEF)
  }

  @Test("a write to read-only memory is refused")
  func readOnly() {
    #expect(space.resolve(0x4_0000, 4, .read) != nil)
    #expect(space.resolve(0x4_0000, 4, .write) == nil)
    #expect(space.counters.readOnly == 1)
  }

  @Test("without bus mastering every access is refused, remembered regions included")
  func masterOff() {
    #expect(space.resolve(0x1_0000, 4, .read) != nil)
    space.isMasterEnabled = false
    #expect(space.resolve(0x1_0000, 4, .read) == nil)
    #expect(space.counters.withoutMastering == 1)
    space.isMasterEnabled = true
    #expect(space.resolve(0x1_0000, 4, .read) != nil)
  }

  @Test(
    "mappings that overlap, wrap or are empty are refused",
    arguments: [
      (0x1_0000, 0x1000), (0x1_0FFF, 1), (0xF001, 0x1000), (0x1_0800, 0x10),
      (0xFFFF_FFFF_FFFF_FFEF, 0x20), (0x2_0000, 0),
    ] as [(UInt64, Int)])
  func badMappings(start: UInt64, count: Int) {
    #expect(throws: MachineError.self) { try space.map(memory.window.slice(0, count), at: start) }
  }

  @Test("adjacent mappings are fine, before and behind")
  func adjacent() throws {
    try space.map(memory.window.slice(0x3000, 0x1000), at: 0xF000)
    try space.map(memory.window.slice(0x4000, 0x1000), at: 0x1_1000)
    #expect(space.resolve(0xFFF0, 0x10, .read) != nil)
    #expect(space.resolve(0xFFF0, 0x11, .read) == nil)
    #expect(space.resolve(0x1_1000, 0x1000, .read) != nil)
  }

  @Test("memory that was unmapped is gone at once, even if it was used last")
  func unmap() {
    #expect(space.resolve(0x1_0000, 4, .read) != nil)
    #expect(space.unmap(start: 0x1_0000, byteCount: 0xFFF) == 0)
    #expect(space.unmap(start: 0x1_0000, byteCount: 0x1000) == 1)
    #expect(space.resolve(0x1_0000, 4, .read) == nil)
    #expect(space.unmap(start: 0, byteCount: .max) == 1)
    #expect(space.resolve(.max, 1, .read) != nil)
  }
}
