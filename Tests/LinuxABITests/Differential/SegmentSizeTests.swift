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

  /// Asks for segments of `most` bytes; nil: for nothing.
  private static func limit(_ k: Session, _ s: Int, _ most: Int32?, line: Int = #line) async {
    if let most { await k.set(s, 6, OptionName.TCP_MAXSEG, most, line: line) }
  }

  /// A connection whose ends asked for segments of these sizes, and the listener that it came by: all three are asked
  /// before it is made.
  private static func connected(
    _ k: Session, listener: Int32?, client: Int32?, line: Int = #line
  ) async -> (a: Int, b: Int, listener: Int) {
    let l = await k.tcp(line: line)
    await limit(k, l, listener, line: line)
    await k.bind(l, line: line)
    await k.listen(l, line: line)
    await ask(k, l, line: line)
    let a = await k.tcp(line: line)
    await limit(k, a, client, line: line)
    await ask(k, a, line: line)
    await k.connect(a, await k.port(l, line: line), line: line)
    let b = await k.accept(l, line: line)
    await k.settle()
    return (a, b, l)
  }

  /// What the two ends ask for.
  private static let limits: [(listener: Int32?, client: Int32?)] = [
    (nil, 500), (nil, 1000), (nil, 20_000), (nil, 32_000), (700, nil), (700, 300), (300, 700),
  ]

  static let scenarios: [Scenario] = [
    Scenario("segments: what one end asks for, both keep to, as long as the connection lasts") { k in
      for (listener, client) in limits {
        let (a, b, l) = await connected(k, listener: listener, client: client)
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
        for s in [b, a, l] { await k.close(s) }
        await k.settle()
      }
    },
    Scenario("segments: half of the window that the handshake offered") { k in
      // Not the other end's: Linux offers a multiple of the segment size in its SYN-ACK, this stack all that it has.
      let (_, b, _) = await connected(k, listener: nil, client: nil)
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
    Scenario("segments: connections that do not come about") { k in
      for most: Int32? in [nil, 400, 1000] {
        let (l, port) = await k.listener(backlog: 0)
        let first = await k.tcp()
        await k.connect(first, port)
        // Nobody answers this one: there is no room for it.
        let waiting = await k.tcp(SocketType.SOCK_NONBLOCK)
        await limit(k, waiting, most)
        await k.connect(waiting, port)
        await k.settle()
        await ask(k, waiting)
        await k.close(waiting)
        await k.close(first)
        await k.close(l)
        let refused = await k.tcp()
        await limit(k, refused, most)
        await k.connect(refused, port)
        await ask(k, refused)
      }
    },
  ]

  @Test("segments", arguments: scenarios) func segments(_ scenario: Scenario) throws { try scenario.compare() }
}
