import EventLoop
import LinuxABI
import Testing

@Suite("Record locks on a socket")
struct RecordLockTests {
  private static let unlocked = FileLock(type: LockType.F_UNLCK)

  private static func set(
    _ calls: SystemCalls, _ s: Int32, _ command: Int32, _ type: Int16, _ start: Int64 = 0, _ length: Int64 = 0
  ) async throws(Errno) {
    var lock = FileLock(type: type, start: start, length: length)
    try await calls.fcntl(s, command, &lock)
  }

  /// What is in the way of an exclusive lock of everything.
  private static func ask(_ calls: SystemCalls, _ s: Int32, _ command: Int32) async throws(Errno) -> FileLock {
    var lock = FileLock(type: LockType.F_WRLCK)
    try await calls.fcntl(s, command, &lock)
    return lock
  }

  private static func turns() async { for _ in 0..<6 { await Task.yield() } }

  private func run(lockLimit: Int = 65_536, _ body: @escaping (BenchKernel, SystemCalls) async throws -> Void) throws {
    let bench = BenchKernel()
    let view = ProcessView(presence: { _, _ in .absent }, identifier: { 4711 }, users: { (0, 0) })
    let calls = SystemCalls(stack: bench.stack, lockLimit: lockLimit, processes: view)
    try bench.loop.run { try await body(bench, calls) }
  }

