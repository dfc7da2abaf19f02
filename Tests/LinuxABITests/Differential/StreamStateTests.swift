import LinuxABI
import Testing

private let dontWait = MessageFlags.MSG_DONTWAIT
private let nonBlocking = SocketType.SOCK_NONBLOCK

/// What a stream socket can have gone through before a call is made on it.
enum StreamState: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case fresh, bound, listening, listeningWithConnection, listenerShutDown, connecting, refused, refusedAndTold
  case connected, withBytes, withUrgentByte, sendShutDown, receiveShutDown, bothShutDown, peerSendShutDown, peerClosed
  case peerClosedAndWritten, bothClosedSending, reset, resetAndTold, resetWithBytes, dissolved

  var testDescription: String { rawValue }

  /// A socket in this state that does not block.
  func make(_ k: Session) async -> Int {
    switch self {
    case .fresh: return await k.tcp(nonBlocking)
    case .bound:
      let s = await k.tcp(nonBlocking)
      await k.bind(s)
      return s
    case .listening, .listenerShutDown:
      let s = await k.tcp(nonBlocking)
      await k.bind(s)
      await k.listen(s)
      if self == .listenerShutDown { await k.call(.shutdown, s, 2) }
      return s
    case .listeningWithConnection:
      let s = await k.tcp(nonBlocking)
      await k.bind(s)
      await k.listen(s)
      let c = await k.tcp()
      await k.connect(c, await k.port(s))
      await k.settle()
      return s
    case .connecting:
      // The second connection finds the backlog full, and its SYN no answer.
      let (_, port) = await k.listener(backlog: 0)
      await k.connect(await k.tcp(), port)
      let s = await k.tcp(nonBlocking)
      await k.connect(s, port)
      await k.settle()
      return s
    case .refused, .refusedAndTold:
      let gone = await k.tcp()
      await k.bind(gone)
      let s = await k.tcp(nonBlocking)
      await k.connect(s, await k.port(gone))
      await k.settle()
      if self == .refusedAndTold { await k.error(s) }
      return s
    default: break
    }
    let (a, b) = await k.pair()
    await k.fcntl(b, FileControl.F_SETFL, FileControl.O_NONBLOCK)
    switch self {
    case .withBytes: await k.write(a, "some bytes")
    case .withUrgentByte: await k.send(a, "abc!", MessageFlags.MSG_OOB)
    case .sendShutDown: await k.call(.shutdown, b, 1)
    case .receiveShutDown: await k.call(.shutdown, b, 0)
    case .bothShutDown: await k.call(.shutdown, b, 2)
    case .peerSendShutDown: await k.call(.shutdown, a, 1)
    case .peerClosed, .peerClosedAndWritten:
      await k.close(a)
      await k.settle()
      if self == .peerClosedAndWritten { await k.write(b, "x") }
    case .bothClosedSending:
      await k.call(.shutdown, a, 1)
      await k.settle()
      await k.call(.shutdown, b, 1)
    case .reset, .resetAndTold, .resetWithBytes:
      if self == .resetWithBytes { await k.write(a, "some bytes") }
      await k.set(a, 1, OptionName.SO_LINGER, 1, 0)
      await k.close(a)
      await k.settle()
      if self == .resetAndTold { await k.error(b) }
    case .dissolved: await k.connect(b, 0, family: 0, length: 2)
    default: break
    }
    await k.settle()
    return b
  }
}

/// One group of calls on a socket.
struct Probe: Sendable {
  let body: @Sendable (Session, Int) async -> Void
  init(_ body: @escaping @Sendable (Session, Int) async -> Void) { self.body = body }
}

