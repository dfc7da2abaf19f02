import LinuxABI
import Testing

@Suite("IP_XFRM_POLICY takes, refuses and blocks what Linux takes, refuses and blocks")
struct PolicyTests {
  /// `struct xfrm_userpolicy_info`.
  struct Policy {
    var direction: UInt8 = 1
    var action: UInt8 = 1
    var family: UInt16 = 2
    var share: UInt8 = 0
    var index: UInt32 = 0
    var transport: UInt8 = 0
    var interface: Int32 = 0
    /// Destination and source: address, length of the prefix, port, mask of the port.
    var to: (address: [UInt8], length: UInt8, port: UInt16, mask: UInt16) = ([0, 0, 0, 0], 0, 0, 0)
    var from: (address: [UInt8], length: UInt8, port: UInt16, mask: UInt16) = ([0, 0, 0, 0], 0, 0, 0)
    var templates: [UInt8] = []

    var bytes: [UInt8] {
      func raw<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
      let none = [UInt8](repeating: 0, count: 12)
      let ports = [to.port, to.mask, from.port, from.mask].flatMap { raw($0.bigEndian) }
      let selector =
        to.address + none + from.address + none + ports + raw(family) + [to.length, from.length, transport, 0, 0, 0]
        + raw(interface) + [0, 0, 0, 0]
      let lifetime = [UInt8](repeating: 255, count: 32) + [UInt8](repeating: 0, count: 64)
      return selector + lifetime + raw(UInt32(0)) + raw(index) + [direction, action, 0, share, 0, 0, 0, 0] + templates
    }
  }

