import CLinux
import Glibc

/// The loop in real time: epoll, an eventfd and the timer wheel.
///
/// A turn runs jobs, deferred work, timers that are due, then waits for descriptors: not at all if something is ready,
/// until the next timer otherwise, for ever if there is none. There is no periodic wake-up. While no descriptor is
/// watched, a busy loop makes no system call at all.
///
/// The clock is CLOCK_MONOTONIC, read once a turn, after the wait. Waits have the kernel's timer slack (50 µs, and a
/// thousandth of long waits): timers fire that much late, never early.
public final class EpollLoop: EventLoop, @unchecked Sendable {
  /// Not ``now`` itself: what other modules read would be checked for exclusive access at each reading.
  private var time = Instant.zero
  public var now: Instant { time }
  public let epochNanoseconds: Int64
  public let random: SeededRandom
  /// How long the loop keeps looking for events after the last one before it sleeps: a partner that answers within that
  /// time need not wake it, and a processor that is awake wakes others sooner. It sleeps at once when somebody else
  /// wants the processor. Zero, never to keep looking, is right for everything but an exchange of many short messages.
  public var alertness = TimeSpan.zero
  let descriptors: EpollSet
  private let agenda = Agenda()
  private let origin: Int64
  private var isRunning = false
  private var cancelBody: (() -> Void)?
  private var stopRequests = 0
  private var counted = LoopCounters()
  /// When a descriptor was ready last.
  private var lastReady = Instant.zero

  /// A loop whose time begins now, owned by the calling thread until another one calls ``run(_:)``.
  ///
  /// - Throws: ``LoopError/system(operation:code:)`` if no descriptors are left.
  public init(seed: UInt64 = .random(in: 0 ... .max)) throws(LoopError) {
    random = SeededRandom(seed: seed)
    descriptors = try EpollSet()
    origin = Self.read(CLOCK_MONOTONIC)
    epochNanoseconds = Self.read(CLOCK_REALTIME)
  }

  public var timers: TimerWheel { agenda.timers }
  public var deferred: DeferredQueue { agenda.deferred }
  public var counters: LoopCounters { counted }
  public var isOnLoopThread: Bool { agenda.isOnLoopThread }

  /// The time right now, where ``now`` is too old: to measure how long something takes within a turn.
  public var clock: Instant { Instant(nanoseconds: Self.read(CLOCK_MONOTONIC) - origin) }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  // MARK: What comes in

  public func enqueue(_ job: consuming ExecutorJob) {
    if agenda.enqueue(UnownedJob(job)) { descriptors.wake() }
  }

  public func post(_ body: @escaping @Sendable () -> Void) {
    if agenda.mailbox.deliver(.body(body)) { descriptors.wake() }
  }

  /// Cancels the body of the run that goes on (or of the next one), which then ends by itself; a second call makes the
  /// run throw ``LoopError/stopped`` without waiting for that. Thread-safe, but not for use in a signal handler.
  public func stop() {
    post { [self] in
      stopRequests += 1
      cancelBody?()
    }
  }

  // MARK: Turns

  public func run<T>(_ body: @escaping () async throws -> T) throws -> T {
    precondition(!isRunning, "a loop cannot be run from inside itself")
    isRunning = true
    agenda.adoptCallingThread()
    time = clock
    let task = spawn(body)
    cancelBody = { task.cancel() }
    defer {
      isRunning = false
      cancelBody = nil
      stopRequests = 0
    }
    while true {
      counted.turns &+= 1
      agenda.runReady(on: asUnownedTaskExecutor())
      if let result = task.result { return try result.get() }
      if stopRequests > 1 { throw LoopError.stopped }
      agenda.timers.advance(to: time)
      try waitForEvents()
    }
  }

  private func waitForEvents() throws(LoopError) {
    var timeout = agenda.hasReady ? 0 : timeToSleep()
    if timeout != 0, isAlert() { timeout = 0 }
    if timeout != 0, !agenda.mailbox.prepareToSleep() { timeout = 0 }
    if timeout == 0, descriptors.watchCount == 0 {
      time = clock
      return
    }
    let count = try descriptors.wait(nanoseconds: timeout)
    time = clock
    if timeout != 0 {
      agenda.mailbox.wokeUp()
      counted.sleeps &+= 1
    }
    let found = descriptors.dispatch()
    if found.descriptor { lastReady = time }
    if timeout != 0 {
      if count == nil { counted.wakesBySignal &+= 1 }
      if count == 0 { counted.wakesByTimer &+= 1 }
      if found.descriptor { counted.wakesByDescriptor &+= 1 }
      if found.wakeUp { counted.wakesByPost &+= 1 }
    }
  }

  /// True while the loop is to look again rather than sleep: not if somebody else wants this processor.
  private func isAlert() -> Bool {
    guard alertness > .zero else { return false }
    let before = clock
    guard before - lastReady < alertness else { return false }
    sched_yield()
    if clock - before < Self.crowded { return true }
    lastReady = before - alertness
    return false
  }

  /// Giving the processor away takes longer only if somebody took it who has much to do: not a partner that answers.
  private static let crowded = TimeSpan.microseconds(200)

  /// Nanoseconds until the next timer; negative if there is none.
  private func timeToSleep() -> Int64 {
    guard let next = agenda.timers.nextDeadline else { return -1 }
    // The turn may have taken long: a relative wait needs the time right now.
    return max(0, next.nanoseconds - clock.nanoseconds)
  }
}
