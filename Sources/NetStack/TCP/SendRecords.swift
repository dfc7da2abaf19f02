import EventLoop
import Memory

/// What is known about one segment that was sent and is not yet acknowledged.
struct SentSegment: BitwiseCopyable {
  struct Marks: OptionSet, BitwiseCopyable {
    let rawValue: UInt8
    static let syn = Marks(rawValue: 1)
    static let fin = Marks(rawValue: 2)
    /// Selectively acknowledged.
    static let sacked = Marks(rawValue: 4)
    /// Taken for lost.
    static let lost = Marks(rawValue: 8)
    /// A retransmission is on its way.
    static let resent = Marks(rawValue: 16)
    /// Was retransmitted at least once: no round trip sample (Karn).
    static let ambiguous = Marks(rawValue: 32)
  }

  var start: SequenceNumber
  /// Sequence numbers that it takes, with SYN and FIN.
  var length: UInt32
  /// When it was last sent.
  var sentAt: Instant
  var marks: Marks

  var end: SequenceNumber { @inline(__always) get { start + Int(length) } }
}

/// The segments between SND.UNA and SND.NXT in order, with the totals that the congestion machinery needs: the
/// scoreboard of RFC 6675. A circular list in plain memory that doubles when it is full and is then kept. An object of
/// its own, because calls on a stored struct would cost the data path a dynamic exclusivity check each.
final class SendRecords {
  /// Segments outstanding at most; the output waits for acknowledgements then.
  static let limit = 1 << 16
  private static let stride = MemoryLayout<SentSegment>.stride

  private var memory = unsafe MemoryWindow(UnsafeMutableRawPointer(bitPattern: 64)!, count: 0)
  private var capacity = 0
  private var head = 0
  private(set) var count = 0

  /// Sequence numbers of segments marked ``SentSegment/Marks/sacked``, ``SentSegment/Marks/lost`` (and not SACKed) and
  /// ``SentSegment/Marks/resent`` (and not SACKed).
  private(set) var sackedLength = 0
  private(set) var lostLength = 0
  private(set) var resentLength = 0
  /// The end of the highest SACKed segment; meaningful while ``sackedLength`` is not zero.
  private(set) var highestSacked = SequenceNumber(0)
  /// No lost segment that waits for retransmission lies below this index.
  private var resendHint = 0

  var isFull: Bool { count >= Self.limit }
  /// True if a segment is lost and not yet sent again.
  var hasUnsentLoss: Bool { @inline(__always) get { lostLength > resentLength } }

  @inline(__always) subscript(index: Int) -> SentSegment {
    get { memory.load(((head &+ index) & (capacity &- 1)) &* Self.stride) }
    set { memory.store(newValue, ((head &+ index) & (capacity &- 1)) &* Self.stride) }
  }

  @inline(__always) func append(
    _ start: SequenceNumber, length: Int, at now: Instant, marks: SentSegment.Marks
  ) {
    if count == capacity { grow() }
    count &+= 1
    self[count &- 1] = SentSegment(
      start: start, length: UInt32(truncatingIfNeeded: length), sentAt: now, marks: marks)
  }

  private func grow() {
    let size = max(64, capacity * 2)
    let fresh = unsafe MemoryWindow(
      UnsafeMutableRawPointer.allocate(byteCount: size * Self.stride, alignment: 16), count: size * Self.stride)
    for index in 0..<count { fresh.store(self[index], index * Self.stride) }
    if capacity > 0 { unsafe memory.baseAddress.deallocate() }
    memory = fresh
    capacity = size
    head = 0
  }

  func release() {
    if capacity > 0 { unsafe memory.baseAddress.deallocate() }
    memory = unsafe MemoryWindow(UnsafeMutableRawPointer(bitPattern: 64)!, count: 0)
    capacity = 0
    head = 0
    count = 0
    sackedLength = 0
    lostLength = 0
    resentLength = 0
    resendHint = 0
  }

  deinit { release() }

  /// What a cumulative acknowledgement removed.
  struct Removal {
    /// When the oldest removed segment was sent; nil if one of them had been retransmitted (Karn).
    var oldestSentAt: Instant?
    /// When the newest removed segment that was sent once was sent.
    var newestSentAt: Instant?
    /// A segment that was never sent twice lay below SACKed ones: the network reorders.
    var sawReordering = false
    var removedCount = 0
  }

  /// Removes everything below `acknowledgement`; cuts a segment that it splits.
  @inline(__always) func removeAcknowledged(_ acknowledgement: SequenceNumber) -> Removal {
    var removal = Removal()
    var isAmbiguous = false
    while count > 0 {
      var segment = self[0]
      if segment.end > acknowledgement {
        let cut = acknowledgement - segment.start
        if cut > 0 {
          forget(segment, cut)
          segment.start = acknowledgement
          segment.length &-= UInt32(truncatingIfNeeded: cut)
          segment.marks.remove(.syn)
          self[0] = segment
        }
        break
      }
      if segment.marks.isDisjoint(with: [.ambiguous, .sacked, .lost]) {
        if removal.removedCount == 0 { removal.oldestSentAt = segment.sentAt }
        removal.newestSentAt = segment.sentAt
        if sackedLength > 0, segment.end <= highestSacked { removal.sawReordering = true }
      } else {
        if segment.marks.contains(.ambiguous) { isAmbiguous = true }
        forget(segment, Int(segment.length))
      }
      head = (head &+ 1) & (capacity &- 1)
      count &-= 1
      removal.removedCount &+= 1
    }
    if isAmbiguous { removal.oldestSentAt = nil }
    resendHint = max(0, resendHint &- removal.removedCount)
    return removal
  }

