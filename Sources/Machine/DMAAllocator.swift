import Memory

/// Hands out guest memory for DMA: whole pages, first fit, lowest address first.
///
/// Like a kernel's coherent DMA memory: contiguous, zeroed, and never sharing a page with another buffer. What was
/// handed out and not yet given back is accounted for, so that a test can see that everything came back.
public final class DMAAllocator {
  /// The unit of allocation in bytes.
  public static let pageByteCount = 4096

  private let window: MemoryWindow
  /// Bus address of the window's first byte.
  public let busAddress: UInt64
  /// Free stretches (offset, length), sorted, never adjacent.
  private var free: [(start: Int, count: Int)]
  /// Length in pages by offset of what is in use.
  private var used: [Int: Int] = [:]
  private var count = DMAAllocatorCounters()

  /// An allocator over `window`, which devices know at `busAddress`. Bytes beyond the last whole page stay unused.
  public init(over window: MemoryWindow, at busAddress: UInt64) {
    precondition(busAddress % UInt64(Self.pageByteCount) == 0)
    self.window = window
    self.busAddress = busAddress
    let usable = window.count / Self.pageByteCount * Self.pageByteCount
    free = usable > 0 ? [(0, usable)] : []
  }

  public var counters: DMAAllocatorCounters { count }

  /// The longest stretch that is free, in bytes.
  public var largestFree: Int { free.map(\.count).max() ?? 0 }

  /// Zeroed memory of at least `byteCount` bytes whose bus address is a multiple of `alignment` (a power of two).
  /// The buffer's window is exactly `byteCount` long.
  public func allocate(byteCount: Int, alignment: Int) throws(MachineError) -> DMABuffer {
    guard byteCount > 0, alignment > 0, alignment & (alignment - 1) == 0, byteCount <= window.count else {
      count.refused += 1
      throw .outOfMemory(byteCount: byteCount)
    }
    let page = Self.pageByteCount
    let size = (byteCount + page - 1) / page * page
    let mask = UInt64(max(alignment, page)) - 1
    for (index, extent) in free.enumerated() where extent.count >= size {
      let address = busAddress + UInt64(extent.start)
      let padding = (mask + 1 - (address & mask)) & mask
      guard padding <= UInt64(extent.count - size) else { continue }
      let start = extent.start + Int(padding)
      let before = (start: extent.start, count: Int(padding))
      let after = (start: start + size, count: extent.count - Int(padding) - size)
      free.replaceSubrange(index...index, with: [before, after].filter { $0.count > 0 })
      used[start] = size
      count.allocations += 1
      count.bytesInUse += UInt64(size)
      count.peakBytesInUse = max(count.peakBytesInUse, count.bytesInUse)
      window.fill(0, at: start, count: size)
      return DMABuffer(window: window.slice(start, byteCount), busAddress: busAddress + UInt64(start))
    }
    count.refused += 1
    throw .outOfMemory(byteCount: byteCount)
  }

  /// Takes a buffer back. Throws (counted) if no buffer that starts at its address is in use, as after a second free.
  public func release(_ buffer: DMABuffer) throws(MachineError) {
    let offset = buffer.busAddress &- busAddress
    guard offset < UInt64(window.count), let size = used.removeValue(forKey: Int(offset)) else {
      count.refusedFrees += 1
      throw .notAllocated(busAddress: buffer.busAddress)
    }
    var start = Int(offset)
    var length = size
    count.frees += 1
    count.bytesInUse -= UInt64(size)
    var low = 0
    var high = free.count
    while low < high {
      let middle = (low + high) / 2
      if free[middle].start < start { low = middle + 1 } else { high = middle }
    }
    var replaced = low..<low
    if low < free.count, free[low].start == start + length {
      length += free[low].count
      replaced = low..<low + 1
    }
    if low > 0, free[low - 1].start + free[low - 1].count == start {
      start = free[low - 1].start
      length += free[low - 1].count
      replaced = low - 1..<replaced.upperBound
    }
    free.replaceSubrange(replaced, with: CollectionOfOne((start: start, count: length)))
  }
}

public struct DMAAllocatorCounters: Sendable, Equatable {
  public var allocations: UInt64 = 0
  public var frees: UInt64 = 0
  /// Bytes of all pages handed out and not yet given back.
  public var bytesInUse: UInt64 = 0
  public var peakBytesInUse: UInt64 = 0
  /// Requests without room, or senseless ones.
  public var refused: UInt64 = 0
  /// Frees of what was not in use.
  public var refusedFrees: UInt64 = 0
  public init() {}
}
