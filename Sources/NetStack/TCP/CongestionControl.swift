import EventLoop

/// The congestion window and the slow start threshold of a connection, in bytes.
public struct CongestionWindow: Sendable, Equatable {
  /// cwnd
  public var size: Int
  /// ssthresh
  public var threshold: Int
  /// SMSS: the payload of a full segment, without options.
  public var segmentSize: Int

  public init(size: Int, threshold: Int = .max, segmentSize: Int) {
    self.size = size
    self.threshold = threshold
    self.segmentSize = segmentSize
  }

  public var isInSlowStart: Bool { size < threshold }
}

/// How fast a connection may send: the policy that reacts to acknowledgements and losses. Loss detection and recovery,
/// pacing of the window's use and retransmission belong to the connection.
public protocol CongestionControl: AnyObject {
  var algorithm: CongestionAlgorithm { get }

  /// `bytes` were newly acknowledged outside of recovery while the window was the limit.
  func acknowledged(_ bytes: Int, _ window: inout CongestionWindow, roundTrip: TimeSpan, at now: Instant)

  /// A loss was found with `flight` bytes outstanding: returns the new slow start threshold.
  func thresholdAfterLoss(_ window: CongestionWindow, flight: Int) -> Int

  /// A retransmission timeout followed; slow start begins anew.
  func timedOut()

  /// Sending goes on after `idle` without anything outstanding.
  func resumed(after idle: TimeSpan)
}

extension CongestionAlgorithm {
  /// A controller of its own for one connection.
  public func makeController() -> any CongestionControl {
    switch self {
    case .cubic: Cubic()
    case .reno: NewReno()
    }
  }
}

/// Slow start and congestion avoidance of RFC 5681 3.1, counted in acknowledged bytes (RFC 3465).
public final class NewReno: CongestionControl {
  /// Bytes acknowledged since the window last grew, in congestion avoidance.
  private var acknowledgedBytes = 0

  public init() {}

  public var algorithm: CongestionAlgorithm { .reno }

  public func acknowledged(
    _ bytes: Int, _ window: inout CongestionWindow, roundTrip: TimeSpan, at now: Instant
  ) {
    let rest = window.slowStart(bytes)
    guard rest > 0 else { return }
    acknowledgedBytes += rest
    if acknowledgedBytes >= window.size {
      acknowledgedBytes -= window.size
      window.size += window.segmentSize
    }
  }

  public func thresholdAfterLoss(_ window: CongestionWindow, flight: Int) -> Int {
    acknowledgedBytes = 0
    return max(flight / 2, 2 * window.segmentSize)
  }

  public func timedOut() { acknowledgedBytes = 0 }
  public func resumed(after idle: TimeSpan) {}
}

extension CongestionWindow {
  /// Grows by `bytes` up to the threshold (RFC 5681 3.1, without the limit L of RFC 3465: as Linux, because
  /// acknowledgements of whole receive batches are the rule); returns the bytes that are left for avoidance.
  mutating func slowStart(_ bytes: Int) -> Int {
    guard isInSlowStart else { return bytes }
    let grown = min(bytes, threshold - size)
    size += grown
    return bytes - grown
  }
}
