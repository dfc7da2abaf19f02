import EventLoop
import LinuxABI
import Sockets
import Testing

@Suite("Options about a socket's own address and header do what they do on Linux")
struct AddressOptionTests {
  private static let foreign: [UInt8] = [10, 9, 8, 7]

  static let scenarios: [Scenario] = [
    Scenario("IP_FREEBIND and IP_TRANSPARENT: an address that is not this host's") { k in
      for option in [OptionName.IP_FREEBIND, OptionName.IP_TRANSPARENT] {
        for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
          let (l, port) = type == SocketType.SOCK_STREAM ? await k.listener() : await k.boundUDP()
          let s = await k.socket(type)
          await k.bind(s, 0, foreign)
          await k.set(s, 0, option, 1)
          await k.bind(s, 0, foreign)
          await k.port(s)
          if type == SocketType.SOCK_DGRAM { await k.send(s, "x", 0, to: port) }
          if option == OptionName.IP_FREEBIND { await k.connect(s, port) }
          await k.port(s)
          await k.close(l)
        }
      }
    },
    Scenario("IP_BIND_ADDRESS_NO_PORT: connect chooses the port") { k in
      let (l, port) = await k.listener()
      let s = await k.tcp()
      await k.set(s, 0, OptionName.IP_BIND_ADDRESS_NO_PORT, 1)
      await k.bind(s, 0, [127, 0, 0, 5])
      await k.port(s)
      await k.bind(s, 0, [127, 0, 0, 6])
      await k.port(s)
      await k.connect(s, port)
      k.note("has a port: \(await k.port(s) != 0)", #line)
      _ = await k.accept(l)
      let t = await k.tcp()
      await k.set(t, 0, OptionName.IP_BIND_ADDRESS_NO_PORT, 1)
      await k.bind(t, 0, [127, 0, 0, 7])
      await k.listen(t)
      await k.port(t)
      let (b, other) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 0, OptionName.IP_BIND_ADDRESS_NO_PORT, 1)
      await k.bind(a, 0, [127, 0, 0, 8])
      await k.port(a)
      await k.connect(a, other)
      await k.port(a)
      await k.write(a, "x")
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT, wantsSource: true)
      await k.connect(a, 0, family: 0, length: 2)
      await k.port(a)
    },
    Scenario("IP_MINTTL: a stream hears only those who are near enough") { k in
      let (a, b) = await k.pair()
      await k.set(b, 0, OptionName.IP_MINTTL, 64)
      await k.write(a, "near")
      await k.settle()
      await k.read(b, 9)
      await k.set(a, 0, OptionName.IP_TTL, 63)
      await k.write(a, "far")
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await k.set(b, 0, OptionName.IP_MINTTL, 63)
      await k.poll(b, events: 1, timeout: 2000)
      await k.read(b, 9)
    },
    Scenario("IP_OPTIONS: what is taken, and what is shown") { k in
      for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
        let s = await k.socket(type)
        for bytes: [UInt8] in [
          [], [0], [1], [1, 1, 1, 1, 1], [0, 9, 9], [1, 0, 7], [7], [7, 1], [7, 2], [7, 3, 4], [7, 7, 4, 1, 2, 3, 4],
          [7, 7, 3, 0, 0, 0, 0], [7, 7, 5, 0, 0, 0, 0], [7, 7, 8, 9, 9, 9, 9],
          [7, 11, 4] + Array(repeating: 5, count: 8),
          [7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0], [7, 39, 4] + Array(repeating: 0, count: 36),
          [131, 7, 4, 127, 0, 0, 1], [131, 11, 4, 127, 0, 0, 1, 127, 0, 0, 2], [137, 7, 4, 127, 0, 0, 1],
          [131, 6, 4, 1, 2, 3], [131, 7, 8, 127, 0, 0, 1], [131, 3, 4], [131, 7, 4, 1, 2, 3, 4, 137, 7, 4, 1, 2, 3, 4],
          [68, 4, 5, 0], [68, 3, 5], [68, 8, 5, 0, 1, 2, 3, 4], [68, 8, 4, 0, 0, 0, 0, 0], [68, 8, 5, 1, 0, 0, 0, 0],
          [68, 12, 5, 1] + Array(repeating: 6, count: 8), [68, 12, 5, 3, 127, 0, 0, 1, 1, 1, 1, 1],
          [68, 12, 5, 3, 10, 9, 8, 7, 1, 1, 1, 1], [68, 8, 9, 0xF0, 0, 0, 0, 0], [68, 8, 9, 0xE0, 0, 0, 0, 0],
          [148, 4, 0, 0], [148, 4, 1, 0], [148, 3, 0], [136, 4, 1, 2], [99, 4, 1, 2], [99, 5, 1, 2],
          Array(repeating: 1, count: 40), Array(repeating: 1, count: 41),
        ] {
          await k.set(s, 0, OptionName.IP_OPTIONS, bytes: bytes)
          await k.get(s, 0, OptionName.IP_OPTIONS, room: 44)
          await k.get(s, 0, OptionName.IP_OPTIONS, room: 3)
        }
      }
    },
    Scenario("IP_OPTIONS: datagrams and streams arrive with them", needsRoot: true) { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 0, OptionName.IP_OPTIONS, bytes: [148, 4, 0, 0])
      await k.send(a, "hello", 0, to: port)
      await k.connect(a, port)
      await k.write(a, "again")
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      let (l, stream) = await k.listener()
      let c = await k.tcp()
      await k.set(c, 0, OptionName.IP_OPTIONS, bytes: [1, 1, 1, 1, 136, 4, 1, 2])
      await k.connect(c, stream)
      let d = await k.accept(l)
      await k.write(c, "stream")
      await k.settle()
      await k.read(d, 9)
      await k.set(d, 0, OptionName.IP_OPTIONS, bytes: [148, 4, 0, 0])
      await k.write(d, "answer")
      await k.settle()
      await k.read(c, 9)
    },
    Scenario("UDP_SEGMENT: one call, several datagrams") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 17, OptionName.UDP_SEGMENT, 4)
      await k.connect(a, port)
      for text in ["abcdefghij", "abcd", "ab", "abcdefgh"] {
        await k.write(a, text)
        await k.settle()
        for _ in 0..<4 { await k.receive(b, 9, MessageFlags.MSG_DONTWAIT) }
      }
      await k.set(a, 17, OptionName.UDP_SEGMENT, 0)
      await k.write(a, "abcdefghij")
      await k.settle()
      await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
      await k.set(a, 17, OptionName.UDP_SEGMENT, 1)
      await k.write(a, String(repeating: "x", count: 200))
    },
    Scenario("SO_TXTIME: clocks, flags and lengths") { k in
      for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
        let s = await k.socket(type)
        await k.get(s, 1, OptionName.SO_TXTIME, room: 8)
        for clock: Int32 in [0, 1, 2, 7, 11, -1] {
          for flags: Int32 in [0, 1, 2, 3, 4, -1] {
            await k.set(s, 1, OptionName.SO_TXTIME, clock, flags)
            await k.get(s, 1, OptionName.SO_TXTIME, room: 8)
          }
        }
        await k.set(s, 1, OptionName.SO_TXTIME, 1)
        await k.set(s, 1, OptionName.SO_TXTIME, 1, 0, 0)
      }
    },
    Scenario("options that want a program of bpf(2)") { k in
      let s = await k.udp()
      for option in [OptionName.SO_ATTACH_BPF, OptionName.SO_ATTACH_REUSEPORT_EBPF] {
        await k.set(s, 1, option, -1)
        await k.set(s, 1, option, Int32(s))
        await k.set(s, 1, option, Int32(s), 0)
        await k.get(s, 1, option)
      }
    },
    Scenario("IP_UNICAST_IF: an index in network order") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 0, OptionName.IP_UNICAST_IF, Int32(1).bigEndian)
      await k.get(a, 0, OptionName.IP_UNICAST_IF)
      await k.send(a, "by lo", 0, to: port)
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await k.set(a, 0, OptionName.IP_UNICAST_IF, Int32(77).bigEndian)
      await k.set(a, 1, OptionName.SO_BINDTOIFINDEX, 77)
      await k.set(a, 0, OptionName.IP_UNICAST_IF, Int32(1).bigEndian)
      await k.set(a, 0, OptionName.IP_UNICAST_IF, bytes: [0, 0, 0, 1, 0])
      await k.set(a, 0, OptionName.IP_UNICAST_IF, 0)
      await k.get(a, 0, OptionName.IP_UNICAST_IF)
    },
    Scenario("TCP_SAVE_SYN: the peer's SYN, once") { k in
      let (l, port) = await k.listener()
      await k.set(l, 6, OptionName.TCP_SAVE_SYN, 1)
      await k.get(l, 6, OptionName.TCP_SAVED_SYN, room: 100)
      let a = await k.tcp()
      await k.set(a, 0, OptionName.IP_OPTIONS, bytes: [1, 1, 1, 1])
      await k.connect(a, port)
      let b = await k.accept(l)
      for room in [10, 200, 200] {
        let (value, length) = (k.room(200), k.put(Int32(room)))
        let result = await k.raw(.getsockopt, [b, 6, Int(OptionName.TCP_SAVED_SYN), Int(value), Int(length)])
        let count = k.get(length, as: Int32.self)
        // Version and header length; behind the options: the flags of the SYN.
        let bytes = k.get(value, count: 200)
        k.note("\(Session.text(result)) \(count == 64) \(bytes[0]) \(bytes[20..<24]) \(bytes[24 + 13])", #line)
      }
      await k.get(a, 6, OptionName.TCP_SAVED_SYN, room: 100)
    },
    Scenario("UDP_ENCAP: off, and what nobody knows") { k in
      let s = await k.udp()
      for value: Int32 in [0, 7, 100, -1] {
        await k.set(s, 17, OptionName.UDP_ENCAP, value)
        await k.get(s, 17, OptionName.UDP_ENCAP)
      }
    },
  ]

  @Test("effects", arguments: scenarios) func effect(_ scenario: Scenario) throws { try scenario.compare() }

  static let newer: [Scenario] = [
    Scenario("IP_LOCAL_PORT_RANGE: ephemeral ports keep to it", since: KernelVersion(6, 3)) { k in
      for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
        let s = await k.socket(type)
        await k.set(s, 0, OptionName.IP_LOCAL_PORT_RANGE, 40_100 | Int32(bitPattern: 40_199 << 16))
        await k.get(s, 0, OptionName.IP_LOCAL_PORT_RANGE)
        await k.set(s, 0, OptionName.IP_LOCAL_PORT_RANGE, 40_199 | Int32(bitPattern: 40_100 << 16))
        await k.set(s, 0, OptionName.IP_LOCAL_PORT_RANGE, bytes: [1, 2, 3])
        await k.set(s, 0, OptionName.IP_LOCAL_PORT_RANGE, bytes: [1, 2, 3, 4, 5])
        await k.bind(s)
        k.note("in range: \((40_100...40_199).contains(await k.quietPort(s)))", #line)
        let (_, port) = type == SocketType.SOCK_STREAM ? await k.listener() : await k.boundUDP()
        let t = await k.socket(type)
        await k.set(t, 0, OptionName.IP_LOCAL_PORT_RANGE, Int32(bitPattern: 40_299 << 16) | 40_200)
        await k.connect(t, port)
        k.note("in range: \((40_200...40_299).contains(await k.quietPort(t)))", #line)
      }
    },
    Scenario("the times of a stream", since: KernelVersion(6, 18)) { k in
      let s = await k.tcp()
      for option in [OptionName.TCP_RTO_MAX_MS, OptionName.TCP_RTO_MIN_US, OptionName.TCP_DELACK_MAX_US] {
        await k.get(s, 6, option)
        for value: Int32 in [0, 999, 1000, 100_000, 120_000, 120_001, 200_000, 200_001, -1] {
          // Linux rounds to its jiffies, whose length differs from host to host.
          if option != OptionName.TCP_RTO_MAX_MS, (999...1000).contains(value) || value == 120_001 { continue }
          await k.set(s, 6, option, value)
          await k.get(s, 6, option)
        }
      }
    },
  ]

  @Test("effects, on newer kernels", arguments: newer) func newerEffect(_ scenario: Scenario) throws {
    try scenario.compare()
  }

  @Test("TCP_RTO_MAX_MS bounds what retransmissions back off to")
  func longestTimeout() throws {
    let bench = BenchKernel()
    let k = Session(bench)
    try bench.loop.run {
      let (a, b) = await k.pair()
      _ = await k.set(b, 0, OptionName.IP_MINTTL, 255)
      _ = await k.set(a, 6, OptionName.TCP_RTO_MAX_MS, 1500)
      _ = await k.write(a, "nobody hears it")
      await k.settle(15_000)
      let connection = try #require(try (bench.calls.socket(Int32(a)) as? TCPSocket)?.connection)
      #expect(connection.info.retransmitTimeout == .milliseconds(1500))
      #expect(connection.info.retransmitTimeouts >= 9)
      #expect(bench.stack.tcp.counters.minimumTTLDrops >= 9)
    }
  }
}
