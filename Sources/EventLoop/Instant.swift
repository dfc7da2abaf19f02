/// A point in a loop's time: nanoseconds since the loop's origin. Real loops count from their creation (monotonic
/// clock), virtual loops from zero.
@frozen public struct Instant: Comparable, Hashable, Sendable, BitwiseCopyable {
  /// Nanoseconds since the loop's origin.
  public var nanoseconds: Int64

  @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The loop's origin.
  public static var zero: Instant { @inlinable get { Instant(nanoseconds: 0) } }
  /// Later than every instant a loop reaches.
  public static var distantFuture: Instant { @inlinable get { Instant(nanoseconds: .max) } }

  @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  /// `span` later; saturates at ``distantFuture``.
  @inlinable public static func + (instant: Instant, span: TimeSpan) -> Instant {
    let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span.nanoseconds)
    return Instant(nanoseconds: overflow ? .max : sum)
  }
  @inlinable public static func - (instant: Instant, span: TimeSpan) -> Instant {
    Instant(nanoseconds: instant.nanoseconds &- span.nanoseconds)
  }
  /// The time from `b` to `a`.
  @inlinable public static func - (a: Instant, b: Instant) -> TimeSpan {
    TimeSpan(nanoseconds: a.nanoseconds &- b.nanoseconds)
  }
}

/// A length of time in whole nanoseconds: one machine word, where `Swift.Duration` is two and slow to divide.
@frozen public struct TimeSpan: Comparable, Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public var nanoseconds: Int64

  @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
  /// `duration`, rounded toward zero to nanoseconds and saturated to 292 years.
  public init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    nanoseconds = overflow || overflow2 ? (seconds < 0 ? .min : .max) : sum
  }

  public static var zero: TimeSpan { @inlinable get { TimeSpan(nanoseconds: 0) } }
  @inlinable public static func nanoseconds(_ n: Int) -> TimeSpan { TimeSpan(nanoseconds: Int64(n)) }
  @inlinable public static func microseconds(_ n: Int) -> TimeSpan { TimeSpan(nanoseconds: Int64(n) * 1_000) }
  @inlinable public static func milliseconds(_ n: Int) -> TimeSpan { TimeSpan(nanoseconds: Int64(n) * 1_000_000) }
  @inlinable public static func seconds(_ n: Int) -> TimeSpan { TimeSpan(nanoseconds: Int64(n) * 1_000_000_000) }
  /// `n` seconds, rounded to nanoseconds and saturated to 292 years; not a number counts as zero.
  public static func seconds(_ n: Double) -> TimeSpan {
    let nanoseconds = (n * 1e9).rounded()
    if nanoseconds.isNaN { return .zero }
    return TimeSpan(nanoseconds: Int64(exactly: nanoseconds) ?? (n < 0 ? .min : .max))
  }

  /// The span in seconds.
  @inlinable public var seconds: Double { Double(nanoseconds) / 1e9 }

  @inlinable public static func < (a: TimeSpan, b: TimeSpan) -> Bool { a.nanoseconds < b.nanoseconds }
  @inlinable public static func + (a: TimeSpan, b: TimeSpan) -> TimeSpan {
    TimeSpan(nanoseconds: a.nanoseconds &+ b.nanoseconds)
  }
  @inlinable public static func - (a: TimeSpan, b: TimeSpan) -> TimeSpan {
    TimeSpan(nanoseconds: a.nanoseconds &- b.nanoseconds)
  }
  @inlinable public static func * (a: TimeSpan, b: Int) -> TimeSpan {
    TimeSpan(nanoseconds: a.nanoseconds &* Int64(b))
  }
  @inlinable public static func / (a: TimeSpan, b: Int) -> TimeSpan { TimeSpan(nanoseconds: a.nanoseconds / Int64(b)) }

  public var description: String { Duration.nanoseconds(nanoseconds).description }
}
