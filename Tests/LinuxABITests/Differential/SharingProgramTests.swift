import LinuxABI
import Testing

@Suite("Programs choose among those who share a port as on Linux")
struct SharingProgramTests {
  private typealias Step = (code: UInt16, ifTrue: UInt8, ifFalse: UInt8, k: UInt32)
  private static let dontWait = MessageFlags.MSG_DONTWAIT
  private static let (attach, detach) = (OptionName.SO_ATTACH_REUSEPORT_CBPF, OptionName.SO_DETACH_REUSEPORT_BPF)

  private static func attach(_ k: Session, _ s: Int, _ program: [Step], count: Int = 16, line: Int = #line) async {
    let code = program.flatMap { step in
      withUnsafeBytes(of: step.code) { Array($0) } + [step.ifTrue, step.ifFalse]
        + withUnsafeBytes(of: step.k) { Array($0) }
    }
    let value = k.put([UInt(program.count), k.put(code)].withUnsafeBytes { Array($0) })
    await k.call(.setsockopt, s, 1, Int(attach), Int(value), count, line: line)
  }

  private static func detach(_ k: Session, _ s: Int, line: Int = #line) async {
    await k.set(s, 1, detach, 0, line: line)
  }

  private static func choose(_ place: UInt32) -> [Step] { [(0x06, 0, 0, place)] }
  /// By the first octet of the packet.
  private static let byFirst: [Step] = [(0x30, 0, 0, 0), (0x54, 0, 0, 15), (0x16, 0, 0, 0)]

  private static func make(_ k: Session, _ kind: String, shares: Bool = true, line: Int = #line) async -> Int {
    let s =
      await kind == "tcp" ? k.tcp(SocketType.SOCK_NONBLOCK, line: line) : k.udp(SocketType.SOCK_NONBLOCK, line: line)
    if shares { await k.set(s, 1, OptionName.SO_REUSEPORT, 1, line: line) }
    return s
  }

  /// Sockets on one port.
  private static func group(_ k: Session, _ kind: String, _ count: Int) async -> ([Int], UInt16) {
    var (members, port): ([Int], UInt16) = ([], 0)
    for _ in 0..<count {
      let s = await make(k, kind)
      await k.bind(s, port)
      if kind == "tcp" { await k.listen(s) }
      port = await k.port(s)
      members.append(s)
    }
    return (members, port)
  }

  /// Who gets what is sent to the port.
  private static func who(
    _ k: Session, _ members: [Int], _ port: UInt16, _ text: String = "x", from: Int? = nil, line: Int = #line
  ) async {
    let sender: Int
    if let from { sender = from } else { sender = await k.udp(line: line) }
    await k.send(sender, text, 0, to: port, line: line)
    await k.settle()
    for s in members { await k.receive(s, 9, dontWait, line: line) }
  }

  private static func whoAccepts(_ k: Session, _ members: [Int], _ port: UInt16, line: Int = #line) async {
    let s = await k.tcp(SocketType.SOCK_NONBLOCK, line: line)
    await k.connect(s, port, line: line)
    await k.settle()
    for member in members {
      let accepted = await k.accept(member, line: line)
      if accepted >= 0 { await k.close(accepted, line: line) }
    }
    await k.close(s, line: line)
  }

