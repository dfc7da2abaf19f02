import LinuxABI
import Testing

@Suite("What stands beside a received datagram, and the headers that are kept, are Linux's")
struct ReceiveControlTests {
  private static let dontWait = MessageFlags.MSG_DONTWAIT

  /// SO_ATTACH_FILTER with a program of one step.
  private static func attach(_ k: Session, _ s: Int, passes octets: UInt32, line: Int = #line) async {
    let code = k.put([6, 0, 0, 0] + withUnsafeBytes(of: octets) { Array($0) })
    let value = k.put([1, code].withUnsafeBytes { Array($0) })
    await k.call(.setsockopt, s, 1, Int(OptionName.SO_ATTACH_FILTER), Int(value), 16, line: line)
  }

  /// Sends a UDP datagram to a port in fragments of these lengths, through a raw socket with headers of its own.
  private static func sendInFragments(
    _ k: Session, _ raw: Int, _ lengths: [Int], dontFragment: Bool = false, to port: UInt16, line: Int = #line
  ) async {
    let total = lengths.reduce(0, +)
    let datagram =
      [0x13, 0x88, UInt8(port >> 8), UInt8(port & 255), UInt8(total >> 8), UInt8(total & 255), 0, 0]
      + [UInt8](repeating: 0x66, count: total - 8)
    var offset = 0
    for (place, length) in lengths.enumerated() {
      let field = offset / 8 | (place < lengths.count - 1 ? 0x2000 : 0) | (dontFragment ? 0x4000 : 0)
      let header: [UInt8] = [
        0x45, 0, 0, 0, 0x77, 0x77, UInt8(field >> 8), UInt8(field & 255), 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
      ]
      let bytes = header + datagram[offset..<(offset + length)]
      let target = k.put(Session.inet(0))
      await k.call(.sendto, raw, Int(k.put(bytes)), bytes.count, 0, Int(target), 16, line: line)
      offset += length
    }
    await k.settle()
  }

  static let scenarios: [Scenario] = [
    Scenario("SO_RXQ_OVFL counts what a filter has dropped") { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 1, OptionName.SO_RXQ_OVFL, 1)
      let a = await k.udp()
      for text in ["first", "second"] {
        await attach(k, b, passes: 0)
        for _ in 0..<3 { await k.send(a, "dropped", 0, to: port) }
        await k.settle()
        await k.set(b, 1, OptionName.SO_DETACH_FILTER, 0)
        await k.send(a, text, 0, to: port)
        await k.settle()
        await k.receiveMessage(b, 20, dontWait | MessageFlags.MSG_PEEK)
        await k.receiveMessage(b, 20)
      }
      await k.set(b, 1, OptionName.SO_RXQ_OVFL, 0)
      await k.send(a, "untold", 0, to: port)
      await k.settle()
      await k.receiveMessage(b, 20)
    },
    Scenario("SO_RCVMARK", since: KernelVersion(5, 19)) { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 1, OptionName.SO_RCVMARK, 1)
      let a = await k.udp()
      await k.send(a, "x", 0, to: port)
      await k.settle()
      for room in [0, 16, 18, 20, 24] { await k.receiveMessage(b, 20, dontWait | MessageFlags.MSG_PEEK, room: room) }
      await k.set(b, 0, OptionName.IP_RECVTTL, 1)
      await k.set(b, 1, OptionName.SO_TIMESTAMP, 1)
      await k.receiveMessage(b, 20)
    },
    Scenario("SO_RCVPRIORITY", since: KernelVersion(6, 14)) { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 1, OptionName.SO_RCVPRIORITY, 1)
      await k.set(b, 1, OptionName.SO_RCVMARK, 1)
      await k.set(b, 1, OptionName.SO_RXQ_OVFL, 1)
      await k.set(b, 0, OptionName.IP_RECVTOS, 1)
      let a = await k.udp()
      await k.send(a, "x", 0, to: port)
      await k.settle()
      await k.receiveMessage(b, 20)
    },
    Scenario("IP_RECVFRAGSIZE", since: KernelVersion(5, 0), needsRoot: true) { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 0, OptionName.IP_RECVFRAGSIZE, 1)
      await k.set(b, 0, OptionName.IP_RECVTTL, 1)
      await k.set(b, 0, OptionName.IP_RECVORIGDSTADDR, 1)
      let raw = await k.socket(SocketType.SOCK_RAW, Protocol.IPPROTO_RAW)
      for lengths in [[64], [32, 32], [32, 48, 5], [64, 8, 1], [8, 8, 200]] {
        await sendInFragments(k, raw, lengths, to: port)
        await k.receiveMessage(b, 20)
      }
      await sendInFragments(k, raw, [32, 8], dontFragment: true, to: port)
      await k.receiveMessage(b, 20)
    },
    Scenario("IP_CHECKSUM: nothing is told of what never had to be summed") { k in
      let (b, port) = await k.boundUDP()
      await k.set(b, 0, OptionName.IP_CHECKSUM, 1)
      let a = await k.udp()
      for text in ["short", String(repeating: "long", count: 30)] {
        await k.send(a, text, 0, to: port)
        await k.settle()
        await k.receiveMessage(b, 20)
      }
    },
    Scenario("TCP_SAVE_SYN: with the frame's header if 2") { k in
      for mode: Int32 in [1, 2] {
        let (l, port) = await k.listener()
        await k.set(l, 6, OptionName.TCP_SAVE_SYN, mode)
        let a = await k.tcp()
        await k.connect(a, port)
        let b = await k.accept(l)
        for room in [0, 14, 20, 200, 200] {
          let (value, length) = (k.room(200), k.put(Int32(room)))
          let result = await k.raw(
            .getsockopt, [b, 6, Int(OptionName.TCP_SAVED_SYN), Int(value), Int(length)])
          // What follows are numbers of each kernel's own.
          let told = k.get(value, count: mode == 2 ? 16 : 4)
          k.note("\(Session.text(result)), \(k.get(length, as: Int32.self)): \(told)", #line)
        }
      }
    },
  ]

  @Test("control messages", arguments: scenarios) func control(_ scenario: Scenario) throws { try scenario.compare() }
}
