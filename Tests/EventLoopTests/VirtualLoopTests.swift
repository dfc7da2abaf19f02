import EventLoop
import Testing

@Suite("Virtual loop") struct VirtualLoopTests {
  @Test("time jumps to the next timer and nowhere else")
  func jumps() throws {
    let loop = VirtualLoop(seed: 1)
    let times = try loop.run {
      var times: [Int64] = [loop.now.nanoseconds]
      try await loop.sleep(for: .seconds(3_600))
      times.append(loop.now.nanoseconds)
      try await loop.sleep(for: .nanoseconds(1))
      times.append(loop.now.nanoseconds)
      return times
    }
    #expect(times == [0, 3_600_000_000_000, 3_600_000_000_001])
    #expect(loop.counters.sleeps == 2)
    #expect(loop.timers.armedCount == 0)
  }

  @Test("a run is the same again with the same seed, and another with another")
  func determinism() throws {
    func trace(_ seed: UInt64) throws -> [String] {
      let loop = VirtualLoop(seed: seed)
      var trace: [String] = []
      try loop.run {
        let tasks = (0..<20).map { id in
          loop.spawn {
            for step in 0..<20 {
              try await loop.sleep(for: .nanoseconds(Int(loop.random.uniform(0...50))))
              trace.append("\(loop.now.nanoseconds) \(id).\(step)")
              await Task.yield()
            }
          }
        }
        for task in tasks { try await task.value }
      }
      return trace
    }
    let first = try trace(42)
    #expect(first.count == 400)
    #expect(try trace(42) == first)
    #expect(try trace(43) != first)
  }

  @Test("a body that nothing can wake is a deadlock, and is called one")
  func deadlock() {
    let loop = VirtualLoop(seed: 1)
    let waiter = Waiter(on: loop)
    #expect(throws: LoopError.deadlock) {
      try loop.run { _ = await waiter.wait() }
    }
    // The loop is still of use, and so is the task.
    #expect(waiter.isWaiting)
    waiter.wake()
    #expect(throws: Never.self) { try loop.runUntilIdle() }
    #expect(!waiter.isWaiting)
  }

  @Test("a run that goes past the limit of virtual time ends there")
  func limit() {
    let loop = VirtualLoop(seed: 1, limit: Instant(nanoseconds: 1_000))
    var steps = 0
    #expect(throws: LoopError.limitReached(Instant(nanoseconds: 1_000))) {
      try loop.run {
        while true {
          try await loop.sleep(for: .nanoseconds(300))
          steps += 1
        }
      }
    }
    #expect(steps == 3 && loop.now == Instant(nanoseconds: 900))
    loop.advance(by: .seconds(1))
    #expect(loop.now == Instant(nanoseconds: 1_000))
  }

  @Test("what the body returns and throws comes out of the run")
  func results() throws {
    struct Refused: Error, Equatable { var code: Int }
    let loop = VirtualLoop(seed: 1)
    #expect(try loop.run { "done" } == "done")
    #expect(throws: Refused(code: 7)) { try loop.run { throw Refused(code: 7) } }
  }

  @Test("advancing runs exactly what is due in the span and leaves the clock at its end")
  func advancing() {
    let loop = VirtualLoop(seed: 1)
    var fired: [Int64] = []
    let timers = [10, 20, 30].map { (deadline: Int64) in
      let timer = LoopTimer(on: loop) { fired.append(loop.now.nanoseconds) }
      timer.arm(at: Instant(nanoseconds: deadline))
      return timer
    }
    loop.advance(by: .nanoseconds(25))
    #expect(fired == [10, 20] && loop.now == Instant(nanoseconds: 25))
    loop.run(until: Instant(nanoseconds: 30))
    #expect(fired == [10, 20, 30] && loop.isIdle)
    loop.run(until: .distantFuture)
    #expect(loop.now == Instant(nanoseconds: 30))
    #expect(!timers[0].isArmed)
  }

  @Test("running until idle does all that is left, and gives up on what never ends")
  func untilIdle() throws {
    let loop = VirtualLoop(seed: 1)
    var log: [String] = []
    let work = DeferredWork(on: loop) { log.append("work") }
    let timer = LoopTimer(on: loop) {
      log.append("timer")
      work.schedule()
    }
    timer.arm(at: Instant(nanoseconds: 5))
    loop.spawn { log.append("task") }
    try loop.runUntilIdle()
    #expect(log == ["task", "timer", "work"] && loop.isIdle)

    loop.spawn { while true { try await loop.sleep(for: .seconds(1)) } }
    #expect(throws: LoopError.limitReached(loop.now + .seconds(10))) {
      try loop.runUntilIdle(limit: .seconds(10))
    }
  }

  @Test("a turn is jobs, then deferred work, then timers")
  func turnOrder() throws {
    let loop = VirtualLoop(seed: 1)
    var log: [String] = []
    let timer = LoopTimer(on: loop) { log.append("timer") }
    let work = DeferredWork(on: loop) { log.append("work") }
    timer.arm(at: .zero)
    work.schedule()
    loop.spawn { log.append("job") }
    try loop.runUntilIdle()
    #expect(log == ["job", "work", "timer"])
  }

  @Test("a spawned task can be awaited, throws what it threw, and outlives the run that began it")
  func spawned() throws {
    struct Broken: Error {}
    let loop = VirtualLoop(seed: 1)
    var background = 0
    try loop.run {
      loop.spawn {
        for _ in 0..<3 {
          try? await loop.sleep(for: .seconds(1))
          background += 1
        }
      }
      let sum = loop.spawn { 1 + 1 }
      let failing = loop.spawn { () throws -> Int in throw Broken() }
      #expect(await sum.value == 2)
      await #expect(throws: Broken.self) { try await failing.value }
      try await loop.sleep(for: .milliseconds(1_500))
    }
    #expect(background == 1)
    try loop.run { try await loop.sleep(for: .seconds(10)) }
    #expect(background == 3)
  }

  @Test("child tasks of a task on the loop run on the loop too")
  func children() throws {
    let loop = VirtualLoop(seed: 1)
    try loop.run {
      await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<10 { group.addTask { loop.isOnLoopThread } }
        for await onLoop in group { #expect(onLoop) }
      }
      async let child = loop.isOnLoopThread
      #expect(await child)
    }
  }
}
