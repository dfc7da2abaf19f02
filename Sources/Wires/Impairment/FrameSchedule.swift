import EventLoop

/// Frames of a pool that are under way, by the instant of their arrival.
///
/// Those that keep their order are a ring (their instants never decrease); those that were held back are a small heap.
struct FrameSchedule {
  struct Entry {
    var due: Instant
    /// Order of scheduling, for frames that are due at the same instant.
    var sequence: UInt64
    var frame: Int32
  }

  private var ring = [Entry](repeating: Entry(due: .zero, sequence: 0, frame: -1), count: 64)
  private var head = 0
  private(set) var orderedCount = 0
  private var held: [Entry] = []
  private var sequence: UInt64 = 0

  var count: Int { orderedCount + held.count }

  /// Due instant of the last frame that keeps its order.
  private(set) var lastDue = Instant.zero

  /// Adds a frame behind all others that keep their order. `due` is not before ``lastDue``.
  mutating func append(_ frame: Int32, due: Instant) {
    if orderedCount == ring.count { growRing() }
    lastDue = max(due, lastDue)
    ring[(head + orderedCount) & (ring.count - 1)] = Entry(due: lastDue, sequence: sequence, frame: frame)
    sequence &+= 1
    orderedCount += 1
  }

  /// Adds a frame that others may overtake.
  mutating func hold(_ frame: Int32, due: Instant) {
    held.append(Entry(due: due, sequence: sequence, frame: frame))
    sequence &+= 1
    var child = held.count - 1
    while child > 0, Self.precedes(held[child], held[(child - 1) / 2]) {
      held.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// The frame that arrives next.
  var next: Entry? {
    guard orderedCount > 0 else { return held.first }
    let ordered = ring[head]
    if let first = held.first, Self.precedes(first, ordered) { return first }
    return ordered
  }

  /// Takes ``next`` out.
  mutating func removeNext() {
    guard orderedCount > 0, !(held.first.map { Self.precedes($0, ring[head]) } ?? false) else { return removeHeld() }
    head = (head + 1) & (ring.count - 1)
    orderedCount -= 1
  }

  private static func precedes(_ a: Entry, _ b: Entry) -> Bool {
    a.due != b.due ? a.due < b.due : a.sequence < b.sequence
  }

  private mutating func removeHeld() {
    held.swapAt(0, held.count - 1)
    held.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in (2 * parent + 1)...(2 * parent + 2)
      where child < held.count && Self.precedes(held[child], held[least]) {
        least = child
      }
      guard least != parent else { return }
      held.swapAt(parent, least)
      parent = least
    }
  }

  private mutating func growRing() {
    var larger = [Entry](repeating: ring[0], count: ring.count * 2)
    for i in 0..<orderedCount { larger[i] = ring[(head + i) & (ring.count - 1)] }
    ring = larger
    head = 0
  }
}
