import EventLoop
import Link
import NetStack
import Packets
import Testing

@Suite("NAPT")
struct NAPTTests {
  @Test(
    "TCP goes through both ways, with offloads on and off, and the server sees the outer address",
    arguments: DeviceFeaturesOfTest.allCases)
  func tcp(features: DeviceFeaturesOfTest) throws {
    let network = try RoutedNetwork(features: features.value)
    let (client, server, _) = try network.connect()
    #expect(server.remote.address == IPAddress(RoutedNetwork.outerAddress))
    let (out, home) = network.exchange(client, server, pattern(400_000), pattern(300_000, seed: 5))
    #expect(out.isComplete && home.isComplete, "\(out.progress), \(home.progress)")
    // No checksum was spoilt on the way.
    #expect(network.server.stack.tcp.counters.inChecksumErrors == 0)
    #expect(network.guest.stack.tcp.counters.inChecksumErrors == 0)
  }

  @Test("TCP survives loss, reordering, duplication and damage on both sides", arguments: 1...8)
  func impaired(seed: Int) throws {
    let network = try RoutedNetwork(seed: UInt64(seed))
    let (client, server, _) = try network.connect()
    network.inside.disturb = impairment(network.inside, rate: 0.03)
    network.outside.disturb = impairment(network.outside, rate: 0.03)
    let (out, home) = network.exchange(
      client, server, pattern(200_000), pattern(200_000, seed: 9), limit: .seconds(2000))
    #expect(out.isComplete && home.isComplete, "\(out.progress), \(home.progress)")
  }

  @Test("UDP keeps its port where it is free; the other direction comes back to the same endpoint")
  func udp() throws {
    let network = try RoutedNetwork()
    let server = network.server.stack.udp.open()
    try server.bind(to: Endpoint(.any, 53))
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    try guest.send("question", to: Endpoint(RoutedNetwork.serverAddress, 53))
    network.advance(.seconds(1))
    let (record, _) = try #require(server.receive())
    #expect(record.source == Endpoint(RoutedNetwork.outerAddress, 5000))
    try server.send("answer", to: record.source)
    network.advance(.seconds(1))
    let (answer, bytes) = try #require(guest.receive())
    #expect(answer.source == Endpoint(RoutedNetwork.serverAddress, 53) && bytes == Array("answer".utf8))
    #expect(network.translation?.counters.portsPreserved == 1)
    // Somebody else, or another port, is not let in.
    let other = network.server.stack.udp.open()
    try other.bind(to: Endpoint(.any, 54))
    try other.send("knock", to: record.source)
    network.advance(.seconds(1))
    #expect(guest.receive() == nil)
  }

  @Test("one inner endpoint has one outer port for all its peers; two that want the same port get two")
  func mapping() throws {
    let network = try RoutedNetwork()
    let second = network.inside.addHost("192.168.76.16/24")
    try second.stack.routes.addDefault(gateway: IPv4Address(192, 168, 76, 1), interface: second.interface)
    var sources: [[UInt16]] = []
    let servers = try [1000, 1001, 1002].map { (port: UInt16) in
      let endpoint = network.server.stack.udp.open()
      try endpoint.bind(to: Endpoint(.any, port))
      return endpoint
    }
    for host in [network.guest, second] {
      let endpoint = host.stack.udp.open()
      try endpoint.bind(to: Endpoint(.any, 5001))
      for port in [1000, 1001, 1002] as [UInt16] {
        try endpoint.send("x", to: Endpoint(RoutedNetwork.serverAddress, port))
        network.advance(.milliseconds(1500))
      }
      sources.append(servers.compactMap { $0.receive()?.0.source.port })
    }
    #expect(sources[0] == [5001, 5001, 5001])
    #expect(Set(sources[1]).count == 1 && sources[1].count == 3 && sources[1][0] != 5001)
    // The parity stays (RFC 4787 REQ-4).
    #expect(sources[1][0] & 1 == 1)
    #expect(network.translation?.sessionCount == 6)
  }