  /// Takes `length` of a segment out of the totals.
  private func forget(_ segment: SentSegment, _ length: Int) {
    if segment.marks.contains(.sacked) {
      sackedLength -= length
    } else {
      if segment.marks.contains(.lost) { lostLength -= length }
      if segment.marks.contains(.resent) { resentLength -= length }
    }
  }

  /// The index of the first segment that ends above `sequence`: `count` if there is none.
  func index(above sequence: SequenceNumber) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self[middle].end <= sequence { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Marks the segments that lie wholly in `start ..< end` as SACKed; returns the sequence numbers newly marked, and
  /// when the newest of those that were sent once was sent.
  func markSacked(_ start: SequenceNumber, _ end: SequenceNumber) -> (length: Int, sentAt: Instant?) {
    var index = index(above: start)
    var fresh = 0
    var sentAt: Instant?
    while index < count {
      var segment = self[index]
      if segment.end > end { break }
      if segment.start >= start, !segment.marks.contains(.sacked) {
        let length = Int(segment.length)
        forget(segment, length)
        segment.marks.insert(.sacked)
        segment.marks.remove([.lost, .resent])
        self[index] = segment
        if sackedLength == 0 || segment.end > highestSacked { highestSacked = segment.end }
        sackedLength += length
        fresh += length
        if !segment.marks.contains(.ambiguous) { sentAt = segment.sentAt }
      }
      index += 1
    }
    return (fresh, sentAt)
  }

  /// Marks lost what RFC 6675 4 IsLost() says: the segments below which lie more than `bytes` SACKed ones above, or
  /// three SACKed segments. Returns true if a segment was marked.
  func markLost(above bytes: Int) -> Bool {
    guard sackedLength > 0 else { return false }
    var index = index(above: highestSacked)
    var above = 0
    var segments = 0
    while index > 0 {
      let segment = self[index - 1]
      if segment.marks.contains(.sacked) {
        above += Int(segment.length)
        segments += 1
        if above > bytes || segments >= 3 { break }
      }
      index -= 1
    }
    // Below a segment that is already lost nothing can be new: marks are set from below without a gap.
    var marked = false
    index -= 1
    while index > 0 {
      index -= 1
      var segment = self[index]
      if segment.marks.contains(.lost) { break }
      if segment.marks.contains(.sacked) { continue }
      mark(&segment, index)
      marked = true
    }
    return marked
  }

  private func mark(_ segment: inout SentSegment, _ index: Int) {
    segment.marks.insert(.lost)
    lostLength += Int(segment.length)
    self[index] = segment
    resendHint = min(resendHint, index)
  }

  /// Marks the first segment lost, if it is neither lost nor SACKed: a third duplicate acknowledgement, or a partial
  /// one (RFC 6582 3.2). One that was sent again counts as lost again.
  func markHeadLost() {
    guard count > 0 else { return }
    var segment = self[0]
    guard !segment.marks.contains(.sacked) else { return }
    if segment.marks.contains(.lost) {
      if segment.marks.contains(.resent) {
        segment.marks.remove(.resent)
        resentLength -= Int(segment.length)
        self[0] = segment
        resendHint = 0
      }
      return
    }
    mark(&segment, 0)
  }

  /// After a timeout everything that is not SACKed is lost, and no retransmission is on its way.
  /// - Parameter forgetsSacks: The peer has thrown away what it had reported (RFC 2018 8).
  func markAllLost(forgetsSacks: Bool) {
    lostLength = 0
    resentLength = 0
    resendHint = 0
    if forgetsSacks { sackedLength = 0 }
    for index in 0..<count {
      var segment = self[index]
      if forgetsSacks { segment.marks.remove(.sacked) }
      guard !segment.marks.contains(.sacked) else { continue }
      segment.marks.insert(.lost)
      segment.marks.remove(.resent)
      lostLength += Int(segment.length)
      self[index] = segment
    }
  }

  /// The first segment that is lost and not sent again.
  func nextUnsentLoss() -> Int? {
    guard hasUnsentLoss else { return nil }
    var index = resendHint
    while index < count {
      let marks = self[index].marks
      if marks.contains(.lost), !marks.contains(.resent), !marks.contains(.sacked) {
        resendHint = index
        return index
      }
      index += 1
    }
    return nil
  }

  /// Notes that segment `index` was sent again.
  func resent(_ index: Int, at now: Instant) {
    var segment = self[index]
    segment.sentAt = now
    segment.marks.insert(.ambiguous)
    if segment.marks.contains(.lost), !segment.marks.contains(.resent) {
      segment.marks.insert(.resent)
      resentLength += Int(segment.length)
    }
    self[index] = segment
  }

  /// Cuts segment `index` so that its first part takes `length` sequence numbers (the path's MTU has become smaller).
  func split(_ index: Int, at length: Int) {
    guard !isFull else { return }
    let whole = self[index]
    guard length > 0, length < Int(whole.length) else { return }
    append(whole.start, length: 0, at: whole.sentAt, marks: [])
    var at = count - 1
    while at > index + 1 {
      self[at] = self[at - 1]
      at -= 1
    }
    var first = whole
    first.length = UInt32(length)
    first.marks.remove(.fin)
    var second = whole
    second.start = whole.start + length
    second.length -= UInt32(length)
    second.marks.remove(.syn)
    self[index] = first
    self[index + 1] = second
  }
}
