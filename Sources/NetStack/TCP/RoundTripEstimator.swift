import EventLoop

/// Round trip time and retransmission timeout by RFC 6298, with Linux's choices: the variance term is never below the
/// smallest timeout (200 ms), so that a delayed acknowledgement does not look like a loss, and clock granularity is that
/// of the loop.
struct RoundTripEstimator {
  /// SRTT; zero before the first sample.
  private(set) var smoothed = TimeSpan.zero
  /// RTTVAR
  private(set) var variation = TimeSpan.zero
  /// The smallest sample.
  private(set) var minimum = TimeSpan(nanoseconds: .max)
  /// The latest sample.
  private(set) var latest = TimeSpan.zero
  /// RTO without backoff.
  private(set) var timeout: TimeSpan
  private let floor: TimeSpan
  private let ceiling: TimeSpan

  init(_ configuration: TCPConfiguration) {
    timeout = configuration.initialRetransmitTimeout
    floor = configuration.minimumRetransmitTimeout
    ceiling = configuration.maximumRetransmitTimeout
  }

  var hasSample: Bool { smoothed > .zero }

  /// Takes a sample of a segment that was sent once (Karn's rule is the caller's).
  mutating func add(_ sample: TimeSpan) {
    let sample = sample > .zero ? sample : .nanoseconds(1)
    latest = sample
    if sample < minimum { minimum = sample }
    if hasSample {
      // RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R|, then SRTT <- 7/8 SRTT + 1/8 R.
      let error = abs(smoothed.nanoseconds &- sample.nanoseconds)
      variation.nanoseconds &+= (error &- variation.nanoseconds) >> 2
      smoothed.nanoseconds &+= (sample.nanoseconds &- smoothed.nanoseconds) >> 3
      if smoothed.nanoseconds <= 0 { smoothed.nanoseconds = 1 }
    } else {
      smoothed = sample
      variation = TimeSpan(nanoseconds: sample.nanoseconds / 2)
    }
    let spread = max(floor.nanoseconds, variation.nanoseconds &* 4)
    timeout = TimeSpan(nanoseconds: min(smoothed.nanoseconds &+ spread, ceiling.nanoseconds))
  }

  /// RFC 6298 5.7: the handshake's SYN was retransmitted, so data starts with 3 seconds.
  mutating func handshakeWasSlow() {
    if !hasSample { timeout = .seconds(3) }
  }

  /// RTO after `count` doublings, bounded.
  func timeout(backedOff count: Int) -> TimeSpan {
    let shift = min(count, 20)
    return TimeSpan(nanoseconds: min(timeout.nanoseconds << Int64(shift), ceiling.nanoseconds))
  }
}