  @Test("echo requests get their replies, also two hosts with the same identifier")
  func ping() throws {
    let network = try RoutedNetwork()
    let second = network.inside.addHost("192.168.76.16/24")
    try second.stack.routes.addDefault(gateway: IPv4Address(192, 168, 76, 1), interface: second.interface)
    let endpoints = try [network.guest, second].map { host in
      let endpoint = host.stack.icmp.open()
      try endpoint.bind(to: Endpoint(.any, 99))
      try endpoint.send([8, 0, 0, 0, 0, 0, 0, 1] + pattern(40), to: IPAddress(RoutedNetwork.serverAddress))
      return endpoint
    }
    network.advance(.seconds(1))
    for endpoint in endpoints {
      let (record, bytes) = try #require(endpoint.receive())
      #expect(record.source.address == IPAddress(RoutedNetwork.serverAddress) && Array(bytes[8...]) == pattern(40))
    }
    // Identifiers are not ports: small ones are kept too.
    #expect(network.translation?.sessionCount == 2 && network.translation?.counters.portsPreserved == 1)
    network.advance(.seconds(61))
    #expect(network.translation?.sessionCount == 0 && network.translation?.counters.sessionsExpired == 2)
  }

  @Test("a fragmented datagram is put together, translated and sent in pieces again")
  func fragments() throws {
    let network = try RoutedNetwork()
    let server = network.server.stack.udp.open()
    try server.bind(to: Endpoint(.any, 7))
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    try guest.send("first", to: Endpoint(RoutedNetwork.serverAddress, 7))
    network.advance(.seconds(1))
    _ = server.receive()
    try guest.send(pattern(9000), to: Endpoint(RoutedNetwork.serverAddress, 7))
    network.advance(.seconds(1))
    let (record, bytes) = try #require(server.receive())
    #expect(bytes == pattern(9000) && record.source == Endpoint(RoutedNetwork.outerAddress, 5000))
    try server.send(pattern(7000, seed: 3), to: record.source)
    network.advance(.seconds(1))
    #expect(guest.receive()?.1 == pattern(7000, seed: 3))
  }

  @Test("the host's own connections and services work besides those that are translated")
  func local() throws {
    let network = try RoutedNetwork()
    let service = network.stack.udp.open()
    try service.bind(to: Endpoint(.any, 9))
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    try guest.send("to the router", to: Endpoint(IPv4Address(192, 168, 76, 1), 9))
    let outsider = network.server.stack.udp.open()
    try outsider.send("from outside", to: Endpoint(RoutedNetwork.outerAddress, 9))
    network.advance(.seconds(1))
    let sources = [service.receive()?.0.source.address, service.receive()?.0.source.address]
    #expect(
      sources.contains(IPAddress(RoutedNetwork.guestAddress))
        && sources.contains(IPAddress(RoutedNetwork.serverAddress)))
    let listener = try network.server.stack.tcp.listen(on: Endpoint(RoutedNetwork.serverAddress, 80), backlog: 1)
    let own = try network.stack.tcp.connect(to: Endpoint(RoutedNetwork.serverAddress, 80))
    network.advance(.seconds(1))
    #expect(own.state == .established && listener.accept() != nil)
    #expect(network.translation?.sessionCount == 0)
  }

  @Test("unsolicited segments from outside get the host's own answer, and reach nobody inside")
  func unsolicited() throws {
    let network = try RoutedNetwork()
    let connection = try network.server.stack.tcp.connect(to: Endpoint(RoutedNetwork.outerAddress, 8080))
    network.advance(.seconds(1))
    #expect(connection.state == .closed)
    // Straight to the inside, by a neighbour that knows the way.
    try network.server.stack.routes.add(
      Route(
        prefix: IPv4Subnet("192.168.76.0/24")!, gateway: RoutedNetwork.outerAddress, interface: network.server.interface
      ))
    let endpoint = network.server.stack.udp.open()
    try endpoint.send("x", to: Endpoint(RoutedNetwork.guestAddress, 5000))
    network.advance(.seconds(1))
    #expect(network.router.counters.unsolicited == 1 && network.router.counters.forwarded == 0)
  }
}
