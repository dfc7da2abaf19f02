import LinuxABI
import Testing

@Suite("ioctl configures neighbours as Linux does")
struct NeighbourControlTests {
  private typealias Request = ControlRequest

  static let neighbours: [Scenario] = [
    Scenario("neighbours", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      let (set, get, delete) = (Request.SIOCSARP, Request.SIOCGARP, Request.SIOCDARP)
      for (last, flags): (Int, Int32) in [(5, 6), (6, 2), (7, 0), (8, 4), (6, 0), (5, 2)] {
        let address = "10.9.0.\(last)"
        await k.neighbour(s, set, address, flags: flags)
        for device in ["tap0", "", "lo", "none"] { await k.neighbour(s, get, address, device: device) }
        await k.neighbour(s, get, address, flags: 0, device: "lo")
      }
      for address in ["10.9.0.1", "127.0.0.1", "8.8.8.8", "224.0.0.1", "0.0.0.0", "255.255.255.255", "10.9.0.255"] {
        await k.neighbour(s, set, address)
        await k.neighbour(s, set, address, flags: 4)
      }
      for address in ["8.8.8.8", "10.9.0.100"] {
        await k.neighbour(s, set, address, device: "tap0")
        await k.neighbour(s, get, address, device: "tap0")
      }
      for family: UInt16 in [0, 1, 5, 772] {
        for device in ["", "tap0", "lo"] {
          await k.neighbour(s, set, "10.9.0.30", device: device, hardwareFamily: family)
          await k.neighbour(s, get, "10.9.0.30", flags: 0, device: device, hardwareFamily: family)
          await k.neighbour(s, delete, "10.9.0.30", device: device, hardwareFamily: family)
        }
      }
      await k.neighbour(s, set, "10.9.0.5", family: 0)
      await k.neighbour(s, get, "10.9.0.5", family: 10)
      for (request, address) in [
        (delete, "10.9.0.5"), (delete, "10.9.0.5"), (get, "10.9.0.5"), (delete, "10.9.0.77"), (delete, "8.8.8.8"),
        (delete, "99.9.9.9"), (delete, "10.9.0.7"),
      ] {
        await k.neighbour(s, request, address)
        await k.neighbour(s, request, address, device: "tap0")
      }
      // One that is being asked for.
      let u = await k.udp()
      await k.send(u, "data", to: 9, [10, 9, 0, 50])
      await k.neighbour(s, get, "10.9.0.50", device: "tap0")
      await k.neighbour(s, delete, "10.9.0.50")
      await k.neighbour(s, get, "10.9.0.50", device: "tap0")
      // Down, everybody is forgotten.
      await k.neighbour(s, set, "10.9.0.60", flags: 6)
      await k.flags(s, "tap0", 0)
      await k.neighbour(s, get, "10.9.0.60", device: "tap0")
      await k.neighbour(s, set, "10.9.0.60")
      await k.neighbour(s, set, "10.9.0.60", device: "tap0")
      for request in [set, get, delete] {
        for address in [0, 8] { await k.call(.ioctl, s, Int(request), address) }
      }
    },
    Scenario("groups, everybody, and addresses that come and go", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for address in ["224.0.0.2", "10.9.0.255"] {
        await k.neighbour(s, Request.SIOCSARP, address, flags: 0, device: "tap0")
        await k.neighbour(s, Request.SIOCGARP, address, device: "tap0")
        await k.neighbour(s, Request.SIOCDARP, address, device: "tap0")
      }
      func ask(line: Int = #line, _ change: () async -> Void) async {
        await k.neighbour(s, Request.SIOCSARP, "10.9.0.5", flags: 6, device: "tap0", line: line)
        await change()
        await k.neighbour(s, Request.SIOCGARP, "10.9.0.5", device: "tap0", line: line)
        await k.neighbour(s, Request.SIOCDARP, "10.9.0.5", device: "tap0", line: line)
      }
      await ask { await k.interface(s, Request.SIOCSIFHWADDR, "tap0", [1, 0, 2, 0, 0, 0, 0, 0x98]) }
      await ask { await k.interface(s, Request.SIOCSIFHWADDR, "tap0", [1, 0, 2, 0, 0, 0, 0, 0x98]) }
      await ask { await k.address(s, Request.SIOCSIFBRDADDR, "tap0", "10.9.0.254") }
      await ask { await k.address(s, Request.SIOCSIFADDR, "tap0:1", "172.20.0.1") }
      await ask { await k.address(s, Request.SIOCSIFBRDADDR, "tap0", "10.9.0.253") }
      await k.flags(s, "tap0:1", 0)
      await ask { await k.address(s, Request.SIOCSIFADDR, "tap0", "0.0.0.0") }
      await k.number(s, Request.SIOCSIFMTU, "lo", 60)
      for request in [Request.SIOCSARP, Request.SIOCDARP] {
        await k.neighbour(s, request, "1.2.3.4", flags: 0x28, device: "lo", hardwareFamily: 772)
        await k.neighbour(s, request, "1.2.3.4", flags: 8, device: "lo", hardwareFamily: 772)
        await k.neighbour(s, request, "1.2.3.4", device: "lo", hardwareFamily: 772)
      }
    },
    Scenario("neighbours without ARP", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.flags(s, "tap0", 0x1081)
      let u = await k.udp()
      await k.send(u, "data", to: 9, [10, 9, 0, 50])
      await k.neighbour(s, Request.SIOCGARP, "10.9.0.50", device: "tap0")
      await k.neighbour(s, Request.SIOCDARP, "10.9.0.50", device: "tap0")
      await k.neighbour(s, Request.SIOCSARP, "10.9.0.50", flags: 6)
      await k.neighbour(s, Request.SIOCGARP, "10.9.0.50", device: "tap0")
      await k.flags(s, "tap0", 0x1001)
      await k.neighbour(s, Request.SIOCGARP, "10.9.0.50", device: "tap0")
    },
    Scenario("published addresses", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      let own: [UInt8] = [2, 0, 0, 0, 0, 0x99]
      for request in [Request.SIOCSARP, Request.SIOCDARP, Request.SIOCDARP] {
        for flags: Int32 in [8, 10, 14, 0x28, 0x2A, 0x20, 0x40, 0x48] {
          for mask in ["255.255.255.255", "255.255.255.0", "0.0.0.0"] {
            for device in ["", "tap0", "none"] {
              await k.neighbour(s, request, "10.9.0.20", flags: flags, device: device, mask: mask)
              await k.neighbour(s, request, "10.9.0.20", hardware: own, flags: flags, device: device, mask: mask)
            }
          }
        }
      }
    },
  ]

  @Test("neighbours", arguments: neighbours) func neighbour(_ scenario: Scenario) throws { try scenario.compare() }
}
