import Glibc
import LinuxABI
import Testing

@Suite("Raw sockets answer as Linux does", .enabled(if: geteuid() == 0, "the kernel gives raw sockets to root only"))
struct RawTests {
  /// A protocol number for experiments (RFC 3692): nobody else speaks it.
  private static let experiment: Int32 = 253

  static let scenarios: [Scenario] = [
    Scenario("a new raw socket") { k in
      let s = await k.socket(SocketType.SOCK_RAW, experiment)
      await k.poll(s)
      await k.name(.getpeername, s)
      await k.write(s, "x")
      await k.send(s, "x")
      await k.listen(s)
      _ = await k.accept(s)
      await k.call(.shutdown, s, 1)
      await k.ioctl(s, ControlRequest.FIONREAD)
      await k.receive(s, 4, MessageFlags.MSG_DONTWAIT)
      await k.receive(s, 4, MessageFlags.MSG_OOB)
      await k.get(s, 1, OptionName.SO_TYPE)
      await k.get(s, 1, OptionName.SO_PROTOCOL)
      await k.get(s, 0, OptionName.IP_HDRINCL)
      await k.set(s, 0, OptionName.IP_HDRINCL, 1)
      await k.get(s, 0, OptionName.IP_HDRINCL)
      await k.get(s, 0, OptionName.IP_TTL)
      await k.get(s, 6, OptionName.TCP_NODELAY)
      await k.set(s, 6, OptionName.TCP_NODELAY, 1)
    },
    Scenario("a raw socket hears itself, IP header included") { k in
      let s = await k.socket(SocketType.SOCK_RAW, experiment)
      await k.bind(s, 0, [8, 8, 8, 8])
      await k.bind(s, length: 8)
      await k.bind(s)
      await k.send(s, "hello", 0, to: 0)
      await k.settle()
      await k.poll(s)
      await k.ioctl(s, ControlRequest.FIONREAD)
      let room = Int(k.room(100))
      await k.call(.recvfrom, s, room, 100, Int(MessageFlags.MSG_PEEK), 0, 0)
      await k.call(.recvfrom, s, Int(k.room(100)), 10, Int(MessageFlags.MSG_TRUNC), 0, 0)
      await k.receive(s, 100, MessageFlags.MSG_DONTWAIT)
      await k.send(s, "x", 0, to: 0, length: 8)
      await k.send(s, "x", 0, to: 0, family: 10)
      await k.connect(s, 0)
      await k.name(.getpeername, s)
      await k.write(s, "again")
      await k.settle()
      await k.call(.read, s, Int(k.room(100)), 100)
      await k.call(.shutdown, s, 1)
      await k.write(s, "x")
    },
    Scenario("a raw socket has its protocol for a port") { k in
      for number: Int32 in [1, experiment, 255] {
        let s = await k.socket(SocketType.SOCK_RAW, number)
        await k.name(.getsockname, s)
        await k.bind(s, 7)
        await k.name(.getsockname, s)
        await k.connect(s, 9)
        await k.name(.getpeername, s)
        await k.connect(s, 0, family: 0, length: 2)
        await k.name(.getsockname, s)
      }
    },
    Scenario("an address without length is none") { k in
      let s = await k.socket(SocketType.SOCK_RAW, experiment)
      await k.send(s, "x", 0, to: 0, length: 0)
    },
    Scenario("a raw socket that was dissolved is deaf") { k in
      let s = await k.socket(SocketType.SOCK_RAW, 251)
      await k.connect(s, 0, family: 0, length: 2)
      await k.send(s, "hello", 0, to: 0)
      await k.settle()
      await k.receive(s, 100, MessageFlags.MSG_DONTWAIT)
      await k.error(s)
    },
    Scenario("MSG_MORE") { k in
      let s = await k.socket(SocketType.SOCK_RAW, 252)
      await k.connect(s, 0)
      await k.send(s, "one ", MessageFlags.MSG_MORE)
      await k.settle()
      await k.poll(s)
      await k.send(s, "datagram")
      await k.settle()
      await k.call(.recvfrom, s, Int(k.room(100)), 100, Int(MessageFlags.MSG_DONTWAIT), 0, 0)
      await k.call(.recvfrom, s, Int(k.room(100)), 100, Int(MessageFlags.MSG_DONTWAIT), 0, 0)
      let address = Int(k.put(Array(repeating: 97, count: 65_515)))
      await k.send(s, "lost", MessageFlags.MSG_MORE)
      await k.call(.write, s, address, 65_515)
      await k.write(s, "kept")
      await k.settle()
      await k.call(.recvfrom, s, Int(k.room(100)), 100, Int(MessageFlags.MSG_DONTWAIT), 0, 0)
    },
    Scenario("a pending error does not keep a raw socket from sending") { k in
      for includesHeader: Int32 in [0, 1] {
        let s = await k.socket(SocketType.SOCK_RAW, 250)
        await k.set(s, 0, OptionName.IP_HDRINCL, includesHeader)
        await k.bind(s)
        await k.connect(s, 0, [127, 0, 0, 2])
        let packet: [UInt8] = [0x45] + Array(repeating: 0, count: 8) + [250] + Array(repeating: 0, count: 10)
        for _ in 0..<2 {
          await k.call(.write, s, Int(k.put(packet)), 20)
          await k.settle()
        }
        await k.error(s)
        // An ICMP error that quotes less than eight octets behind the header is nobody's.
        await k.call(.write, s, Int(k.put(packet + [1, 2, 3, 4, 5, 6, 7, 8])), 28)
        await k.settle()
        await k.error(s)
      }
    },
    Scenario("headers of programs: any version, a length that can be, and no options beside") { k in
      let s = await k.socket(SocketType.SOCK_RAW, 255)
      await k.connect(s, 0)
      for first: UInt8 in [0x45, 0x65, 0x05, 0x44, 0x46] {
        await k.call(.write, s, Int(k.put([first] + Array(repeating: 0, count: 19))), 20)
      }
      await k.sendMessage(s, "x", [ControlMessage(0, OptionName.IP_RETOPTS, [1, 1, 1, 0])])
      await k.sendMessage(await k.socket(SocketType.SOCK_RAW, 249), "x", [ControlMessage(0, 99, 1)])
      await k.set(s, 0, OptionName.IP_OPTIONS, bytes: [1, 1, 1, 0])
      await k.write(s, "x")
    },
    Scenario("ICMP messages without a whole header are not heard") { k in
      let s = await k.socket(SocketType.SOCK_RAW, 1)
      await k.call(.setsockopt, s, 255, 1, Int(k.put(UInt32(0xFFFF_FFFF))), 4)
      await k.connect(s, 0, [127, 0, 0, 77])
      for count in [2, 7, 8] {
        await k.call(.write, s, Int(k.put([200] + Array(repeating: 0, count: count - 1))), count)
      }
      await k.settle()
      await k.error(s)
      let other = await k.socket(SocketType.SOCK_RAW, experiment)
      await k.call(.getsockopt, other, 255, 1, Int(k.room(4)), 8)
    },
    Scenario("messages of every length, in memory and nowhere") { k in
      for number: Int32 in [1, experiment] {
        for includesHeader: Int32 in [0, 1] {
          let s = await k.socket(SocketType.SOCK_RAW, number)
          await k.set(s, 0, OptionName.IP_HDRINCL, includesHeader)
          for length in [0, 1, 2, 8, 19, 20, 1400, 65_515, 65_516, 65_535, 65_536] {
            // What is long and exists would be sent.
            for exists in [true, false] where !exists || length < 1400 || length > 65_515 {
              func place() -> Int { exists ? Int(k.room(66_000)) : 16 }
              func target() -> Int { Int(k.put(Session.inet(0))) }
              await k.call(.sendto, s, place(), length, 0, 0, 0)
              await k.call(.sendto, s, place(), length, 0, target(), 16)
              await k.call(.sendto, s, place(), length, Int(MessageFlags.MSG_PROBE), target(), 16)
            }
          }
          await k.close(s)
        }
      }
    },
    Scenario("IP_OPTIONS stand in the header, but not in one of the program's own") { k in
      let s = await k.socket(SocketType.SOCK_RAW, experiment)
      await k.bind(s, 0, [127, 0, 0, 77])
      func header(_ text: String, line: Int = #line) async {
        await k.send(s, text, 0, to: 0, [127, 0, 0, 77], line: line)
        await k.settle()
        let room = k.room(100)
        let result = await k.raw(.recvfrom, [s, Int(room), 100, Int(MessageFlags.MSG_DONTWAIT), 0, 0])
        let bytes = k.get(room, count: 100)
        // All but identification and checksum.
        k.note("\(Session.text(result)) \(bytes[0..<4]) \(bytes[8..<10]) \(bytes[12..<48])", line)
      }
      for options: [UInt8] in [[1, 136, 4, 1, 2], [148, 4, 0, 0], [99, 6, 1, 2, 3, 4], []] {
        await k.set(s, 0, OptionName.IP_OPTIONS, bytes: options)
        await header("hello")
      }
      await k.set(s, 0, OptionName.IP_ROUTER_ALERT, 1)
      await k.set(s, 0, OptionName.IP_ROUTER_ALERT, 1)
      await k.set(s, 0, OptionName.IP_ROUTER_ALERT, 0)
      await k.set(s, 0, OptionName.IP_ROUTER_ALERT, 0)
    },
  ]

  @Test("raw sockets", arguments: scenarios) func raw(_ scenario: Scenario) throws { try scenario.compare() }
}
