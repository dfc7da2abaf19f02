import Glibc
import LinuxABI
import Testing

private let dontWait = MessageFlags.MSG_DONTWAIT
private let nonBlocking = SocketType.SOCK_NONBLOCK

/// The kinds of sockets that send messages.
enum MessageKind: String, CaseIterable, Sendable {
  case udp, icmp, raw

  /// `number`: the protocol of a raw socket, from those that nobody speaks, so that tests do not hear each other.
  func make(_ k: Session, _ number: Int32 = 253) async -> Int {
    switch self {
    case .udp: await k.udp(nonBlocking)
    case .icmp: await k.socket(SocketType.SOCK_DGRAM | nonBlocking, Protocol.IPPROTO_ICMP)
    case .raw: await k.socket(SocketType.SOCK_RAW | nonBlocking, number)
    }
  }

  /// The kernel lets this process have one.
  var isAllowed: Bool {
    let s =
      switch self {
      case .udp: Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
      case .icmp: Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 1)
      case .raw: Glibc.socket(AF_INET, Int32(SOCK_RAW.rawValue), 253)
      }
    guard s >= 0 else { return false }
    Glibc.close(s)
    return true
  }

  static let allowed = allCases.filter(\.isAllowed)
}

/// What such a socket can have gone through.
enum MessageState: String, CaseIterable, Sendable {
  case fresh, bound, connected, waiting, dissolved, sendShutDown, receiveShutDown, bothShutDown, refused

  func make(_ k: Session, _ kind: MessageKind) async -> Int {
    let s = await kind.make(k, 200 + Int32(Self.allCases.firstIndex(of: self) ?? 0))
    if self != .fresh { await k.bind(s) }
    switch self {
    case .fresh, .bound: return s
    case .refused:
      let (gone, port) = await k.boundUDP()
      await k.close(gone)
      await k.connect(s, port)
      if kind == .udp { await k.write(s, "x") }
      await k.settle()
      return s
    default: break
    }
    let (_, port) = await k.boundUDP()
    await k.connect(s, port)
    switch self {
    case .waiting:
      switch kind {
      case .udp:
        await k.connect(s, await k.port(s))
        await k.write(s, "waiting")
      case .icmp: await k.call(.write, s, Int(k.put([8, 0, 0, 0, 0, 0, 0, 1, 65, 66, 67])), 11)
      case .raw: await k.write(s, "waiting")
      }
      await k.settle()
    case .dissolved: await k.connect(s, 0, family: 0, length: 2)
    case .sendShutDown: await k.call(.shutdown, s, 1)
    case .receiveShutDown: await k.call(.shutdown, s, 0)
    case .bothShutDown: await k.call(.shutdown, s, 2)
    default: break
    }
    return s
  }
}

