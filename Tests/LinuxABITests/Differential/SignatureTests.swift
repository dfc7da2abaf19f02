import LinuxABI
import Testing

@Suite("TCP_MD5SIG: keys and signed connections as on Linux")
struct SignatureTests {
  /// `struct tcp_md5sig`.
  private static func key(
    _ text: String, _ address: [UInt8] = [127, 0, 0, 1], family: UInt16 = 2, flags: UInt8 = 0, prefix: UInt8 = 0,
    count: UInt16? = nil, interface: Int32 = 0
  ) -> [UInt8] {
    func raw<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
    let bytes = Array(text.utf8.prefix(80))
    return raw(family) + [0, 0] + address + [UInt8](repeating: 0, count: 120) + [flags, prefix]
      + raw(count ?? UInt16(bytes.count)) + raw(interface) + bytes + [UInt8](repeating: 0, count: 80 - bytes.count)
  }

  private static let option = HostOption(
    type: SocketType.SOCK_STREAM, level: 6, name: OptionName.TCP_MD5SIG, value: key("probe"))
  private static let (plain, extended) = (OptionName.TCP_MD5SIG, OptionName.TCP_MD5SIG_EXT)

  private static func set(
    _ k: Session, _ s: Int, _ bytes: [UInt8], _ name: Int32 = plain, line: Int = #line
  ) async {
    await k.set(s, 6, name, bytes: bytes, line: line)
  }

