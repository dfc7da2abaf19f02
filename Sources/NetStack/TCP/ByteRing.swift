import Memory

/// Bytes of one direction of a connection, kept by sequence number: byte `s` lies at `s` modulo the capacity. Since the
/// capacity is a power of two, it divides 2^32, and the rule holds across the wrap of sequence numbers.
///
/// The ring does not know which of its bytes mean anything; its owner does. It begins without memory. An object of its
/// own, because calls on a stored struct would cost the data path a dynamic exclusivity check each.
final class ByteRing {
  private var memory: MemoryWindow
  private var mask: Int
  /// Bytes: zero or a power of two.
  private(set) var capacity = 0

  init() {
    memory = unsafe MemoryWindow(UnsafeMutableRawPointer(bitPattern: 64)!, count: 0)
    mask = 0
  }

  deinit { release() }

  /// Makes the ring hold at least `count` bytes and keeps what lies in `start ..< start + kept`.
  func grow(to count: Int, keeping kept: Int, from start: SequenceNumber) {
    guard count > capacity else { return }
    var size = 4096
    while size < count { size <<= 1 }
    let fresh = unsafe MemoryWindow(
      UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64), count: size)
    // What lies beyond the old capacity is still to be stored.
    let kept = min(kept, capacity)
    var done = 0
    while done < kept {
      let from = Int((start + done).rawValue) & mask
      let to = Int((start + done).rawValue) & (size - 1)
      let part = min(kept - done, capacity - from, size - to)
      fresh.copy(from: memory, at: from, count: part, to: to)
      done += part
    }
    release()
    memory = fresh
    capacity = size
    mask = size - 1
  }

  /// Gives the memory back.
  func release() {
    guard capacity > 0 else { return }
    unsafe memory.baseAddress.deallocate()
    memory = unsafe MemoryWindow(UnsafeMutableRawPointer(bitPattern: 64)!, count: 0)
    mask = 0
    capacity = 0
  }

  /// Stores `bytes` from sequence number `start` on; not more than the capacity.
  @inline(__always) func store(_ bytes: RawSpan, at start: SequenceNumber) {
    let offset = Int(start.rawValue) & mask
    let straight = capacity &- offset
    if bytes.byteCount <= straight {
      memory.copy(from: bytes, to: offset)
    } else {
      memory.copy(from: bytes.extracting(0..<straight), to: offset)
      memory.copy(from: bytes.extracting(straight..<bytes.byteCount), to: 0)
    }
  }

  /// Copies `count` bytes from sequence number `start` on to `offset` of `target`.
  @inline(__always) func copy(_ count: Int, from start: SequenceNumber, to target: MemoryWindow, at offset: Int) {
    let from = Int(start.rawValue) & mask
    let straight = capacity &- from
    if count <= straight {
      target.copy(from: memory, at: from, count: count, to: offset)
    } else {
      target.copy(from: memory, at: from, count: straight, to: offset)
      target.copy(from: memory, at: 0, count: count &- straight, to: offset &+ straight)
    }
  }
}
