import LinuxABI
import Testing

@Suite("ioctl configures routes as Linux does")
struct RouteControlTests {
  private typealias Request = ControlRequest
  private static let add = Request.SIOCADDRT
  private static let remove = Request.SIOCDELRT
  private static let (up, gateway, host, reject) = (UInt16(1), UInt16(2), UInt16(4), UInt16(0x200))

  /// Where datagrams to some addresses would go.
  private static func ask(_ k: Session, line: Int = #line) async {
    for address: [UInt8] in [
      [1, 2, 3, 4], [2, 5, 5, 5], [3, 1, 1, 1], [11, 0, 0, 1], [8, 8, 8, 8], [10, 9, 0, 2],
    ] {
      let u = await k.udp(line: line)
      await k.connect(u, 9, address, line: line)
      await k.port(u, line: line)
      await k.close(u, line: line)
    }
  }

  static let routes: [Scenario] = [
    Scenario("routes by routers", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await ask(k)
      await k.route(s, add, "1.2.3.4", via: "10.9.0.2", flags: up | gateway | host)
      await k.route(s, add, "1.2.3.4", via: "10.9.0.2", flags: up | gateway | host)
      await ask(k)
      for (router, metric) in [("10.9.0.2", 0), ("10.9.0.2", 0), ("10.9.0.3", 0), ("10.9.0.3", 5), ("10.9.0.3", 1)] {
        await k.route(s, add, via: router, flags: up | gateway, metric: Int16(metric))
      }
      await ask(k)
      for router in [
        "99.0.0.1", "10.9.0.1", "10.9.0.255", "224.0.0.1", "0.0.0.0", "127.0.0.1", "255.255.255.255", "0.1.1.1",
        "10.9.0.77",
      ] {
        for flags in [up, up | gateway] {
          await k.route(s, add, "2.0.0.0", via: router, mask: "255.0.0.0", flags: flags)
          await k.route(s, add, "2.0.0.0", via: router, mask: "255.0.0.0", flags: flags, device: "tap0")
          await k.route(s, add, "2.0.0.0", via: router, mask: "255.0.0.0", flags: flags, device: "lo")
        }
      }
      await ask(k)
      for families: [UInt16] in [[2, 0, 2], [2, 7, 2], [0, 2, 2], [10, 2, 2], [2, 2, 0], [2, 2, 3]] {
        await k.route(s, add, "4.0.0.0", via: "10.9.0.2", mask: "255.0.0.0", flags: up | gateway, families: families)
        await k.route(s, add, "0.0.0.0", via: "10.9.0.2", flags: up | gateway, metric: 7, families: families)
      }
      for (router, metric) in [("10.9.0.9", 0), ("10.9.0.3", 9), ("10.9.0.3", 5), ("10.9.0.3", 0), ("0.0.0.0", 0)] {
        await k.route(s, remove, via: router, flags: up | gateway, metric: Int16(metric))
        await ask(k)
      }
      await k.route(s, remove, "1.2.3.4", flags: up | host)
      await k.route(s, remove, "1.2.3.4", flags: up | host)
    },
    Scenario("routes by interfaces", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.route(s, add, "3.0.0.0", mask: "255.0.0.0")
      for name in ["tap0", "tap0", "lo", "none", "tap0:1", "lo", ""] {
        await k.route(s, add, "3.0.0.0", mask: "255.0.0.0", device: name)
      }
      await ask(k)
      // By an alias, its address is the one to speak from.
      await k.address(s, Request.SIOCSIFADDR, "tap0:1", "172.20.0.1")
      await k.route(s, add, "8.0.0.0", mask: "255.0.0.0", device: "tap0:1")
      await ask(k)
      for (network, mask, family) in [
        ("5.0.0.1", "255.0.0.0", 2), ("5.0.0.0", "255.0.255.0", 2), ("5.0.0.0", "255.0.0.0", 3),
        ("6.0.0.0", "0.0.0.0", 0), ("6.0.0.0", "255.0.0.0", 0), ("6.0.0.0", "0.0.0.0", 2), ("0.0.0.0", "0.0.0.0", 0),
        ("224.0.0.0", "240.0.0.0", 2), ("0.0.0.0", "255.0.0.0", 2), ("7.7.7.7", "255.255.255.255", 2),
        ("10.9.0.0", "255.255.255.0", 2), ("10.9.0.0", "255.255.255.0", 2),
      ] {
        await k.route(s, add, network, mask: mask, device: "tap0", families: [2, 2, UInt16(family)])
      }
      await k.route(s, add, "255.255.255.255", flags: up | host, device: "tap0")
      for metric: Int16 in [-1, 1, 3, .max, .min] {
        await k.route(s, add, "12.0.0.1", flags: up | host, metric: metric, device: "tap0")
      }
      for limits: [UInt64] in [[1000, 0, 0], [10, 0, 0], [1 << 20, 0, 0], [0, 100, 0], [0, 0, 9], [1000, 0, 0]] {
        await k.route(s, add, "13.0.0.1", flags: up | host | 0x1C0, device: "tap0", limits: limits)
      }
      for (network, mask, device, metric) in [
        ("3.0.0.0", "255.0.0.0", "lo", 0), ("3.0.0.0", "255.0.0.0", "tap0", 0), ("3.0.0.0", "255.0.0.0", "tap0", 0),
        ("12.0.0.1", "255.255.255.255", "tap0", 2), ("12.0.0.1", "255.255.255.255", "tap0", 3),
        ("12.0.0.1", "255.255.255.255", "none", 3), ("12.0.0.1", "255.255.255.255", "lo", 0),
        ("12.0.0.1", "255.255.255.255", "", 0), ("5.0.0.1", "255.0.0.0", "tap0", 0),
        ("10.9.0.0", "255.255.255.0", "tap0", 0), ("10.9.0.0", "255.255.255.0", "tap0", 0),
        ("10.9.0.0", "255.255.255.0", "tap0", 0), ("10.9.0.1", "255.255.255.255", "tap0", 0),
        ("8.0.0.0", "255.0.0.0", "tap0", 0),
      ] {
        await k.route(s, remove, network, mask: mask, metric: Int16(metric), device: device.isEmpty ? nil : device)
      }
      await ask(k)
    },
    Scenario("routes that lead nowhere", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.route(s, add, "11.0.0.1", flags: host, device: "tap0")
      await k.route(s, add, "11.0.0.1", flags: up | host | reject, device: "none")
      await k.route(s, add, "11.0.0.1", flags: up | host | reject)
      await ask(k)
      await k.route(s, add, mask: "0.0.0.0", flags: up | reject, metric: 9)
      await ask(k)
      let t = await k.tcp(SocketType.SOCK_NONBLOCK)
      await k.connect(t, 9, [8, 8, 8, 8])
      await k.route(s, add, "8.8.0.0", via: "9.9.9.9", mask: "255.255.0.0", flags: up | gateway)
      await k.route(s, remove, "11.0.0.1", flags: up | host)
      await ask(k)
      await k.route(s, remove, "11.0.0.1", flags: up | host | reject)
      await k.route(s, remove, "11.0.0.1", flags: up | host | reject)
      await k.route(s, remove, mask: "0.0.0.0", flags: up | reject, metric: 3)
      await k.route(s, remove, mask: "0.0.0.0", flags: up | reject)
      await ask(k)
    },
    Scenario("groups where there is no way", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      let (join, leave) = (OptionName.IP_ADD_MEMBERSHIP, OptionName.IP_DROP_MEMBERSHIP)
      func change(line: Int = #line) async {
        for home: [UInt8] in [[0, 0, 0, 0], [10, 9, 0, 1], [127, 0, 0, 1]] {
          let u = await k.udp(line: line)
          for name in [join, join, leave, leave] {
            await k.set(u, 0, name, bytes: [239, 1, 2, 3] + home, line: line)
          }
          await k.close(u, line: line)
        }
      }
      await change()
      await k.route(s, add, "224.0.0.0", mask: "240.0.0.0", flags: up | reject)
      await change()
      await k.route(s, add, "239.0.0.0", mask: "255.0.0.0", device: "tap0")
      await change()
    },
    Scenario("gateways where there is no way", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.route(s, add, "2.0.0.0", via: "10.9.0.1", mask: "255.0.0.0", flags: up | gateway)
      await k.route(s, add, "3.0.0.0", via: "2.0.0.5", mask: "255.0.0.0", flags: up | gateway)
      await ask(k)
      await k.route(s, add, mask: "0.0.0.0", flags: up | reject)
      for router in ["9.9.9.9", "10.9.0.2", "10.9.0.255", "224.0.0.1", "0.1.1.1", "255.255.255.255", "10.9.0.1"] {
        for flags in [up, up | gateway] {
          await k.route(s, add, "4.0.0.0", via: router, mask: "255.0.0.0", flags: flags)
        }
      }
      await k.flags(s, "lo", 0)
      await k.route(s, add, "5.0.0.0", via: "9.9.9.9", mask: "255.0.0.0", flags: up | gateway)
      await k.flags(s, "lo", 1)
      for group: [UInt8] in [[224, 0, 0, 9], [239, 1, 1, 1], [255, 255, 255, 255], [8, 8, 8, 8]] {
        for isBound in [false, true] {
          let u = await k.udp()
          await k.set(u, 1, OptionName.SO_BROADCAST, 1)
          if isBound { await k.bind(u, 0, [10, 9, 0, 1]) }
          await k.connect(u, 9, group)
          await k.close(u)
        }
        let u = await k.udp()
        await k.set(u, 1, OptionName.SO_BROADCAST, 1)
        await k.set(u, 1, OptionName.SO_BINDTODEVICE, bytes: Array("tap0".utf8) + [0])
        await k.connect(u, 9, group)
        await k.port(u)
      }
    },
    Scenario("a route by lo", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.route(s, add, "33.0.0.0", mask: "255.0.0.0", device: "lo")
      let u = await k.udp()
      await k.connect(u, 9, [33, 1, 1, 1])
      await k.send(u, "data")
      await k.settle()
      await k.error(u)
      await k.neighbour(s, Request.SIOCGARP, "0.0.0.0", flags: 0, device: "lo")
      await k.neighbour(s, Request.SIOCSARP, "33.1.1.1", flags: 0, device: "lo", hardwareFamily: 772)
      await k.neighbour(s, Request.SIOCGARP, "0.0.0.0", flags: 0, device: "lo")
    },
    Scenario("routes of an interface that goes down", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      await k.route(s, add, via: "10.9.0.2", flags: up | gateway)
      await k.route(s, add, "11.0.0.1", flags: up | host | reject)
      await k.route(s, add, "3.0.0.0", mask: "255.0.0.0", device: "lo")
      await ask(k)
      await k.flags(s, "tap0", 0)
      await k.route(s, add, via: "10.9.0.2", flags: up | gateway)
      await k.route(s, add, "20.0.0.0", mask: "255.0.0.0", device: "tap0")
      await k.route(s, add, "20.0.0.0", via: "10.9.0.1", mask: "255.0.0.0", flags: up | gateway)
      await ask(k)
      await k.flags(s, "tap0", 1)
      await ask(k)
      await k.route(s, add, via: "10.9.0.2", flags: up | gateway)
      await k.address(s, Request.SIOCSIFNETMASK, "tap0", "255.255.0.0")
      await ask(k)
      await k.number(s, Request.SIOCSIFMTU, "lo", 60)
      await k.route(s, add, "4.0.0.0", mask: "255.0.0.0", device: "lo")
      await ask(k)
    },
    Scenario("routes from bad memory", needsRoot: true, isIsolated: true) { k in
      let s = await k.setUpInterfaces()
      for request in [add, remove] {
        for address in [0, 8] { await k.call(.ioctl, s, Int(request), address) }
        await k.route(s, request, "9.0.0.0", mask: "255.0.0.0")
      }
      await k.call(.ioctl, s, 0x890D, 0)
    },
  ]

  @Test("routes", arguments: routes) func route(_ scenario: Scenario) throws { try scenario.compare() }
}
