/// Why a wait ended.
public enum WaitOutcome: Sendable, Equatable {
  case woken, timedOut, cancelled
}

/// The place where one task waits until someone on the loop wakes it, a deadline passes, or the task is cancelled.
///
/// Everything that blocks is built on it: sleeping, socket calls, `poll`. A wake-up is never lost: ``wake()`` while
/// nobody waits lets the next ``wait(until:)`` return at once. A waiter is made once and used for any number of waits,
/// one at a time; to wait for several things, hand the same waiter to all of them.
public final class Waiter {
  private let loop: any EventLoop
  private var continuation: UnsafeContinuation<WaitOutcome, Never>?
  private var isSignalled = false
  /// Counts the waits, so that a cancellation that comes from another thread too late does not end the next wait.
  private var round: UInt64 = 0
  private lazy var timer = LoopTimer(on: loop) { [unowned self] in finish(.timedOut) }

  public init(on loop: any EventLoop) { self.loop = loop }

  /// True while a task waits here.
  public var isWaiting: Bool { continuation != nil }

  /// Wakes the task that waits, or the next one that wants to.
  public func wake() {
    if continuation == nil { isSignalled = true } else { finish(.woken) }
  }

  /// Takes back a ``wake()`` that nobody waited for.
  public func reset() { isSignalled = false }

  /// Suspends the calling task, which must be one of the loop's, until ``wake()``, until `deadline`, or until the task
  /// is cancelled. A wake-up that has come already counts before the other two.
  public func wait(until deadline: Instant = .distantFuture) async -> WaitOutcome {
    precondition(loop.isOnLoopThread, "a task that waits on a loop must run on that loop")
    precondition(continuation == nil, "two tasks wait in the same place")
    if isSignalled {
      isSignalled = false
      return .woken
    }
    if Task.isCancelled { return .cancelled }
    round &+= 1
    let round = round
    nonisolated(unsafe) let waiter = self
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        waiter.continuation = continuation
        if deadline != .distantFuture { waiter.timer.arm(at: deadline) }
      }
    } onCancel: {
      waiter.cancel(round)
    }
  }

  /// Called on the thread of whoever cancels the task.
  private func cancel(_ cancelled: UInt64) {
    if loop.isOnLoopThread {
      if cancelled == round, continuation != nil { finish(.cancelled) }
    } else {
      nonisolated(unsafe) let waiter = self
      loop.post { waiter.cancel(cancelled) }
    }
  }

  private func finish(_ outcome: WaitOutcome) {
    guard let waiting = continuation else { return }
    continuation = nil
    if timer.isArmed { timer.cancel() }
    waiting.resume(returning: outcome)
  }
}
