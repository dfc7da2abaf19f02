import EventLoop

/// Round trip time and retransmission timeout by RFC 6298, with Linux's choices: the variance term is never below the
/// smallest timeout (200 ms), so that a delayed acknowledgement does not look like a loss, and clock granularity is
/// that of the loop.
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
  private(set) var floor: TimeSpan
  private(set) var ceiling: TimeSpan

  init(_ configuration: TCPConfiguration, _ parameters: TCPParameters) {
    timeout = configuration.initialRetransmitTimeout
    floor = parameters.minimumRetransmitTimeout ?? configuration.minimumRetransmitTimeout
    ceiling = parameters.maximumRetransmitTimeout ?? configuration.maximumRetransmitTimeout
  }

  /// TCP_RTO_MIN_US and TCP_RTO_MAX_MS: the next sample, and every backoff from now on, keeps to them.
  mutating func bound(_ floor: TimeSpan, _ ceiling: TimeSpan) {
    self.floor = floor
    self.ceiling = ceiling
    timeout = TimeSpan(nanoseconds: min(timeout.nanoseconds, ceiling.nanoseconds))
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
