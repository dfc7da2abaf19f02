import LinuxABI
import Testing

@Suite("ioctl configures interfaces as Linux does")
struct InterfaceControlTests {
  private typealias Request = ControlRequest

  static let scenarios: [Scenario] = [
    Scenario("flags", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for bit in 0..<16 { await k.flags(s, "tap0", 1 << UInt16(bit)) }
      for bit in 1..<16 { await k.flags(s, "lo", 1 << UInt16(bit) | 1) }
      for flags: UInt16 in [0, 1, 0x1003, 0xFFFF, 0x1043] { await k.flags(s, "tap0", flags) }
      await k.flags(s, "lo", 0)
      await k.flags(s, "lo", 0x49)
      await k.flags(s, "none", 1)
      await k.flags(s, "tap0:7", 1)
    },
    Scenario("MTU", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for name in ["tap0", "lo"] {
        for mtu: Int32 in [0, 1, 67, 68, 69, 1500, 9000, 65_520, 65_521, 65_522, 65_535, 65_536, -1, .max, .min] {
          await k.number(s, Request.SIOCSIFMTU, name, mtu)
          await k.interface(s, Request.SIOCGIFMTU, name)
          await k.addresses(s, name)
        }
      }
      // Without IPv4 an interface takes no address, and has none of its own when it has it again.
      await k.number(s, Request.SIOCSIFMTU, "lo", 10)
      await k.address(s, Request.SIOCSIFADDR, "lo", "127.0.0.1")
      let u = await k.udp()
      await k.bind(u, 0, [127, 0, 0, 1])
      await k.number(s, Request.SIOCSIFMTU, "lo", 65_536)
      await k.addresses(s, "lo")
      await k.address(s, Request.SIOCSIFADDR, "lo", "127.0.0.1")
      await k.bind(u, 0, [127, 0, 0, 9])
    },
    Scenario("queue, metric, map, names of the past", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for length: Int32 in [0, 1, 5000, -1] {
        await k.number(s, Request.SIOCSIFTXQLEN, "tap0", length)
        await k.interface(s, Request.SIOCGIFTXQLEN, "tap0")
      }
      for request: UInt in [
        0x8911, 0x891D, 0x891E, 0x891F, 0x8920, 0x8925, 0x8926, 0x8928, 0x8929, 0x8930, 0x8934, 0x8935, 0x8936, 0x8938,
        0x8949, 0x8970, 0x8971, 0x8990, 0x8994, 0x89B0, 0x89F0,
      ] {
        await k.interface(s, request, "lo")
        await k.interface(s, request, "none")
      }
    },
    Scenario("addresses", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for address in [
        "10.9.0.1", "10.9.0.2", "172.16.3.4", "192.168.7.7", "224.1.1.1", "255.255.255.255", "240.0.0.1", "0.0.0.0",
        "0.1.2.3", "127.3.3.3", "10.9.0.1",
      ] {
        await k.address(s, Request.SIOCSIFADDR, "tap0", address)
        await k.list(s)
      }
      for mask in [
        "255.255.0.0", "255.0.255.0", "255.255.255.255", "255.255.255.254", "0.0.0.0", "255.255.255.0", "0.0.0.255",
      ] {
        await k.address(s, Request.SIOCSIFNETMASK, "tap0", mask)
      }
      for broadcast in ["10.9.0.255", "1.2.3.4", "0.0.0.0", "255.255.255.255", "10.9.0.255"] {
        await k.address(s, Request.SIOCSIFBRDADDR, "tap0", broadcast)
      }
      for peer in ["10.9.0.7", "224.2.3.4", "1.2.3.4", "0.0.0.0", "10.9.0.1"] {
        await k.address(s, Request.SIOCSIFDSTADDR, "tap0", peer)
      }
      for request in [
        Request.SIOCSIFADDR, Request.SIOCSIFNETMASK, Request.SIOCSIFBRDADDR, Request.SIOCSIFDSTADDR,
      ] {
        await k.interface(s, request, "none", Session.address("10.0.0.1"))
        await k.interface(s, request, "none", Session.address("10.0.0.1", family: 7))
        await k.interface(s, request, "tap0", Session.address("10.0.0.1", family: 7))
        await k.interface(s, request, "tap0:5", Session.address("10.0.0.1"))
      }
    },
    Scenario("other addresses of an interface", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.address(s, Request.SIOCSIFADDR, "tap0:1", "10.9.0.3")
      await k.list(s)
      // In the network of the first it is a second one.
      await k.address(s, Request.SIOCSIFNETMASK, "tap0:1", "255.255.255.0")
      await k.address(s, Request.SIOCSIFADDR, "tap0:2", "172.20.0.1")
      await k.address(s, Request.SIOCSIFADDR, "tap0:3", "172.20.0.1")
      await k.address(s, Request.SIOCSIFADDR, "tap0:3", "172.20.0.2")
      await k.list(s)
      for room: Int32 in [0, 39, 40, 41, 79, 80, -1] { await k.list(s, room: room) }
      await k.flags(s, "tap0:2", 1)
      await k.flags(s, "tap0:9", 0)
      await k.flags(s, "tap0:3", 0)
      await k.list(s)
      // Named by one of several with the label.
      await k.interface(s, Request.SIOCGIFADDR, "tap0", Session.address("10.9.0.3"))
      // The first goes, and the second of its network with it.
      await k.address(s, Request.SIOCSIFADDR, "tap0", "0.0.0.0")
      await k.list(s)
      await k.flags(s, "tap0:2", 0)
      await k.list(s)
    },
    Scenario("an address that becomes another's twin", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.address(s, Request.SIOCSIFADDR, "tap0:1", "10.9.0.1")
      await k.list(s)
      await k.address(s, Request.SIOCSIFNETMASK, "tap0:1", "255.255.255.0")
      await k.list(s)
    },
    Scenario("twins: the one that is named goes", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for (label, address) in [("tap0:3", "10.9.0.3"), ("tap0:2", "10.9.0.1")] {
        await k.address(s, Request.SIOCSIFADDR, label, address)
      }
      await k.address(s, Request.SIOCSIFNETMASK, "tap0:3", "255.255.255.0")
      await k.flags(s, "tap0:2", 0)
      await k.list(s)
      let u = await k.udp()
      await k.connect(u, 9, [10, 9, 0, 77])
      await k.port(u)
    },
    Scenario("networks of lo", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      func ask(line: Int = #line) async {
        for address: [UInt8] in [
          [127, 0, 0, 1], [127, 5, 5, 5], [8, 8, 8, 8], [11, 1, 1, 1], [11, 2, 2, 2], [11, 255, 255, 255],
        ] {
          let u = await k.udp(line: line)
          await k.bind(u, 0, address, line: line)
          await k.close(u, line: line)
          let v = await k.udp(line: line)
          await k.connect(v, 9, address, line: line)
          await k.close(v, line: line)
        }
      }
      await k.address(s, Request.SIOCSIFNETMASK, "lo", "0.0.0.0")
      await ask()
      await k.flags(s, "lo", 0)
      await k.address(s, Request.SIOCSIFADDR, "lo", "11.1.1.1")
      await ask()
      await k.flags(s, "lo", 1)
      await ask()
      await k.flags(s, "lo", 0)
      await ask()
    },
    Scenario("addresses by scope, and which one speaks", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for (label, address) in [
        ("tap0:1", "127.9.0.1"), ("tap0:2", "172.20.0.1"), ("lo:1", "172.30.0.1"), ("tap0:4", "127.9.0.2"),
      ] {
        await k.address(s, Request.SIOCSIFADDR, label, address)
        await k.list(s)
      }
      await k.route(s, Request.SIOCADDRT, "33.0.0.0", mask: "255.0.0.0", device: "tap0")
      let u = await k.udp()
      for address: [UInt8] in [[33, 1, 1, 1], [172, 20, 0, 9], [10, 9, 0, 9]] {
        await k.connect(u, 9, address)
        await k.port(u)
      }
    },
    Scenario("names", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.address(s, Request.SIOCSIFADDR, "tap0:old", "172.20.0.1")
      var name = "tap0"
      for wanted in [
        "tap0", "lo", "", "a b", "a/b", ".", "..", "a:b", "a\tb", "eth%d", "z%s", "z%d%d", "z%", "fifteen-letters",
        "n%d", "n%d", "tap0", "a%db",
      ] {
        let result = await k.interface(s, Request.SIOCSIFNAME, name, Array(wanted.utf8))
        if result == 0 {
          name = wanted.split(separator: "%d", omittingEmptySubsequences: false).joined(separator: "0")
        }
        await k.number(s, Request.SIOCGIFNAME, "", 2)
        await k.interface(s, Request.SIOCGIFINDEX, name)
        await k.list(s)
      }
      // Names are octets.
      for name: [UInt8] in [[0x61, 0xA0, 0x62], [0xC3, 0xA0], [0x61, 0x85], [0xFF, 0xFE]] {
        await k.interface(s, Request.SIOCSIFNAME, "lo", name)
        await k.number(s, Request.SIOCGIFNAME, "", 1)
        let u = await k.udp()
        await k.set(u, 1, OptionName.SO_BINDTODEVICE, bytes: name)
        await k.get(u, 1, OptionName.SO_BINDTODEVICE, room: 16)
      }
      await k.interface(s, Request.SIOCGIFINDEX, "\u{FFFD}\u{FFFD}")
      await k.list(s)
      await k.interface(s, Request.SIOCSIFNAME, "none", Array("x".utf8))
      await k.number(s, Request.SIOCGIFNAME, "", 0)
      await k.number(s, Request.SIOCGIFNAME, "", 9)
    },
    Scenario("hardware addresses and groups", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for name in ["lo", "tap0"] {
        for family: UInt8 in [0, 1] {
          for address: [UInt8] in [[0, 0, 0, 0, 0, 0], [2, 1, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5]] {
            await k.interface(s, Request.SIOCSIFHWADDR, name, [family, 0] + address)
            await k.interface(s, Request.SIOCSIFHWBROADCAST, name, [family, 0] + address)
            await k.interface(s, Request.SIOCGIFHWADDR, name)
          }
        }
        for address: [UInt8] in [[0, 0, 0, 0, 0, 0], [2, 1, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]] {
          await k.interface(s, Request.SIOCSIFHWADDR, "lo", [4, 3] + address)
          await k.interface(s, Request.SIOCGIFHWADDR, "lo")
        }
        for request in [Request.SIOCADDMULTI, Request.SIOCADDMULTI, Request.SIOCDELMULTI, Request.SIOCDELMULTI] {
          for family: UInt8 in [0, 1] {
            await k.interface(s, request, name, [family, 0, 1, 0, 0x5E, 0, 0, 0x63])
            await k.interface(s, request, name, [family, 0, 2, 2, 2, 2, 2, 2])
          }
        }
      }
    },
    Scenario("what ethtool asks of lo", since: KernelVersion(6, 18), needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for command in 0..<UInt32(0x62) {
        for value in [0, 1] as [UInt32] {
          let data = k.put([command, value].withUnsafeBytes { Array($0) } + [UInt8](repeating: 0, count: 400))
          let pointer = k.put(Array("lo".utf8) + [UInt8](repeating: 0, count: 14) + k.bytes(of: data) + [0, 0, 0, 0])
          let result = await k.raw(.ioctl, [s, Int(Request.SIOCETHTOOL), Int(pointer)])
          // Which of its features a kernel has a number for is its own business.
          let count = result < 0 ? 0 : command == 0x3A && value > 0 ? 8 : 56
          k.note("ethtool \(command) \(value) \(Session.text(result)) \(k.get(data, count: count))", #line)
        }
      }
      for name in ["lo", "none"] {
        for address: UInt in [0, 8] {
          await k.interface(s, Request.SIOCETHTOOL, name, k.bytes(of: address))
        }
      }
    },
    Scenario("what ethtool reads first", since: KernelVersion(6, 18), needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      // The structure ends where memory does.
      let end = k.kernel.base + UInt(arenaSize)
      for command in 0..<UInt32(0x62) {
        for count in [4, 8, 12, 16, 20, 44, 48, 92, 136, 188, 192, 516, 520] {
          let data = end - UInt(count)
          k.kernel.bytes(data, count).initializeMemory(as: UInt8.self, repeating: 0)
          k.kernel.bytes(data, 4).storeBytes(of: command, as: UInt32.self)
          let pointer = k.put(Array("lo".utf8) + [UInt8](repeating: 0, count: 14) + k.bytes(of: data) + [0, 0, 0, 0])
          let result = await k.raw(.ioctl, [s, Int(Request.SIOCETHTOOL), Int(pointer)])
          k.note("ethtool \(command) in \(count): \(Session.text(result))", #line)
        }
      }
    },
    Scenario("sets and features of lo", since: KernelVersion(6, 18), needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      func ask(_ words: [UInt32], count: Int, line: Int = #line) async {
        let data = k.put(words.flatMap { k.bytes(of: $0) } + [UInt8](repeating: 0xA5, count: 8000))
        let pointer = k.put(Array("lo".utf8) + [UInt8](repeating: 0, count: 14) + k.bytes(of: data) + [0, 0, 0, 0])
        let result = await k.raw(.ioctl, [s, Int(Request.SIOCETHTOOL), Int(pointer)])
        k.note("ethtool \(words) \(Session.text(result)) \(k.get(data, count: count))", line)
      }
      // The names that a kernel begins a set with; how many there are changes from one to the next.
      for set in 0..<UInt32(24) {
        await ask([0x1B, set, 0], count: 8)
        await ask([0x37, 0, 1 << set, 0], count: 24)
      }
      await ask([0x37, 0, 0, 0], count: 32)
      await ask([0x37, 0, 0x170, 0], count: 32)
      await ask([0x37, 0, 0, .max], count: 32)
      for flags: UInt32 in [0, 1, 0x80, 0x100, 0x180, 0x8000, 0x8180, 0x1_0000, 0x0800_0000, 0x1000_0000, .max] {
        await ask([0x26, flags], count: 8)
        await ask([0x25, 0], count: 8)
      }
      // Features that are set, and how they show by themselves.
      for words: [UInt32] in [
        [1, 0, 0, 0, 0], [2, 0, 0, 0, 0], [2, 0x400, 0, 0, 0], [2, 1, 1, 0, 0], [2, 0x800, 0, 0, 0],
        [2, 0x800, 0x800, 0, 0], [2, 0x4800, 0, 0, 0], [2, 0x5801, 0x4800, 0, 0], [2, 0, 0, 0x100, 0],
        [2, 0x801D_4800, 0x1D_4800, 0, 0], [2, 0x1D_0000, 0, 0, 0], [2, 0x1D_0000, 0x1D_0000, 0, 0],
      ] {
        await ask([0x3B] + words, count: 24)
        for command: UInt32 in [0x14, 0x16, 0x18, 0x1E, 0x23, 0x2B] { await ask([command, 7], count: 8) }
      }
    },
    Scenario("sockets of interfaces that go down", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      func ask(line: Int = #line) async {
        for address: [UInt8] in [
          [10, 9, 0, 1], [10, 9, 0, 255], [127, 0, 0, 1], [127, 5, 5, 5], [127, 255, 255, 255], [10, 9, 0, 2],
        ] {
          let u = await k.udp(line: line)
          await k.bind(u, 0, address, line: line)
          await k.set(u, 1, OptionName.SO_BROADCAST, 1, line: line)
          await k.send(u, "data", to: 9, [127, 0, 0, 1], line: line)
          await k.close(u, line: line)
          let v = await k.udp(line: line)
          await k.send(v, "data", to: 9, address, line: line)
          await k.connect(v, 9, address, line: line)
          await k.close(v, line: line)
        }
        let v = await k.udp(line: line)
        for address: [UInt8] in [[8, 8, 8, 8], [224, 0, 0, 9], [255, 255, 255, 255]] {
          await k.connect(v, 9, address, line: line)
        }
        await k.close(v, line: line)
      }
      await ask()
      await k.flags(s, "tap0", 0)
      await ask()
      await k.flags(s, "lo", 0)
      await ask()
      await k.flags(s, "tap0", 1)
      await ask()
      await k.flags(s, "lo", 1)
      await ask()
      await k.address(s, Request.SIOCSIFADDR, "lo", "127.0.0.2")
      await ask()
      await k.address(s, Request.SIOCSIFADDR, "lo", "0.0.0.0")
      await ask()
    },
  ]

  @Test("bridges and VLANs are not there")
  func absent() throws {
    let bench = BenchKernel()
    try bench.loop.run {
      let s = UInt(await bench.call(SystemCallNumber.socket.rawValue, [2, 2, 0]))
      for request: UInt in [0x8940, 0x8941, 0x8982, 0x8983, 0x89A0, 0x89A1] {
        #expect(await bench.call(SystemCallNumber.ioctl.rawValue, [s, request, 0]) == -Int(Errno.ENOPKG.rawValue))
      }
    }
  }

  @Test("interfaces", arguments: scenarios) func compare(_ scenario: Scenario) throws { try scenario.compare() }
}