  /// What becomes of an attempt to connect from a socket with a key, or none, to a listener with one, or none.
  private static func attempt(
    _ k: Session, client: [UInt8]?, server: [UInt8]?, _ name: Int32 = plain, line: Int = #line
  ) async {
    let (l, port) = await k.listener(line: line)
    await k.fcntl(l, FileControl.F_SETFL, FileControl.O_NONBLOCK, line: line)
    if let server { await set(k, l, server, name, line: line) }
    let a = await k.tcp(SocketType.SOCK_NONBLOCK, line: line)
    if let client { await set(k, a, client, name, line: line) }
    await k.connect(a, port, line: line)
    await k.settle()
    await k.poll(a, line: line)
    let b = await k.accept(l, line: line)
    if b >= 0 {
      await k.write(a, "there", line: line)
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT, line: line)
      await k.write(b, "back", line: line)
      await k.settle()
      await k.receive(a, 9, MessageFlags.MSG_DONTWAIT, line: line)
      await k.close(b, line: line)
      await k.settle()
      await k.poll(a, line: line)
    }
    await k.close(a, line: line)
    await k.close(l, line: line)
  }

  static let scenarios: [Scenario] = [
    Scenario("fields", option: option) { k in
      for name in [plain, extended] {
        let s = await k.tcp()
        for count in [0, 1, 3, 4, 128, 215, 216, 217, 300] {
          await k.set(s, 6, name, bytes: Array((key("secret") + [UInt8](repeating: 0, count: 99)).prefix(count)))
          await k.call(.setsockopt, s, 6, Int(name), 8, count)
        }
        await k.get(s, 6, name, room: 216)
        for family: UInt16 in [0, 2, 10, 300] { await set(k, s, key("secret", family: family), name) }
        for count: UInt16 in [0, 1, 79, 80, 81, 65535] { await set(k, s, key("secret", count: count), name) }
        for flags: UInt8 in [0, 1, 2, 3, 4, 255] {
          for prefix: UInt8 in [0, 8, 32, 33, 255] {
            await set(k, s, key("secret", flags: flags, prefix: prefix), name)
            await set(k, s, key("", flags: flags, prefix: prefix), name)
            await set(k, s, key("", flags: flags, prefix: prefix), name)
          }
          for interface: Int32 in [0, 1, 77, -1] {
            await set(k, s, key("secret", flags: flags, interface: interface), name)
            await set(k, s, key("", flags: flags, interface: interface), name)
          }
        }
        await set(k, s, key("", [10, 0, 0, 1]), name)
        await set(k, s, key("other", [10, 0, 0, 1]), name)
        await set(k, s, key("another", [10, 0, 0, 1]), name)
        await set(k, s, key("", [10, 0, 0, 2]), name)
        await set(k, s, key("", [10, 0, 0, 1]), name)
        await set(k, s, key("", [10, 0, 0, 1]), name)
      }
      let udp = await k.udp()
      await set(k, udp, key("secret"))
    },
    Scenario("who gets a connection", option: option) { k in
      await attempt(k, client: key("secret"), server: key("secret"))
      await attempt(k, client: key("secret"), server: key("Secret"))
      await attempt(k, client: key("secret"), server: nil)
      await attempt(k, client: nil, server: key("secret"))
      await attempt(k, client: nil, server: key("secret", [127, 0, 0, 2]))
      await attempt(k, client: key("secret", [127, 0, 0, 2]), server: key("secret"))
      let wide = key("wide", [127, 9, 9, 9], flags: 1, prefix: 8)
      await attempt(k, client: wide, server: wide, extended)
      await attempt(k, client: wide, server: key("wide", [127, 9, 9, 9], flags: 1, prefix: 16), extended)
      await attempt(k, client: key("wide", [8, 8, 8, 8], flags: 1, prefix: 0), server: wide, extended)
    },
    Scenario("a signed attempt that nobody listens to is not answered", option: option) { k in
      let (l, port) = await k.listener()
      await k.close(l)
      let a = await k.tcp(SocketType.SOCK_NONBLOCK)
      await set(k, a, key("secret"))
      await k.connect(a, port)
      await k.settle()
      await k.poll(a)
    },
    Scenario("what is accepted has the key for its peer alone", option: option) { k in
      let (l, port) = await k.listener()
      await set(k, l, key("wide", [127, 0, 0, 0], flags: 1, prefix: 8), extended)
      await set(k, l, key("elsewhere", [10, 0, 0, 1]))
      let a = await k.tcp()
      await set(k, a, key("wide"))
      await k.connect(a, port)
      let b = await k.accept(l)
      await set(k, b, key("", [127, 0, 0, 0], flags: 1, prefix: 8), extended)
      await set(k, b, key("", [10, 0, 0, 1]))
      await k.write(a, "signed")
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await set(k, b, key(""))
      await set(k, b, key(""))
      await k.write(a, "unexpected")
      await k.settle()
      await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
      await set(k, b, key("wide"))
      await k.poll(b, events: 1, timeout: 3000)
      await k.read(b, 20)
    },
    Scenario("keys of a connection that is there", option: option) { k in
      let (a, b) = await k.pair()
      await set(k, a, key("late"))
      await k.write(a, "x")
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await set(k, b, key("late"))
      await k.poll(b, events: 1, timeout: 3000)
      await k.read(b, 9)
      await k.write(b, "y")
      await k.poll(a, events: 1, timeout: 3000)
      await k.read(a, 9)
      await set(k, a, key("Late"))
      await k.write(b, "z")
      await k.settle()
      await k.receive(a, 9, MessageFlags.MSG_DONTWAIT)
      await set(k, a, key("late"))
      await k.poll(a, events: 1, timeout: 3000)
      await k.read(a, 9)
    },
    Scenario("segments have room for the signature", option: option) { k in
      let (l, port) = await k.listener()
      await set(k, l, key("secret"))
      let a = await k.tcp()
      await k.set(a, 6, OptionName.TCP_MAXSEG, 1000)
      await set(k, a, key("secret"))
      await k.connect(a, port)
      let b = await k.accept(l)
      for s in [a, b] { await k.get(s, 6, OptionName.TCP_MAXSEG) }
      await k.write(a, String(repeating: "m", count: 5000))
      await k.settle(30)
      await k.ioctl(b, ControlRequest.FIONREAD)
    },
  ]

  @Test("signatures", arguments: scenarios) func signature(_ scenario: Scenario) throws { try scenario.compare() }
}
