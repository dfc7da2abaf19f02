import LinuxABI
import Testing

@Suite("Every option of every kind of socket takes and refuses what Linux takes and refuses")
struct OptionTableTests {
  private static let values: [Int32] = [0, 1, 2, 7, 127, 128, 255, 256, 300, 70000, -1, -2]

  /// Options of a level that are documented, and have one number on every host.
  private static let names: [(level: Int32, names: [Int32])] = [
    (
      1,
      [
        OptionName.SO_DEBUG, OptionName.SO_REUSEADDR, OptionName.SO_TYPE, OptionName.SO_ERROR, OptionName.SO_DONTROUTE,
        OptionName.SO_BROADCAST, OptionName.SO_KEEPALIVE, OptionName.SO_OOBINLINE, OptionName.SO_NO_CHECK,
        OptionName.SO_PRIORITY, OptionName.SO_BSDCOMPAT, OptionName.SO_REUSEPORT, OptionName.SO_PASSCRED,
        OptionName.SO_PEERCRED, OptionName.SO_SNDLOWAT, OptionName.SO_PEERNAME, OptionName.SO_TIMESTAMP,
        OptionName.SO_ACCEPTCONN, OptionName.SO_TIMESTAMPNS, OptionName.SO_MARK, OptionName.SO_PROTOCOL,
        OptionName.SO_DOMAIN, OptionName.SO_RXQ_OVFL, OptionName.SO_WIFI_STATUS, OptionName.SO_NOFCS,
        OptionName.SO_LOCK_FILTER, OptionName.SO_SELECT_ERR_QUEUE, OptionName.SO_BINDTOIFINDEX,
        OptionName.SO_TIMESTAMP_NEW, OptionName.SO_TIMESTAMPNS_NEW, OptionName.SO_GET_FILTER,
        OptionName.SO_DETACH_FILTER, OptionName.SO_BPF_EXTENSIONS, OptionName.SO_CNX_ADVICE, OptionName.SO_PEERGROUPS,
        OptionName.SO_ZEROCOPY, OptionName.SO_TXTIME, 22, 23, 24, 54, 58, 999,
      ]
    ),
    (
      0,
      [
        OptionName.IP_TOS, OptionName.IP_TTL, OptionName.IP_HDRINCL, OptionName.IP_RECVOPTS, OptionName.IP_RETOPTS,
        OptionName.IP_PKTINFO, OptionName.IP_MTU_DISCOVER, OptionName.IP_RECVERR, OptionName.IP_RECVTTL,
        OptionName.IP_RECVTOS, OptionName.IP_MTU, OptionName.IP_PASSSEC, OptionName.IP_RECVORIGDSTADDR,
        OptionName.IP_NODEFRAG, OptionName.IP_CHECKSUM, OptionName.IP_RECVFRAGSIZE, OptionName.IP_MULTICAST_TTL,
        OptionName.IP_MULTICAST_LOOP, OptionName.IP_MULTICAST_ALL, OptionName.IP_MULTICAST_IF,
        OptionName.IP_ADD_MEMBERSHIP, OptionName.IP_DROP_MEMBERSHIP, OptionName.IP_OPTIONS, OptionName.IP_FREEBIND,
        OptionName.IP_TRANSPARENT, OptionName.IP_MINTTL, OptionName.IP_BIND_ADDRESS_NO_PORT, OptionName.IP_UNICAST_IF,
        OptionName.IP_UNBLOCK_SOURCE, OptionName.IP_BLOCK_SOURCE, OptionName.IP_ADD_SOURCE_MEMBERSHIP,
        OptionName.IP_DROP_SOURCE_MEMBERSHIP, OptionName.IP_MSFILTER, OptionName.MCAST_JOIN_GROUP,
        OptionName.MCAST_BLOCK_SOURCE, OptionName.MCAST_UNBLOCK_SOURCE, OptionName.MCAST_LEAVE_GROUP,
        OptionName.MCAST_JOIN_SOURCE_GROUP, OptionName.MCAST_LEAVE_SOURCE_GROUP, OptionName.MCAST_MSFILTER, 27, 60,
      ]
    ),
    (
      6,
      [
        OptionName.TCP_NODELAY, OptionName.TCP_MAXSEG, OptionName.TCP_CORK, OptionName.TCP_KEEPIDLE,
        OptionName.TCP_KEEPINTVL, OptionName.TCP_KEEPCNT, OptionName.TCP_SYNCNT, OptionName.TCP_LINGER2,
        OptionName.TCP_DEFER_ACCEPT, OptionName.TCP_WINDOW_CLAMP, OptionName.TCP_QUICKACK,
        OptionName.TCP_THIN_LINEAR_TIMEOUTS, OptionName.TCP_THIN_DUPACK, OptionName.TCP_USER_TIMEOUT,
        OptionName.TCP_FASTOPEN, OptionName.TCP_NOTSENT_LOWAT, OptionName.TCP_SAVE_SYN, OptionName.TCP_FASTOPEN_CONNECT,
        OptionName.TCP_ULP, OptionName.TCP_SAVED_SYN, OptionName.TCP_FASTOPEN_NO_COOKIE, OptionName.TCP_INQ,
        OptionName.TCP_REPAIR, OptionName.TCP_REPAIR_QUEUE, OptionName.TCP_QUEUE_SEQ, OptionName.TCP_REPAIR_OPTIONS,
        OptionName.TCP_REPAIR_WINDOW, 15, 200,
      ]
    ),
    (
      17,
      [
        OptionName.UDP_CORK, OptionName.UDP_NO_CHECK6_TX, OptionName.UDP_NO_CHECK6_RX, OptionName.UDP_SEGMENT,
        OptionName.UDP_GRO, 99,
      ]
    ), (255, [2, 9]), (1000, [1]),
  ]

