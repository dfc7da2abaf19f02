import EventLoop
import Testing

@Suite("Waiting") struct WaiterTests {
  let loop = VirtualLoop(seed: 1)

  @Test("a wake-up ends the wait, and one that came before the wait is not lost")
  func wake() throws {
    let waiter = Waiter(on: loop)
    try loop.run {
      waiter.wake()
      #expect(await waiter.wait() == .woken)
      loop.spawn {
        try? await loop.sleep(for: .seconds(1))
        waiter.wake()
        waiter.wake()
      }
      #expect(await waiter.wait(until: loop.now + .seconds(2)) == .woken)
      #expect(loop.now == .zero + .seconds(1) && loop.timers.armedCount == 0)
      // The second of the two wake-ups came when the first had already been delivered.
      #expect(await waiter.wait() == .woken)
      waiter.wake()
      waiter.reset()
      #expect(await waiter.wait(until: loop.now + .seconds(1)) == .timedOut)
    }
  }

  @Test("a deadline ends the wait at that instant; one in the past ends it without time passing")
  func deadline() throws {
    let waiter = Waiter(on: loop)
    try loop.run {
      #expect(await waiter.wait(until: .zero + .seconds(3)) == .timedOut)
      #expect(loop.now == .zero + .seconds(3))
      #expect(await waiter.wait(until: .zero + .seconds(1)) == .timedOut)
      #expect(loop.now == .zero + .seconds(3))
    }
  }

  @Test("cancellation ends a wait at once, whether it comes before, at the start of, or during the wait")
  func cancellation() throws {
    let waiter = Waiter(on: loop)
    try loop.run {
      let waiting = loop.spawn { await waiter.wait(until: loop.now + .seconds(100)) }
      try await loop.sleep(for: .seconds(1))
      waiting.cancel()
      #expect(await waiting.value == .cancelled)
      #expect(loop.now == .zero + .seconds(1) && loop.timers.armedCount == 0)

      let early = loop.spawn { await waiter.wait() }
      early.cancel()
      #expect(await early.value == .cancelled)
      #expect(!waiter.isWaiting)
    }
  }

  @Test("of a wake-up and a cancellation in one turn the first one counts, and neither wakes the next wait")
  func race() throws {
    let waiter = Waiter(on: loop)
    try loop.run {
      for wakeFirst in [true, false] {
        let waiting = loop.spawn { await waiter.wait() }
        await Task.yield()
        #expect(waiter.isWaiting)
        if wakeFirst {
          waiter.wake()
          waiting.cancel()
        } else {
          waiting.cancel()
          waiter.wake()
        }
        #expect(await waiting.value == (wakeFirst ? .woken : .cancelled))
        waiter.reset()
      }
      #expect(await waiter.wait(until: loop.now + .seconds(1)) == .timedOut)
    }
  }

  @Test("a wake-up at any step between check and wait arrives", arguments: 0..<8)
  func everyMoment(step: Int) throws {
    let waiter = Waiter(on: loop)
    var isReady = false
    try loop.run {
      loop.spawn {
        for _ in 0..<step { await Task.yield() }
        isReady = true
        waiter.wake()
      }
      while !isReady {
        await Task.yield()
        await Task.yield()
        if !isReady { #expect(await waiter.wait() == .woken) }
      }
    }
  }

  @Test("a sleep that is cancelled throws at once and leaves no timer")
  func sleepCancelled() throws {
    try loop.run {
      let sleeper = loop.spawn { try await loop.sleep(for: .seconds(100)) }
      try await loop.sleep(for: .seconds(1))
      sleeper.cancel()
      await #expect(throws: CancellationError.self) { try await sleeper.value }
      #expect(loop.now == .zero + .seconds(1) && loop.timers.armedCount == 0)
    }
  }

  @Test("a body within its time limit returns its value and leaves no timer")
  func withinLimit() throws {
    let value = try loop.run {
      try await loop.withTimeLimit(.seconds(2)) {
        try await loop.sleep(for: .seconds(1))
        return 5
      }
    }
    #expect(value == 5 && loop.timers.armedCount == 0)
  }

  @Test("a body that exceeds its time limit is cancelled, and the error says so")
  func beyondLimit() throws {
    #expect(throws: TimeLimitExceeded(limit: .seconds(2))) {
      try loop.run {
        try await loop.withTimeLimit(.seconds(2)) { try await loop.sleep(for: .seconds(3)) }
      }
    }
    #expect(loop.now == .zero + .seconds(2))
  }

  @Test("a time limit passes on what the body throws, and the caller's cancellation")
  func limitPassesOn() throws {
    struct Broken: Error {}
    try loop.run {
      await #expect(throws: Broken.self) {
        try await loop.withTimeLimit(.seconds(2)) { throw Broken() }
      }
      let caller = loop.spawn {
        try await loop.withTimeLimit(.seconds(9)) { try await loop.sleep(for: .seconds(8)) }
      }
      try await loop.sleep(for: .seconds(1))
      caller.cancel()
      await #expect(throws: CancellationError.self) { try await caller.value }
      #expect(loop.now == .zero + .seconds(1) && loop.timers.armedCount == 0)
    }
  }
}
