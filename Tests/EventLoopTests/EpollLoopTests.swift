import EventLoop
import Glibc
import Synchronization
import Testing

@Suite("Epoll loop") struct EpollLoopTests {
  @Test("sleeps end at their deadlines: never early, in order, and each wakes the loop once")
  func sleeping() throws {
    let loop = try EpollLoop(seed: 1)
    var late: [Int64] = []
    try loop.run {
      for step in 1...5 {
        let deadline = loop.now + .microseconds(300 * step)
        try await loop.sleep(until: deadline)
        late.append((loop.now - deadline).nanoseconds)
      }
    }
    #expect(late.allSatisfy { $0 >= 0 && $0 < 1_000_000_000 })
    let counters = loop.counters
    #expect(counters.sleeps == 5 && counters.wakesByTimer == 5)
    #expect(counters.wakesByPost == 0 && counters.wakesByDescriptor == 0)
    #expect(loop.timers.armedCount == 0)
  }

  @Test("an alert loop falls asleep once nothing has come for a while, and a timer is not late for it")
  func alert() throws {
    let loop = try EpollLoop(seed: 1)
    loop.alertness = .milliseconds(2)
    let pipe = try Pipe()
    let watch = try DescriptorWatch(on: loop, descriptor: pipe.reading, interest: .readable) { [pipe] _ in
      var byte: UInt8 = 0
      _ = read(pipe.reading, &byte, 1)
    }
    try loop.run {
      for _ in 1...3 {
        _ = write(pipe.writing, "x", 1)
        let deadline = loop.now + .milliseconds(20)
        try await loop.sleep(until: deadline)
        #expect(loop.now >= deadline)
      }
    }
    #expect(loop.counters.wakesByTimer == 3, "each pause is longer than the loop stays alert")
    watch.cancel()
  }

  @Test("while nothing happens the loop sleeps once: no wake-up that nobody asked for")
  func idle() throws {
    let loop = try EpollLoop(seed: 1)
    let pipe = try Pipe()
    let watch = try DescriptorWatch(on: loop, descriptor: pipe.reading, interest: .readable) { _ in
      Issue.record("nothing was written")
    }
    let far = LoopTimer(on: loop) { Issue.record("an hour has not passed") }
    far.arm(at: loop.now + .seconds(3_600))
    let near = LoopTimer(on: loop) {}
    near.arm(at: loop.clock + .milliseconds(10))
    near.cancel()
    try loop.run { try await loop.sleep(for: .milliseconds(30)) }
    #expect(loop.counters.sleeps == 1 && loop.counters.wakesByTimer == 1)
    #expect(loop.counters.turns <= 4)
    watch.cancel()
  }

  @Test("now stands still within a turn, while the clock goes on")
  func turnTime() throws {
    let loop = try EpollLoop(seed: 1)
    try loop.run {
      let before = loop.now
      let clock = loop.clock
      while loop.clock - clock < .microseconds(20) {}
      #expect(loop.now == before && loop.clock > loop.now)
      await Task.yield()
      try await loop.sleep(for: .zero)
      #expect(loop.now >= before + .microseconds(20))
    }
  }

  @Test("a posted closure wakes a sleeping loop and runs on its thread")
  func post() throws {
    let loop = try EpollLoop(seed: 1)
    let ran = Atomic<Bool>(false)
    try loop.run {
      let waiter = Waiter(on: loop)
      nonisolated(unsafe) let confined = waiter
      onThread {
        #expect(!loop.isOnLoopThread)
        usleep(1_000)
        loop.post {
          ran.store(loop.isOnLoopThread, ordering: .relaxed)
          confined.wake()
        }
      }
      #expect(await waiter.wait(until: loop.now + .seconds(20)) == .woken)
    }
    let wasOnLoop = ran.load(ordering: .relaxed)
    #expect(wasOnLoop)
    #expect(loop.counters.wakesByTimer == 0)
  }