  @Test("F_SETLKW ends with the unlock that makes room, not with the one before it, and takes the lock")
  func waiting() throws {
    try run { bench, calls in
      let s = try calls.socket(2, SocketType.SOCK_DGRAM, 0)
      try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_WRLCK, 0, 10)
      let waiter = bench.loop.spawn {
        try await Self.set(calls, s, FileControl.F_OFD_SETLKW, LockType.F_RDLCK, 4, 4)
        return bench.loop.now
      }
      let start = bench.loop.now
      try await bench.loop.sleep(for: .milliseconds(5))
      for (type, first, count) in [(LockType.F_UNLCK, 0, 5), (LockType.F_UNLCK, 8, 2), (LockType.F_RDLCK, 5, 1)] {
        try await Self.set(calls, s, FileControl.F_SETLK, type, Int64(first), Int64(count))
        await Self.turns()
        #expect(waiter.result == nil)
      }
      try await bench.loop.sleep(for: .milliseconds(5))
      // A lock that is shared from here on is not in the way.
      try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_RDLCK, 6, 2)
      #expect(try await waiter.value - start == .milliseconds(10))
      #expect(
        try await Self.ask(calls, s, FileControl.F_GETLK)
          == FileLock(type: LockType.F_RDLCK, start: 4, length: 4, process: -1))
      #expect(
        try await Self.ask(calls, s, FileControl.F_OFD_GETLK)
          == FileLock(type: LockType.F_RDLCK, start: 5, length: 3, process: 4711))
      await calls.closeAll()
    }
  }

  @Test("a cancelled F_SETLKW is EINTR, holds nothing and is in nobody's way")
  func cancelled() throws {
    try run { bench, calls in
      let s = try calls.socket(2, SocketType.SOCK_STREAM, 0)
      try await Self.set(calls, s, FileControl.F_OFD_SETLK, LockType.F_WRLCK)
      let waiter = bench.loop.spawn { try await Self.set(calls, s, FileControl.F_SETLKW, LockType.F_WRLCK) }
      await Self.turns()
      waiter.cancel()
      await #expect(throws: Errno.EINTR) { try await waiter.value }
      try await Self.set(calls, s, FileControl.F_OFD_SETLK, LockType.F_UNLCK)
      await Self.turns()
      #expect(try await Self.ask(calls, s, FileControl.F_GETLK).type == LockType.F_UNLCK)
      #expect(try await Self.ask(calls, s, FileControl.F_OFD_GETLK).type == LockType.F_UNLCK)
      await calls.closeAll()
    }
  }

  @Test("the process that would wait for an open file that waits for it is told of the deadlock")
  func deadlock() throws {
    try run { bench, calls in
      let s = try calls.socket(2, SocketType.SOCK_STREAM, 0)
      try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_WRLCK, 0, 1)
      try await Self.set(calls, s, FileControl.F_OFD_SETLK, LockType.F_WRLCK, 1, 1)
      let waiter = bench.loop.spawn { try await Self.set(calls, s, FileControl.F_OFD_SETLKW, LockType.F_RDLCK, 0, 1) }
      await Self.turns()
      await #expect(throws: Errno.EDEADLK) {
        try await Self.set(calls, s, FileControl.F_SETLKW, LockType.F_RDLCK, 1, 1)
      }
      await #expect(throws: Errno.EAGAIN) { try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_RDLCK, 1, 1) }
      try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_UNLCK)
      try await waiter.value
      await calls.closeAll()
    }
  }

  @Test("a close that comes first makes a waiting F_SETLKW fail with EBADF, and leaves no lock")
  func closedWhileWaiting() throws {
    try run { bench, calls in
      let s = try calls.socket(2, SocketType.SOCK_STREAM, 0)
      let twin = try calls.dup(s)
      try await Self.set(calls, s, FileControl.F_OFD_SETLK, LockType.F_WRLCK)
      let waiter = bench.loop.spawn { try await Self.set(calls, s, FileControl.F_SETLKW, LockType.F_RDLCK) }
      await Self.turns()
      try await calls.close(s)
      try await Self.set(calls, twin, FileControl.F_OFD_SETLK, LockType.F_UNLCK)
      await #expect(throws: Errno.EBADF) { try await waiter.value }
      #expect(try await Self.ask(calls, twin, FileControl.F_OFD_GETLK).type == LockType.F_UNLCK)
      await calls.closeAll()
    }
  }

  @Test("any close of the socket by the process takes its locks, and wakes whoever waited for them")
  func closing() throws {
    try run { bench, calls in
      let s = try calls.socket(2, SocketType.SOCK_STREAM, 0)
      for closes in [
        { try await calls.close(try calls.dup(s)) },
        { _ = try await calls.dup3(try calls.socket(2, SocketType.SOCK_DGRAM, 0), try calls.dup(s), flags: 0) },
      ] as [() async throws -> Void] {
        try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_WRLCK)
        let waiter = bench.loop.spawn { try await Self.set(calls, s, FileControl.F_OFD_SETLKW, LockType.F_WRLCK) }
        await Self.turns()
        #expect(waiter.result == nil)
        try await closes()
        try await waiter.value
        try await Self.set(calls, s, FileControl.F_OFD_SETLK, LockType.F_UNLCK)
      }
      await calls.closeAll()
    }
  }

  @Test("a process has no more ranges than it may, over all of its sockets, and gets them back")
  func limit() throws {
    try run(lockLimit: 5) { bench, calls in
      let (a, b) = (try calls.socket(2, SocketType.SOCK_DGRAM, 0), try calls.socket(2, SocketType.SOCK_DGRAM, 0))
      for i in 0..<3 { try await Self.set(calls, a, FileControl.F_SETLK, LockType.F_WRLCK, Int64(2 * i), 1) }
      try await Self.set(calls, b, FileControl.F_OFD_SETLK, LockType.F_WRLCK, 0, 5)
      try await Self.set(calls, b, FileControl.F_SETLK, LockType.F_WRLCK, 9, 1)
      for (s, command) in [(a, FileControl.F_SETLK), (b, FileControl.F_OFD_SETLK)] {
        await #expect(throws: Errno.ENOLCK) { try await Self.set(calls, s, command, LockType.F_WRLCK, 100, 1) }
      }
      // An unlock that would cut one in two needs room too, a lock that joins two makes some.
      await #expect(throws: Errno.ENOLCK) {
        try await Self.set(calls, b, FileControl.F_OFD_SETLK, LockType.F_UNLCK, 2, 1)
      }
      try await Self.set(calls, a, FileControl.F_SETLK, LockType.F_WRLCK, 1, 1)
      try await Self.set(calls, b, FileControl.F_OFD_SETLK, LockType.F_UNLCK, 2, 1)
      await #expect(throws: Errno.ENOLCK) {
        try await Self.set(calls, b, FileControl.F_OFD_SETLKW, LockType.F_WRLCK, 100, 1)
      }
      // Two of b's are the open file's, one the process's; all are free again with the socket.
      try await calls.close(b)
      await Self.turns()
      for i in 0..<3 { try await Self.set(calls, a, FileControl.F_OFD_SETLK, LockType.F_WRLCK, Int64(100 + 2 * i), 1) }
      await #expect(throws: Errno.ENOLCK) {
        try await Self.set(calls, a, FileControl.F_OFD_SETLK, LockType.F_WRLCK, 200)
      }
      await calls.closeAll()
    }
  }

  @Test("70,000 locks of single bytes end at the limit of 65,536")
  func bounded() throws {
    try run { bench, calls in
      let s = try calls.socket(2, SocketType.SOCK_DGRAM, 0)
      for i in 0..<65_536 { try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_WRLCK, Int64(2 * i), 1) }
      for i in 65_536..<70_000 {
        await #expect(throws: Errno.ENOLCK) {
          try await Self.set(calls, s, FileControl.F_SETLK, LockType.F_WRLCK, Int64(2 * i), 1)
        }
      }
      await calls.closeAll()
    }
  }
}
