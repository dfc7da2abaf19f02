/// Where time, timers, deferred work and randomness come from, and the executor of every task of a bench.
///
/// A bench has one loop and runs on the loop's thread only: models, drivers and protocols run there to completion, and
/// asynchronous socket calls are jobs of the loop. None of the objects that hang on a loop is thread-safe.
///
/// Two implementations: ``EpollLoop`` (monotonic clock, file descriptors) and ``VirtualLoop`` (time jumps to the next
/// timer as soon as nothing is left to do, so that a run is a function of its seed).
public protocol EventLoop: AnyObject, TaskExecutor {
  /// The time of the current turn of the loop: read from the clock once a turn, so it stands still while callbacks and
  /// jobs run, and costs a load.
  var now: Instant { get }

  /// The time right now, where ``now`` may be a turn old: for measuring what happens within a turn. In virtual time the
  /// same as ``now``.
  var clock: Instant { get }

  /// Wall-clock time of the loop's origin, nanoseconds since 1970-01-01T00:00Z, for capture files. Fixed in virtual
  /// time.
  var epochNanoseconds: Int64 { get }

  /// The bench's random numbers: the same sequence for the same seed.
  var random: SeededRandom { get }

  /// The wheel behind ``LoopTimer``.
  var timers: TimerWheel { get }

  /// The queue behind ``DeferredWork``.
  var deferred: DeferredQueue { get }

  /// True on the thread that the loop runs on. Thread-safe.
  var isOnLoopThread: Bool { get }

  /// Runs `body` on the loop in its next turn, and wakes the loop for it. Thread-safe: the one way in for other
  /// threads.
  func post(_ body: @escaping @Sendable () -> Void)

  /// Runs `body` as a task of this loop and the loop with it, until `body` has ended; returns or throws what it did.
  /// Must be called on the thread that owns the bench, and not from inside the loop. Other tasks of the loop that have
  /// not ended by then go on with the next run.
  ///
  /// - Throws: what `body` throws; ``LoopError/deadlock`` if `body` waits but nothing is left that could wake it
  ///   (virtual time only; a real loop sleeps).
  func run<T>(_ body: @escaping () async throws -> T) throws -> T
}

/// What can go wrong with a loop itself.
public enum LoopError: Error, Equatable, CustomStringConvertible {
  /// A task waits, and neither a timer nor work nor a descriptor is left that could wake it: a lost wake-up.
  case deadlock
  /// The run went past the limit that the caller set.
  case limitReached(Instant)
  /// The run was stopped a second time before its body had ended.
  case stopped
  /// A system call of the loop failed.
  case system(operation: String, code: Int32)

  public var description: String {
    switch self {
    case .deadlock: "a task waits, but no timer, work or descriptor is left that could wake it"
    case .limitReached(let instant): "the run reached its time limit at \(instant.nanoseconds) ns"
    case .stopped: "the run was stopped"
    case .system(let operation, let code): "\(operation) failed with errno \(code)"
    }
  }
}
