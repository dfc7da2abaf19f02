extension EventLoop {
  /// Suspends the calling task for `span` of the loop's time.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  public func sleep(for span: TimeSpan) async throws {
    try await sleep(until: now + span)
  }

  /// Suspends the calling task until the loop's time reaches `deadline`.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  public func sleep(until deadline: Instant) async throws {
    if await Waiter(on: self).wait(until: deadline) == .cancelled { throw CancellationError() }
  }

  /// Runs `body` as a task of its own and cancels it when it has not ended after `span`.
  ///
  /// It returns only when `body` has ended: one that does not heed cancellation holds it up, and one that ends well
  /// although it was cancelled counts as having ended well. Cancelling the caller cancels `body`.
  ///
  /// - Throws: ``TimeLimitExceeded`` if `body` threw after its time was up; otherwise what `body` throws.
  public func withTimeLimit<Value>(
    _ span: TimeSpan, _ body: @escaping () async throws -> Value
  ) async throws -> Value {
    let task = spawn(body)
    var isOver = false
    let timer = LoopTimer(on: self) {
      isOver = true
      task.cancel()
    }
    timer.arm(at: now + span)
    defer { timer.cancel() }
    do {
      return try await task.join()
    } catch {
      throw isOver ? TimeLimitExceeded(limit: span) : error
    }
  }
}

/// A body did not end within its time limit.
public struct TimeLimitExceeded: Error, Equatable, CustomStringConvertible {
  public let limit: TimeSpan

  public init(limit: TimeSpan) { self.limit = limit }

  public var description: String { "not done after \(limit)" }
}
