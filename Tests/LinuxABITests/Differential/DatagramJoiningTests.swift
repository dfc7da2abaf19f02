import LinuxABI
import Testing

@Suite("UDP_GRO joins, and leaves apart, what Linux joins and leaves apart over loopback")
struct DatagramJoiningTests {
  private static let dontWait = MessageFlags.MSG_DONTWAIT

  static let scenarios: [Scenario] = [
    Scenario("a message in pieces comes whole", since: KernelVersion(5, 0)) { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 17, OptionName.UDP_GRO, 1)
      await k.set(b, 0, OptionName.IP_RECVTTL, 1)
      let a = await k.udp()
      await k.set(a, 17, OptionName.UDP_SEGMENT, 3)
      for text in ["abcdefgh", "abcdef", "abcd", "abc", "ab", ""] {
        await k.send(a, text, 0, to: port)
        await k.settle()
        await k.ioctl(b, ControlRequest.FIONREAD)
        for _ in 0..<2 { await k.receiveMessage(b, 20) }
      }
      await k.send(a, "abcdefgh", 0, to: port)
      await k.settle()
      await k.receiveMessage(b, 4, dontWait | MessageFlags.MSG_PEEK)
      await k.set(b, 17, OptionName.UDP_GRO, 0)
      await k.receiveMessage(b, 4)
      await k.send(a, "abcdefgh", 0, to: port)
      await k.settle()
      for _ in 0..<4 { await k.receiveMessage(b, 20) }
    },
    Scenario("messages of their own stay apart", since: KernelVersion(5, 0)) { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 17, OptionName.UDP_GRO, 1)
      let a = await k.udp()
      for text in ["abc", "def", "gh"] { await k.send(a, text, 0, to: port) }
      await k.sendMessage(a, "ijklm", [ControlMessage(17, OptionName.UDP_SEGMENT, [2, 0])], to: port)
      await k.send(a, "no", 0, to: port)
      await k.settle()
      for _ in 0..<6 { await k.receiveMessage(b, 20) }
    },
    Scenario("pieces that nobody joins, and nobody listens to", since: KernelVersion(5, 0)) { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 17, OptionName.UDP_SEGMENT, 1000)
      await k.send(a, String(repeating: "x", count: 5500), 0, to: port)
      await k.settle()
      for _ in 0..<7 { await k.receive(b, 2000, dontWait) }
      await k.close(b)
      await k.connect(a, port)
      await k.write(a, String(repeating: "y", count: 2500))
      await k.settle()
      await k.error(a)
      let (c, other) = await k.boundUDP()
      await k.connect(a, other)
      await k.write(a, "again")
      await k.settle()
      await k.receive(c, 9, dontWait)
    },
  ]

  @Test("joining", arguments: scenarios) func join(_ scenario: Scenario) throws { try scenario.compare() }
}