  @Test("closures posted by several threads all run, each thread's in its order")
  func manyPosts() throws {
    let loop = try EpollLoop(seed: 1)
    final class Seen: @unchecked Sendable { var last = [Int](repeating: 0, count: 4), faults = 0 }
    let seen = Seen()
    try loop.run {
      let waiter = Waiter(on: loop)
      nonisolated(unsafe) let confined = waiter
      for thread in 0..<4 {
        onThread {
          for number in 1...2_000 {
            loop.post {
              if seen.last[thread] != number - 1 { seen.faults += 1 }
              seen.last[thread] = number
              if seen.last.allSatisfy({ $0 == 2_000 }) { confined.wake() }
            }
          }
        }
      }
      #expect(await waiter.wait(until: loop.now + .seconds(60)) == .woken)
    }
    #expect(seen.last == [2_000, 2_000, 2_000, 2_000] && seen.faults == 0)
  }

  @Test("a task whose continuation another thread resumes goes on on the loop's thread")
  func handOff() throws {
    let loop = try EpollLoop(seed: 1)
    try loop.run {
      for _ in 0..<200 {
        await withCheckedContinuation { continuation in
          onThread { continuation.resume() }
        }
        #expect(loop.isOnLoopThread)
      }
    }
  }

  actor Counter {
    private(set) var count = 0

    func add(_ loop: EpollLoop) {
      if loop.isOnLoopThread { count += 1 }
    }
  }

  func count(_ loop: EpollLoop, in counter: Counter) async -> Int {
    let tasks = (0..<50).map { _ in loop.spawn { await counter.add(loop) } }
    for task in tasks { await task.value }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<50 { group.addTask { await counter.add(loop) } }
    }
    return await counter.count
  }

  @Test("tasks, actors and children of a task on the loop all run on its thread")
  func executor() throws {
    let loop = try EpollLoop(seed: 1)
    #expect(try loop.run { await count(loop, in: Counter()) } == 100)
    // No other thread had a hand in it, so nobody had to be woken.
    #expect(loop.counters.wakesByPost == 0)
  }

  @Test("a wait that is cancelled from another thread ends as cancelled")
  func foreignCancellation() throws {
    let loop = try EpollLoop(seed: 1)
    try loop.run {
      let waiter = Waiter(on: loop)
      for _ in 0..<50 {
        let waiting = loop.spawn { await waiter.wait(until: loop.now + .seconds(20)) }
        nonisolated(unsafe) let confined = waiting
        onThread { confined.cancel() }
        #expect(await waiting.value == .cancelled)
      }
    }
    #expect(loop.timers.armedCount == 0)
  }

  @Test("stop cancels the body of the run; stopping twice ends a run whose body does not listen")
  func stop() throws {
    let loop = try EpollLoop(seed: 1)
    onThread { loop.stop() }
    #expect(throws: CancellationError.self) {
      try loop.run { try await loop.sleep(for: .seconds(60)) }
    }
    let waiter = Waiter(on: loop)
    onThread {
      loop.stop()
      loop.stop()
    }
    #expect(throws: LoopError.stopped) {
      // Awaiting another task's value does not heed cancellation.
      try loop.run { _ = await loop.spawn { await waiter.wait() }.value }
    }
    #expect(try loop.run { 3 } == 3)
  }

  @Test("the epoch is the wall clock's time at the loop's origin")
  func epoch() throws {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let loop = try EpollLoop(seed: 1)
    let before = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    #expect(loop.epochNanoseconds >= before && loop.epochNanoseconds - before < 10_000_000_000)
  }
}

/// Runs `body` on a thread of its own.
func onThread(_ body: @escaping @Sendable () -> Void) {
  final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let box = Unmanaged.passRetained(Box(body)).toOpaque()
  pthread_create(
    &thread, nil,
    { argument in
      Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
      return nil
    }, box)
  pthread_detach(thread)
}

/// Both ends of a pipe, non-blocking.
final class Pipe {
  private(set) var reading: Int32
  private(set) var writing: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    (reading, writing) = (ends[0], ends[1])
  }

  deinit {
    closeReading()
    closeWriting()
  }

  func put(_ byte: UInt8) {
    var byte = byte
    write(writing, &byte, 1)
  }

  func take() -> UInt8? {
    var byte: UInt8 = 0
    return read(reading, &byte, 1) == 1 ? byte : nil
  }

  func closeReading() {
    if reading >= 0 { close(reading) }
    reading = -1
  }

  func closeWriting() {
    if writing >= 0 { close(writing) }
    writing = -1
  }
}
