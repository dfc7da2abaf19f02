/// A piece of work that runs on the loop once it has been scheduled: an interrupt handler, a budgeted receive pass, a
/// flush at the end of a batch. Made once by its owner; scheduling is constant time, allocates nothing, and scheduling
/// twice before it ran is the same as once. Dropping the last reference takes a scheduled run back.
public final class DeferredWork {
  private let queue: DeferredQueue
  let handler: () -> Void
  /// This work's node in the queue.
  private var node: Int32 = -1

  /// Work that calls `handler`. The handler must not keep the work's owner alive (capture it weak or unowned).
  public convenience init(on loop: any EventLoop, _ handler: @escaping () -> Void) {
    self.init(of: loop.deferred, handler)
  }

  /// Work of a queue that its user runs himself.
  public init(of queue: DeferredQueue, _ handler: @escaping () -> Void) {
    self.queue = queue
    self.handler = handler
    node = queue.reserve(for: self)
  }

  deinit { queue.giveBack(node) }

  /// True from ``schedule()`` until the handler starts.
  public var isScheduled: Bool { queue.isScheduled(node) }

  /// Runs the handler in this turn of the loop, after the work scheduled before it (in the next one if the turn's
  /// budget is used up).
  public func schedule() { queue.schedule(node) }

  /// Takes a scheduled run back.
  public func cancel() { queue.cancel(node) }
}
