import LinuxABI
import NetStack
import Testing

@Suite("Socket filters are checked, run and shown as on Linux")
struct FilterTests {
  private typealias Step = (code: UInt16, ifTrue: UInt8, ifFalse: UInt8, k: UInt32)
  private static let dontWait = MessageFlags.MSG_DONTWAIT

  private static func bytes(_ program: [Step]) -> [UInt8] {
    program.flatMap { step in
      withUnsafeBytes(of: step.code) { Array($0) } + [step.ifTrue, step.ifFalse]
        + withUnsafeBytes(of: step.k) { Array($0) }
    }
  }

  /// A `struct sock_fprog`.
  private static func attach(_ k: Session, _ s: Int, _ program: [Step], line: Int = #line) async {
    let code = k.put(bytes(program))
    let value = k.put([UInt(program.count), code].withUnsafeBytes { Array($0) })
    await k.call(.setsockopt, s, 1, Int(OptionName.SO_ATTACH_FILTER), Int(value), 16, line: line)
  }

  private static let accept: Step = (0x06, 0, 0, 0xFFFF)
  private static let drop: Step = (0x06, 0, 0, 0)

  static let scenarios: [Scenario] = [
    Scenario("every code, with small and large operands") { k in
      let s = await k.udp()
      for code: UInt16 in Array(0...0x1FF) + [0x400, 0xFFFF] {
        for operand: UInt32 in [0, 1, 15, 16, 31, 32, 0xFFFF_F000, 0xFFFF_F03C, 0xFFFF_F044, 0xFFFF_FFFF] {
          let program: [Step] = [(0x02, 0, 0, 0), (0x02, 0, 0, 1), (0x02, 0, 0, 15), (code, 0, 0, operand), accept]
          let value = k.put([5, k.put(bytes(program))].withUnsafeBytes { Array($0) })
          let result = await k.raw(.setsockopt, [s, 1, Int(OptionName.SO_ATTACH_FILTER), Int(value), 16])
          k.note("\(code) \(operand): \(Session.text(result))", Int(code))
        }
      }
    },
    Scenario("jumps, ends and memory") { k in
      let s = await k.udp()
      let programs: [[Step]] = [
        [accept], [drop], [(0x16, 0, 0, 0)], [(0x00, 0, 0, 1)], [], [(0x05, 0, 0, 0), accept],
        [(0x05, 0, 0, 1), accept],
        [(0x05, 0, 0, 1), accept, drop], [(0x15, 0, 1, 0), accept, drop], [(0x15, 1, 0, 0), accept, drop],
        [(0x15, 0, 2, 0), accept, drop], [(0x15, 2, 0, 0), accept, drop], [(0x60, 0, 0, 0), accept],
        [(0x02, 0, 0, 3), (0x60, 0, 0, 3), accept], [(0x15, 0, 1, 0), (0x02, 0, 0, 3), (0x60, 0, 0, 3), accept],
        [(0x02, 0, 0, 3), (0x15, 0, 1, 0), (0x02, 0, 0, 4), (0x61, 0, 0, 3), accept],
        [(0x05, 0, 0, 1), (0x02, 0, 0, 3), (0x60, 0, 0, 3), accept], [accept, (0x00, 0, 0, 0)],
      ]
      for program in programs {
        await attach(k, s, program)
        for room in [0, 1, 2, 64] {
          let (value, length) = (k.room(64), k.put(Int32(room)))
          let result = await k.raw(
            .getsockopt, [s, 1, Int(OptionName.SO_GET_FILTER), Int(value), Int(length)])
          k.note("\(Session.text(result)) \(k.get(length, as: Int32.self)) \(k.get(value, count: 64))", #line)
        }
      }
    },
    Scenario("arguments, detaching and locking") { k in
      for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
        let s = await k.socket(type)
        await k.set(s, 1, OptionName.SO_DETACH_FILTER, 0)
        for length in [0, 3, 4, 8, 15, 16, 17] {
          let value = k.put([1, k.put(bytes([accept]))].withUnsafeBytes { Array($0) } + [0])
          await k.call(.setsockopt, s, 1, Int(OptionName.SO_ATTACH_FILTER), Int(value), length)
        }
        for (count, address) in [(1, 0), (1, 8), (0, 8), (5000, 8)] as [(UInt, UInt)] {
          let value = k.put([count, address].withUnsafeBytes { Array($0) })
          await k.call(.setsockopt, s, 1, Int(OptionName.SO_ATTACH_FILTER), Int(value), 16)
        }
        await k.call(.setsockopt, s, 1, Int(OptionName.SO_ATTACH_FILTER), 8, 16)
        await k.set(s, 1, OptionName.SO_DETACH_FILTER, bytes: [1])
        await k.set(s, 1, OptionName.SO_DETACH_FILTER, 7)
        await k.set(s, 1, OptionName.SO_DETACH_FILTER, 7)
        await attach(k, s, [accept])
        await k.set(s, 1, OptionName.SO_LOCK_FILTER, 1)
        await attach(k, s, [accept])
        await attach(k, s, [(0x00, 0, 0, 0)])
        await k.set(s, 1, OptionName.SO_DETACH_FILTER, 0)
        await k.set(s, 1, OptionName.SO_LOCK_FILTER, 0)
      }
    },
    Scenario("datagrams that pass, that are cut, and that do not pass") { k in
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      let programs: [[Step]] = [
        [accept], [drop], [(0x06, 0, 0, 10)], [(0x06, 0, 0, 4)],
        // The first byte of the payload behind eight of header: 'a' passes.
        [(0x30, 0, 0, 8), (0x15, 0, 1, 97), accept, drop],
        // A load behind the end of most.
        [(0x30, 0, 0, 12), accept],
        // The TTL of the IPv4 header; the length; the protocol; the interface.
        [(0x30, 0, 0, 0xFFF0_0008), (0x15, 0, 1, 64), accept, drop], [(0x80, 0, 0, 0), (0x25, 0, 1, 11), accept, drop],
        [(0x28, 0, 0, 0xFFFF_F000), (0x15, 0, 1, 0x800), accept, drop],
        [(0x20, 0, 0, 0xFFFF_F008), (0x15, 0, 1, 1), accept, drop],
        // X from the header's length, loads by X, arithmetic, memory, the accumulator as result.
        [
          (0x01, 0, 0, 8), (0x50, 0, 0, 0), (0x14, 0, 0, 87), (0x02, 0, 0, 2), (0x61, 0, 0, 2), (0x87, 0, 0, 0),
          (0x16, 0, 0, 0),
        ],
        [(0x00, 0, 0, 7), (0x01, 0, 0, 0), (0x3C, 0, 0, 0), accept],
        [(0x00, 0, 0, 1), (0x64, 0, 0, 4), (0x16, 0, 0, 0)],
        [(0x00, 0, 0, 9), (0x84, 0, 0, 0), (0x16, 0, 0, 0)], [(0x20, 0, 0, 0xFFFF_FFF0), accept],
      ]
      for program in programs {
        await attach(k, b, program)
        for text in ["abcdef", "bcd", ""] { await k.send(a, text, 0, to: port) }
        await k.settle()
        for _ in 0..<3 { await k.receive(b, 9, dontWait) }
      }
      await k.set(b, 1, OptionName.SO_DETACH_FILTER, 0)
      await k.send(a, "all", 0, to: port)
      await k.settle()
      await k.receive(b, 9, dontWait)
    },
    Scenario("a stream that drops what its filter does not pass") { k in
      let (a, b) = await k.pair()
      await attach(k, b, [drop])
      await k.write(a, "late")
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.set(b, 1, OptionName.SO_DETACH_FILTER, 0)
      await k.poll(b, events: 1, timeout: 2000)
      await k.read(b, 9)
      let (l, port) = await k.listener()
      // The port that is wanted is not the listener's.
      await attach(k, l, [(0x28, 0, 0, 2), (0x15, 0, 1, 1), accept, drop])
      let s = await k.tcp(SocketType.SOCK_NONBLOCK)
      await k.connect(s, port)
      await k.settle()
      await k.poll(s)
    },
    Scenario("a stream whose segments are cut by its filter") { k in
      // With a header of 32 octets: nothing, one octet, two, all.
      for count: UInt32 in [1, 32, 33, 34, 100] {
        let (a, b) = await k.pair()
        await attach(k, b, [(0x06, 0, 0, count)])
        await k.write(a, "abcdef")
        await k.settle()
        await k.receive(b, 9, dontWait)
        await k.set(b, 1, OptionName.SO_DETACH_FILTER, 0)
        await k.poll(b, events: 1, timeout: 2000)
        await k.receive(b, 9, dontWait)
        await k.close(a)
        await k.settle()
        await k.read(b, 9)
      }
      // The end follows what is left.
      let (a, b) = await k.pair()
      await attach(k, b, [(0x06, 0, 0, 33)])
      await k.send(a, "xyz", MessageFlags.MSG_MORE)
      await k.call(.shutdown, a, 1)
      await k.settle()
      await k.poll(b)
      await k.read(b, 9)
      await k.read(b, 9)
    },
  ]

  @Test("filters", arguments: scenarios) func filter(_ scenario: Scenario) throws { try scenario.compare() }
}
