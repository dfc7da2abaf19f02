import EventLoop
import Packets

/// Bounds the ICMP errors that are sent (RFC 1812 4.3.2.8), with Linux's two buckets: one for the whole host, one for
/// each destination.
struct ICMPRateLimit {
  enum Verdict { case allowed, globalLimit, hostLimit }

  private static let hostBurst = 6
  private static let hostLimit = 1024
  private let perSecond: Int
  private let burst: Int
  private let interval: TimeSpan
  private var credit: Int
  private var stamp: Instant
  /// Tokens of a destination, in nanoseconds of its interval, and when they were counted.
  private var hosts: [IPv4Address: (tokens: Int64, stamp: Instant)] = [:]

  init(_ configuration: StackConfiguration, now: Instant) {
    perSecond = configuration.icmpErrorsPerSecond
    burst = configuration.icmpErrorBurst
    interval = configuration.icmpErrorInterval
    credit = burst
    stamp = now
  }

  mutating func take(for destination: IPv4Address, now: Instant) -> Verdict {
    // Credit grows in steps of at least 20 ms (`icmp_global_allow`).
    let elapsed = min((now - stamp).nanoseconds, 1_000_000_000)
    if elapsed >= 20_000_000 {
      credit = min(credit + Int(elapsed) * perSecond / 1_000_000_000, burst)
      stamp = now
    }
    guard credit > 0 else { return .globalLimit }
    guard takeHost(destination, now: now) else { return .hostLimit }
    credit -= 1
    return .allowed
  }

  private mutating func takeHost(_ destination: IPv4Address, now: Instant) -> Bool {
    let full = interval.nanoseconds * Int64(ICMPRateLimit.hostBurst)
    var tokens = full
    if let known = hosts[destination] {
      tokens = min(known.tokens &+ min((now - known.stamp).nanoseconds, full), full)
    } else if hosts.count >= ICMPRateLimit.hostLimit {
      // A bucket that is full again need not be remembered.
      hosts = hosts.filter { $0.value.tokens + (now - $0.value.stamp).nanoseconds < full }
      if hosts.count >= ICMPRateLimit.hostLimit { return false }
    }
    let allowed = tokens >= interval.nanoseconds
    if allowed { tokens -= interval.nanoseconds }
    hosts[destination] = (tokens, now)
    return allowed
  }
}
