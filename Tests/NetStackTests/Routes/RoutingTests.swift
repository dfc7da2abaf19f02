import EventLoop
import NetStack
import Packets
import Testing

@Suite("Routes and paths")
struct RoutingTests {
  let network = TestNetwork(seed: 31)
  let host: TestHost

  init() { host = network.addHost("10.0.0.1/24") }

  var routes: RoutingTable { host.stack.routes }
  func gateway(_ last: UInt8) -> IPv4Address { IPv4Address(10, 0, 0, last) }

  @Test("the longest prefix wins, then the lowest metric")
  func longestPrefix() throws {
    try routes.addDefault(gateway: gateway(2), interface: host.interface, metric: 100)
    try routes.addDefault(gateway: gateway(3), interface: host.interface, metric: 10)
    for (prefix, last) in [("192.0.0.0/8", 4), ("192.0.2.0/24", 5), ("192.0.2.128/25", 6)] {
      try routes.add(
        Route(prefix: IPv4Subnet(prefix)!, gateway: gateway(UInt8(last)), interface: host.interface))
    }
    let expected: [(String, UInt8?)] = [
      ("8.8.8.8", 3), ("192.1.1.1", 4), ("192.0.2.1", 5), ("192.0.2.200", 6), ("10.0.0.77", nil),
    ]
    for (target, last) in expected {
      #expect(routes.lookUp(IPv4Address(target)!).route?.gateway == last.map(gateway))
    }
    routes.remove { $0.metric == 10 }
    #expect(routes.lookUp(IPv4Address(8, 8, 8, 8)).route?.gateway == gateway(2))
  }

  @Test("a gateway must be on a network of the interface")
  func gatewayOnLink() {
    #expect(throws: NetworkError.networkUnreachable) {
      try routes.addDefault(gateway: IPv4Address(172, 16, 0, 1), interface: host.interface)
    }
  }

  @Test("paths choose the source, go to the router, and end with the routes they stand on")
  func paths() throws {
    try routes.addDefault(gateway: gateway(2), interface: host.interface)
    host.interface.add(IPv4Subnet("172.16.0.5/16")!)
    let far = try host.stack.path(to: IPAddress(IPv4Address(8, 8, 8, 8)), from: nil)
    #expect(far.nextHop == gateway(2) && far.source == host.address)
    let near = try host.stack.path(to: IPAddress(IPv4Address(172, 16, 9, 9)), from: nil)
    #expect(near.source == IPAddress(IPv4Address(172, 16, 0, 5)) && near.nextHop == IPv4Address(172, 16, 9, 9))
    let local = try host.stack.path(to: host.address, from: nil)
    #expect(local.interface.isLoopback && local.mtu == 65536 && local.source == host.address)
    #expect(far.isValid)
    host.interface.remove(IPv4Address(172, 16, 0, 5))
    #expect(!far.isValid && !near.isValid)
    #expect(throws: NetworkError.noRoute) {
      try host.stack.path(to: IPAddress(IPv4Address(8, 8, 8, 8)), from: IPAddress(IPv4Address(1, 2, 3, 4)))
    }
    #expect(throws: NetworkError.addressFamilyNotSupported) {
      try host.stack.path(to: IPAddress(high: 1, low: 1), from: nil)
    }
  }

  @Test("who stays on the link uses no router")
  func onLinkOnly() throws {
    try routes.addDefault(gateway: gateway(2), interface: host.interface)
    let far = IPAddress(IPv4Address(8, 8, 8, 8))
    let group = IPAddress(IPv4Address(224, 0, 0, 5))
    #expect(try host.stack.path(to: far, from: nil).nextHop == gateway(2))
    #expect(throws: NetworkError.noRoute) { try host.stack.path(to: far, from: nil, staysOnLink: true) }
    #expect(throws: NetworkError.noRoute) { try host.stack.path(to: group, from: nil, staysOnLink: true) }
    // An interface or a source that is named stands for its link.
    let index = host.interface.index
    #expect(try host.stack.path(to: far, from: nil, via: index, staysOnLink: true).nextHop == far.v4)
    #expect(try host.stack.path(to: group, from: host.address, staysOnLink: true).interface === host.interface)
    let near = IPAddress(IPv4Address(10, 0, 0, 9))
    #expect(try host.stack.path(to: near, from: nil, staysOnLink: true).nextHop == near.v4)
    // For one datagram, or for all of an endpoint.
    let endpoint = host.stack.udp.open()
    try endpoint.send([1].span.bytes, to: Endpoint(far, 9))
    var control = DatagramControl()
    control.staysOnLink = true
    #expect(throws: NetworkError.noRoute) { try endpoint.send([1].span.bytes, to: Endpoint(far, 9), control: control) }
    endpoint.rules.staysOnLink = true
    #expect(throws: NetworkError.noRoute) { try endpoint.send([1].span.bytes, to: Endpoint(far, 9)) }
    endpoint.close()
  }

  @Test("without a link there is no route, and neighbours are forgotten")
  func linkDown() throws {
    let target = IPAddress(IPv4Address(10, 0, 0, 9))
    var changes: [Bool] = []
    host.stack.onLinkChange = { changes.append($1) }
    let path = try host.stack.path(to: target, from: nil)
    let buffer = try #require(path.reserve(transportLength: 4))
    path.submit(buffer, transportLength: 4, protocol: .udp, offload: .none)
    host.device.isLinkUp = false
    #expect(!path.isValid && host.interface.neighbours.entries.isEmpty)
    #expect(throws: NetworkError.noRoute) { try host.stack.path(to: target, from: nil) }
    host.device.isLinkUp = true
    #expect(throws: Never.self) { try host.stack.path(to: target, from: nil) }
    #expect(changes == [false, true])
    network.advance(.seconds(5))
    #expect(host.device.buffersInUse == 0)
  }
}
