import EventLoop
import Glibc
import Synchronization

/// A system call that goes on beside its caller.
protocol PendingCall: AnyObject {
  /// What it returned; nil while it blocks.
  var result: Int? { get }
  /// Interrupts it: a cancellation, or a signal.
  func interrupt()
  /// Waits for its end, and interrupts it if that does not come.
  func end() async -> Int
}

final class BenchCall: PendingCall {
  private let task: LoopTask<Int, Never>

  init(on loop: any EventLoop, _ body: @escaping () async -> Int) {
    task = loop.spawn { () async throws(Never) -> Int in await body() }
  }

  var result: Int? {
    guard case .success(let value) = task.result else { return nil }
    return value
  }

  func interrupt() { task.cancel() }
  func end() async -> Int { await task.value }
}

/// On a thread of its own.
final class HostCall: PendingCall {
  /// What both threads see.
  private final class Shared: Sendable {
    let raw: HostKernel.RawCall
    let words: [Int]
    let outcome = Mutex<Int?>(nil)
    nonisolated(unsafe) let hasEnded = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ raw: @escaping HostKernel.RawCall, _ words: [Int]) {
      self.raw = raw
      self.words = words
      sem_init(hasEnded, 0, 0)
    }

    deinit {
      sem_destroy(hasEnded)
      hasEnded.deallocate()
    }

    func make() {
      // The threads of a pool have signals blocked, and those that they start too.
      var signals = sigset_t()
      sigaddset(&signals, SIGUSR1)
      pthread_sigmask(SIG_UNBLOCK, &signals, nil)
      let w = words
      let result = raw(
        w[0], UInt(bitPattern: w[1]), UInt(bitPattern: w[2]), UInt(bitPattern: w[3]), UInt(bitPattern: w[4]),
        UInt(bitPattern: w[5]), UInt(bitPattern: w[6]))
      let code = Int(errno)
      outcome.withLock { $0 = result == -1 ? -code : result }
      sem_post(hasEnded)
    }
  }

  private let shared: Shared
  private var thread = pthread_t()
  private var isJoined = false

  init(_ raw: @escaping HostKernel.RawCall, _ words: [Int]) {
    shared = Shared(raw, words)
    // A signal that does nothing but interrupt.
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigaction(SIGUSR1, &action, nil)
    let argument = Unmanaged.passRetained(shared).toOpaque()
    pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Shared>.fromOpaque(argument!).takeRetainedValue().make()
        return nil
      }, argument)
  }

  var result: Int? { shared.outcome.withLock { $0 } }

  func interrupt() { if !isJoined { pthread_kill(thread, SIGUSR1) } }

  func end() async -> Int {
    guard !isJoined else { return result! }
    while true {
      var deadline = timespec()
      clock_gettime(CLOCK_REALTIME, &deadline)
      deadline.tv_sec += 2
      if sem_timedwait(shared.hasEnded, &deadline) == 0 { break }
      interrupt()
    }
    pthread_join(thread, nil)
    isJoined = true
    return result!
  }
}
