/// A timer of a loop: made once by its owner, then armed and cancelled as often as one likes, in constant time and
/// without allocation. It fires once per arming, on the loop.
public final class LoopTimer {
  let wheel: TimerWheel
  let handler: () -> Void
  /// Intrusive links of the wheel's slot lists.
  unowned(unsafe) var previous: LoopTimer?
  var next: LoopTimer?
  var slot: Int32 = -1
  /// Order of arming: timers that are due at the same instant fire in it.
  var sequence: UInt64 = 0
  /// When it fires; meaningless while not armed.
  public internal(set) var deadline: Instant = .distantFuture

  /// A timer that calls `handler`. The handler must not keep the timer's owner alive (capture it weak or unowned).
  public init(on loop: any EventLoop, _ handler: @escaping () -> Void) {
    wheel = loop.timers
    self.handler = handler
  }

  /// True from arming until it fires or is cancelled.
  public var isArmed: Bool { slot >= 0 }

  /// Arms the timer for `deadline` (a past one fires in the next turn), replacing an earlier arming.
  public func arm(at deadline: Instant) { wheel.arm(self, at: deadline) }

  /// Disarms the timer; nothing happens if it is not armed.
  public func cancel() { wheel.cancel(self) }

  deinit { wheel.cancel(self) }
}
