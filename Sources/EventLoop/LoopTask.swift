/// A task that runs on a loop; see ``EventLoop/spawn(_:)``. Like everything on a loop it stays on the loop's thread.
public final class LoopTask<Value, Failure: Error> {
  /// What the task ended with; nil while it has not.
  public private(set) var result: Result<Value, Failure>?
  private var task: Task<Void, Never>?

  init(on loop: any EventLoop, _ body: @escaping () async throws(Failure) -> Value) {
    // Neither leaves the loop's thread: the task has the loop as its executor preference.
    nonisolated(unsafe) let body = body
    nonisolated(unsafe) let handle = self
    task = Task(executorPreference: loop) {
      do throws(Failure) {
        handle.result = .success(try await body())
      } catch {
        handle.result = .failure(error)
      }
    }
  }

  /// Asks the task to end early: its waits on the loop end with cancellation.
  public func cancel() { task?.cancel() }

  /// Waits for the end of the task; returns or throws what it did. When the waiter is cancelled, so is the task.
  public func join() async throws(Failure) -> Value {
    let task = task!
    await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    return try result!.get()
  }
}

// Two getters as in the standard library's `Task`: a single one with `throws(Failure)` crashes the Swift 6.3 compiler
// where it is called.

extension LoopTask where Failure == Never {
  /// Waits for the end of the task; returns what it did. Cancelling the waiter does not cancel the task.
  public var value: Value {
    get async {
      await task!.value
      switch result! {
      case .success(let value): return value
      }
    }
  }
}

extension LoopTask where Failure == any Error {
  /// Waits for the end of the task; returns or throws what it did. Cancelling the waiter does not cancel the task.
  public var value: Value {
    get async throws {
      await task!.value
      return try result!.get()
    }
  }
}

extension EventLoop {
  /// Starts another task on this loop. `body` need not be sendable, as it never leaves the loop's thread; it begins in
  /// the loop's next pass over its jobs and goes on as long as the loop runs, after a ``run(_:)`` that has ended too.
  ///
  /// Use this in place of `Task { }`, which would not have the loop as its executor and cost a thread hop for each
  /// wait.
  @discardableResult
  public func spawn<Value, Failure: Error>(
    _ body: @escaping () async throws(Failure) -> Value
  ) -> LoopTask<Value, Failure> {
    LoopTask(on: self, body)
  }
}
