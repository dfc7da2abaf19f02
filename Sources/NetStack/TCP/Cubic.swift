import EventLoop
import Glibc

/// CUBIC congestion control, RFC 9438. Windows are computed in segments, as in the RFC, and kept in bytes.
public final class Cubic: CongestionControl {
  /// C and beta_cubic (RFC 9438 5).
  private static let scale = 0.4
  private static let decrease = 0.7
  /// alpha_cubic: additive growth with which AIMD(alpha, beta) is as aggressive as Reno (RFC 9438 4.3).
  private static let renoGrowth = 3 * (1 - decrease) / (1 + decrease)

  /// W_max: the window before the last reduction, segments.
  private var maximum = 0.0
  /// When the current congestion avoidance phase began.
  private var epoch: Instant?
  /// K, seconds: when the cubic function reaches W_max.
  private var inflection = 0.0
  /// W_est: what Reno would have by now, segments.
  private var renoEstimate = 0.0
  /// cwnd when the epoch before the reduction ended (cwnd_prior), segments.
  private var windowBefore = 0.0
  /// Growth below one byte that is still owed.
  private var remainder = 0.0

  public init() {}

  public var algorithm: CongestionAlgorithm { .cubic }

  public func acknowledged(
    _ bytes: Int, _ window: inout CongestionWindow, roundTrip: TimeSpan, at now: Instant
  ) {
    let rest = window.slowStart(bytes)
    guard rest > 0 else { return }
    let size = Double(window.size) / Double(window.segmentSize)
    let acknowledged = Double(rest) / Double(window.segmentSize)
    let start: Instant
    if let epoch {
      start = epoch
    } else {
      start = now
      begin(at: now, size: size)
    }

    // W_est grows by alpha a window (RFC 9438 4.3); once it has passed cwnd_prior, as fast as Reno.
    renoEstimate += (renoEstimate < windowBefore ? Self.renoGrowth : 1) * acknowledged / size
    let time = (now - start).seconds
    let next: Double
    if cubic(time) < renoEstimate {
      next = max(size, renoEstimate)
    } else {
      // RFC 9438 4.2: aim at W_cubic(t + RTT), within one and a half windows.
      let target = min(max(cubic(time + roundTrip.seconds), size), 1.5 * size)
      next = size + (target - size) / size * acknowledged
    }
    let growth = (next - size) * Double(window.segmentSize) + remainder
    let whole = growth.rounded(.down)
    remainder = growth - whole
    window.size += Int(whole)
  }

  private func begin(at now: Instant, size: Double) {
    epoch = now
    renoEstimate = size
    if size < maximum {
      inflection = cbrt((maximum - size) / Self.scale)
    } else {
      inflection = 0
      maximum = size
    }
  }

  /// W_cubic(t) = C (t - K)^3 + W_max
  private func cubic(_ seconds: Double) -> Double {
    let distance = seconds - inflection
    return Self.scale * distance * distance * distance + maximum
  }

  public func thresholdAfterLoss(_ window: CongestionWindow, flight: Int) -> Int {
    let size = Double(window.size) / Double(window.segmentSize)
    windowBefore = size
    // Fast convergence (RFC 9438 4.7): give room to others if this loss came at a smaller window than the last.
    maximum = size < maximum ? size * (1 + Self.decrease) / 2 : size
    epoch = nil
    remainder = 0
    return max(Int(Double(min(flight, window.size)) * Self.decrease), 2 * window.segmentSize)
  }

  public func timedOut() {
    // RFC 9438 4.8: after a timeout the next avoidance phase starts from its own window.
    maximum = 0
    epoch = nil
    remainder = 0
  }

  public func resumed(after idle: TimeSpan) {
    // RFC 9438 5.8: time without data must not count as growth.
    if let epoch { self.epoch = epoch + idle }
  }
}