  /// Options that older kernels lack, or judge otherwise.
  private static let newer: [(since: KernelVersion, level: Int32, names: [Int32])] = [
    (KernelVersion(5, 14), 1, [OptionName.SO_BUF_LOCK, OptionName.SO_BUSY_POLL_BUDGET]),
    (KernelVersion(5, 18), 1, [OptionName.SO_TXREHASH]), (KernelVersion(6, 2), 1, [OptionName.SO_TIMESTAMPING]),
    (KernelVersion(6, 3), 0, [OptionName.IP_LOCAL_PORT_RANGE]), (KernelVersion(6, 6), 1, [OptionName.SO_PEERPIDFD]),
    (KernelVersion(6, 7), 6, [OptionName.TCP_IS_MPTCP]), (KernelVersion(6, 9), 1, [OptionName.SO_PEEK_OFF]),
    (KernelVersion(6, 9), 0, [OptionName.IP_ROUTER_ALERT]), (KernelVersion(6, 13), 6, [OptionName.TCP_TX_DELAY]),
  ]

  private static let known = names + newer.filter { KernelVersion.host >= $0.since }.map { ($0.level, $0.names) }

  static func make(_ k: Session, _ kind: String) async -> Int {
    switch MessageKind(rawValue: kind) {
    case .some(let kind): await kind.make(k)
    case nil: await k.tcp()
    }
  }

  static let kinds = ["tcp"] + MessageKind.allowed.map(\.rawValue)

  @Test("values", arguments: kinds) func values(_ kind: String) throws {
    try Scenario(kind) { k in
      for (level, names) in Self.known {
        for name in names {
          let s = await Self.make(k, kind)
          await k.get(s, level, name)
          // Its numbers are addresses, and which ones a host has is its own affair.
          if name == OptionName.IP_MULTICAST_IF { continue }
          for value in Self.values {
            await k.set(s, level, name, value)
            await k.get(s, level, name)
          }
          await k.close(s)
        }
      }
    }.compare()
  }

  @Test("lengths and pointers", arguments: kinds) func lengths(_ kind: String) throws {
    try Scenario(kind) { k in
      for (level, names) in Self.known {
        for name in names {
          let s = await Self.make(k, kind)
          for count in [0, 1, 3, 4, 5, 8, 12, 16] {
            await k.set(s, level, name, bytes: Array(repeating: 1, count: count))
            await k.get(s, level, name, room: count)
          }
          await k.call(.setsockopt, s, Int(level), Int(name), 8, 4)
          await k.call(.setsockopt, s, Int(level), Int(name), 8, 0)
          await k.call(.setsockopt, s, Int(level), Int(name), Int(k.room(8)), -1)
          await k.call(.getsockopt, s, Int(level), Int(name), 8, Int(k.put(Int32(4))))
          await k.call(.getsockopt, s, Int(level), Int(name), Int(k.room(8)), 8)
          await k.call(.getsockopt, s, Int(level), Int(name), Int(k.room(8)), Int(k.put(Int32(-1))))
          await k.close(s)
        }
      }
    }.compare()
  }

