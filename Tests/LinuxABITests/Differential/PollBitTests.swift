import LinuxABI
import Testing

@Suite("Every bit that poll may be asked for")
struct PollBitTests {
  /// The answers to every bit alone, every two, all, and none.
  private static func poll(_ k: Session, _ s: Int, line: Int = #line) async {
    var masks: [UInt16] = [0, 0xFFFF]
    for i in 0..<16 { for j in 0...i { masks.append(1 << UInt16(i) | 1 << UInt16(j)) } }
    var answers: [String] = []
    for mask in masks {
      let entry = k.put([UInt32(s), UInt32(mask) | 0x5A5A_0000].withUnsafeBytes { Array($0) })
      let result = await k.raw(.poll, [Int(entry), 1, 0])
      answers.append("\(result):" + String(k.get(entry + 6, as: UInt16.self), radix: 16))
    }
    k.note("poll \(answers)", line)
  }

  static let scenarios: [Scenario] = [
    Scenario("streams") { k in
      let fresh = await k.tcp()
      await poll(k, fresh)
      let (l, port) = await k.listener()
      await poll(k, l)
      let s = await k.tcp()
      await k.connect(s, port)
      await k.settle()
      await poll(k, l)
      await k.close(l)
      let (a, b) = await k.pair()
      await poll(k, a)
      await k.write(a, "data")
      await k.send(a, "urgent", MessageFlags.MSG_OOB)
      await k.settle()
      await poll(k, b)
      await k.fill(a)
      await poll(k, a)
      await k.drain(b)
      await k.call(.shutdown, a, 1)
      await k.settle()
      await poll(k, a)
      await poll(k, b)
      await k.call(.shutdown, b, 1)
      await k.settle()
      await poll(k, a)
      let dead = await k.tcp(SocketType.SOCK_NONBLOCK)
      await k.connect(dead, 1)
      await k.settle()
      await poll(k, dead)
    },
    Scenario("datagrams", needsRoot: true) { k in
      for (type, number) in [
        (SocketType.SOCK_DGRAM, 0), (SocketType.SOCK_DGRAM, 1), (SocketType.SOCK_RAW, 252),
      ] as [(Int32, Int32)] {
        let s = await k.socket(type, number)
        await poll(k, s)
        await k.connect(s, 1)
        await poll(k, s)
        await k.send(s, "\u{8}\0\0\0\0\0\0\u{1}")
        await k.settle()
        await poll(k, s)
        await k.call(.shutdown, s, 0)
        await poll(k, s)
        await k.call(.shutdown, s, 1)
        await poll(k, s)
      }
    },
  ]

  @Test("alone and in pairs", arguments: scenarios) func bits(_ scenario: Scenario) throws { try scenario.compare() }
}
