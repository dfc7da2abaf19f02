import EventLoop
import LinuxABI
import Packets
import Sockets
import Testing

@Suite("accept and the numbers of descriptors")
struct AcceptTests {
  private static func tcp(_ calls: SystemCalls) throws -> Int32 { try calls.socket(2, SocketType.SOCK_STREAM, 0) }

  private static func listener(_ calls: SystemCalls) throws -> (Int32, Endpoint) {
    let listener = try tcp(calls)
    try calls.listen(listener, backlog: 8)
    return (listener, Endpoint(.loopback, try calls.getsockname(listener).port))
  }

  private static func write(_ calls: SystemCalls, _ descriptor: Int32) async throws -> Int {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 1)
    return try await calls.write(descriptor, UnsafeRawBufferPointer(buffer))
  }

  @Test("a full table is EMFILE before the socket is looked at, and the connection stays for later")
  func full() throws {
    let bench = BenchKernel()
    let calls = SystemCalls(stack: bench.stack, reserved: 3, limit: 6)
    try bench.loop.run {
      let (listener, port) = try Self.listener(calls)
      let client = try Self.tcp(calls)
      let other = try calls.socket(2, SocketType.SOCK_DGRAM, 0)
      #expect((listener, client, other) == (3, 4, 5))
      #expect(throws: Errno.EMFILE) { try Self.tcp(calls) }
      // An empty backlog, and sockets that do not listen: the table comes first. Descriptor and flags come before it.
      for descriptor in [listener, client, other] {
        await #expect(throws: Errno.EMFILE) { try await calls.accept4(descriptor) }
      }
      await #expect(throws: Errno.EBADF) { try await calls.accept4(99) }
      await #expect(throws: Errno.EINVAL) { try await calls.accept4(listener, flags: 1) }
      try await calls.connect(client, to: port)
      await #expect(throws: Errno.EMFILE) { try await calls.accept4(listener) }
      #expect(try await Self.write(calls, client) == 4)
      try await calls.close(other)
      let accepted = try await calls.accept4(listener).descriptor
      #expect(accepted == 5)
      try await bench.loop.sleep(for: .milliseconds(3))
      #expect(try calls.ioctl(accepted, ControlRequest.FIONREAD) == 4)
      await calls.closeAll()
    }
  }

  @Test("a call that waits has its number already; it is open to nobody until then")
  func reservation() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (listener, port) = try Self.listener(calls)
      let accepting = bench.loop.spawn { try await calls.accept4(listener).descriptor }
      for _ in 0..<4 { await Task.yield() }
      let (a, b) = (try Self.tcp(calls), try Self.tcp(calls))
      #expect((listener, a, b) == (3, 5, 6))
      #expect(throws: Errno.EBADF) { try calls.getsockname(4) }
      await #expect(throws: Errno.EBADF) { try await calls.close(4) }
      await #expect(throws: Errno.EBUSY) { try await calls.dup3(a, 4, flags: 0) }
      #expect(calls.openDescriptors == [3, 5, 6])
      try await calls.connect(a, to: port)
      #expect(try await accepting.value == 4)
      #expect(calls.openDescriptors == [3, 4, 5, 6])
      await calls.closeAll()
    }
  }

  @Test("the number of an accept that fails is free again")
  func released() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (listener, _) = try Self.listener(calls)
      let accepting = bench.loop.spawn { try await calls.accept4(listener).descriptor }
      for _ in 0..<4 { await Task.yield() }
      accepting.cancel()
      await #expect(throws: Errno.EINTR) { try await accepting.value }
      await #expect(throws: Errno.EINVAL) { try await calls.accept4(try Self.tcp(calls)) }
      #expect(try Self.tcp(calls) == 5)
      await calls.closeAll()
    }
  }

  @Test("a connection wakes one of those who wait for it, and every one is served")
  func wakeOne() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (listener, port) = try Self.listener(calls)
      let first = bench.loop.spawn { try await calls.accept4(listener).descriptor }
      let second = bench.loop.spawn { try await calls.accept4(listener).descriptor }
      let third = bench.loop.spawn { try await calls.accept4(listener).descriptor }
      for _ in 0..<4 { await Task.yield() }
      let waiters = try calls.socket(listener).waiters
      #expect(waiters.count == 3)
      try await calls.connect(try Self.tcp(calls), to: port)
      #expect(try await first.value == 4)
      #expect(waiters.wakes == 1)
      #expect(waiters.count == 2)
      // Two at once: nobody is left behind.
      let clients = [try Self.tcp(calls), try Self.tcp(calls)]
      for client in clients {
        _ = try calls.fcntl(client, FileControl.F_SETFL, FileControl.O_NONBLOCK)
        await #expect(throws: Errno.EINPROGRESS) { try await calls.connect(client, to: port) }
      }
      #expect(try await second.value == 5)
      #expect(try await third.value == 6)
      #expect(waiters.wakes == 3)
      // The end of the listener reaches all.
      let rest = [
        bench.loop.spawn { try await calls.accept4(listener).descriptor },
        bench.loop.spawn { try await calls.accept4(listener).descriptor },
      ]
      for _ in 0..<4 { await Task.yield() }
      try calls.shutdown(listener, ShutdownHow.SHUT_RD)
      for task in rest { await #expect(throws: Errno.EINVAL) { try await task.value } }
      await calls.closeAll()
    }
  }

  @Test("one who is cancelled leaves the wake-up to the next")
  func cancelledWaiter() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (listener, port) = try Self.listener(calls)
      for _ in 0..<20 {
        let first = bench.loop.spawn { try await calls.accept4(listener).descriptor }
        let second = bench.loop.spawn { try await calls.accept4(listener).descriptor }
        for _ in 0..<4 { await Task.yield() }
        let client = try Self.tcp(calls)
        first.cancel()
        try await calls.connect(client, to: port)
        var accepted: [Int32] = []
        if let number = try? await first.value {
          accepted.append(number)
        } else {
          accepted.append(try await second.value)
        }
        second.cancel()
        if let number = try? await second.value, number != accepted[0] { accepted.append(number) }
        #expect(accepted.count == 1)
        for number in accepted + [client] { try await calls.close(number) }
      }
      await calls.closeAll()
    }
  }

  @Test("dup2 changes the file of its target at once, though the old one lingers")
  func lingeringTarget() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (listener, port) = try Self.listener(calls)
      let client = try Self.tcp(calls)
      try await calls.connect(client, to: port)
      let served = try await calls.accept4(listener).descriptor
      // The peer takes nothing more, so that closing waits for the time of SO_LINGER.
      let socket = try calls.socket(client)
      socket.options.lingers = true
      socket.options.lingerTime = .seconds(5)
      _ = try calls.fcntl(client, FileControl.F_SETFL, FileControl.O_NONBLOCK)
      while (try? await Self.write(calls, client)) != nil {}
      let datagrams = try calls.socket(2, SocketType.SOCK_DGRAM, 0)
      let start = bench.loop.now
      let duplicating = bench.loop.spawn { try await calls.dup3(datagrams, client, flags: 0, allowsSame: true) }
      for _ in 0..<4 { await Task.yield() }
      #expect(try calls.socket(client) === calls.socket(datagrams))
      #expect(try Self.tcp(calls) == datagrams + 1)
      #expect(try await duplicating.value == client)
      #expect(bench.loop.now - start == .seconds(5))
      #expect(served == 5)
      await calls.closeAll()
    }
  }
}
