import LinuxABI
import Testing

@Suite("Flags and names of messages")
struct SendFlagTests {
  private static let fastOpen = MessageFlags.MSG_FASTOPEN

  /// sendmsg(2) of four bytes to a name.
  private static func message(_ k: Session, _ name: [UInt8], _ length: Int) -> Int {
    let vector = k.put([k.put(Array("data".utf8)), 4].withUnsafeBytes { Array($0) })
    return Int(
      k.put([k.put(name), UInt(UInt32(truncatingIfNeeded: length)), vector, 1, 0, 0, 0].withUnsafeBytes { Array($0) }))
  }

  static let names: [Scenario] = [
    Scenario("a stream does not look at the name") { k in
      let (a, b) = await k.pair()
      for length in [0, 1, 2, 15, 16, 128, 200, -1] {
        for family: UInt16 in [0, 2, 10, 77] {
          let name = Session.inet(1, family: family) + [UInt8](repeating: 0, count: 112)
          await k.call(.sendmsg, a, message(k, name, length), 0)
        }
      }
      await k.drain(b)
    },
    Scenario("only the kernel may say that the caller is a 32-bit program") { k in
      let (a, b) = await k.pair()
      let compat = Int(UInt32(bitPattern: MessageFlags.MSG_CMSG_COMPAT))
      await k.call(.sendmsg, a, message(k, Session.inet(1), 16), compat)
      await k.call(.sendmsg, 900, message(k, Session.inet(1), 16), compat)
      await k.call(.recvmsg, b, message(k, Session.inet(1), 16), compat)
      await k.send(a, "data", MessageFlags.MSG_CMSG_COMPAT)
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_CMSG_COMPAT)
    },
    Scenario("negative room for the address") { k in
      let (a, b) = await k.pair()
      let (u, _) = await k.boundUDP()
      let (v, port) = await k.boundUDP()
      for receiver in [b, v] {
        await k.write(a, "data")
        await k.send(u, "data", 0, to: port)
        await k.settle()
        await k.call(.recvmsg, receiver, message(k, Session.inet(1), -1), Int(MessageFlags.MSG_DONTWAIT))
        await k.call(
          .recvfrom, receiver, Int(k.room(4)), 4, Int(MessageFlags.MSG_DONTWAIT), Int(k.room(16)),
          Int(k.put(Int32(-1))))
        await k.receive(receiver, 9, MessageFlags.MSG_DONTWAIT)
      }
    },
  ]

  static let probes: [Scenario] = [
    Scenario("MSG_PROBE sends no datagram") { k in
      let (u, port) = await k.boundUDP()
      let (v, _) = await k.boundUDP()
      for flags: Int32 in [0x10, 0x810, 0x800, 0x10 | MessageFlags.MSG_DONTROUTE, MessageFlags.MSG_DONTROUTE] {
        await k.send(v, "", flags, to: port)
        await k.send(v, "data", flags, to: port)
        await k.send(v, "data", flags)
        await k.settle()
        await k.receive(u, 9, MessageFlags.MSG_DONTWAIT)
        await k.receive(u, 9, MessageFlags.MSG_DONTWAIT)
      }
      let (a, b) = await k.pair()
      await k.send(a, "data", MessageFlags.MSG_PROBE)
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
    },
    Scenario("MSG_PROBE, echo and raw sockets", needsRoot: true) { k in
      for (type, number) in [(SocketType.SOCK_DGRAM, 1), (SocketType.SOCK_RAW, 251)] as [(Int32, Int32)] {
        let s = await k.socket(type, number)
        let request = "\u{8}\0\0\0\0\0\0\u{1}"
        await k.send(s, request, MessageFlags.MSG_PROBE, to: 0)
        await k.send(s, request, MessageFlags.MSG_PROBE)
        await k.settle()
        await k.receive(s, 99, MessageFlags.MSG_DONTWAIT)
        await k.send(s, request, MessageFlags.MSG_DONTROUTE, to: 0)
        await k.settle()
        await k.poll(s)
      }
    },
    Scenario("SO_DONTROUTE reaches this host") { k in
      let (u, port) = await k.boundUDP()
      let v = await k.udp()
      await k.set(v, 1, OptionName.SO_DONTROUTE, 1)
      await k.send(v, "data", 0, to: port)
      await k.settle()
      await k.receive(u, 9, MessageFlags.MSG_DONTWAIT)
      let (l, listening) = await k.listener()
      let s = await k.tcp()
      await k.set(s, 1, OptionName.SO_DONTROUTE, 1)
      await k.connect(s, listening)
      let accepted = await k.accept(l)
      await k.write(s, "data")
      await k.settle()
      await k.read(accepted, 9)
    },
  ]

  /// What one call with MSG_FASTOPEN does with a fresh socket, and what becomes of it.
  private static func open(
    _ k: Session, _ port: UInt16, _ flags: Int32, family: UInt16 = 2, length: Int = 16, isNonBlocking: Bool,
    text: String = "data"
  ) async -> Int {
    let s = await k.tcp(isNonBlocking ? SocketType.SOCK_NONBLOCK : 0)
    await k.send(s, text, fastOpen | flags, to: port, family: family, length: length)
    await k.settle()
    await k.send(s, text, fastOpen | flags, to: port, family: family, length: length)
    await k.error(s)
    await k.poll(s)
    await k.write(s, "more")
    await k.settle()
    return s
  }

  static let fastOpens: [Scenario] =
    [false, true].flatMap { isNonBlocking in
      [
        Scenario("MSG_FASTOPEN connects and sends, non-blocking: \(isNonBlocking)") { k in
          let (l, port) = await k.listener()
          for flags in [0, MessageFlags.MSG_DONTWAIT] {
            for text in ["data", ""] {
              let s = await open(k, port, flags, isNonBlocking: isNonBlocking, text: text)
              let accepted = await k.accept(l)
              await k.receive(accepted, 40, MessageFlags.MSG_DONTWAIT)
              await k.close(s)
              await k.close(accepted)
            }
          }
        },
        Scenario("MSG_FASTOPEN with addresses that will not do, non-blocking: \(isNonBlocking)") { k in
          let (l, port) = await k.listener()
          for family: UInt16 in [0, 2, 10, 77] {
            for length in [0, 1, 2, 15, 16] where family != 2 || length < 16 {
              let s = await open(k, port, 0, family: family, length: length, isNonBlocking: isNonBlocking)
              await k.close(s)
            }
          }
          let s = await k.tcp(isNonBlocking ? SocketType.SOCK_NONBLOCK : 0)
          await k.send(s, "data", fastOpen)
          await k.call(.sendto, s, 8, 4, Int(fastOpen), 8, 16)
          await k.call(.sendto, s, 8, 4, Int(fastOpen), Int(k.put(Session.inet(port))), 16)
          // Linux keeps back the last segment of the handshake, to go with the bytes that do not come.
          await k.settle(60)
          await k.poll(s)
          await k.poll(l)
          let dead = await open(k, 1, 0, isNonBlocking: isNonBlocking)
          await k.close(dead)
        },
      ]
    } + [
      Scenario("MSG_FASTOPEN on sockets that are connected or listen") { k in
        let (l, port) = await k.listener()
        let (a, _) = await k.pair()
        for s in [l, a] {
          for family: UInt16 in [0, 2, 10] { await k.send(s, "data", fastOpen, to: port, family: family) }
          await k.send(s, "data", fastOpen)
        }
        let (u, target) = await k.boundUDP()
        await k.send(u, "data", fastOpen, to: target)
        let bound = await k.tcp()
        await k.bind(bound)
        await k.send(bound, "data", fastOpen, to: port)
        let shut = await k.tcp()
        await k.call(.shutdown, shut, 1)
        await k.send(shut, "data", fastOpen, to: port)
      }
    ]

  @Test("names", arguments: names) func name(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("MSG_PROBE and MSG_DONTROUTE", arguments: probes) func probe(_ scenario: Scenario) throws {
    try scenario.compare()
  }
  @Test("MSG_FASTOPEN", arguments: fastOpens) func opening(_ scenario: Scenario) throws { try scenario.compare() }
}
