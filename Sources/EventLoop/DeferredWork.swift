/// A piece of work that runs on the loop once it has been scheduled: an interrupt handler, a budgeted receive pass, a
/// flush at the end of a batch. Made once by its owner; scheduling is constant time, allocates nothing, and scheduling
/// twice before it ran is the same as once.
public final class DeferredWork {
  let queue: DeferredQueue
  let handler: () -> Void
  /// True from ``schedule()`` until the handler starts.
  public internal(set) var isScheduled = false

  /// Work that calls `handler`. The handler must not keep the work's owner alive (capture it weak or unowned).
  public init(on loop: any EventLoop, _ handler: @escaping () -> Void) {
    queue = loop.deferred
    self.handler = handler
  }

  /// Runs the handler in this turn of the loop, after the work scheduled before it.
  public func schedule() {
    guard !isScheduled else { return }
    isScheduled = true
    queue.append(self)
  }

  /// Takes a scheduled run back.
  public func cancel() { isScheduled = false }
}
