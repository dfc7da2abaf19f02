import LinuxABI
import Testing

@Suite("The error queue, notices and time stamps are Linux's")
struct ErrorQueueTests {
  private static let queue = MessageFlags.MSG_ERRQUEUE
  private static let dontWait = MessageFlags.MSG_DONTWAIT

  /// A port of 127.0.0.1 that nobody has.
  private static func deadPort(_ k: Session) async -> UInt16 {
    let (s, port) = await k.boundUDP()
    await k.close(s)
    return port
  }

  static let scenarios: [Scenario] = [
    Scenario("an empty queue") { k in
      let (a, b) = await k.pair()
      for s in [a, b, await k.udp(), await k.tcp()] {
        await k.receiveMessage(s, 9, queue)
        await k.receive(s, 9, queue)
        await k.receive(s, 9, queue | MessageFlags.MSG_PEEK)
      }
    },
    Scenario("IP_RECVERR: a refused datagram comes back, with who refused it") { k in
      let dead = await deadPort(k)
      let (other, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 0, OptionName.IP_RECVERR, 1)
      await k.send(a, "hello", 0, to: dead)
      await k.settle()
      await k.poll(a)
      await k.receiveMessage(a, 20, queue)
      await k.poll(a)
      await k.receiveMessage(a, 20, queue)
      await k.receive(a, 9, dontWait)
      for text in ["one", "two", "three"] {
        await k.send(a, text, 0, to: dead)
        await k.settle()
      }
      await k.error(a)
      await k.poll(a)
      await k.receiveMessage(a, 2, queue)
      await k.error(a)
      await k.send(a, "to another", 0, to: port)
      await k.receiveMessage(a, 20, queue, room: 20)
      await k.receive(a, 20, queue, wantsSource: true)
      await k.error(a)
      await k.poll(a)
      await k.settle()
      await k.receive(other, 20, dontWait)
    },
    Scenario("SO_SELECT_ERR_QUEUE: the queue is urgent") { k in
      let dead = await deadPort(k)
      let a = await k.udp()
      await k.set(a, 0, OptionName.IP_RECVERR, 1)
      await k.set(a, 1, OptionName.SO_SELECT_ERR_QUEUE, 1)
      await k.send(a, "hello", 0, to: dead)
      await k.settle()
      await k.poll(a)
      await k.error(a)
      await k.poll(a)
      await k.receive(a, 9, queue)
      await k.poll(a)
    },
    Scenario("IP_RECVERR: a connected socket, and turned off") { k in
      let dead = await deadPort(k)
      let a = await k.udp()
      await k.set(a, 0, OptionName.IP_RECVERR, 1)
      await k.connect(a, dead)
      await k.write(a, "hello")
      await k.settle()
      await k.write(a, "again")
      await k.write(a, "again")
      await k.settle()
      await k.receiveMessage(a, 20, queue)
      await k.set(a, 0, OptionName.IP_RECVERR, 0)
      await k.receiveMessage(a, 20, queue)
      await k.poll(a)
      await k.receive(a, 9, dontWait)
      await k.poll(a)
    },
    Scenario("IP_RECVERR: a datagram that is too long for the path") { k in
      let (_, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 0, OptionName.IP_RECVERR, 1)
      await k.send(a, String(repeating: "x", count: 65_508), 0, to: port)
      await k.receiveMessage(a, 20, queue)
      await k.poll(a)
    },
    Scenario("MSG_ZEROCOPY: copied, and said so") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.connect(a, port)
      await k.send(a, "plain", MessageFlags.MSG_ZEROCOPY)
      await k.receiveMessage(a, 9, queue)
      await k.set(a, 1, OptionName.SO_ZEROCOPY, 1)
      await k.send(a, "one", MessageFlags.MSG_ZEROCOPY)
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.receive(b, 9, dontWait)
      await k.poll(a)
      await k.receiveMessage(a, 9, queue)
      await k.send(a, "two", MessageFlags.MSG_ZEROCOPY)
      await k.send(a, "three", MessageFlags.MSG_ZEROCOPY)
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.receive(b, 9, dontWait)
      await k.receiveMessage(a, 9, queue)
      await k.receiveMessage(a, 9, queue)
      let (c, d) = await k.pair()
      await k.set(c, 1, OptionName.SO_ZEROCOPY, 1)
      await k.send(c, "stream", MessageFlags.MSG_ZEROCOPY)
      await k.settle()
      await k.read(d, 9)
      await k.settle()
      await k.poll(c)
      await k.receiveMessage(c, 9, queue)
      await k.poll(c)
    },
    Scenario("SO_TIMESTAMPING: of what is received") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      // SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE. (The latter alone depends on what other sockets want.)
      for flags: Int32 in [0x18, 0x08, 0] {
        await k.set(b, 1, OptionName.SO_TIMESTAMPING, flags)
        await k.send(a, "x", 0, to: port)
        await k.settle()
        await k.receiveMessage(b, 9)
      }
      await k.set(b, 1, OptionName.SO_TIMESTAMPING_NEW, 0x18)
      await k.set(b, 1, OptionName.SO_TIMESTAMPNS, 1)
      await k.send(a, "x", 0, to: port)
      await k.settle()
      await k.receiveMessage(b, 9)
    },
    Scenario("SO_TIMESTAMPING: of a stream") { k in
      let (a, b) = await k.pair()
      await k.set(b, 1, OptionName.SO_TIMESTAMPING, 0x18)
      await k.set(b, 1, OptionName.SO_TIMESTAMP, 1)
      await k.write(a, "bytes")
      await k.settle()
      await k.receiveMessage(b, 9)
      await k.receiveMessage(b, 9)
    },
    Scenario("SO_TIMESTAMPING: of what is sent, without the packet") { k in
      let (_, port) = await k.boundUDP()
      let a = await k.udp()
      // TX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY.
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, 0x892)
      for _ in 0..<2 {
        await k.send(a, "x", 0, to: port)
        await k.settle()
        await k.poll(a)
        await k.receiveMessage(a, 9, queue)
      }
      await k.receiveMessage(a, 9, queue)
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, 0x810)
      await k.sendMessage(a, "x", [ControlMessage(1, OptionName.SO_TIMESTAMPING, 2)], to: port)
      await k.settle()
      await k.receiveMessage(a, 9, queue)
    },
  ]

  @Test("error queue", arguments: scenarios) func queued(_ scenario: Scenario) throws { try scenario.compare() }
}
