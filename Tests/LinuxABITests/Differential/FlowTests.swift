import LinuxABI
import Testing

private let dontWait = MessageFlags.MSG_DONTWAIT
private let more = MessageFlags.MSG_MORE
private let broadcast: [UInt8] = [127, 255, 255, 255]

@Suite("A connected UDP socket goes astray as in Linux")
struct FlowTests {
  /// Three sockets that hear all of this host, and one that is connected to the first and sends only there, so far.
  private struct Party {
    let k: Session
    let sender: Int
    let (a, b): (Int, Int)
    let (aPort, bPort): (UInt16, UInt16)

    init(_ k: Session) async {
      self.k = k
      a = await k.udp()
      b = await k.udp()
      for s in [a, b] {
        await k.bind(s, 0, [0, 0, 0, 0])
        await k.set(s, 0, OptionName.IP_PKTINFO, 1)
      }
      aPort = await k.port(a)
      bPort = await k.port(b)
      sender = await k.udp()
      await k.connect(sender, aPort)
    }

    /// Sends two datagrams to the peer, and says who got them, under which address.
    func see(line: Int = #line) async {
      for text in ["one", "two"] { await k.write(sender, text, line: line) }
      await heard(line: line)
    }

    func heard(line: Int = #line) async {
      await k.settle()
      for s in [a, b] {
        for _ in 0..<3 { await k.receiveMessage(s, 20, dontWait, line: line) }
      }
      await k.get(sender, 0, OptionName.IP_MTU, line: line)
      await k.error(sender, line: line)
    }

    /// Its flow is that of a datagram for `b`.
    func divert(line: Int = #line) async {
      await k.send(sender, "for b", more, to: bPort, [127, 0, 0, 2], line: line)
      await k.send(sender, " alone", line: line)
      await heard(line: line)
    }
  }