  static let scenarios: [Scenario] = [
    Scenario("who may bring a program") { k in
      for kind in ["udp", "tcp"] {
        for shares in [false, true] {
          let s = await make(k, kind, shares: shares)
          await detach(k, s)
          await attach(k, s, choose(0))
          await attach(k, s, choose(1))
          await detach(k, s)
          await detach(k, s)
          await k.get(s, 1, attach)
          await k.get(s, 1, detach)
          await k.bind(s)
          await detach(k, s)
          await attach(k, s, choose(0))
          if kind == "tcp" { await k.listen(s) }
          await attach(k, s, choose(0))
          await k.set(s, 1, OptionName.SO_REUSEPORT, shares ? 0 : 1)
          await detach(k, s)
          await detach(k, s)
          await attach(k, s, choose(0))
        }
        let late = await make(k, kind, shares: false)
        await k.bind(late)
        await k.set(late, 1, OptionName.SO_REUSEPORT, 1)
        await detach(k, late)
        await attach(k, late, choose(0))
        await detach(k, late)
      }
      let (a, b) = await k.pair()
      for s in [a, b] {
        await attach(k, s, choose(0))
        await detach(k, s)
        await k.set(s, 1, OptionName.SO_REUSEPORT, 1)
        await attach(k, s, choose(0))
        await detach(k, s)
      }
      for kind in MessageKind.allowed {
        let s = await kind.make(k)
        await attach(k, s, choose(0))
        await k.set(s, 1, OptionName.SO_REUSEPORT, 1)
        await detach(k, s)
        await attach(k, s, choose(0))
        await detach(k, s)
        await k.bind(s)
        await attach(k, s, choose(0))
      }
    },
    Scenario("arguments") { k in
      for kind in ["udp", "tcp"] {
        for shares in [false, true] {
          let s = await make(k, kind, shares: shares)
          for count in [0, 3, 4, 15, 16, 17] { await attach(k, s, choose(0), count: count) }
          await attach(k, s, [])
          await attach(k, s, [(0x00, 0, 0, 0)])
          for words: [UInt] in [[1, 0], [1, 8], [5000, 8]] {
            await k.set(s, 1, attach, bytes: words.withUnsafeBytes { Array($0) })
          }
          await k.call(.setsockopt, s, 1, Int(attach), 8, 16)
          await k.call(.setsockopt, s, 1, Int(detach), 8, 4)
          for count in [0, 3, 8] { await k.set(s, 1, detach, bytes: [UInt8](repeating: 0, count: count)) }
          await k.set(s, 1, OptionName.SO_LOCK_FILTER, 1)
          await attach(k, s, choose(0))
          await attach(k, s, [])
          await detach(k, s)
        }
      }
    },
    Scenario("datagrams") { k in
      var (members, port) = await group(k, "udp", 4)
      for place: UInt32 in [0, 1, 2, 3] {
        await attach(k, members[0], choose(place))
        await who(k, members, port)
      }
      await attach(k, members[2], byFirst)
      for text in ["p", "q", "r", "s", "qpqp"] { await who(k, members, port, text) }
      // The length, and what the headers in front say.
      await attach(k, members[2], [(0x80, 0, 0, 0), (0x16, 0, 0, 0)])
      for text in ["", "1", "12", "123"] { await who(k, members, port, text) }
      await attach(k, members[2], [(0x30, 0, 0, 0xFFF0_0009), (0x54, 0, 0, 3), (0x16, 0, 0, 0)])
      await who(k, members, port)
      await attach(k, members[2], [(0x28, 0, 0, 0xFFF0_0018), (0x54, 0, 0, 3), (0x16, 0, 0, 0)])
      await who(k, members, port)
      await attach(k, members[2], choose(0))
      await k.close(members.removeFirst())
      await who(k, members, port)
      await attach(k, members[0], choose(1))
      await who(k, members, port)
      await attach(k, members[0], choose(2))
      await who(k, members, port)
    },
    Scenario("who connects is not chosen any more") { k in
      for place in [0, 1, 3] {
        let (members, port) = await group(k, "udp", 4)
        let (peer, other) = await k.boundUDP()
        await k.connect(members[place], other)
        await who(k, members, port, from: peer)
        for index: UInt32 in 0...2 {
          await attach(k, members[2], choose(index))
          await who(k, members, port)
        }
        await who(k, members, port, from: peer)
        await attach(k, members[place], choose(0))
        await detach(k, members[place])
        for s in members { await k.close(s) }
      }
    },
    Scenario("programs that were there before") { k in
      for kind in ["udp", "tcp"] {
        let (a, b) = (await make(k, kind), await make(k, kind))
        await attach(k, a, choose(1))
        await k.bind(a)
        let port = await k.port(a)
        if kind == "tcp" { await k.listen(a) }
        await k.bind(b, port)
        if kind == "tcp" {
          await k.listen(b)
          await whoAccepts(k, [a, b], port)
        } else {
          await who(k, [a, b], port)
        }
        // Whoever brings one joins nobody.
        let c = await make(k, kind)
        await attach(k, c, choose(0))
        await k.bind(c, port)
        await k.bind(c)
        let d = await make(k, kind)
        await k.bind(d, port)
        await attach(k, d, choose(0))
        if kind == "tcp" { await k.listen(d) }
      }
    },
    Scenario("listeners") { k in
      var (members, port) = await group(k, "tcp", 3)
      for place: UInt32 in [0, 1, 2] {
        await attach(k, members[0], choose(place))
        await whoAccepts(k, members, port)
      }
      await attach(k, members[0], [(0x80, 0, 0, 0), (0x04, 0, 0, 2), (0x16, 0, 0, 0)])
      await whoAccepts(k, members, port)
      await attach(k, members[0], choose(1))
      await k.close(members.removeFirst())
      await whoAccepts(k, members, port)
      await attach(k, members[0], choose(0))
      await whoAccepts(k, members, port)
      await k.call(.shutdown, members[0], 0)
      await attach(k, members[0], choose(0))
      await detach(k, members[0])
      await whoAccepts(k, [members[1]], port)
    },
    Scenario("listeners are counted as they began to listen") { k in
      let (a, b) = (await make(k, "tcp"), await make(k, "tcp"))
      await k.bind(a)
      let port = await k.port(a)
      await k.bind(b, port)
      await k.listen(b)
      await k.listen(a)
      for place: UInt32 in [0, 1] {
        await attach(k, a, choose(place))
        await whoAccepts(k, [a, b], port)
      }
      await detach(k, a)
      await detach(k, b)
    },
  ]

  @Test("programs", arguments: scenarios) func program(_ scenario: Scenario) throws { try scenario.compare() }
}