@Suite("Every call in every state of UDP, ICMP and raw sockets answers as Linux does")
struct DatagramStateTests {
  static func probes(_ kind: MessageKind) -> [Probe] {
    [
      Probe { k, s in
        await k.name(.getpeername, s)
        await k.get(s, 1, OptionName.SO_PEERNAME, room: 2)
        await k.ioctl(s, ControlRequest.FIONREAD)
        await k.ioctl(s, ControlRequest.SIOCOUTQ)
        await k.ioctl(s, ControlRequest.SIOCATMARK)
        await k.poll(s)
        await k.poll(s, events: 2)
        await k.error(s)
        await k.poll(s)
      },
      Probe { k, s in
        await k.bind(s, length: 3)
        await k.bind(s, family: 10)
        await k.bind(s, 0, [8, 8, 8, 8])
        await k.bind(s)
        await k.bind(s, 0, [0, 0, 0, 0])
        await k.listen(s, 3)
        _ = await k.accept(s)
        _ = await k.accept(s, 77)
      },
      Probe { k, s in
        await k.connect(s, 9, length: 5)
        await k.connect(s, 9, length: 1)
        await k.connect(s, 9, family: 9)
        await k.connect(s, 9)
        await k.name(.getpeername, s)
        await k.connect(s, 9, [255, 255, 255, 255])
        await k.connect(s, 0, family: 0, length: 16)
        await k.name(.getpeername, s)
        await k.connect(s, 0, family: 0, length: 2)
        await k.error(s)
      },
      Probe { k, s in
        await k.send(s, "", dontWait)
        await k.send(s, "x", dontWait | MessageFlags.MSG_OOB)
        await k.send(s, "x", dontWait, to: 9, length: 3)
        await k.send(s, "x", dontWait, to: 9, length: -3)
        await k.send(s, "x", dontWait, to: 9, length: 129)
        await k.send(s, "x", dontWait, to: 9, family: 10)
        await k.send(s, "x", dontWait, to: 0)
        await k.call(.sendto, s, 8, 1, Int(dontWait), 8, 16)
        await k.call(.sendto, s, Int(k.room(8)), 1, Int(dontWait), 8, 16)
        await k.error(s)
      },
      Probe { k, s in
        await k.receive(s, 0, dontWait | MessageFlags.MSG_PEEK)
        await k.receive(s, 4, dontWait | MessageFlags.MSG_ERRQUEUE)
        await k.receive(s, 4, dontWait | MessageFlags.MSG_OOB)
        let room = k.room(64)
        for _ in 0..<2 { await k.call(.recvfrom, s, Int(room), 64, Int(dontWait), 0, 0) }
        await k.call(.read, s, Int(k.room(8)), 0)
        await k.call(.read, s, 8, 4)
        await k.call(.recvfrom, s, 8, 4, Int(dontWait), 8, 8)
      },
      Probe { k, s in
        await k.call(.recvfrom, s, 8, 4, Int(dontWait), 0, 0)
        await k.call(.recvfrom, s, Int(k.room(64)), 64, Int(dontWait), 0, 0)
      },
      Probe { k, s in
        await k.call(.shutdown, s, 3)
        await k.call(.shutdown, s, -1)
        await k.call(.shutdown, s, 0)
        await k.poll(s)
        await k.call(.shutdown, s, 1)
        await k.poll(s)
        await k.call(.shutdown, s, 2)
        await k.call(.recvfrom, s, Int(k.room(64)), 64, Int(dontWait), 0, 0)
        await k.call(.recvfrom, s, Int(k.room(64)), 64, Int(dontWait), 0, 0)
      },
      Probe { k, s in
        await k.fcntl(s, FileControl.F_GETFL)
        await k.get(s, 0, OptionName.IP_MTU)
        await k.get(s, 6, OptionName.TCP_NODELAY)
        await k.set(s, 6, OptionName.TCP_NODELAY, 1)
        await k.get(s, 17, OptionName.UDP_CORK)
        await k.get(s, 255, OptionName.ICMP_FILTER)
        await k.set(s, 255, OptionName.ICMP_FILTER, 1)
        await k.get(s, 1, OptionName.SO_TYPE)
        await k.get(s, 1, OptionName.SO_PROTOCOL)
      },
    ]
  }

  @Test("a socket of messages", arguments: MessageKind.allowed, MessageState.allCases)
  func state(_ kind: MessageKind, _ state: MessageState) throws {
    try Scenario("\(kind) \(state)") { k in
      for probe in Self.probes(kind) {
        let s = await state.make(k, kind)
        await probe.body(k, s)
        await k.settle()
        await k.close(s)
      }
    }.compare()
  }
}

@Suite("Echo sockets answer as Linux does", .enabled(if: MessageKind.icmp.isAllowed, "net.ipv4.ping_group_range"))
struct EchoTests {
  static let scenarios: [Scenario] = [
    Scenario("echo there and back") { k in
      let s = await MessageKind.icmp.make(k)
      await k.name(.getsockname, s)
      for message: [UInt8] in [
        [], [8], [8, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [8, 1, 0, 0, 0, 0, 0, 0], [13, 0, 0, 0, 0, 0, 0, 0],
        [8, 0, 9, 9, 9, 9, 0, 7, 1, 2, 3],
      ] {
        let result = await k.raw(
          .sendto, [s, Int(k.put(message)), message.count, 0, Int(k.put(Session.inet(0))), 16])
        k.note("sendto = \(Session.text(result))", #line)
      }
      await k.settle()
      await k.poll(s)
      await k.ioctl(s, ControlRequest.FIONREAD)
      let room = k.room(64)
      let result = await k.raw(.recvfrom, [s, Int(room), 64, 0, 0, 0])
      // The identifier is the socket's own, and the checksum follows it.
      k.note("recvfrom \(result) \(k.get(room, count: 2)) \(k.get(room + 6, count: 5))", #line)
      await k.name(.getpeername, s)
    },
    Scenario("identifiers") { k in
      let a = await MessageKind.icmp.make(k)
      await k.bind(a, 0, [0, 0, 0, 0])
      let number = await k.port(a)
      let b = await MessageKind.icmp.make(k)
      await k.bind(b, number)
      for s in [a, b] { await k.set(s, 1, OptionName.SO_REUSEADDR, 0) }
      await k.bind(b, number)
      await k.bind(b, 0, [8, 8, 8, 8])
      await k.bind(b, 0)
      await k.bind(b, 0)
    },
  ]

  @Test("echo", arguments: scenarios) func echo(_ scenario: Scenario) throws { try scenario.compare() }
}
