/// A timer of a loop: made once by its owner, then armed and cancelled as often as one likes, in constant time and
/// without allocation. It fires once per arming, on the loop. Dropping the last reference disarms it.
public final class LoopTimer {
  private let wheel: TimerWheel
  let handler: () -> Void
  /// This timer's node in the wheel's lists.
  private var node: Int32 = -1

  /// A timer that calls `handler`. The handler must not keep the timer's owner alive (capture it weak or unowned).
  public convenience init(on loop: any EventLoop, _ handler: @escaping () -> Void) {
    self.init(of: loop.timers, handler)
  }

  /// A timer of a wheel that its user advances himself.
  public init(of wheel: TimerWheel, _ handler: @escaping () -> Void) {
    self.wheel = wheel
    self.handler = handler
    node = wheel.reserve(for: self)
  }

  deinit { wheel.giveBack(node) }

  /// True from arming until it fires or is cancelled; false already while the handler runs.
  public var isArmed: Bool { wheel.isArmed(node) }

  /// When it fires; ``Instant/distantFuture`` while not armed.
  public var deadline: Instant { wheel.deadline(node) }

  /// Arms the timer for `deadline` (a past one fires in the next turn), replacing an earlier arming. As no loop reaches
  /// ``Instant/distantFuture``, arming for that is the same as cancelling.
  public func arm(at deadline: Instant) { wheel.arm(node, at: deadline.nanoseconds) }

  /// Disarms the timer; nothing happens if it is not armed.
  public func cancel() { wheel.cancel(node) }
}