  static let scenarios: [Scenario] = [
    Scenario("SO_BINDTODEVICE: names") { k in
      for kind in kinds {
        let s = await make(k, kind)
        await k.get(s, 1, OptionName.SO_BINDTODEVICE, room: 16)
        for name in ["lo", "lo\0", "lo\0junk", "nonesuch0", "anamethatistoolongforanyinterface", "", "\0"] {
          await k.set(s, 1, OptionName.SO_BINDTODEVICE, bytes: Array(name.utf8))
          for room in [0, 1, 2, 3, 4, 15, 16, 20] { await k.get(s, 1, OptionName.SO_BINDTODEVICE, room: room) }
          await k.get(s, 1, OptionName.SO_BINDTOIFINDEX)
        }
        await k.call(.setsockopt, s, 1, Int(OptionName.SO_BINDTODEVICE), 8, 3)
        await k.call(.setsockopt, s, 1, Int(OptionName.SO_BINDTODEVICE), 8, -3)
      }
    },
    Scenario("SO_BINDTODEVICE: to lo, and to an interface that is not there") { k in
      for index: Int32 in [1, 77] {
        let (l, port) = await k.listener()
        let s = await k.tcp()
        await k.set(s, 1, OptionName.SO_BINDTOIFINDEX, index)
        await k.connect(s, port)
        await k.name(.getsockname, s)
        await k.fcntl(l, FileControl.F_SETFL, FileControl.O_NONBLOCK)
        _ = await k.accept(l)
        let (b, other) = await k.boundUDP()
        let a = await k.udp()
        await k.set(a, 1, OptionName.SO_BINDTOIFINDEX, index)
        await k.send(a, "x", 0, to: other)
        await k.settle()
        await k.receive(b, 1, MessageFlags.MSG_DONTWAIT)
        await k.connect(a, other)
      }
    },
    Scenario("SO_BINDTODEVICE: who is bound to another interface hears nothing") { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 1, OptionName.SO_BINDTOIFINDEX, 77)
      let a = await k.udp()
      await k.connect(a, port)
      await k.write(a, "x")
      await k.settle()
      await k.receive(b, 1, MessageFlags.MSG_DONTWAIT)
      await k.receive(a, 1, MessageFlags.MSG_DONTWAIT)
      let (l, stream) = await k.listener()
      await k.set(l, 1, OptionName.SO_BINDTOIFINDEX, 77)
      let s = await k.tcp()
      await k.connect(s, stream)
    },
    Scenario("IP_TOS brings a priority") { k in
      let s = await k.udp()
      for tos: Int32 in [0, 2, 4, 8, 16, 24, 30, 0xB8, 0xFF, 0xFF] {
        await k.set(s, 1, OptionName.SO_PRIORITY, 1)
        await k.set(s, 0, OptionName.IP_TOS, tos)
        await k.get(s, 1, OptionName.SO_PRIORITY)
      }
    },
    Scenario("time stamps: one kind at a time") { k in
      let s = await k.udp()
      let all = [
        OptionName.SO_TIMESTAMP, OptionName.SO_TIMESTAMPNS, OptionName.SO_TIMESTAMP_NEW, OptionName.SO_TIMESTAMPNS_NEW,
      ]
      for option in all {
        await k.set(s, 1, option, 1)
        for other in all { await k.get(s, 1, other) }
      }
      await k.set(s, 1, all[0], 0)
      for other in all { await k.get(s, 1, other) }
    },
    Scenario("TCP_DEFER_ACCEPT: a connection is offered with its data") { k in
      let (l, port) = await k.listener()
      await k.fcntl(l, FileControl.F_SETFL, FileControl.O_NONBLOCK)
      await k.set(l, 6, OptionName.TCP_DEFER_ACCEPT, 30)
      let a = await k.tcp()
      await k.connect(a, port)
      await k.settle()
      _ = await k.accept(l)
      await k.poll(l)
      await k.write(a, "now")
      await k.settle()
      await k.poll(l)
      let b = await k.accept(l)
      await k.read(b, 9)
    },
    Scenario("TCP_LINGER2 below zero: no FIN-WAIT-2 is waited for") { k in
      let (a, b) = await k.pair()
      await k.set(a, 6, OptionName.TCP_LINGER2, -1)
      await k.close(a)
      await k.settle()
      await k.poll(b)
      await k.read(b, 1)
      await k.write(b, "x")
      await k.error(b)
    },
    Scenario("TCP_USER_TIMEOUT ends an attempt that nobody answers") { k in
      let (_, port) = await k.listener(backlog: 0)
      let first = await k.tcp()
      await k.connect(first, port)
      let s = await k.tcp()
      await k.set(s, 6, OptionName.TCP_USER_TIMEOUT, 100)
      await k.connect(s, port)
      await k.poll(s)
      await k.error(s)
      await k.name(.getpeername, s)
      await k.write(s, "x")
    },
    Scenario("TCP_SYNCNT ends an attempt that nobody answers") { k in
      let (_, port) = await k.listener(backlog: 0)
      let first = await k.tcp()
      await k.connect(first, port)
      let s = await k.tcp()
      await k.set(s, 6, OptionName.TCP_SYNCNT, 1)
      await k.connect(s, port)
      await k.connect(s, port, family: 0, length: 2)
    },
    Scenario("TCP_NOTSENT_LOWAT: writable while little is unsent") { k in
      let (a, b) = await k.pair()
      await k.set(a, 6, OptionName.TCP_NOTSENT_LOWAT, 1)
      await k.write(a, "x")
      await k.settle()
      await k.poll(a, b)
      await k.set(a, 6, OptionName.TCP_CORK, 1)
      await k.write(a, "held")
      await k.poll(a)
      await k.set(a, 6, OptionName.TCP_CORK, 0)
      await k.settle()
      await k.poll(a)
    },
    Scenario("groups: joined and left") { k in
      for kind in kinds {
        let s = await make(k, kind)
        func group(_ name: Int32, _ bytes: [UInt8], line: Int = #line) async {
          await k.set(s, 0, name, bytes: bytes, line: line)
        }
        let (join, leave) = (OptionName.IP_ADD_MEMBERSHIP, OptionName.IP_DROP_MEMBERSHIP)
        let home: [UInt8] = [127, 0, 0, 1]
        await group(join, [239, 1, 2, 3] + home)
        await group(join, [239, 1, 2, 3] + home)
        await group(join, [239, 1, 2, 4] + [0, 0, 0, 0] + [1, 0, 0, 0])
        await group(join, [239, 1, 2, 5] + [8, 8, 8, 8])
        await group(join, [10, 1, 2, 5] + home)
        await group(join, [239, 1, 2])
        await group(leave, [239, 1, 2, 3] + home)
        await group(leave, [239, 1, 2, 3] + home)
        await group(leave, [239, 1, 2, 4] + [0, 0, 0, 0] + [77, 0, 0, 0])
        await group(OptionName.IP_MULTICAST_IF, home)
        await k.get(s, 0, OptionName.IP_MULTICAST_IF)
        await group(OptionName.IP_MULTICAST_IF, [8, 8, 8, 8])
        await group(OptionName.IP_MULTICAST_IF, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
        await k.get(s, 0, OptionName.IP_MULTICAST_IF)
        await group(OptionName.IP_MULTICAST_IF, [0, 0, 0, 0])
        await k.get(s, 0, OptionName.IP_MULTICAST_IF)
      }
    },
    Scenario("groups: datagrams to one") { k in
      let (a, _) = await k.boundUDP()
      let b = await k.udp()
      await k.bind(b, 0, [0, 0, 0, 0])
      let port = await k.port(b)
      await k.set(b, 0, OptionName.IP_ADD_MEMBERSHIP, bytes: [239, 1, 2, 3, 127, 0, 0, 1])
      await k.set(a, 0, OptionName.IP_MULTICAST_IF, bytes: [127, 0, 0, 1])
      await k.send(a, "group", 0, to: port, [239, 1, 2, 3])
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await k.set(b, 0, OptionName.IP_DROP_MEMBERSHIP, bytes: [239, 1, 2, 3, 127, 0, 0, 1])
      await k.send(a, "group", 0, to: port, [239, 1, 2, 3])
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
    },
  ]

  @Test("effects", arguments: scenarios) func effect(_ scenario: Scenario) throws { try scenario.compare() }
}
