import Memory

/// Buffers for frames that are kept for a while, each found again by its number. Buffers are reused, so that a pool
/// which has reached its working size allocates nothing.
final class FramePool {
  /// Most frames kept at a time.
  let limit: Int
  /// Frames kept now.
  private(set) var inUse = 0
  private struct Slot {
    var memory: UnsafeMutableRawPointer
    var capacity: Int
    var length: Int
  }
  private var slots: [Slot] = []
  private var free: [Int32] = []

  /// Room for an untagged frame of an MTU of 1500, and more.
  private static let usual = 2048

  init(limit: Int) { self.limit = limit }

  deinit { for slot in slots { slot.memory.deallocate() } }

  /// Keeps a copy of `frame`; its number, or nil if the pool is full.
  func store(_ frame: RawSpan) -> Int32? {
    let length = frame.byteCount
    let number: Int32
    if let reused = free.popLast() {
      number = reused
    } else {
      guard slots.count < limit else { return nil }
      number = Int32(slots.count)
      slots.append(Slot(memory: .allocate(byteCount: Self.usual, alignment: 16), capacity: Self.usual, length: 0))
    }
    if slots[Int(number)].capacity < length {
      slots[Int(number)].memory.deallocate()
      slots[Int(number)].memory = .allocate(byteCount: length, alignment: 16)
      slots[Int(number)].capacity = length
    }
    slots[Int(number)].length = length
    MemoryWindow(slots[Int(number)].memory, count: length).copy(from: frame)
    inUse += 1
    return number
  }

  /// The frame's memory, until it is released.
  subscript(number: Int32) -> MemoryWindow {
    MemoryWindow(slots[Int(number)].memory, count: slots[Int(number)].length)
  }

  func release(_ number: Int32) {
    inUse -= 1
    free.append(number)
  }
}
