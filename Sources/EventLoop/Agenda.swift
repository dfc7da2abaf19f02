import Glibc
import Synchronization

/// What a loop has to do, and the part of a turn that both loops share: jobs and deferred work until neither is left or
/// the turn's budget is used up.
final class Agenda {
  /// Jobs and pieces of work of one turn: enough to make a turn's fixed cost small, few enough that timers and
  /// descriptors never wait for long.
  static let budget = 512

  let timers = TimerWheel()
  let deferred = DeferredQueue()
  let mailbox = Mailbox()
  private var jobs = JobRing()
  private let thread = Atomic<UInt>(pthread_self())

  /// Makes the calling thread the one that the loop runs on.
  func adoptCallingThread() { thread.store(pthread_self(), ordering: .relaxed) }

  var isOnLoopThread: Bool { thread.load(ordering: .relaxed) == pthread_self() }

  /// True if a job, work or mail waits.
  var hasReady: Bool { jobs.count > 0 || !deferred.isEmpty || !mailbox.isEmpty }

  /// Takes a job; true if the loop sleeps and must be woken.
  func enqueue(_ job: UnownedJob) -> Bool {
    guard isOnLoopThread else { return mailbox.deliver(.job(job)) }
    jobs.append(job)
    return false
  }

  /// Runs what is ready, and what becomes ready meanwhile, within the turn's budget.
  func runReady(on executor: UnownedTaskExecutor) {
    var budget = Self.budget
    repeat {
      collectMail()
      // Only the jobs that are there now: deferred work has its turn before the jobs that these make ready.
      var batch = min(jobs.count, budget)
      budget &-= batch
      while batch > 0, let job = jobs.popFirst() {
        job.runSynchronously(on: executor)
        batch &-= 1
      }
      budget &-= deferred.run(limit: budget)
    } while budget > 0 && hasReady
  }

  private func collectMail() {
    if mailbox.isEmpty { return }
    for letter in mailbox.collect() {
      switch letter {
      case .job(let job): jobs.append(job)
      case .body(let body): body()
      }
    }
  }
}
