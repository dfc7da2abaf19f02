import EventLoop
import NetStack
import Packets
import Sockets
import Testing

@Suite("Waits end at their time limit, or when their task is cancelled")
struct TimeLimitTests {
  /// A call that waits for ever on a socket.
  struct Endless: Sendable, CustomTestStringConvertible {
    let name: String
    /// What the end of SO_RCVTIMEO or SO_SNDTIMEO is reported as.
    var timedOut = SocketError.wouldBlock
    let prepare: @Sendable (LoopbackHost) async throws -> (any Socket, () async throws -> Void)
    var testDescription: String { name }
  }

  static let waits: [Endless] = [
    Endless(name: "read") { host in
      let (a, b) = try await host.pair()
      return (
        b,
        {
          _ = try await b.read(1); _ = a
        }
      )
    },
    Endless(name: "write") { host in
      let (a, b) = try await host.pair()
      try await a.fill(on: host.loop)
      return (
        a,
        {
          try await a.write([1]); _ = b
        }
      )
    },
    Endless(name: "accept") { host in
      let listener = try host.listener()
      return (listener, { _ = try await listener.accept(isNonBlocking: false) })
    },
    Endless(name: "connect", timedOut: .connectionStarted) { host in
      // A full backlog answers no SYN.
      let listener = try host.listener(backlog: 0)
      let first = TCPSocket(on: host.stack)
      try await first.connect(to: listener.localEndpoint)
      let second = TCPSocket(on: host.stack)
      return (
        second,
        {
          try await second.connect(to: listener.localEndpoint); _ = (first, listener)
        }
      )
    },
    Endless(name: "receive of a datagram") { host in
      let socket = try host.boundUDP()
      return (socket, { _ = try await socket.read(1) })
    },
  ]

  @Test("SO_RCVTIMEO and SO_SNDTIMEO end a wait to the nanosecond", arguments: waits)
  func limits(_ wait: Endless) throws {
    for span in [TimeSpan.milliseconds(1), .milliseconds(250), .microseconds(1_500), .zero] {
      let host = LoopbackHost()
      try host.loop.run {
        let (socket, call) = try await wait.prepare(host)
        socket.options.receiveTimeout = span
        socket.options.sendTimeout = span
        let start = host.loop.now
        await #expect(throws: wait.timedOut) { try await call() }
        #expect(host.loop.now - start == span)
        #expect(socket.waiters.count == 0)
      }
    }
  }

  @Test("cancelling the task interrupts the call and leaves nothing behind", arguments: waits)
  func cancellation(_ wait: Endless) throws {
    for steps in 0..<6 {
      let host = LoopbackHost()
      try host.loop.run {
        let (socket, call) = try await wait.prepare(host)
        let start = host.loop.now
        let task = host.loop.spawn { () async throws in try await call() }
        await host.steps(steps)
        task.cancel()
        await #expect(throws: SocketError.interrupted) { try await task.value }
        #expect(socket.waiters.count == 0)
        #expect(host.loop.now == start)
      }
    }
  }

  @Test("a limit that was not needed leaves no timer behind")
  func noTimerLeft() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let (a, b) = (try host.boundUDP(), try host.boundUDP())
      b.options.receiveTimeout = .seconds(1000)
      let reader = host.loop.spawn { try await b.read(9) }
      await host.steps(3)
      try await a.write([1], to: b.localEndpoint)
      #expect(try await reader.value == [1])
    }
    #expect(host.loop.timers.armedCount == 0)
    #expect(host.loop.isIdle)
  }

  @Test("a poll with a deadline ends there")
  func pollDeadline() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let socket = try host.boundUDP()
      let deadline = host.loop.now + .milliseconds(77)
      #expect(await Polling.wait(on: [(socket, .readable)], loop: host.loop, until: deadline) == .timedOut)
      #expect(host.loop.now == deadline)
      #expect(socket.waiters.count == 0)
    }
  }

  @Test("closing with a linger time waits for the last acknowledgement, or for the time")
  func linger() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let (a, b) = try await host.pair()
      a.options.lingers = true
      a.options.lingerTime = .seconds(5)
      try await a.write([1])
      let start = host.loop.now
      await a.close()
      #expect(host.loop.now - start < .seconds(1))
      #expect(try await b.read(9) == [1])
      let (c, d) = try await host.pair()
      try await c.fill(on: host.loop)
      c.options.lingers = true
      c.options.lingerTime = .seconds(5)
      let filled = host.loop.now
      await c.close()
      #expect(host.loop.now - filled == .seconds(5))
      _ = d
    }
  }

  @Test("an idle connection with a waiting reader asks for no wake-up")
  func idle() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let (a, b) = try await host.pair()
      try await a.write([1])
      _ = try await b.read(1)
      try await host.loop.sleep(for: .seconds(5))
      let reader = host.loop.spawn { try await b.read(1) }
      await host.steps(4)
      #expect(host.loop.timers.armedCount == 0)
      reader.cancel()
      _ = try? await reader.value
      await a.close()
      await b.close()
    }
  }
}
