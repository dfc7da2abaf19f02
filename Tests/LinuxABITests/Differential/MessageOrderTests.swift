import LinuxABI
import Testing

private let dontWait = MessageFlags.MSG_DONTWAIT
private let more = MessageFlags.MSG_MORE
private let nonBlocking = SocketType.SOCK_NONBLOCK

@Suite("What a message may be is asked in Linux's order")
struct MessageOrderTests {
  /// A UDP socket with a pending error.
  private static func refused(_ k: Session) async -> Int {
    let (gone, port) = await k.boundUDP()
    await k.close(gone)
    let u = await k.udp(nonBlocking)
    await k.connect(u, port)
    await k.write(u, "x")
    await k.settle()
    return u
  }

  private static func write(_ k: Session, _ s: Int, _ count: Int, line: Int = #line) async {
    await k.call(.write, s, Int(k.put(Array(repeating: 97, count: count))), count, line: line)
  }

  static let scenarios: [Scenario] = [
    Scenario("a message that is too long leaves a pending error pending") { k in
      let u = await refused(k)
      await write(k, u, 65_508)
      await k.error(u)
      let other = await refused(k)
      await k.set(other, 0, OptionName.IP_MTU_DISCOVER, 2)
      await k.set(other, 17, OptionName.UDP_SEGMENT, 100)
      await write(k, other, 65_508)
      await k.error(other)
    },
    Scenario("a send that fails, and a connect that fails, leave a port behind") { k in
      for family: UInt16 in [2, 17] {
        for kind in MessageKind.allowed where kind != .raw {
          let s = await kind.make(k)
          await k.connect(s, 9, [127, 255, 255, 255], family: family)
          await k.name(.getsockname, s)
          await k.bind(s)
        }
      }
      for kind in MessageKind.allowed where kind != .raw {
        let s = await kind.make(k)
        await k.send(s, "")
        await k.name(.getsockname, s)
      }
    },
    Scenario("without checksums nothing is cut up") { k in
      let (to, port) = await k.boundUDP()
      let u = await k.udp()
      await k.set(u, 1, OptionName.SO_NO_CHECK, 1)
      await k.send(u, "plain", 0, to: port)
      await k.set(u, 17, OptionName.UDP_SEGMENT, 3)
      for text in ["", "ab", "abcd", "abcdef"] { await k.send(u, text, 0, to: port) }
      await k.set(u, 1, OptionName.SO_NO_CHECK, 0)
      await k.send(u, "abcd", 0, to: port)
      await k.settle()
      for _ in 0..<4 { await k.receive(to, 9, dontWait) }
    },
    Scenario("a short number of the IP level is one byte") { k in
      let u = await k.udp()
      let last = Int(k.kernel.base) + arenaSize - 1
      k.kernel.bytes(UInt(last), 1).storeBytes(of: 16, as: UInt8.self)
      for name in [OptionName.IP_TOS, OptionName.IP_TTL, OptionName.IP_MULTICAST_TTL, OptionName.IP_FREEBIND] {
        for length in 1...4 { await k.call(.setsockopt, u, 0, Int(name), last, length) }
        await k.get(u, 0, name)
      }
    },
    Scenario("without a port to be had") { k in
      let range = [UInt16(41_234), 41_234].withUnsafeBytes { Array($0) }
      let (first, second) = (await k.udp(), await k.udp())
      for s in [first, second] { await k.set(s, 0, OptionName.IP_LOCAL_PORT_RANGE, bytes: range) }
      await k.connect(first, 9)
      await k.connect(second, 9)
      await k.send(second, "x", 0, to: 9)
      await k.bind(second)
    },
    Scenario("a peer with port 0 has all ports") { k in
      let u = await k.udp(nonBlocking)
      await k.connect(u, 0)
      let port = await k.port(u)
      let (other, _) = await k.boundUDP()
      await k.send(other, "from another", 0, to: port)
      await k.send(u, "from itself", 0, to: port)
      await k.settle()
      await k.receive(u, 20, wantsSource: true)
      await k.receive(u, 20, wantsSource: true)
      await k.name(.getpeername, u)
      await k.sendMessage(u, "x", [ControlMessage(0, 99, 1)])
    },
    Scenario("MSG_MORE: whether it can be sent is asked at once, whither only once") { k in
      let u = await refused(k)
      await k.send(u, "x", more)
      await k.send(u, "some", more)
      await k.send(u, " more", more, to: 0, family: 99)
      await k.sendMessage(u, " and more", [ControlMessage(0, 99, 1)], more)
      await k.send(u, "", 0)
      let (b, port) = await k.boundUDP()
      let s = await k.udp()
      await k.send(s, "x", more)
      await k.send(s, "x", more, to: 0)
      await k.send(s, "some", more, to: port)
      await k.call(.shutdown, s, 1)
      await k.send(s, " more", 0, to: 9, [127, 0, 0, 9])
      await k.settle()
      await k.receive(b, 20, dontWait)
    },
    Scenario("MSG_MORE: the way stays, even if the socket is dissolved") { k in
      let s = await k.udp()
      await k.bind(s)
      let port = await k.port(s)
      await k.connect(s, port)
      await k.send(s, "some", more, to: port, [239, 1, 2, 3])
      await k.connect(s, 0, family: 0, length: 2)
      await k.send(s, " more", 0, to: port, [240, 0, 0, 1])
    },
    Scenario("MSG_MORE: what does not fit takes with it what is there") { k in
      let (b, port) = await k.boundUDP()
      let s = await k.udp()
      await k.connect(s, port)
      await k.send(s, "lost", more)
      await write(k, s, 65_507)
      await k.write(s, "kept")
      await k.settle()
      await k.receive(b, 20, dontWait)
    },
    Scenario("MSG_MORE: a datagram of single bytes, and one more") { k in
      let (b, port) = await k.boundUDP()
      for excess in [0, 1] {
        let s = await k.udp()
        await k.connect(s, port)
        let byte = Int(k.put(Array("x".utf8)))
        for _ in 0..<(65_506 + excess) { _ = await k.raw(.sendto, [s, byte, 1, Int(more), 0, 0]) }
        await k.send(s, "y")
        await k.settle()
        await k.receive(b, 70_000, dontWait)
      }
    },
    Scenario("MSG_MORE: a probe ends the datagram, a part from nowhere drops it") { k in
      let (b, port) = await k.boundUDP()
      let s = await k.udp()
      await k.send(s, "some", more, to: port)
      await k.send(s, "not sent", MessageFlags.MSG_PROBE | more, to: 9)
      await k.send(s, "not sent", MessageFlags.MSG_PROBE, to: 9)
      await k.settle()
      await k.receive(b, 20, dontWait)
      await k.send(s, "lost", more, to: port)
      await k.call(.write, s, 8, 4)
      await k.send(s, "whole", 0, to: port)
      await k.settle()
      await k.receive(b, 20, dontWait)
    },
    Scenario("with SO_DONTROUTE, whatever its value, the path is forgotten") { k in
      let s = await k.udp()
      await k.connect(s, 9)
      await k.get(s, 0, OptionName.IP_MTU)
      await k.set(s, 1, OptionName.SO_DONTROUTE, 0)
      await k.get(s, 0, OptionName.IP_MTU)
    },
    Scenario("addresses that are too short, of no family") { k in
      for kind in MessageKind.allowed {
        let s = await kind.make(k)
        for length in [0, 2, 15] {
          let message = Int(k.put([8, 0, 0, 0, 0, 0, 0, 1]))
          await k.call(.sendto, s, message, 8, 0, Int(k.put(Session.inet(0, family: 0))), length)
        }
      }
    },
    Scenario("dissolving a datagram socket takes its interface too") { k in
      for kind in MessageKind.allowed {
        let s = await kind.make(k)
        await k.set(s, 1, OptionName.SO_BINDTOIFINDEX, 77)
        await k.connect(s, 0, family: 0, length: 2)
        await k.get(s, 1, OptionName.SO_BINDTOIFINDEX)
      }
    },
    Scenario("ping sockets: the type before the family, the family before the rest") { k in
      let s = await k.socket(SocketType.SOCK_DGRAM, Protocol.IPPROTO_ICMP)
      for start: [UInt8] in [[8, 0], [42, 0], [8, 1], [0, 0]] {
        for family: UInt16 in [2, 0, 10] {
          let message = Int(k.put(start + [0, 0, 0, 0, 0, 1]))
          await k.call(.sendto, s, message, 8, 0, Int(k.put(Session.inet(0, family: family))), 16)
        }
      }
    },
    Scenario("ping sockets: connecting does not choose whose replies are heard") { k in
      let s = await k.socket(SocketType.SOCK_DGRAM | nonBlocking, Protocol.IPPROTO_ICMP)
      await k.connect(s, 0)
      let message = Int(k.put([8, 0, 0, 0, 0, 0, 0, 1, 97]))
      await k.call(.sendto, s, message, 9, 0, Int(k.put(Session.inet(0, [127, 9, 9, 9]))), 16)
      await k.settle()
      await k.receive(s, 0, wantsSource: true)
    },
    Scenario("ping sockets: the latest of those that share an identifier hears the reply") { k in
      let first = await k.socket(SocketType.SOCK_DGRAM | nonBlocking, Protocol.IPPROTO_ICMP)
      await k.connect(first, 0)
      let second = await k.socket(SocketType.SOCK_DGRAM | nonBlocking, Protocol.IPPROTO_ICMP)
      await k.bind(second, await k.port(first))
      await k.call(.write, first, Int(k.put([8, 0, 0, 0, 0, 0, 0, 1, 97])), 9)
      await k.settle()
      await k.receive(first, 0)
      await k.receive(second, 0)
    },
    Scenario("the unspecified address is one's own") { k in
      let (b, port) = await k.boundUDP()
      let s = await k.udp(nonBlocking)
      await k.bind(s, 0, [127, 0, 0, 2])
      let own = await k.port(s)
      await k.send(s, "x", 0, to: own, [0, 0, 0, 0])
      await k.send(s, "y", 0, to: port, [0, 0, 0, 0])
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.receive(s, 9, wantsSource: true)
      await k.connect(s, own, [0, 0, 0, 0])
      await k.name(.getpeername, s)
    },
    Scenario("ping sockets: MSG_TRUNC does not tell how long it was") { k in
      let s = await k.socket(SocketType.SOCK_DGRAM | nonBlocking, Protocol.IPPROTO_ICMP)
      await k.connect(s, 0)
      await k.call(.write, s, Int(k.put([8, 0, 0, 0, 0, 0, 0, 1, 97, 98, 99])), 11)
      await k.settle()
      await k.call(.recvfrom, s, Int(k.room(8)), 8, Int(MessageFlags.MSG_TRUNC), 0, 0)
    },
    Scenario("IP_MTU_DISCOVER has six values") { k in
      var sockets = [await k.tcp()]
      for kind in MessageKind.allowed { sockets.append(await kind.make(k)) }
      for s in sockets {
        for value: Int32 in [3, 4, 5, 6, -1] {
          await k.set(s, 0, OptionName.IP_MTU_DISCOVER, value)
          await k.get(s, 0, OptionName.IP_MTU_DISCOVER)
        }
      }
    },
    Scenario("MSG_CMSG_CLOEXEC comes back") { k in
      let (b, port) = await k.boundUDP()
      await k.send(b, "x", 0, to: port)
      await k.settle()
      await k.receiveMessage(b, 9, MessageFlags.MSG_CMSG_CLOEXEC | dontWait)
      let (a, c) = await k.pair()
      await k.write(a, "x")
      await k.settle()
      await k.receiveMessage(c, 9, MessageFlags.MSG_CMSG_CLOEXEC)
    },
    Scenario("readv and writev count their buffers in 32 bits") { k in
      let (a, _) = await k.pair()
      let vector = [k.room(8), 8].withUnsafeBytes { Array($0) }
      for number in [SystemCallNumber.readv, .writev] {
        for count in [1 << 32, 1 << 32 + 1025, -1] { await k.call(number, a, Int(k.put(vector)), count) }
      }
    },
    Scenario("poll of nothing, which is nowhere") { k in
      for address in [0, 8, -1] { await k.call(.poll, address, 0, 0) }
    },
    Scenario("a number is read, even if there is no memory behind") { k in
      let s = await k.udp()
      let end = k.kernel.base + UInt(arenaSize)
      for (count, length) in [(4, 16), (15, 16), (3, 16), (8, 16)] {
        k.kernel.bytes(end - UInt(count), count).initializeMemory(as: UInt8.self, repeating: 0)
        for (level, name) in [
          (Int32(1), OptionName.SO_BROADCAST), (1, OptionName.SO_LINGER), (1, OptionName.SO_RCVTIMEO),
          (0, OptionName.IP_TOS), (0, OptionName.IP_MINTTL), (0, OptionName.IP_LOCAL_PORT_RANGE),
          (17, OptionName.UDP_CORK),
        ] {
          await k.call(.setsockopt, s, Int(level), Int(name), Int(end) - count, length)
        }
      }
    },
    Scenario("MSG_FASTOPEN: first the connection, then the control messages") { k in
      let (a, _) = await k.pair()
      let (l, port) = await k.listener()
      for s in [a, l] {
        await k.sendMessage(s, "x", [ControlMessage(1, 99, 1)], MessageFlags.MSG_FASTOPEN, to: port)
        await k.send(s, "x", MessageFlags.MSG_FASTOPEN, to: port, length: 1)
      }
    },
    Scenario("a name is read up to its end, even if there is no memory behind") { k in
      let s = await k.tcp()
      let end = k.kernel.base + UInt(arenaSize)
      for name in ["reno\0", "reno"] {
        k.kernel.bytes(end - UInt(name.utf8.count), name.utf8.count).copyBytes(from: name.utf8)
        for option in [OptionName.TCP_CONGESTION, OptionName.TCP_ULP] {
          await k.call(.setsockopt, s, 6, Int(option), Int(end) - name.utf8.count, 10)
        }
      }
    },
    Scenario("option values without memory: the protocols have told the length by then") { k in
      for (s, level, name) in [
        (await k.udp(), Int32(17), OptionName.UDP_CORK), (await k.tcp(), 6, OptionName.TCP_NODELAY),
        (await k.tcp(), 0, OptionName.IP_TTL), (await k.tcp(), 1, OptionName.SO_TYPE),
      ] {
        let length = k.put(Int32(16))
        let result = await k.raw(.getsockopt, [s, Int(level), Int(name), 0, Int(length)])
        k.note("\(result), then \(k.get(length, as: Int32.self))", #line)
      }
    },
    Scenario("addresses without memory: the length is told by then", since: KernelVersion(6, 18)) { k in
      let (l, port) = await k.listener()
      await k.connect(await k.tcp(), port)
      for number in [SystemCallNumber.getsockname, .accept4] {
        let length = k.put(Int32(128))
        let result = await k.raw(number, [l, 8, Int(length), 0])
        k.note("\(result), then \(k.get(length, as: Int32.self))", #line)
      }
    },
  ]

  @Test(arguments: scenarios) func scenario(_ scenario: Scenario) throws { try scenario.compare() }
}
