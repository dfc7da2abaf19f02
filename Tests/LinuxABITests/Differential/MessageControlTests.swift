import LinuxABI
import Testing

@Suite("Control messages to send, and what stands beside what was received, are Linux's")
struct MessageControlTests {
  private static let dontWait = MessageFlags.MSG_DONTWAIT
  private static let (socketLevel, ip): (Int32, Int32) = (1, 0)

  /// `struct in_pktinfo`
  private static func packetInfo(_ index: UInt8, _ source: [UInt8]) -> ControlMessage {
    ControlMessage(ip, OptionName.IP_PKTINFO, [index, 0, 0, 0] + source + [0, 0, 0, 0])
  }

  static let scenarios: [Scenario] = [
    Scenario("sendmsg: source, TTL and TOS of one datagram") { k in
      let (b, port) = await k.boundUDP()
      for option in [OptionName.IP_RECVTTL, OptionName.IP_RECVTOS, OptionName.IP_PKTINFO] {
        await k.set(b, 0, option, 1)
      }
      let a = await k.udp()
      let sets: [[ControlMessage]] = [
        [], [ControlMessage(ip, OptionName.IP_TTL, 7)], [ControlMessage(ip, OptionName.IP_TOS, 0x10)],
        [ControlMessage(ip, OptionName.IP_TOS, [0x20])], [packetInfo(0, [127, 0, 0, 9])],
        [packetInfo(1, [0, 0, 0, 0])], [packetInfo(1, [127, 0, 0, 7]), ControlMessage(ip, OptionName.IP_TTL, 255)],
        [packetInfo(77, [0, 0, 0, 0])], [packetInfo(0, [10, 9, 8, 7])],
        [ControlMessage(ip, OptionName.IP_RETOPTS, [1, 1, 1, 1])],
      ]
      for set in sets {
        await k.sendMessage(a, "hello", set, to: port)
        await k.settle()
        await k.receiveMessage(b, 9)
      }
      await k.sendMessage(a, "nobody", [ControlMessage(ip, OptionName.IP_TTL, 0)])
      await k.connect(a, port)
      await k.sendMessage(a, "peer", [ControlMessage(ip, OptionName.IP_TTL, 9)])
      await k.settle()
      await k.receiveMessage(b, 9)
    },
    Scenario("sendmsg: control messages that are refused") { k in
      let (_, port) = await k.boundUDP()
      let (stream, _) = await k.pair()
      let a = await k.udp()
      let messages = [
        ControlMessage(ip, OptionName.IP_TTL, 0), ControlMessage(ip, OptionName.IP_TTL, 256),
        ControlMessage(ip, OptionName.IP_TTL, [1]), ControlMessage(ip, OptionName.IP_TOS, 256),
        ControlMessage(ip, OptionName.IP_TOS, [1, 2]), ControlMessage(ip, OptionName.IP_PKTINFO, 1),
        ControlMessage(ip, OptionName.IP_RETOPTS, [7, 1]), ControlMessage(ip, OptionName.IP_RETOPTS, []),
        ControlMessage(ip, OptionName.IP_RECVERR, 1), ControlMessage(ip, 99, 1),
        ControlMessage(ip, OptionName.IP_TTL, [1, 0, 0, 0], length: 15),
        ControlMessage(ip, OptionName.IP_TTL, [1, 0, 0, 0], length: 100),
        ControlMessage(ip, OptionName.IP_TTL, [1, 0, 0, 0], length: 0),
        ControlMessage(socketLevel, 99, 1),
        ControlMessage(socketLevel, OptionName.SO_TXTIME, [UInt8](repeating: 0, count: 8)),
        ControlMessage(socketLevel, OptionName.SO_TIMESTAMPING, 2),
        ControlMessage(socketLevel, OptionName.SO_TIMESTAMPING, 4),
        ControlMessage(socketLevel, OptionName.SO_TIMESTAMPING, [2]),
        ControlMessage(17, OptionName.UDP_SEGMENT, 3), ControlMessage(17, OptionName.UDP_SEGMENT, [3, 0]),
        ControlMessage(17, 99, [3, 0]), ControlMessage(6, 1, 1), ControlMessage(41, 50, 1),
      ]
      for message in messages {
        await k.sendMessage(a, "x", [message], to: port)
        await k.sendMessage(stream, "x", [message])
      }
      await k.set(a, 1, OptionName.SO_TXTIME, 1, 0)
      await k.sendMessage(a, "x", [ControlMessage(socketLevel, OptionName.SO_TXTIME, [1])], to: port)
      let bytes = Int(k.put([UInt8](repeating: 0, count: 56)))
      await k.call(.sendmsg, a, bytes, 0)
      // Control messages that the program does not have.
      let header = k.put([0, 0, 0, 0, 8, 24, 0].map { UInt($0) }.withUnsafeBytes { Array($0) })
      await k.call(.sendmsg, stream, Int(header), 0)
    },
    Scenario("sendmsg: UDP_SEGMENT for one message") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.sendMessage(a, "abcdefgh", [ControlMessage(17, OptionName.UDP_SEGMENT, [3, 0])], to: port)
      await k.settle()
      for _ in 0..<4 { await k.receive(b, 9, dontWait) }
      await k.set(a, 17, OptionName.UDP_SEGMENT, 2)
      await k.sendMessage(a, "abcdefgh", [ControlMessage(17, OptionName.UDP_SEGMENT, [0, 0])], to: port)
      await k.settle()
      for _ in 0..<4 { await k.receive(b, 9, dontWait) }
    },
    Scenario("recvmsg: TCP_INQ tells what is left") { k in
      let (a, b) = await k.pair()
      await k.set(b, 6, OptionName.TCP_INQ, 1)
      await k.write(a, "hello, world")
      await k.settle()
      await k.receiveMessage(b, 5)
      await k.receiveMessage(b, 3, dontWait | MessageFlags.MSG_PEEK)
      await k.receiveMessage(b, 5, room: 0)
      await k.receiveMessage(b, 5, room: 18)
      await k.receiveMessage(b, 5)
      await k.write(a, "end")
      await k.call(.shutdown, a, 1)
      await k.settle()
      await k.receiveMessage(b, 2)
      await k.receiveMessage(b, 5)
      await k.receiveMessage(b, 5)
    },
    Scenario("recvmsg: marks, priorities and drops") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(b, 1, OptionName.SO_RXQ_OVFL, 1)
      await k.send(a, "none dropped", 0, to: port)
      await k.settle()
      await k.receiveMessage(b, 20)
      await k.set(b, 1, OptionName.SO_RCVBUF, 1)
      for _ in 0..<100 { await k.send(a, String(repeating: "x", count: 2000), 0, to: port) }
      await k.settle()
      await k.drain(b)
      await k.send(a, "after", 0, to: port)
      await k.settle()
      // How many were dropped depends on what each kernel counts.
      await k.receiveMessage(b, 20, dontWait, room: 16)
    },
    Scenario("recvmsg: options of headers", needsRoot: true) { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 0, OptionName.IP_RECVOPTS, 1)
      await k.set(b, 0, OptionName.IP_RECVTTL, 1)
      await k.set(b, 0, OptionName.IP_RECVORIGDSTADDR, 1)
      let a = await k.udp()
      for options: [UInt8] in [[148, 4, 0, 0], [1, 136, 4, 1, 2], []] {
        await k.set(a, 0, OptionName.IP_OPTIONS, bytes: options)
        await k.send(a, "hello", 0, to: port)
        await k.send(a, "again", 0, to: port)
        await k.settle()
        await k.receiveMessage(b, 9, dontWait | MessageFlags.MSG_PEEK)
        await k.receiveMessage(b, 9)
        await k.set(b, 0, OptionName.IP_RETOPTS, 1)
        await k.receiveMessage(b, 9)
        await k.receiveMessage(b, 9)
      }
    },
    Scenario("recvmsg with MSG_TRUNC of a stream leaves the buffer alone") { k in
      let (a, b) = await k.pair()
      await k.write(a, "hello")
      await k.settle()
      let buffer = k.put(Array("-----".utf8))
      let vector = k.put([buffer, 5].withUnsafeBytes { Array($0) })
      let header = k.put([0, 0, vector, 1, 0, 0, 0].withUnsafeBytes { Array($0) })
      let result = await k.raw(.recvmsg, [b, Int(header), Int(dontWait | MessageFlags.MSG_TRUNC)])
      k.note("\(result) \(String(decoding: k.get(buffer, count: 5), as: UTF8.self))", #line)
    },
    Scenario("SO_PEEK_OFF: over datagrams") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      let peek = dontWait | MessageFlags.MSG_PEEK
      for text in ["abcdef", "ghi", "jklm"] { await k.send(a, text, 0, to: port) }
      await k.settle()
      await k.set(b, 1, OptionName.SO_PEEK_OFF, 2)
      for count in [2, 1, 9, 2, 9, 9] {
        await k.receiveMessage(b, count, peek)
        await k.get(b, 1, OptionName.SO_PEEK_OFF)
      }
      await k.set(b, 1, OptionName.SO_PEEK_OFF, 7)
      await k.receiveMessage(b, 9, peek | MessageFlags.MSG_TRUNC)
      await k.receiveMessage(b, 4)
      await k.get(b, 1, OptionName.SO_PEEK_OFF)
      await k.receiveMessage(b, 9, peek)
      await k.receiveMessage(b, 9)
      await k.get(b, 1, OptionName.SO_PEEK_OFF)
      await k.set(b, 1, OptionName.SO_PEEK_OFF, -1)
      await k.receiveMessage(b, 2, peek)
      await k.receiveMessage(b, 2, peek)
      await k.get(b, 1, OptionName.SO_PEEK_OFF)
    },
    Scenario("SO_PEEK_OFF: over a stream", since: KernelVersion(6, 9)) { k in
      let (a, b) = await k.pair()
      let peek = dontWait | MessageFlags.MSG_PEEK
      await k.write(a, "abcdefghij")
      await k.settle()
      await k.set(b, 1, OptionName.SO_PEEK_OFF, 3)
      for count in [2, 3, 9, 9] {
        await k.receive(b, count, peek)
        await k.get(b, 1, OptionName.SO_PEEK_OFF)
      }
      await k.receive(b, 4, dontWait)
      await k.get(b, 1, OptionName.SO_PEEK_OFF)
      await k.set(b, 1, OptionName.SO_PEEK_OFF, -1)
      await k.receive(b, 9, peek)
    },
  ]

  @Test("messages", arguments: scenarios) func message(_ scenario: Scenario) throws { try scenario.compare() }
}
