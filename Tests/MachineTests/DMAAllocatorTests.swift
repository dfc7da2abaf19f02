import EventLoop
import Machine
import Memory
import Testing

@Suite struct DMAAllocatorTests {
  static let pages = 64
  let memory: SharedMemory
  let allocator: DMAAllocator

  init() throws {
    memory = try SharedMemory(creating: "test", byteCount: Self.pages * 4096 + 100)
    // One page past a 64 KiB boundary, so that alignment of the bus address and of the offset differ.
    allocator = DMAAllocator(over: memory.window, at: 0x1_1000)
  }

  @Test(
    "a buffer is zeroed, exactly as long as asked, and aligned on the bus",
    arguments: [
      (1, 1), (16, 16), (4096, 4096), (4097, 128), (100, 8192), (5000, 65536),
    ] as [(Int, Int)])
  func shape(byteCount: Int, alignment: Int) throws {
    memory.window.fill(0xFF, at: 0, count: memory.window.count)
    let buffer = try allocator.allocate(byteCount: byteCount, alignment: alignment)
    #expect(buffer.window.count == byteCount)
    #expect(buffer.busAddress % UInt64(alignment) == 0)
    for offset in 0..<byteCount { #expect(buffer.window.load(offset, as: UInt8.self) == 0) }
    buffer.window.store(UInt8(7), 0)
    #expect(memory.window.load(Int(buffer.busAddress - 0x1_1000), as: UInt8.self) == 7)
  }

  @Test(
    "senseless requests and those without room are refused and counted",
    arguments: [
      (0, 1), (-1, 1), (.min, 1), (.max, 1), (64, 0), (64, 3), (64, -4096), (262_145, 1), (4096, 0x100_0000_0000),
      (64, .min), (262_144, 8192),
    ] as [(Int, Int)])
  func refused(byteCount: Int, alignment: Int) {
    #expect(throws: MachineError.outOfMemory(byteCount: byteCount)) {
      try allocator.allocate(byteCount: byteCount, alignment: alignment)
    }
    #expect(allocator.counters.refused == 1)
    #expect(allocator.counters.bytesInUse == 0)
  }

  @Test("a second free, and a free of what was never given out, are refused")
  func doubleFree() throws {
    let first = try allocator.allocate(byteCount: 100, alignment: 1)
    let second = try allocator.allocate(byteCount: 100, alignment: 1)
    try allocator.release(first)
    #expect(throws: MachineError.notAllocated(busAddress: first.busAddress)) { try allocator.release(first) }
    for address in [second.busAddress + 1, 0, .max, 0x1_0FFF, 0x1_1000 + UInt64(memory.window.count)] {
      let bogus = DMABuffer(window: second.window, busAddress: address)
      #expect(throws: MachineError.notAllocated(busAddress: address)) { try allocator.release(bogus) }
    }
    #expect(allocator.counters.refusedFrees == 6)
    #expect(allocator.counters.bytesInUse == 4096)
    try allocator.release(second)
    #expect(allocator.counters.bytesInUse == 0)
    #expect(allocator.largestFree == Self.pages * 4096)
  }

  @Test("random allocations and frees agree with a map of pages", arguments: 0..<20)
  func model(seed: Int) throws {
    let random = SeededRandom(seed: UInt64(seed))
    var owner = [Int?](repeating: nil, count: Self.pages)
    var live: [(id: Int, buffer: DMABuffer, first: Int, pages: Int)] = []
    for id in 0..<2000 {
      if random.chance(0.55) {
        let byteCount = Int(random.uniform(1...(random.chance(0.2) ? 80_000 : 9_000)))
        let alignment = 1 << Int(random.uniform(0...15))
        let pages = (byteCount + 4095) / 4096
        let step = max(1, alignment / 4096)
        // First fit: the lowest aligned page from which enough are free. The bus address is 0x11 pages on.
        let expected = (0..<Self.pages).first { page in
          (page + 0x11) % step == 0 && page + pages <= Self.pages
            && owner[page..<page + pages].allSatisfy { $0 == nil }
        }
        if let expected {
          let buffer = try allocator.allocate(byteCount: byteCount, alignment: alignment)
          #expect(buffer.busAddress == 0x1_1000 + UInt64(expected * 4096))
          owner.replaceSubrange(expected..<expected + pages, with: [Int?](repeating: id, count: pages))
          live.append((id, buffer, expected, pages))
        } else {
          #expect(throws: MachineError.self) { try allocator.allocate(byteCount: byteCount, alignment: alignment) }
        }
      } else if !live.isEmpty {
        let victim = live.remove(at: Int(random.uniform(0...Int64(live.count - 1))))
        try allocator.release(victim.buffer)
        owner.replaceSubrange(
          victim.first..<victim.first + victim.pages, with: [Int?](repeating: nil, count: victim.pages))
      }
      #expect(allocator.counters.bytesInUse == UInt64(owner.count { $0 != nil } * 4096))
    }
    for entry in live { try allocator.release(entry.buffer) }
    #expect(allocator.counters.bytesInUse == 0)
    #expect(allocator.counters.allocations == allocator.counters.frees)
    #expect(allocator.largestFree == Self.pages * 4096)
  }
}
