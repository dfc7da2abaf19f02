import Packets

/// Which bytes above RCV.NXT have arrived: a bounded, sorted list of intervals of sequence numbers. The bytes
/// themselves already lie in the receive ring, at their place. An object of its own, as the rings are.
final class Reassembly {
  struct Interval: Equatable {
    var start: SequenceNumber
    var end: SequenceNumber
    /// Number of the last segment that extended the interval: the newest is reported first (RFC 2018 4).
    var stamp: UInt32
  }

  /// Intervals at most: a peer that sends every second byte is cut off here.
  static let limit = 128

  private(set) var intervals: [Interval] = [] {
    didSet { isEmpty = intervals.isEmpty }
  }
  private var stamp: UInt32 = 0

  /// Kept beside the list: the data path asks for it with every segment.
  private(set) var isEmpty = true
  /// The end of the highest interval.
  var highest: SequenceNumber? { intervals.last?.end }

  enum Outcome: Equatable {
    case added
    /// All of it had arrived before.
    case duplicate
    /// The list is full.
    case refused
  }

  /// Notes that `start ..< end` has arrived. `start` lies above RCV.NXT, `end` above `start`.
  func insert(_ start: SequenceNumber, _ end: SequenceNumber) -> Outcome {
    if intervals.capacity == 0 { intervals.reserveCapacity(Self.limit) }
    stamp &+= 1
    var first = intervals.count
    // From above: new data mostly lands at or above the highest interval.
    while first > 0, intervals[first - 1].end >= start { first -= 1 }
    var last = first
    var merged = Interval(start: start, end: end, stamp: stamp)
    while last < intervals.count, intervals[last].start <= end {
      if intervals[last].start <= start, end <= intervals[last].end {
        intervals[last].stamp = stamp
        return .duplicate
      }
      merged.start = SequenceNumber.earlier(merged.start, intervals[last].start)
      merged.end = SequenceNumber.later(merged.end, intervals[last].end)
      last += 1
    }
    if first == last {
      guard intervals.count < Self.limit else { return .refused }
      intervals.insert(merged, at: first)
    } else {
      intervals[first] = merged
      if last - first > 1 { intervals.removeSubrange((first + 1)..<last) }
    }
    return .added
  }

  /// Everything below `next` has arrived in order: drops the intervals that this reaches and returns how far the
  /// unbroken sequence goes now.
  func absorb(from next: SequenceNumber) -> SequenceNumber {
    var next = next
    var count = 0
    while count < intervals.count, intervals[count].start <= next {
      next = SequenceNumber.later(next, intervals[count].end)
      count += 1
    }
    if count > 0 { intervals.removeSubrange(0..<count) }
    return next
  }

  func removeAll() { intervals.removeAll() }

  /// Appends up to `limit` blocks to `options`, the most recently extended first (RFC 2018 4).
  func report(into options: inout TCPOptions, limit: Int) {
    var reported: UInt32?
    for _ in 0..<min(limit, intervals.count) {
      var best: Interval?
      for interval in intervals {
        let age = stamp &- interval.stamp
        if let reported, age <= stamp &- reported { continue }
        if let best, age >= stamp &- best.stamp { continue }
        best = interval
      }
      guard let best else { return }
      reported = best.stamp
      options.append(SACKBlock(left: best.start.rawValue, right: best.end.rawValue))
    }
  }
}
