import EventLoop
import NetStack
import Packets
import Sockets
import Testing

/// A call that waits, and the event that ends it.
struct Race: Sendable, CustomTestStringConvertible {
  let name: String
  /// Makes the sockets; gives the waiting call, the event, and the socket that is waited for.
  let prepare: @Sendable (LoopbackHost) async throws -> Contest

  struct Contest {
    let socket: any Socket
    let wait: () async throws -> Void
    let event: () async throws -> Void
  }

  var testDescription: String { name }
}

private func expectError(_ wanted: SocketError, _ body: () async throws -> Void) async throws {
  do {
    try await body()
    Issue.record("no error instead of \(wanted)")
  } catch let error as SocketError {
    #expect(error == wanted)
  }
}

private func expect<Value: Equatable>(_ wanted: Value, _ body: () async throws -> Value) async throws {
  let value = try await body()
  #expect(value == wanted)
}

private func poll(_ socket: any Socket, _ interest: Readiness, on host: LoopbackHost) async {
  while socket.readiness.isDisjoint(with: interest.union([.error, .hangUp])) {
    _ = await Polling.wait(on: [(socket, interest)], loop: host.loop, until: nil)
  }
}

@Suite("Whoever waits is woken by the event itself")
struct WakeUpTests {
  static let races: [Race] = [
    Race(name: "read, data") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        try await expect([1, 2, 3]) { try await b.read(9) }
      } event: {
        try await a.write([1, 2, 3])
      }
    },
    Race(name: "read, FIN") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        try await expect([]) { try await b.read(9) }
      } event: {
        try a.shutdown(.send)
      }
    },
    Race(name: "read, RST") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        try await expectError(.network(.connectionReset)) { _ = try await b.read(9) }
      } event: {
        await a.reset()
      }
    },
    Race(name: "read of all, data in two parts") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        try await expect([1, 2, 3, 4]) { try await b.read(4, .waitAll) }
      } event: {
        try await a.write([1, 2])
        await host.steps(3)
        try await a.write([3, 4])
      }
    },
    Race(name: "read, shutdown by another task") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        try await expect([]) { try await b.read(9) }
      } event: {
        try b.shutdown(.receive)
        #expect(a.remoteEndpoint == b.localEndpoint)
      }
    },
    Race(name: "read, close by another task") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        try await expectError(.network(.closed)) { _ = try await b.read(9) }
      } event: {
        await b.close()
        #expect(a.remoteEndpoint != nil)
      }
    },
    Race(name: "write, window update") { host in
      let (a, b) = try await host.pair()
      try await a.fill(on: host.loop)
      return Race.Contest(socket: a) {
        try await expect(1) { try await a.write([1]) }
      } event: {
        try await b.drain()
      }
    },
    Race(name: "write, RST") { host in
      let (a, b) = try await host.pair()
      try await a.fill(on: host.loop)
      return Race.Contest(socket: a) {
        try await expectError(.network(.connectionReset)) { try await a.write([1]) }
      } event: {
        await b.reset()
      }
    },
    Race(name: "accept, connection") { host in
      let listener = try host.listener()
      let client = TCPSocket(on: host.stack)
      return Race.Contest(socket: listener) {
        _ = try await listener.accept(isNonBlocking: false)
      } event: {
        try await client.connect(to: listener.localEndpoint)
      }
    },
    Race(name: "accept, shutdown by another task") { host in
      let listener = try host.listener()
      return Race.Contest(socket: listener) {
        try await expectError(.invalidArgument) { _ = try await listener.accept(isNonBlocking: false) }
      } event: {
        try listener.shutdown(.receive)
      }
    },
    Race(name: "connect, SYN-ACK") { host in
      let listener = try host.listener()
      let client = TCPSocket(on: host.stack)
      return Race.Contest(socket: client) {
        try await client.connect(to: listener.localEndpoint)
      } event: {
      }
    },
    Race(name: "connect, RST") { host in
      let target = try await host.closedPort()
      let client = TCPSocket(on: host.stack)
      return Race.Contest(socket: client) {
        try await expectError(.network(.connectionRefused)) { try await client.connect(to: target) }
      } event: {
      }
    },
    Race(name: "poll, data") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        await poll(b, .readable, on: host)
      } event: {
        try await a.write([1])
      }
    },
    Race(name: "poll, FIN") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        await poll(b, .readHangUp, on: host)
      } event: {
        try a.shutdown(.send)
      }
    },
    Race(name: "poll for nothing, RST") { host in
      let (a, b) = try await host.pair()
      return Race.Contest(socket: b) {
        await poll(b, [], on: host)
      } event: {
        await a.reset()
      }
    },
    Race(name: "poll, window update") { host in
      let (a, b) = try await host.pair()
      try await a.fill(on: host.loop)
      return Race.Contest(socket: a) {
        await poll(a, .writable, on: host)
      } event: {
        try await b.drain()
      }
    },
    Race(name: "poll, connection") { host in
      let listener = try host.listener()
      let client = TCPSocket(on: host.stack)
      return Race.Contest(socket: listener) {
        await poll(listener, .readable, on: host)
      } event: {
        try await client.connect(to: listener.localEndpoint)
      }
    },
    Race(name: "receive, datagram") { host in
      let (a, b) = (try host.boundUDP(), try host.boundUDP())
      return Race.Contest(socket: b) {
        try await expect([5]) { try await b.read(9) }
      } event: {
        try await a.write([5], to: b.localEndpoint)
      }
    },
    Race(name: "receive, port unreachable") { host in
      let gone = try host.boundUDP()
      let a = UDPSocket(on: host.stack)
      try await a.connect(to: gone.localEndpoint)
      await gone.close()
      return Race.Contest(socket: a) {
        try await expectError(.network(.connectionRefused)) { _ = try await a.read(9) }
      } event: {
        try await a.write([5])
      }
    },
    Race(name: "receive, shutdown by another task") { host in
      let a = try host.boundUDP()
      try await a.connect(to: Endpoint(.loopback, 9))
      return Race.Contest(socket: a) {
        try await expect([]) { try await a.read(9) }
      } event: {
        try a.shutdown(.receive)
      }
    },
    Race(name: "receive, close by another task") { host in
      let a = try host.boundUDP()
      return Race.Contest(socket: a) {
        try await expectError(.network(.closed)) { _ = try await a.read(9) }
      } event: {
        await a.close()
      }
    },
  ]

  @Test("no wake-up is lost, at whatever step of the loop the event comes", arguments: races)
  func noWakeUpIsLost(_ race: Race) throws {
    for waitStep in 0..<8 {
      for eventStep in 0..<16 {
        let host = LoopbackHost()
        try host.loop.run {
          let contest = try await race.prepare(host)
          let start = host.loop.now
          let waiting = host.loop.spawn {
            await host.steps(waitStep)
            try await contest.wait()
          }
          let happening = host.loop.spawn {
            await host.steps(eventStep)
            try await contest.event()
          }
          try await happening.value
          try await waiting.value
          // Woken by the event, not by a timer that came to the rescue.
          #expect(host.loop.now - start < .milliseconds(1), "after \(waitStep) and \(eventStep) steps")
          #expect(contest.socket.waiters.count == 0)
          #expect(contest.socket.waiters.wakes <= 4)
        }
      }
    }
  }

  @Test("an event wakes exactly the waiters whom it concerns")
  func exactlyTheConcerned() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let (a, b) = try await host.pair()
      try await b.fill(on: host.loop)
      let before = b.waiters.wakes
      let reader = host.loop.spawn { try await b.read(9) }
      let writer = host.loop.spawn { try await b.write([1]) }
      await host.steps(4)
      #expect(b.waiters.count == 2)
      try await a.write([4])
      #expect(try await reader.value == [4])
      #expect(b.waiters.count == 1)
      #expect(b.waiters.wakes == before + 1)
      try await a.drain()
      #expect(try await writer.value == 1)
      #expect(b.waiters.wakes == before + 2)
      #expect(b.waiters.count == 0)
    }
  }

  @Test("several tasks wait for one socket: what there is goes to one, the others wait on")
  func severalReaders() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let b = try host.boundUDP()
      let a = try host.boundUDP()
      var got: [Int] = []
      let readers = (0..<3).map { i in
        host.loop.spawn {
          _ = try await b.read(9)
          got.append(i)
        }
      }
      for expected in 1...3 {
        try await host.loop.sleep(for: .milliseconds(1))
        #expect(b.waiters.count == 4 - expected)
        try await a.write([1], to: b.localEndpoint)
        try await host.loop.sleep(for: .milliseconds(1))
        #expect(got.count == expected)
      }
      for reader in readers { try await reader.value }
      #expect(b.waiters.count == 0)
    }
  }

  @Test("who polls several sockets is woken by one, and leaves the others")
  func pollOfSeveral() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let sockets = try (0..<5).map { _ in try host.boundUDP() }
      let sender = try host.boundUDP()
      for chosen in sockets.indices {
        let polling = host.loop.spawn {
          await Polling.wait(on: sockets.map { ($0, .readable) }, loop: host.loop, until: nil)
        }
        await host.steps(4)
        #expect(sockets.allSatisfy { $0.waiters.count == 1 })
        try await sender.write([1], to: sockets[chosen].localEndpoint)
        #expect(await polling.value == .woken)
        #expect(sockets.allSatisfy { $0.waiters.count == 0 })
        #expect(sockets.map { Int($0.waiters.wakes) } == sockets.indices.map { $0 <= chosen ? 1 : 0 })
        _ = try await sockets[chosen].read(1)
      }
    }
  }
}
