/// A loop in virtual time: as soon as nothing is left to do, the clock jumps to the next timer. What happens on it is a
/// function of its seed, in any number of runs, on any machine.
///
/// It waits for nothing outside: a task that awaits something from another thread looks to it like a task that nobody
/// will wake.
public final class VirtualLoop: EventLoop, @unchecked Sendable {
  public private(set) var now: Instant = .zero
  public var clock: Instant { now }
  /// 2025-01-01T00:00:00Z.
  public let epochNanoseconds: Int64 = 1_735_689_600_000_000_000
  public let random: SeededRandom
  /// The clock does not go past this instant.
  public var limit: Instant
  private let agenda = Agenda()
  private var isRunning = false
  private var counted = LoopCounters()

  /// A loop at instant zero. `limit`: where ``run(_:)`` gives up with ``LoopError/limitReached(_:)``.
  public init(seed: UInt64, limit: Instant = .distantFuture) {
    random = SeededRandom(seed: seed)
    self.limit = limit
  }

  public var timers: TimerWheel { agenda.timers }
  public var deferred: DeferredQueue { agenda.deferred }
  public var counters: LoopCounters { counted }
  public var isOnLoopThread: Bool { agenda.isOnLoopThread }

  /// True if no job, work, or timer is left: nothing will ever happen again by itself.
  public var isIdle: Bool { !agenda.hasReady && agenda.timers.armedCount == 0 }

  public func enqueue(_ job: consuming ExecutorJob) { _ = agenda.enqueue(UnownedJob(job)) }

  public func post(_ body: @escaping @Sendable () -> Void) { _ = agenda.mailbox.deliver(.body(body)) }

  public func run<T>(_ body: @escaping () async throws -> T) throws -> T {
    begin()
    defer { isRunning = false }
    let task = spawn(body)
    while true {
      turn()
      if let result = task.result { return try result.get() }
      if agenda.hasReady { continue }
      guard let next = agenda.timers.nextDeadline else { throw LoopError.deadlock }
      if next > limit { throw LoopError.limitReached(limit) }
      jump(to: next)
    }
  }

  /// Lets `span` of virtual time pass, with everything that happens in it; the clock then shows exactly that much more
  /// (but never more than ``limit``).
  public func advance(by span: TimeSpan) { run(until: now + span) }

  /// Lets virtual time pass up to `instant` (or ``limit``), with everything that happens until then.
  public func run(until instant: Instant) {
    begin()
    defer { isRunning = false }
    let end = min(instant, limit)
    while true {
      turn()
      if agenda.hasReady { continue }
      guard let next = agenda.timers.nextDeadline, next <= end else { break }
      jump(to: next)
    }
    if end > now, end != .distantFuture { jump(to: end) }
  }

  /// Runs until no job, work or timer is left.
  ///
  /// - Throws: ``LoopError/limitReached(_:)`` if that is not so within `limit` of virtual time.
  public func runUntilIdle(limit span: TimeSpan = .seconds(86_400)) throws {
    begin()
    defer { isRunning = false }
    let end = min(now + span, limit)
    while true {
      turn()
      if agenda.hasReady { continue }
      guard let next = agenda.timers.nextDeadline else { return }
      if next > end { throw LoopError.limitReached(end) }
      jump(to: next)
    }
  }

  private func begin() {
    precondition(!isRunning, "a loop cannot be run from inside itself")
    isRunning = true
    agenda.adoptCallingThread()
  }

  private func turn() {
    counted.turns &+= 1
    agenda.runReady(on: asUnownedTaskExecutor())
    agenda.timers.advance(to: now)
  }

  private func jump(to instant: Instant) {
    if instant > now {
      now = instant
      counted.sleeps &+= 1
    }
    agenda.timers.advance(to: now)
  }
}
