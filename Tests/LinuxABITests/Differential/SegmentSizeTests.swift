import LinuxABI
import Testing

@Suite("The size of segments follows the windows that the peer has offered")
struct SegmentSizeTests {
  /// TCP_MAXSEG, and state and tcpi_snd_mss of TCP_INFO.
  private static func ask(_ k: Session, _ s: Int, line: Int = #line) async {
    await k.get(s, 6, OptionName.TCP_MAXSEG, line: line)
    let (value, length) = (k.room(104), k.put(Int32(104)))
    let result = await k.raw(.getsockopt, [s, 6, Int(OptionName.TCP_INFO), Int(value), Int(length)])
    k.note("\(result): state \(k.get(value, as: UInt8.self)), \(k.get(value + 16, as: UInt32.self))", line)
  }

  static let scenarios: [Scenario] = [
    Scenario("segments: a connection of its beginning") { k in
      for most: Int32 in [500, 1000, 20_000, 32_000] {
        let (l, port) = await k.listener()
        let a = await k.tcp()
        if most != 0 { await k.set(a, 6, OptionName.TCP_MAXSEG, most) }
        await ask(k, a)
        await ask(k, l)
        await k.connect(a, port)
        let b = await k.accept(l)
        await k.settle()
        await ask(k, a)
        await ask(k, b)
        await k.write(a, "data")
        await k.read(b, 9)
        await k.write(b, "data")
        await k.read(a, 9)
        await k.settle()
        await ask(k, a)
        await ask(k, b)
        await k.call(.shutdown, a, 1)
        await k.settle()
        await ask(k, a)
        await ask(k, b)
        await k.close(b)
        await k.settle()
        await k.close(l)
      }
    },
    Scenario("segments: half of the window that the handshake offered") { k in
      let (l, port) = await k.listener()
      let a = await k.tcp()
      await ask(k, a)
      await k.connect(a, port)
      let b = await k.accept(l)
      await k.settle()
      // Not the other end's: Linux offers a multiple of the segment size in its SYN-ACK, this stack all that it has.
      await ask(k, b)
    },
    Scenario("segments: what was asked for is forgotten with the connection, what came of it is not") { k in
      let l = await k.tcp()
      await k.set(l, 6, OptionName.TCP_MAXSEG, 700)
      await k.bind(l)
      await k.listen(l)
      let port = await k.port(l)
      let a = await k.tcp()
      await k.set(a, 6, OptionName.TCP_MAXSEG, 300)
      for round in 0..<3 {
        await ask(k, a)
        await k.connect(a, port)
        await k.settle()
        await ask(k, a)
        await k.connect(a, 0, family: 0)
        await k.settle()
        await ask(k, a)
        if round == 1 {
          await k.set(a, 6, OptionName.TCP_MAXSEG, 400)
          await ask(k, a)
        }
      }
    },
    Scenario("segments: a listener's") { k in
      let l = await k.tcp()
      await k.set(l, 6, OptionName.TCP_MAXSEG, 700)
      await k.bind(l)
      await k.listen(l)
      await ask(k, l)
      let a = await k.tcp()
      await k.connect(a, await k.port(l))
      let b = await k.accept(l)
      await k.settle()
      await ask(k, a)
      await ask(k, b)
    },
    Scenario("segments: connections that do not come about") { k in
      for most: Int32 in [0, 400, 1000] {
        let (l, port) = await k.listener(backlog: 0)
        let first = await k.tcp()
        await k.connect(first, port)
        // Nobody answers this one: there is no room for it.
        let waiting = await k.tcp(SocketType.SOCK_NONBLOCK)
        if most != 0 { await k.set(waiting, 6, OptionName.TCP_MAXSEG, most) }
        await k.connect(waiting, port)
        await k.settle()
        await ask(k, waiting)
        await k.close(waiting)
        await k.close(first)
        await k.close(l)
        let refused = await k.tcp()
        if most != 0 { await k.set(refused, 6, OptionName.TCP_MAXSEG, most) }
        await k.connect(refused, port)
        await ask(k, refused)
      }
    },
  ]

  @Test("segments", arguments: scenarios) func segments(_ scenario: Scenario) throws { try scenario.compare() }
}
