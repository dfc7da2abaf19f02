import EventLoop
import NetStack
import Packets
import Testing

@Suite("NAPT: sessions")
struct NAPTTableTests {
  private func send(_ endpoint: UDPEndpoint, _ port: UInt16, _ network: RoutedNetwork) throws {
    try endpoint.send("x", to: Endpoint(RoutedNetwork.serverAddress, port))
    network.advance(.milliseconds(10))
  }

  @Test("a full table makes room by the flow that was silent longest, and never by an established connection")
  func eviction() throws {
    var configuration = NAPTConfiguration()
    configuration.sessionLimit = 4
    let network = try RoutedNetwork(configuration: configuration)
    let (client, server, _) = try network.connect()
    let guest = network.guest.stack.udp.open()
    for port in 1000..<1010 { try send(guest, UInt16(port), network) }
    let translation = try #require(network.translation)
    #expect(translation.sessionCount == 4 && translation.counters.sessionsEvicted == 7)
    let (out, home) = network.exchange(client, server, pattern(5000), pattern(5000), limit: .seconds(5))
    #expect(out.isComplete && home.isComplete)
  }

  @Test("when every session is an established connection a new flow is refused and counted")
  func full() throws {
    var configuration = NAPTConfiguration()
    configuration.sessionLimit = 2
    let network = try RoutedNetwork(configuration: configuration)
    let one = try network.connect(port: 80)
    let two = try network.connect(port: 81)
    let guest = network.guest.stack.udp.open()
    try send(guest, 1000, network)
    #expect(network.translation?.counters.tableFull == 1 && network.translation?.sessionCount == 2)
    #expect(one.client.state == .established && two.client.state == .established)
    // One that closes makes room.
    one.client.close()
    one.server.close()
    network.advance(.seconds(2))
    try send(guest, 1000, network)
    #expect(network.translation?.counters.sessionsEvicted == 1 && network.translation?.counters.tableFull == 1)
  }

  @Test("when no outer port is free a new endpoint is refused, and an old one still gets sessions")
  func ports() throws {
    var configuration = NAPTConfiguration()
    configuration.ports = 2000...2003
    let network = try RoutedNetwork(configuration: configuration)
    let endpoints = (0..<3).map { _ in network.guest.stack.udp.open() }
    try endpoints[0].bind(to: Endpoint(.any, 2001))
    for (index, port) in [2001, 4001, 4003].enumerated() {
      if index > 0 { try endpoints[index].bind(to: Endpoint(.any, UInt16(port))) }
      try send(endpoints[index], 1000, network)
    }
    let translation = try #require(network.translation)
    // Two ports are odd.
    #expect(translation.sessionCount == 2 && translation.counters.portsExhausted == 1)
    try send(endpoints[0], 1001, network)
    #expect(translation.sessionCount == 3)
  }

  @Test("UDP flows end after 300 s of silence, not before, and give their ports back")
  func udpExpiry() throws {
    let network = try RoutedNetwork()
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    for _ in 0..<3 {
      try send(guest, 1000, network)
      network.advance(.seconds(299))
      #expect(network.translation?.sessionCount == 1)
    }
    network.advance(.seconds(2))
    #expect(network.translation?.sessionCount == 0 && network.translation?.counters.sessionsOpened == 1)
    try send(guest, 1000, network)
    #expect(network.translation?.counters.portsPreserved == 2)
  }

  @Test("an established connection lives two hours of silence; one that was closed four minutes")
  func tcpExpiry() throws {
    let network = try RoutedNetwork()
    let idle = try network.connect(port: 80)
    network.advance(.seconds(7300))
    #expect(network.translation?.sessionCount == 1)
    let (out, home) = network.exchange(idle.client, idle.server, pattern(100), pattern(100), limit: .seconds(5))
    #expect(out.isComplete && home.isComplete)
    idle.client.close()
    idle.server.close()
    network.advance(.seconds(230))
    #expect(network.translation?.sessionCount == 1)
    network.advance(.seconds(90))
    #expect(network.translation?.sessionCount == 0)
  }

  @Test("a short flow ends in its time beside a connection that lives long")
  func shortBesideLong() throws {
    let network = try RoutedNetwork()
    _ = try network.connect()
    network.advance(.seconds(300))
    let ping = network.guest.stack.icmp.open()
    try ping.send([8, 0, 0, 0, 0, 0, 0, 1], to: IPAddress(RoutedNetwork.serverAddress))
    network.advance(.seconds(1))
    #expect(network.translation?.sessionCount == 2)
    network.advance(.seconds(60))
    #expect(network.translation?.sessionCount == 1)
  }

  @Test("an attempt to connect that nobody answers is forgotten after four minutes")
  func attempts() throws {
    let network = try RoutedNetwork()
    _ = try network.guest.stack.tcp.connect(to: Endpoint(IPv4Address(10, 0, 2, 77), 80))
    network.advance(.seconds(5))
    #expect(network.translation?.sessionCount == 1)
    network.advance(.seconds(600))
    #expect(network.translation?.sessionCount == 0)
  }

  @Test("with another outer address everything starts over")
  func newAddress() throws {
    let network = try RoutedNetwork()
    let guest = network.guest.stack.udp.open()
    try send(guest, 1000, network)
    network.outer.remove(RoutedNetwork.outerAddress)
    try send(guest, 1000, network)
    #expect(network.translation?.counters.outbound == 1)
    network.outer.add(IPv4Subnet("10.0.2.16/24")!)
    let server = network.server.stack.udp.open()
    try server.bind(to: Endpoint(.any, 1000))
    try send(guest, 1000, network)
    network.advance(.seconds(2))
    #expect(server.receive()?.0.source.address == IPAddress(IPv4Address(10, 0, 2, 16)))
    #expect(network.translation?.sessionCount == 1)
  }

  @Test("protocols without ports are refused, and the sender is told")
  func otherProtocols() throws {
    let network = try RoutedNetwork()
    let station = Station(network.inside, "192.168.76.9")
    network.advance(.seconds(1))
    _ = station.take()
    station.send(
      network.wire(from: station).ipv4(
        from: station.address, to: RoutedNetwork.serverAddress, IPProtocol(rawValue: 47), payload: pattern(40)))
    network.advance(.seconds(1))
    let error = try #require(station.takeDatagrams().first)
    #expect(error[20] == 3 && error[21] == 13)
    #expect(network.translation?.counters.notTranslatable == 1)
  }

  @Test("a UDP datagram without a checksum stays without")
  func noChecksum() throws {
    let network = try RoutedNetwork()
    let far = Station(network.outside, "10.0.2.9")
    let station = Station(network.inside, "192.168.76.9")
    network.advance(.seconds(1))
    let payload: [UInt8] = [0x13, 0x88, 0, 9, 0, 12, 0, 0, 1, 2, 3, 4]
    station.send(network.wire(from: station).ipv4(from: station.address, to: far.address, .udp, payload: payload))
    network.advance(.seconds(1))
    let datagram = try #require(far.takeDatagrams().first { $0[9] == 17 })
    #expect(Array(datagram[20...]) == payload)
  }
}