  static let scenarios: [Scenario] = [
    Scenario("a datagram that was gathered for another") { k in
      let party = await Party(k)
      await party.divert()
      await party.see()
      await k.send(party.sender, "by name", 0, to: party.aPort)
      await k.sendMessage(party.sender, "with a TTL", [ControlMessage(0, OptionName.IP_TTL, 9)])
      await k.sendMessage(party.sender, "in pieces", [ControlMessage(17, OptionName.UDP_SEGMENT, [4, 0])])
      await party.heard()
    },
    Scenario("one that was gathered for the peer is right again") { k in
      let party = await Party(k)
      await party.divert()
      await k.send(party.sender, "right", more)
      await k.send(party.sender, " again")
      await party.see()
    },
    Scenario("gathering that fails or ends in nothing has its effect all the same") { k in
      for flags in [MessageFlags.MSG_PROBE, 0] {
        let party = await Party(k)
        let target = Int(k.put(Session.inet(party.bPort)))
        await k.call(.sendto, party.sender, flags == 0 ? 8 : Int(k.put(UInt32(0))), 4, Int(flags | more), target, 16)
        await party.see()
      }
      let party = await Party(k)
      await k.set(party.sender, 17, OptionName.UDP_CORK, 1)
      let long = Int(k.put(Array(repeating: 97, count: 65_508)))
      await k.call(.sendto, party.sender, long, 65_508, 0, Int(k.put(Session.inet(party.bPort))), 16)
      await k.set(party.sender, 17, OptionName.UDP_CORK, 0)
      await party.see()
    },
    Scenario("a connect that fails: the first goes right, the next astray") { k in
      let party = await Party(k)
      await k.connect(party.sender, party.bPort, broadcast)
      await k.get(party.sender, 0, OptionName.IP_MTU)
      await party.see()
      await k.connect(party.sender, party.bPort, broadcast, family: 17)
      await k.connect(party.sender, party.bPort, broadcast, length: 8)
      await k.get(party.sender, 0, OptionName.IP_MTU)
      await party.see()
      await k.connect(party.sender, party.aPort)
      await party.see()
    },
    Scenario("a peer that is chosen while a datagram for another is gathered gets that too") { k in
      let party = await Party(k)
      await k.send(party.sender, "for a", more)
      await k.connect(party.sender, party.bPort)
      await k.send(party.sender, " and b")
      await party.see()
      await k.send(party.sender, "for b", more)
      await k.connect(party.sender, party.aPort, broadcast)
      await k.send(party.sender, " and nobody")
      await party.see()
      await k.send(party.sender, "of b", more)
      await k.connect(party.sender, 0, family: 0, length: 2)
      await k.send(party.sender, " who is gone")
      await party.heard()
    },
    Scenario("whatever drops the path lets one datagram go right") { k in
      let party = await Party(k)
      for (level, name, value) in [
        (Int32(0), OptionName.IP_TOS, Int32(16)), (0, OptionName.IP_TOS, 16), (0, OptionName.IP_TOS, 0),
        (1, OptionName.SO_MARK, 5), (1, OptionName.SO_MARK, 5), (1, OptionName.SO_DONTROUTE, 0),
        (1, OptionName.SO_BINDTOIFINDEX, 1), (1, OptionName.SO_BINDTOIFINDEX, 0), (1, OptionName.SO_PRIORITY, 3),
        (0, OptionName.IP_TTL, 3), (0, OptionName.IP_MTU_DISCOVER, 2), (0, OptionName.IP_UNICAST_IF, 1 << 24),
        (0, OptionName.IP_UNICAST_IF, 0), (0, OptionName.IP_FREEBIND, 1), (1, OptionName.SO_BROADCAST, 1),
        (0, OptionName.IP_TRANSPARENT, 1), (0, OptionName.IP_TRANSPARENT, 0), (0, OptionName.IP_MULTICAST_IF, 0),
      ] {
        await party.divert()
        await k.set(party.sender, level, name, value)
        await k.get(party.sender, 0, OptionName.IP_MTU)
        await party.see()
      }
      await party.divert()
      await k.set(party.sender, 1, OptionName.SO_DONTROUTE, 1)
      await party.see()
      await party.see()
      await k.set(party.sender, 1, OptionName.SO_DONTROUTE, 0)
      await party.see()
    },
    Scenario("a group as peer is never missed") { k in
      let party = await Party(k)
      await k.connect(party.sender, party.aPort, [239, 1, 2, 3])
      await k.get(party.sender, 0, OptionName.IP_MTU)
      await k.send(party.sender, "for b", more, to: party.bPort)
      await k.send(party.sender, " alone")
      await party.heard()
    },
    Scenario("who is refused astray is told") { k in
      let (gone, port) = await k.boundUDP()
      await k.close(gone)
      let party = await Party(k)
      await k.send(party.sender, "for nobody", more, to: port)
      await k.send(party.sender, "")
      await k.settle()
      await k.error(party.sender)
      await party.see()
    },
    Scenario("what is gathered is lost with its interface", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      let u = await k.udp()
      for target: [UInt8] in [[10, 9, 0, 7], [239, 1, 2, 3], [10, 9, 0, 255]] {
        await k.flags(s, "tap0", 0x1043)
        await k.send(u, "some", more, to: 9, target)
        await k.flags(s, "tap0", 0)
        await k.send(u, " more")
        await k.error(u)
        await k.send(u, "whole", 0, to: 9, target)
      }
    },
    Scenario("a path is kept by those who use it") { k in
      for (kind, number) in [(Int32(2), Int32(1)), (3, 1), (2, 17)] {
        let s = await k.socket(kind, number)
        await k.get(s, 0, OptionName.IP_MTU)
        await k.connect(s, 9)
        await k.get(s, 0, OptionName.IP_MTU)
        for name in [OptionName.IP_TOS, OptionName.IP_TTL] {
          await k.set(s, 0, name, 8)
          await k.get(s, 0, OptionName.IP_MTU)
          await k.send(s, "\u{8}\0\0\0\0\0\0\0")
          await k.settle()
          await k.error(s)
          await k.get(s, 0, OptionName.IP_MTU)
        }
        await k.connect(s, 9, broadcast)
        await k.get(s, 0, OptionName.IP_MTU)
        await k.connect(s, 0, family: 0, length: 2)
        await k.get(s, 0, OptionName.IP_MTU)
      }
    },
  ]

  @Test(arguments: scenarios) func scenario(_ scenario: Scenario) throws { try scenario.compare() }
}
