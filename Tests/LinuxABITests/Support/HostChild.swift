import Glibc

/// A process of the host that a test starts, lets die and waits for. It ends with the last reference at the latest, and
/// its group with it.
final class HostChild {
  let number: pid_t
  private var isReaped = false
  private var isGroupEnded = false
  private let leadsGroup: Bool

  /// Runs a line of sh(1), in a group of its own if `leadsGroup`.
  init(_ command: String, leadsGroup: Bool = false) {
    self.leadsGroup = leadsGroup
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    if leadsGroup { posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP)) }
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
    defer { for argument in arguments { free(argument) } }
    var number = pid_t()
    let code = posix_spawn(&number, "/bin/sh", nil, &attributes, &arguments, environ)
    precondition(code == 0, "sh cannot be started: errno \(code)")
    self.number = number
  }

  deinit {
    killGroup()
    guard !isReaped else { return }
    kill()
    reap()
  }

  /// Waits until it has ended, and leaves it a zombie.
  func awaitEnd() {
    var information = siginfo_t()
    waitid(P_PID, id_t(number), &information, WEXITED | WNOWAIT)
  }

  func kill() { Glibc.kill(number, SIGKILL) }

  func reap() {
    if !isReaped { waitpid(number, nil, 0) }
    isReaped = true
  }

  /// Ends what is left of its group.
  func killGroup() {
    guard leadsGroup, !isGroupEnded else { return }
    isGroupEnded = true
    Glibc.kill(-number, SIGKILL)
  }
}

/// A thread of this process that is not its first, and only waits.
final class HostThread {
  let number: pid_t
  private var thread = pthread_t()
  private let gate: UnsafeMutablePointer<sem_t>

  init() {
    // The thread tells its number by the first word, and ends with the semaphore.
    typealias Meeting = (number: pid_t, started: sem_t, gate: UnsafeMutablePointer<sem_t>)
    gate = .allocate(capacity: 1)
    sem_init(gate, 0, 0)
    let meeting = UnsafeMutablePointer<Meeting>.allocate(capacity: 1)
    meeting.initialize(to: (0, sem_t(), gate))
    sem_init(&meeting.pointee.started, 0, 0)
    pthread_create(
      &thread, nil,
      { argument in
        let meeting = argument!.assumingMemoryBound(to: Meeting.self)
        let gate = meeting.pointee.gate
        // Not imported.
        let gettid = unsafeBitCast(dlsym(nil, "gettid"), to: (@convention(c) () -> pid_t).self)
        meeting.pointee.number = gettid()
        sem_post(&meeting.pointee.started)
        sem_wait(gate)
        return nil
      }, meeting)
    sem_wait(&meeting.pointee.started)
    number = meeting.pointee.number
    sem_destroy(&meeting.pointee.started)
    meeting.deallocate()
  }

  func end() {
    sem_post(gate)
    pthread_join(thread, nil)
    // Its number goes a little later than itself; kill(2) finds threads too.
    while Glibc.kill(number, 0) == 0 { sched_yield() }
    sem_destroy(gate)
    gate.deallocate()
  }
}
