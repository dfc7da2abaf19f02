import LinuxABI
import Testing

@Suite("Time stamps of what a stream sends are Linux's")
struct StreamStampTests {
  private static let queue = MessageFlags.MSG_ERRQUEUE
  /// SOF_TIMESTAMPING_TX_SOFTWARE, SOFTWARE, OPT_ID, TX_SCHED, TX_ACK, OPT_TSONLY, OPT_ID_TCP
  private static let (sent, software, counts, scheduled, acknowledged, only, countsAll):
    (
      Int32, Int32, Int32, Int32, Int32, Int32, Int32
    ) = (2, 0x10, 0x80, 0x100, 0x200, 0x800, 0x10000)

  /// All entries, with how long each is and how it ends: ports and sequence numbers are drawn.
  private static func look(_ k: Session, _ s: Int, room: Int = 200, line: Int = #line) async {
    for _ in 0..<8 {
      let (buffer, control) = (k.room(200), k.room(200))
      let vector = k.put([buffer, UInt(room)].withUnsafeBytes { Array($0) })
      let header = k.put([0, 0, vector, 1, control, 200, 0].withUnsafeBytes { Array($0) })
      let result = await k.raw(.recvmsg, [s, Int(header), Int(queue)])
      let length = Int(k.get(header + 40, as: UInt.self))
      // struct sock_extended_err and the offender come last.
      let about = result < 0 ? [] : k.get(control + UInt(max(0, length - 48)), count: 48)
      let end = k.get(buffer, count: max(0, min(result, room))).suffix(5)
      let flags = k.get(header + 48, as: Int32.self)
      k.note("queued \(Session.text(result)) \(end) control \(result < 0 ? 0 : length) \(about) flags \(flags)", line)
      if result < 0 { return }
    }
  }

  static let scenarios: [Scenario] = [
    Scenario("of an urgent byte") { k in
      let (a, _) = await k.pair()
      await k.sendMessage(a, "abc", [ControlMessage(1, OptionName.SO_TIMESTAMPING, 2)], MessageFlags.MSG_OOB)
      await k.settle()
      await k.poll(a)
      await k.receiveMessage(a, 9, MessageFlags.MSG_ERRQUEUE)
    },
    Scenario("of every kind, alone and together") { k in
      for kinds in [sent, scheduled, acknowledged, sent | scheduled | acknowledged, 1] {
        let (a, b) = await k.pair()
        await k.set(a, 1, OptionName.SO_TIMESTAMPING, kinds | software | counts | only)
        for text in ["hello", "x", "and so on"] {
          await k.write(a, text)
          await k.settle(60)
          await k.poll(a)
          await look(k, a)
          await k.poll(a)
        }
        await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
      }
    },
    Scenario("numbers: none, from what is acknowledged, from what is written") { k in
      for flags in [0, counts, counts | countsAll] {
        let (a, b) = await k.pair()
        await k.write(a, "before")
        await k.settle(60)
        await k.dropAll(b)
        await k.write(a, "unacknowledged")
        await k.set(a, 1, OptionName.SO_TIMESTAMPING, scheduled | software | flags | only)
        await k.takeAll(b)
        await k.poll(b, events: 1, timeout: 2000)
        await k.receive(b, 6)
        await k.poll(b, events: 1, timeout: 2000)
        await k.settle(60)
        await k.write(a, "xy")
        await k.settle(60)
        await look(k, a)
        await k.set(a, 1, OptionName.SO_TIMESTAMPING, scheduled | only)
        await k.write(a, "z")
        await k.settle(60)
        await look(k, a)
      }
    },
    Scenario("with the packet") { k in
      let (a, b) = await k.pair()
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, sent | scheduled | acknowledged | software | counts)
      await k.write(a, "hello")
      await k.settle(60)
      await look(k, a)
      await k.write(a, "a longer one")
      await k.settle(60)
      await look(k, a, room: 34)
      await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
    },
    Scenario("by one call, and not by others") { k in
      let (a, _) = await k.pair()
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, software | counts | only)
      await k.write(a, "no")
      await k.sendMessage(a, "yes", [ControlMessage(1, OptionName.SO_TIMESTAMPING, sent | acknowledged)])
      await k.write(a, "no")
      await k.settle(60)
      await look(k, a)
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, sent | software | only)
      await k.sendMessage(a, "no", [ControlMessage(1, OptionName.SO_TIMESTAMPING, 0)])
      await k.settle(60)
      await look(k, a)
    },
    Scenario("held back, joined, and sent with the end") { k in
      let (a, b) = await k.pair()
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, sent | acknowledged | software | counts | only)
      await k.send(a, "one", MessageFlags.MSG_MORE)
      await k.settle()
      await look(k, a)
      await k.send(a, "two")
      await k.settle(60)
      await look(k, a)
      await k.send(a, "three", MessageFlags.MSG_MORE)
      await k.call(.shutdown, a, 1)
      await k.settle(60)
      await look(k, a)
      await k.close(b)
      await k.settle()
      await look(k, a)
    },
    Scenario("a datagram is not acknowledged") { k in
      let (_, port) = await k.boundUDP()
      let a = await k.udp()
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, acknowledged | software | counts | only)
      await k.send(a, "x", 0, to: port)
      await k.settle()
      await look(k, a)
      await k.set(a, 1, OptionName.SO_TIMESTAMPING, sent | acknowledged | software | counts | only)
      await k.send(a, "x", 0, to: port)
      await k.settle()
      await look(k, a)
    },
  ]

  @Test("stamps", arguments: scenarios) func stamps(_ scenario: Scenario) throws { try scenario.compare() }
}
