import EventLoop
import Events
import NetStack
import Packets
import Testing

@Suite("DHCP client")
struct DHCPTests {
  let network = TestNetwork(seed: 17)
  let server: ScriptedDHCPServer
  let host: TestHost
  let resolver: Resolver
  let client: DHCPClient

  init() throws {
    server = try ScriptedDHCPServer(network)
    host = network.addHost()
    resolver = Resolver(host.stack)
    client = DHCPClient(host.interface, resolver: resolver, hostName: "bench")
  }

  @Test("discover, offer, request, ack: address, route, MTU, servers and domain are set", arguments: [false, true])
  func acquires(unicast: Bool) throws {
    if unicast { server.unicastsTo = host }
    var states: [String] = []
    network.tap.attach { record in
      if case .stateChange(let object, _, let to) = record.event, object.hasPrefix("DHCP") { states.append(to) }
    }
    let lease = try network.loop.run { [client] in try await client.acquire(timeout: .seconds(10)) }
    #expect(lease.address == IPv4Subnet("10.0.0.50/24"))
    #expect(server.types == [.discover, .request])
    #expect(server.requests[1].requested == ScriptedDHCPServer.offered)
    #expect(server.requests[1].server == IPv4Address(10, 0, 0, 2))
    #expect(states == ["selecting", "requesting", "bound"])
    #expect(host.interface.addresses.map(\.subnet) == [lease.address])
    #expect(host.interface.mtu == 1400)
    #expect(host.stack.routes.lookUp(IPv4Address(8, 8, 8, 8)).route?.gateway == IPv4Address(10, 0, 0, 2))
    #expect(resolver.configuration.servers == [Endpoint(IPv4Address(10, 0, 0, 3), 53)])
    #expect(resolver.configuration.searchDomains == ["example.org"])
    let again = try network.loop.run { [client] in try await client.acquire(timeout: .seconds(1)) }
    #expect(again == lease && server.requests.count == 2)
  }

  @Test("without an answer discovers are repeated after 4, 8, 16, 32, 64 s, a second more or less")
  func backoff() throws {
    server.isSilent = true
    #expect(throws: DHCPError.timedOut) {
      try network.loop.run { [client] in try await client.acquire(timeout: .seconds(200)) }
    }
    let times = server.requests.map(\.time)
    let gaps = zip(times.dropFirst(), times).map { ($0 - $1).seconds }
    #expect(gaps.count == 6)
    for (gap, expected) in zip(gaps, [4.0, 8, 16, 32, 64, 64]) { #expect(abs(gap - expected) <= 1) }
    client.stop()
    #expect(network.loop.isIdle)
  }

  @Test("a request without an answer is repeated four times, then the client starts over")
  func requestBackoff() throws {
    server.respond = { [unowned server] in $0.type == .discover ? server.reply(.offer, to: $0, options: []) : nil }
    try client.start()
    network.advance(.seconds(70))
    #expect(server.types.prefix(6) == [.discover, .request, .request, .request, .request, .discover])
  }

  @Test("the lease is renewed by unicast at T1")
  func renews() throws {
    try client.start()
    network.advance(.seconds(1))
    network.advance(.seconds(1800))
    #expect(server.types == [.discover, .request, .request])
    let renewal = try #require(server.requests.last)
    #expect(!renewal.isBroadcast && renewal.clientAddress == ScriptedDHCPServer.offered && renewal.requested == nil)
    #expect(client.state == .bound)
    #expect(client.lease.map { $0.expiry > .zero + .seconds(5300) } == true)
    network.advance(.seconds(100_000))
    #expect(client.state == .bound && client.counters.expirations == 0)
  }

  @Test("a silent server is asked again by unicast, from T2 on by broadcast, and then the lease expires")
  func expires() throws {
    try client.start()
    network.advance(.seconds(1))
    var losses = 0
    client.onLease = { if $0 == nil { losses += 1 } }
    server.isSilent = true
    network.advance(.seconds(3149))
    #expect(client.state == .renewing)
    #expect(server.requests.dropFirst(2).allSatisfy { !$0.isBroadcast && $0.type == .request })
    network.advance(.seconds(10))
    #expect(client.state == .rebinding)
    #expect(server.requests.last?.isBroadcast == true)
    #expect(host.interface.addresses.count == 1)
    network.advance(.seconds(445))
    #expect(client.state == .selecting && losses == 1)
    #expect(client.counters.expirations == 1)
    #expect(host.interface.addresses.isEmpty && host.stack.routes.lookUp(IPv4Address(8, 8, 8, 8)).route == nil)
    #expect(resolver.configuration.servers.isEmpty)
    server.isSilent = false
    network.advance(.seconds(70))
    #expect(client.state == .bound)
  }

  @Test("a refusal of the renewal takes the address back and starts over, ever more slowly")
  func refused() throws {
    try client.start()
    network.advance(.seconds(1))
    server.respond = { [unowned server] request in
      request.type == .request ? server.reply(.negativeAcknowledge, to: request) : server.grant(request)
    }
    network.advance(.seconds(1800))
    #expect(client.counters.naksReceived >= 1)
    #expect(client.lease == nil && host.interface.addresses.isEmpty)
    let before = server.requests.count
    network.advance(.seconds(60))
    #expect(server.requests.count - before < 14)
    server.respond = nil
    network.advance(.seconds(100))
    #expect(client.state == .bound)
  }

  @Test("release tells the server and takes everything back")
  func releases() throws {
    try client.start()
    network.advance(.seconds(1))
    client.release()
    network.advance(.seconds(1))
    #expect(server.types.last == .release)
    #expect(server.requests.last?.clientAddress == ScriptedDHCPServer.offered)
    #expect(host.interface.addresses.isEmpty && client.state == .stopped)
  }

  @Test(
    "replies that are damaged, forged or impossible are counted and ignored",
    arguments: [
      "transaction", "hardware", "no server", "no lease time", "address", "mask", "not a reply", "other address",
    ])
  func hostile(kind: String) throws {
    server.respond = { [unowned server] request in
      guard var reply = server.grant(request) else { return nil }
      switch kind {
      case "transaction": reply.transactionIdentifier &+= 1
      case "hardware": reply.clientHardwareAddress = MACAddress(rawValue: 1)
      case "no server": reply.options.removeAll { $0.code == .serverIdentifier }
      case "no lease time": reply.options.removeAll { $0.code == .leaseTime }
      case "address": reply.yourAddress = IPv4Address(224, 0, 0, 1)
      case "mask":
        reply.options.removeAll { $0.code == .subnetMask }
        reply.options.append(DHCPOption(.subnetMask, IPv4Address(255, 0, 255, 0)))
      case "not a reply": reply.isRequest = true
      default: if request.type == .request { reply.yourAddress = IPv4Address(10, 0, 0, 51) }
      }
      return reply
    }
    #expect(throws: DHCPError.timedOut) {
      try network.loop.run { [client] in try await client.acquire(timeout: .seconds(10)) }
    }
    #expect(host.interface.addresses.isEmpty)
    #expect(client.counters.malformed + client.counters.unexpected > 0)
  }

  @Test(
    "an endless lease is never renewed, a tiny one not more often than its minimum allows", arguments: [UInt32.max, 0])
  func extremes(time: UInt32) throws {
    server.leaseTime = time
    try client.start()
    network.advance(.seconds(1))
    let before = server.requests.count
    network.advance(.seconds(1000))
    #expect(client.state == .bound)
    #expect(server.requests.count - before <= (time == 0 ? 250 : 0))
  }
}