  /// `struct xfrm_user_tmpl`.
  private static func template(
    _ number: UInt8 = 50, family: UInt16 = 2, mode: UInt8 = 0, isOptional: Bool = false
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 52) + [UInt8](repeating: 255, count: 12)
    (bytes[20], bytes[24], bytes[48], bytes[50]) = (number, UInt8(family), mode, isOptional ? 1 : 0)
    return bytes
  }

  private static let option = HostOption(
    type: SocketType.SOCK_DGRAM, level: 0, name: OptionName.IP_XFRM_POLICY, value: Policy(action: 0).bytes)
  private static let dontWait = MessageFlags.MSG_DONTWAIT

  private static func set(_ k: Session, _ s: Int, _ policy: Policy, line: Int = #line) async {
    await k.set(s, 0, OptionName.IP_XFRM_POLICY, bytes: policy.bytes, line: line)
  }

  private static func remove(_ k: Session, _ s: Int, line: Int = #line) async {
    await k.call(.setsockopt, s, 0, Int(OptionName.IP_XFRM_POLICY), 0, 0, line: line)
  }

  static let scenarios: [Scenario] = [
    Scenario("lengths and pointers", option: option) { k in
      for kind in OptionTableTests.kinds {
        let s = await OptionTableTests.make(k, kind)
        for name in [OptionName.IP_XFRM_POLICY, OptionName.IP_IPSEC_POLICY] {
          // Kernels with PF_KEY sockets judge the other one by theirs.
          let counts =
            name == OptionName.IP_XFRM_POLICY ? [0, 1, 4, 16, 163, 164, 167, 168, 169, 4096, 4097] : [0, 4097]
          for count in counts {
            let bytes = Policy().bytes + [UInt8](repeating: 0, count: 4000)
            await k.set(s, 0, name, bytes: Array(bytes.prefix(count)))
            await k.call(.setsockopt, s, 0, Int(name), 0, count)
            await k.call(.setsockopt, s, 0, Int(name), 8, count)
          }
          await k.call(.setsockopt, s, 0, Int(name), 0, -1)
          await k.get(s, 0, name, room: 256)
          await k.call(.getsockopt, s, 0, Int(name), 8, Int(k.put(Int32(4))))
        }
      }
    },
    Scenario("fields", option: option) { k in
      let s = await k.udp()
      for value: UInt8 in [0, 1, 2, 3, 4, 255] {
        await set(k, s, Policy(direction: value))
        await set(k, s, Policy(action: value))
        await set(k, s, Policy(share: value))
      }
      for family: UInt16 in [0, 1, 2, 10, 11, 300] { await set(k, s, Policy(family: family)) }
      for index: UInt32 in [1, 2, 8, 9, 10, 0xFFFF_FFF9] { await set(k, s, Policy(index: index)) }
      for length: UInt8 in [0, 1, 31, 32, 33, 128, 129, 255] {
        for family: UInt16 in [2, 10] {
          var policy = Policy(family: family)
          policy.to.length = length
          await set(k, s, policy)
          policy.from.length = length
          policy.to.length = 0
          await set(k, s, policy)
        }
      }
    },
    Scenario("templates", option: option) { k in
      let s = await k.udp()
      for count in 0...7 {
        await set(k, s, Policy(templates: (0..<count).flatMap { _ in template() }))
        await set(k, s, Policy(templates: (0..<count).flatMap { _ in template() } + [1, 2, 3]))
      }
      for number in 0...255 { await set(k, s, Policy(templates: template(UInt8(number)))) }
      for mode: UInt8 in [0, 1, 2, 3, 4, 6, 7, 255] {
        for direction: UInt8 in [0, 1] {
          for isOptional in [false, true] {
            for family: UInt16 in [0, 1, 2, 10] {
              let step = template(family: family, mode: mode, isOptional: isOptional)
              await set(k, s, Policy(direction: direction, templates: step))
              await set(k, s, Policy(direction: direction, templates: step + template(family: 10)))
            }
          }
        }
      }
    },
    Scenario("datagrams that are sent", option: option) { k in
      let (b, port) = await k.boundUDP()
      let home: [UInt8] = [127, 0, 0, 1]
      let all: [Policy] = [
        Policy(), Policy(action: 0), Policy(direction: 0), Policy(family: 10), Policy(transport: 17),
        Policy(transport: 6), Policy(interface: 1), Policy(interface: 77), Policy(to: ([0, 0, 0, 0], 0, port, 0xFFFF)),
        Policy(to: ([0, 0, 0, 0], 0, port ^ 1, 0xFFFF)), Policy(to: ([0, 0, 0, 0], 0, port ^ 1, 0xFFFE)),
        Policy(to: (home, 32, 0, 0)), Policy(to: (home, 8, 0, 0)), Policy(to: ([126, 0, 0, 1], 7, 0, 0)),
        Policy(to: ([126, 0, 0, 1], 8, 0, 0)), Policy(from: (home, 32, 0, 0)), Policy(from: ([8, 8, 8, 8], 32, 0, 0)),
        Policy(from: ([0, 0, 0, 0], 0, 1, 0xFFFF)), Policy(action: 0, templates: template()),
        Policy(action: 0, templates: template(isOptional: true)), Policy(action: 0, templates: template(mode: 1)),
        Policy(templates: template()),
      ]
      for policy in all {
        let (a, _) = await k.boundUDP()
        await set(k, a, policy)
        await k.send(a, "x", 0, to: port)
        await k.settle()
        await k.receive(b, 9, dontWait)
        await k.connect(a, port)
        await k.write(a, "y")
        await k.get(a, 0, OptionName.IP_MTU)
        await remove(k, a)
        await k.send(a, "z", 0, to: port)
        await k.settle()
        for _ in 0..<2 { await k.receive(b, 9, dontWait) }
        await k.close(a)
      }
    },
    Scenario("the order of errors", option: option) { k in
      let s = await k.udp()
      await set(k, s, Policy())
      await k.send(s, "x", 0, to: 0)
      await k.send(s, "x")
      await k.send(s, "x", 0, to: 9)
      await k.port(s)
      await k.connect(s, 9)
      await k.port(s)
      let (b, port) = await k.boundUDP()
      let a = await k.udp()
      await k.connect(a, port)
      await k.write(a, "x")
      await set(k, a, Policy())
      await k.write(a, "y")
      await k.get(a, 0, OptionName.IP_MTU)
      await k.call(.shutdown, a, 1)
      await k.write(a, "y")
      await k.settle()
      for _ in 0..<2 { await k.receive(b, 9, dontWait) }
    },
    Scenario("datagrams that are received", option: option) { k in
      let (b, port) = await k.boundUDP()
      let all: [Policy] = [
        Policy(direction: 0), Policy(direction: 0, action: 0),
        Policy(direction: 0, to: ([0, 0, 0, 0], 0, port, 0xFFFF)),
        Policy(direction: 0, from: ([0, 0, 0, 0], 0, port, 0xFFFF)), Policy(direction: 0, transport: 6),
        Policy(direction: 0, action: 0, templates: template()),
        Policy(direction: 0, action: 0, templates: template(isOptional: true)),
        Policy(direction: 0, action: 0, templates: template(mode: 1, isOptional: true)),
      ]
      for policy in all {
        await set(k, b, policy)
        let a = await k.udp()
        await k.send(a, "x", 0, to: port)
        await k.settle()
        await k.receive(b, 9, dontWait)
        await remove(k, b)
        await k.send(a, "y", 0, to: port)
        await k.settle()
        for _ in 0..<2 { await k.receive(b, 9, dontWait) }
        await k.close(a)
      }
    },
    Scenario("raw and ping sockets", needsRoot: true, option: option) { k in
      for direction: UInt8 in [0, 1] {
        let s = await k.socket(SocketType.SOCK_RAW, 200)
        await set(k, s, Policy(direction: direction))
        await k.send(s, "x", 0, to: 0)
        await k.settle()
        await k.call(.recvfrom, s, Int(k.room(99)), 99, Int(dontWait), 0, 0)
        await k.connect(s, 0)
      }
    },
    Scenario("streams", option: option) { k in
      let (l, port) = await k.listener()
      for policy in [Policy(), Policy(action: 0, templates: template()), Policy(transport: 17)] {
        let s = await k.tcp()
        await set(k, s, policy)
        await k.connect(s, port)
        await k.port(s)
        await k.connect(s, port)
        await remove(k, s)
        await k.connect(s, port)
        await k.close(s)
        await k.close(await k.accept(l))
      }
      let s = await k.tcp(SocketType.SOCK_NONBLOCK)
      await set(k, s, Policy(direction: 0))
      await k.connect(s, port)
      await k.settle()
      await k.poll(s)
      for direction: UInt8 in [0, 1] {
        await set(k, l, Policy(direction: direction))
        let s = await k.tcp(SocketType.SOCK_NONBLOCK)
        await k.connect(s, port)
        await k.settle()
        await k.poll(s)
        await remove(k, l)
      }
    },
    Scenario("streams that are there", option: option) { k in
      let (a, b) = await k.pair()
      await set(k, a, Policy())
      await k.write(a, "x")
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.write(a, "y")
      await k.error(a)
      await remove(k, a)
      await k.poll(b, events: 1, timeout: 3000)
      await k.read(b, 9)
      await set(k, b, Policy(direction: 0))
      await k.write(a, "z")
      await k.settle()
      await k.receive(b, 9, dontWait)
      await remove(k, b)
      await k.poll(b, events: 1, timeout: 3000)
      await k.read(b, 9)
    },
  ]

  @Test("policies", arguments: scenarios) func policy(_ scenario: Scenario) throws { try scenario.compare() }
}
