import EventLoop
import Glibc
import Testing

@Suite("Descriptor watches") struct DescriptorWatchTests {
  let loop: EpollLoop
  let pipe: Pipe

  init() throws {
    loop = try EpollLoop(seed: 1)
    pipe = try Pipe()
  }

  /// Lets the loop run a few turns without blocking.
  func turns(_ count: Int = 3) throws {
    try loop.run { for _ in 0..<count { try await loop.sleep(for: .zero) } }
  }

  @Test("a readable descriptor wakes the loop and its handler is called until it is read empty")
  func readable() throws {
    var taken: [UInt8] = []
    let waiter = Waiter(on: loop)
    let watch = try DescriptorWatch(on: loop, descriptor: pipe.reading, interest: .readable) { [pipe] ready in
      #expect(ready == .readable)
      if let byte = pipe.take() { taken.append(byte) }
      if taken.count == 3 { waiter.wake() }
    }
    let writing = pipe.writing
    try loop.run {
      onThread {
        usleep(1_000)
        var bytes: [UInt8] = [1, 2, 3]
        write(writing, &bytes, 3)
      }
      #expect(await waiter.wait(until: loop.now + .seconds(20)) == .woken)
    }
    #expect(taken == [1, 2, 3])
    #expect(loop.counters.wakesByTimer == 0)
    withExtendedLifetime(watch) {}
  }

  @Test("a pipe is writable at once; an empty interest is silent; interest can come back")
  func interest() throws {
    var calls = 0
    let watch = try DescriptorWatch(on: loop, descriptor: pipe.writing, interest: .writable) { ready in
      #expect(ready.contains(.writable))
      calls += 1
    }
    try turns()
    let before = calls
    #expect(before > 0)
    try watch.setInterest([])
    try turns()
    #expect(calls == before)
    try watch.setInterest(.writable)
    try turns()
    #expect(calls > before)
  }

  @Test("a pipe whose reader is gone reports an error, one whose writer is gone a hang-up")
  func closedEnds() throws {
    var (reader, writer) = (DescriptorReadiness(), DescriptorReadiness())
    let other = try Pipe()
    let first = try DescriptorWatch(on: loop, descriptor: pipe.reading, interest: .readable) { reader = $0 }
    let second = try DescriptorWatch(on: loop, descriptor: other.writing, interest: .writable) { writer = $0 }
    pipe.closeWriting()
    other.closeReading()
    try turns()
    #expect(reader == .hangUp)
    #expect(writer.contains(.error))
    // With nothing of interest a hang-up does not keep the loop awake.
    try first.setInterest([])
    try second.setInterest([])
    let before = loop.counters.sleeps
    try loop.run { try await loop.sleep(for: .milliseconds(2)) }
    #expect(loop.counters.sleeps == before + 1)
  }

  @Test("a cancelled watch is silent, even when its event is in hand already")
  func cancelInBatch() throws {
    let other = try Pipe()
    pipe.put(1)
    other.put(1)
    var calls = 0
    var watches: [DescriptorWatch] = []
    for reading in [pipe.reading, other.reading] {
      watches.append(
        try DescriptorWatch(on: loop, descriptor: reading, interest: .readable) { _ in
          calls += 1
          for watch in watches { watch.cancel() }
        })
    }
    try turns()
    #expect(calls == 1)
    watches = []
  }

  @Test("dropping a watch ends it, also from within its handler")
  func dropped() throws {
    pipe.put(1)
    var calls = 0
    var watch: DescriptorWatch?
    watch = try DescriptorWatch(on: loop, descriptor: pipe.reading, interest: .readable) { _ in
      watch = nil
      calls += 1
    }
    try turns()
    #expect(calls == 1 && watch == nil)
  }

  @Test("a descriptor number that was closed and given out again belongs to its new watch")
  func reusedNumber() throws {
    var log: [String] = []
    let old = try DescriptorWatch(on: loop, descriptor: pipe.reading, interest: .readable) { _ in
      log.append("old")
    }
    let number = pipe.reading
    let fresh = try Pipe()
    #expect(dup2(fresh.reading, number) == number)
    let new = try DescriptorWatch(on: loop, descriptor: number, interest: .readable) { _ in log.append("new") }
    old.cancel()
    fresh.put(1)
    try turns(2)
    #expect(!log.isEmpty && log.allSatisfy { $0 == "new" })
    new.cancel()
  }

  @Test("a watch survives that its own number is closed and given out again")
  func sameWatchReusedNumber() throws {
    var calls = 0
    let watch = try DescriptorWatch(on: loop, descriptor: pipe.reading, interest: .readable) { _ in calls += 1 }
    let fresh = try Pipe()
    fresh.put(1)
    #expect(dup2(fresh.reading, pipe.reading) == pipe.reading)
    try watch.setInterest([.readable, .peerClosed])
    try turns()
    #expect(calls > 0)
  }

  @Test("what cannot be watched is refused with the system's reason")
  func refused() throws {
    func watch(_ descriptor: Int32) throws -> DescriptorWatch {
      try DescriptorWatch(on: loop, descriptor: descriptor, interest: .readable) { _ in }
    }
    #expect(throws: LoopError.system(operation: "epoll_ctl", code: EBADF)) { try watch(-1) }
    let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    #expect(throws: LoopError.system(operation: "epoll_ctl", code: EPERM)) { try watch(file) }
    let first = try watch(pipe.reading)
    #expect(throws: LoopError.system(operation: "epoll_ctl", code: EEXIST)) { try watch(pipe.reading) }
    first.cancel()
    let second = try watch(pipe.reading)
    #expect(second.interest == .readable && first.interest == [])
  }
}
