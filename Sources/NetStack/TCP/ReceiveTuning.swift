import EventLoop

/// Dynamic right-sizing of the receive window (Fisk and Feng, "Dynamic right-sizing in TCP", 2001; Linux
/// `tcp_rcv_space_adjust`): the window offered is at least twice what the application took in the last round trip.
struct ReceiveTuning {
  /// The round trip as the receiver sees it: how long the peer needs for one window.
  private(set) var roundTrip = TimeSpan.zero
  private var windowEnd = SequenceNumber(0)
  private var windowStart = Instant.zero
  private var isMeasuring = false

  private var countStart = Instant.zero
  private var countFrom = SequenceNumber(0)
  /// What the application took in the best round trip.
  private var taken = 0

  /// Begins with nothing taken.
  mutating func begin(at now: Instant, next: SequenceNumber) {
    countStart = now
    countFrom = next
  }

  /// RCV.NXT has moved to `next` with `window` bytes offered.
  @inline(__always) mutating func received(upTo next: SequenceNumber, window: Int, at now: Instant) {
    if isMeasuring, next < windowEnd { return }
    if isMeasuring {
      let sample = now - windowStart
      if roundTrip == .zero || sample < roundTrip {
        roundTrip = sample
      } else {
        roundTrip.nanoseconds &+= (sample.nanoseconds &- roundTrip.nanoseconds) >> 3
      }
    }
    isMeasuring = true
    windowStart = now
    windowEnd = next + window
  }

  /// The application has read up to `next`. Returns a larger limit for the window, if one is due.
  mutating func read(
    upTo next: SequenceNumber, limit: Int, maximum: Int, segment: Int, senderRoundTrip: TimeSpan, at now: Instant
  ) -> Int? {
    var span = senderRoundTrip
    if roundTrip > .zero, span == .zero || roundTrip < span { span = roundTrip }
    guard span > .zero, now - countStart >= span else { return nil }
    let count = next - countFrom
    countStart = now
    countFrom = next
    guard count > taken else { return nil }
    // Room for what may come in the round trip after next, as slow start doubles.
    let growth = taken > 0 ? min(2 * count * (count - taken) / taken, 4 * count) : 0
    taken = count
    let wanted = min(2 * count + 16 * segment + growth, maximum)
    return wanted > limit ? wanted : nil
  }
}
