import Machine
import Memory

/// Transmit buffers of one size in DMA memory, used last in, first out: the buffer that is still in the cache comes
/// first.
struct BufferPool {
  let memory: DMABuffer
  let bufferByteCount: Int
  let count: Int
  /// Numbers of the free buffers, in the first ``freeCount`` places.
  private let free: PrivateTable
  private(set) var freeCount: Int

  /// No buffers.
  init() {
    memory = .none
    bufferByteCount = 0
    count = 0
    free = PrivateTable(count: 0, repeating: 0)
    freeCount = 0
  }

  /// `count` buffers, all free. ``close()`` ends the pool.
  init(count: Int, bufferByteCount: Int, memory: inout DMAPieces) throws(DriverError) {
    self.memory = try memory.take(count * bufferByteCount)
    self.count = count
    self.bufferByteCount = bufferByteCount
    free = PrivateTable(count: count, repeating: 0)
    freeCount = count
    for place in 0..<count { free[place] = count - 1 - place }
  }

  /// Frees the list; the DMA memory goes with its ``DMAPieces``.
  func close() { free.free() }

  /// Takes a free buffer's number; there must be one.
  @inline(__always) mutating func take() -> Int {
    freeCount &-= 1
    return free[freeCount]
  }

  @inline(__always) mutating func giveBack(_ number: Int) {
    free[freeCount] = number
    freeCount &+= 1
  }

  @inline(__always) func window(_ number: Int) -> MemoryWindow {
    memory.window.slice(number &* bufferByteCount, bufferByteCount)
  }

  @inline(__always) func busAddress(_ number: Int) -> UInt64 {
    memory.busAddress &+ UInt64(truncatingIfNeeded: number &* bufferByteCount)
  }
}
