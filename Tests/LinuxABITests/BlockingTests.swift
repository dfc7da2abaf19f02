import EventLoop
import Events
import LinuxABI
import Packets
import Sockets
import Testing

@Suite("Calls that block")
struct BlockingTests {
  private func withBuffer<T>(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) async throws -> T) async rethrows
    -> T
  {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 1)
    return try await body(buffer)
  }

  private func pair(_ calls: SystemCalls) async throws -> (Int32, Int32) {
    let listener = try calls.socket(2, SocketType.SOCK_STREAM, 0)
    try calls.listen(listener, backlog: 4)
    let a = try calls.socket(2, SocketType.SOCK_STREAM, 0)
    try await calls.connect(a, to: Endpoint(.loopback, try calls.getsockname(listener).port))
    let b = try await calls.accept4(listener).descriptor
    try await calls.close(listener)
    return (a, b)
  }

  @Test("poll ends at its timeout to the nanosecond, or with the event")
  func pollTimeout() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (a, b) = try await pair(calls)
      for timeout: Int32 in [0, 1, 250, 60_000] {
        let start = bench.loop.now
        var entries = [PollDescriptor(a, PollMask.POLLIN), PollDescriptor(b, PollMask.POLLIN), PollDescriptor(-1, 1)]
        #expect(try await calls.poll(&entries, timeout: timeout) == 0)
        #expect(bench.loop.now - start == .milliseconds(Int(timeout)))
      }
      let start = bench.loop.now
      let writer = bench.loop.spawn {
        try await bench.loop.sleep(for: .milliseconds(40))
        return try await withBuffer(3) { try await calls.write(a, UnsafeRawBufferPointer($0)) }
      }
      var entries = [PollDescriptor(a, PollMask.POLLIN), PollDescriptor(b, PollMask.POLLIN)]
      #expect(try await calls.poll(&entries, timeout: -1) == 1)
      #expect(entries.map(\.returned) == [0, PollMask.POLLIN])
      #expect(bench.loop.now - start == .milliseconds(40))
      #expect(try await writer.value == 3)
    }
  }

  @Test("a cancelled poll is EINTR and leaves no waiter")
  func cancelledPoll() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (a, b) = try await pair(calls)
      let polling = bench.loop.spawn {
        var entries = [PollDescriptor(a, PollMask.POLLIN), PollDescriptor(b, PollMask.POLLIN)]
        return try await calls.poll(&entries, timeout: -1)
      }
      for _ in 0..<4 { await Task.yield() }
      #expect(try calls.socket(a).waiters.count == 1)
      polling.cancel()
      await #expect(throws: Errno.EINTR) { try await polling.value }
      #expect(try calls.socket(a).waiters.count == 0)
      #expect(try calls.socket(b).waiters.count == 0)
    }
  }

  @Test("a socket whose number is closed during a read lives until the read has ended, as in Linux")
  func closeDuringRead() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (a, b) = try await pair(calls)
      let reader = bench.loop.spawn { try await withBuffer(9) { try await calls.read(b, $0) } }
      for _ in 0..<4 { await Task.yield() }
      try await calls.close(b)
      #expect(throws: Errno.EBADF) { try calls.getsockname(b) }
      // The numbers of the listener and of the closed end are free.
      #expect(try calls.socket(2, SocketType.SOCK_DGRAM, 0) < a)
      #expect(try calls.socket(2, SocketType.SOCK_DGRAM, 0) == b)
      #expect(try await withBuffer(3) { try await calls.write(a, UnsafeRawBufferPointer($0)) } == 3)
      #expect(try await reader.value == 3)
      // Only now the connection ends.
      #expect(try await withBuffer(3) { try await calls.read(a, $0) } == 0)
    }
  }

  @Test("the read that ends last closes the socket, also when it fails")
  func closeDuringCancelledRead() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let calls = bench.calls
      let (a, b) = try await pair(calls)
      let reader = bench.loop.spawn { try await withBuffer(9) { try await calls.read(b, $0) } }
      for _ in 0..<4 { await Task.yield() }
      try await calls.close(b)
      reader.cancel()
      await #expect(throws: Errno.EINTR) { try await reader.value }
      #expect(try await withBuffer(3) { try await calls.read(a, $0) } == 0)
    }
  }

  @Test("calls and wake-ups are told while somebody listens, and counted always")
  func events() throws {
    let bench = BenchKernel()
    var told: [Event] = []
    try bench.loop.run {
      let calls = bench.calls
      let (a, b) = try await pair(calls)
      let name = try calls.getsockname(b).text
      bench.stack.tap.attach { record in
        switch record.event {
        case .systemCall, .wake: told.append(record.event)
        default: break
        }
      }
      let reader = bench.loop.spawn { try await withBuffer(9) { try await calls.read(b, $0) } }
      for _ in 0..<4 { await Task.yield() }
      _ = try await withBuffer(3) { try await calls.write(a, UnsafeRawBufferPointer($0)) }
      _ = try await reader.value
      await #expect(throws: Errno.EBADF) { try await calls.close(99) }
      #expect(
        told == [
          .systemCall(number: 1, name: "write", arguments: "\(a), 3", result: 3),
          .wake(object: "tcp \(name)", reason: "readable"),
          .systemCall(number: 0, name: "read", arguments: "\(b), 9", result: 3),
          .systemCall(number: 3, name: "close", arguments: "99", result: -9),
        ])
      let (reads, closes) = (calls.counters[.read], calls.counters[.close])
      #expect(reads?.calls == 1 && reads?.failures == 0)
      #expect(closes?.calls == 2 && closes?.failures == 1)
    }
  }
}