@Suite("Every call in every state of a stream answers as Linux does")
struct StreamStateTests {
  static let probes: [Probe] = [
    Probe { k, s in
      await k.name(.getsockname, s)
      await k.name(.getpeername, s)
      await k.get(s, 1, OptionName.SO_PEERNAME, room: 2)
      await k.get(s, 1, OptionName.SO_ACCEPTCONN)
      for request in [ControlRequest.FIONREAD, ControlRequest.SIOCATMARK] { await k.ioctl(s, request) }
      await k.poll(s)
      await k.poll(s, events: 0x2)
      let room = k.room(8)
      let result = await k.raw(.getsockopt, [s, 6, Int(OptionName.TCP_INFO), Int(room), Int(k.put(Int32(1)))])
      k.note("TCP_INFO \(result) state \(k.get(room, count: 1))", #line)
      await k.error(s)
      await k.error(s)
      await k.poll(s)
    },
    Probe { k, s in
      await k.bind(s)
      await k.bind(s, length: 3)
      await k.bind(s, 0, [8, 8, 8, 8])
      await k.listen(s, 3)
      await k.poll(s)
      _ = await k.accept(s, 77)
      _ = await k.accept(s)
      _ = await k.accept(s)
    },
    Probe { k, s in
      let (_, port) = await k.listener()
      await k.connect(s, port, length: 5)
      await k.connect(s, port, family: 9)
      await k.connect(s, port)
      await k.settle()
      await k.connect(s, port)
      await k.settle()
      await k.connect(s, port)
      await k.poll(s)
      await k.name(.getpeername, s)
      await k.error(s)
    },
    Probe { k, s in
      await k.connect(s, 0, family: 0, length: 16)
      await k.poll(s)
      await k.name(.getsockname, s)
      await k.name(.getpeername, s)
      await k.error(s)
      await k.receive(s, 1, dontWait)
      let (_, port) = await k.listener()
      await k.connect(s, port)
      await k.settle()
      await k.poll(s)
    },
    Probe { k, s in
      await k.send(s, "x", dontWait)
      await k.settle()
      await k.send(s, "y", dontWait)
      await k.write(s, "")
      await k.send(s, "", dontWait)
      await k.poll(s)
      await k.error(s)
    },
    Probe { k, s in
      await k.send(s, "x", MessageFlags.MSG_OOB | dontWait)
      await k.settle()
      await k.send(s, "", MessageFlags.MSG_OOB | dontWait)
      await k.send(s, "x", MessageFlags.MSG_MORE | dontWait)
      await k.send(s, "x", dontWait, to: 9)
      await k.send(s, "x", dontWait, to: 9, length: 3)
      await k.send(s, "x", dontWait, to: 9, length: -3)
      await k.call(.sendto, s, 8, 1, Int(dontWait), 0, 0)
      await k.call(.write, s, 8, 1)
    },
    Probe { k, s in
      await k.receive(s, 4, dontWait)
      await k.receive(s, 40, dontWait)
      await k.receive(s, 4, dontWait)
      await k.read(s, 0)
      await k.receive(s, 0, dontWait)
      await k.poll(s)
    },
    Probe { k, s in
      await k.receive(s, 4, MessageFlags.MSG_PEEK | dontWait, wantsSource: true)
      await k.receive(s, 4, MessageFlags.MSG_OOB)
      await k.receive(s, 4, MessageFlags.MSG_OOB | MessageFlags.MSG_PEEK)
      await k.receive(s, 4, MessageFlags.MSG_WAITALL | dontWait)
      await k.receive(s, 4, MessageFlags.MSG_TRUNC | dontWait)
      await k.receive(s, 4, MessageFlags.MSG_ERRQUEUE)
      await k.call(.read, s, 8, 4)
      await k.call(.recvfrom, s, 8, 0, Int(dontWait), 0, 0)
    },
    Probe { k, s in
      await k.call(.shutdown, s, 3)
      await k.call(.shutdown, s, 0)
      await k.poll(s)
      await k.call(.shutdown, s, 1)
      await k.settle()
      await k.poll(s)
      await k.call(.shutdown, s, 2)
      await k.receive(s, 40, dontWait)
      await k.send(s, "x", dontWait)
      await k.name(.getpeername, s)
    },
    Probe { k, s in
      await k.call(.shutdown, s, 2)
      await k.settle()
      await k.poll(s)
      await k.receive(s, 40, dontWait)
      await k.receive(s, 40, dontWait)
      await k.send(s, "x", dontWait)
      await k.listen(s)
    },
    Probe { k, s in
      for option in [
        OptionName.TCP_NODELAY, OptionName.TCP_CORK, OptionName.TCP_QUICKACK, OptionName.TCP_SYNCNT,
        OptionName.TCP_LINGER2, OptionName.TCP_DEFER_ACCEPT, OptionName.TCP_WINDOW_CLAMP, OptionName.TCP_KEEPIDLE,
        OptionName.TCP_USER_TIMEOUT, OptionName.TCP_NOTSENT_LOWAT,
      ] {
        for value: Int32 in [0, 1, 70000, -1] { await k.set(s, 6, option, value) }
        if option != OptionName.TCP_WINDOW_CLAMP { await k.get(s, 6, option) }
      }
      for option in [OptionName.SO_KEEPALIVE, OptionName.SO_OOBINLINE, OptionName.SO_REUSEADDR] {
        await k.set(s, 1, option, 1)
        await k.get(s, 1, option)
      }
      await k.poll(s)
      await k.fcntl(s, FileControl.F_GETFL)
    },
  ]

  @Test("a stream that is", arguments: StreamState.allCases)
  func state(_ state: StreamState) throws {
    try Scenario(state.rawValue) { k in
      for probe in Self.probes { await probe.body(k, await state.make(k)) }
    }.compare()
  }
}
