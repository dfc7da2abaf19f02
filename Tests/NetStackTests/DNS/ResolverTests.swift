import EventLoop
import NetStack
import Packets
import Testing

@Suite("DNS resolver")
struct ResolverTests {
  let network = TestNetwork(seed: 19)
  let server: ScriptedDNSServer
  let second: ScriptedDNSServer
  let host: TestHost
  let resolver: Resolver
  let one = IPv4Address(192, 0, 2, 1)

  init() throws {
    server = try ScriptedDNSServer(network, "10.0.0.3/24", tcp: true)
    second = try ScriptedDNSServer(network, "10.0.0.4/24")
    host = network.addHost("10.0.0.1/24")
    resolver = Resolver(host.stack)
    resolver.configuration.servers = [server.host.address, second.host.address].map { Endpoint($0, 53) }
  }

  func resolve(_ name: String, _ family: AddressFamily = .any) throws -> [IPAddress] {
    try network.loop.run { [resolver] in try await resolver.resolve(name, family: family) }
  }

  func address(_ query: DNSMessage, ttl: UInt32 = 60) -> DNSMessage {
    query.response([DNSRecord(name: query.questions[0].name, timeToLive: ttl, address: one)])
  }

  @Test("literal addresses and hosts entries need no server")
  func literals() throws {
    #expect(try resolve("192.0.2.7") == [IPAddress(IPv4Address(192, 0, 2, 7))])
    #expect(try resolve("::1", .ipv6) == [IPAddress(high: 0, low: 1)])
    #expect(try resolve("localhost") == [IPAddress(.loopback)])
    #expect(try resolve("LOCALHOST.") == [IPAddress(.loopback)])
    #expect(try resolve("a.localhost", .ipv6) == [IPAddress(high: 0, low: 1)])
    #expect(throws: ResolveError.notFound) { try resolve("192.0.2.7", .ipv6) }
    #expect(throws: ResolveError.malformed) { try resolve("a..b") }
    #expect(throws: ResolveError.malformed) { try resolve("") }
    #expect(server.questions.isEmpty)
  }

  @Test("an answer is kept as long as its TTL says, each question has its own port and identifier")
  func cache() throws {
    server.respond = { address($0) }
    #expect(try resolve("www.example.com") == [IPAddress(one)])
    network.advance(.seconds(59))
    #expect(try resolve("WWW.example.com") == [IPAddress(one)])
    #expect(server.questions.count == 1 && resolver.counters.cacheHits == 1)
    network.advance(.seconds(2))
    #expect(try resolve("www.example.com") == [IPAddress(one)])
    #expect(server.questions.count == 2)
    for index in 0..<20 { _ = try resolve("n\(index).example.com") }
    #expect(Set(server.sources.map(\.port)).count > 18)
    #expect(Set(server.identifiers).count > 18)
    #expect(host.stack.udp.endpoints.isEmpty)
  }

  @Test("aliases are followed inside an answer and with another question; foreign records are ignored")
  func aliases() throws {
    let (www, cdn, edge) = (DNSName("www.example.com")!, DNSName("cdn.example.net")!, DNSName("edge.example.net")!)
    server.respond = { query in
      let name = query.questions[0].name
      if name == www {
        return query.response([
          DNSRecord(name: edge, timeToLive: 600, address: IPv4Address(6, 6, 6, 6)),
          DNSRecord(name: www, timeToLive: 30, alias: cdn),
        ])
      }
      return query.response([
        DNSRecord(name: cdn, timeToLive: 600, alias: edge), DNSRecord(name: edge, timeToLive: 600, address: one),
        DNSRecord(name: DNSName("bank.example")!, timeToLive: 600, address: IPv4Address(6, 6, 6, 6)),
      ])
    }
    #expect(try resolve("www.example.com") == [IPAddress(one)])
    #expect(server.questions.map(\.name) == [www, cdn])
    network.advance(.seconds(31))
    _ = try resolve("www.example.com")
    #expect(server.questions.count == 4, "the alias's TTL counts too")
    server.respond = {
      $0.response([DNSRecord(name: $0.questions[0].name, timeToLive: 9, alias: $0.questions[0].name)])
    }
    #expect(throws: ResolveError.notFound) { try resolve("loop.example.com") }
  }

  @Test("a name that does not exist is remembered as long as the SOA record says")
  func negative() throws {
    let authority = DNSStartOfAuthority(
      primary: .root, mailbox: .root, serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 20)
    server.respond = { query in
      var answer = query.response(code: .nameError)
      answer.authorities = [
        DNSRecord(name: DNSName("example.com")!, type: .soa, timeToLive: 900, data: .soa(authority))
      ]
      return answer
    }
    for _ in 0..<3 { #expect(throws: ResolveError.notFound) { try resolve("no.example.com") } }
    #expect(server.questions.count == 1 && resolver.counters.negativeCacheHits == 2)
    network.advance(.seconds(21))
    #expect(throws: ResolveError.notFound) { try resolve("no.example.com") }
    #expect(server.questions.count == 2)
  }

  @Test("IPv6 addresses are asked for by their own type")
  func ipv6() throws {
    let address = IPv6Address("2001:db8::7")!
    server.respond = { $0.response([DNSRecord(name: $0.questions[0].name, timeToLive: 9, address: address)]) }
    #expect(try resolve("six.example.com", .ipv6) == [IPAddress(high: address.high, low: address.low)])
    #expect(server.questions.map(\.type) == [.aaaa])
  }

  @Test("silent servers: 5 s each, then 5 s each again, then the time is up")
  func timeouts() throws {
    server.respond = { _ in nil }
    second.respond = { _ in nil }
    let start = network.loop.now
    #expect(throws: ResolveError.timedOut) { try resolve("www.example.com") }
    #expect((network.loop.now - start).seconds == 20)
    #expect(server.questions.count == 2 && second.questions.count == 2)
    second.respond = { address($0) }
    #expect(try resolve("www.example.com") == [IPAddress(one)])
    #expect((network.loop.now - start).seconds < 25.1)
  }

  @Test("a server that fails or refuses hands over to the next at once")
  func failures() throws {
    let start = network.loop.now
    second.respond = { address($0) }
    #expect(try resolve("a.example.com") == [IPAddress(one)])
    server.endpoint.close()
    #expect(try resolve("b.example.com") == [IPAddress(one)])
    #expect((network.loop.now - start).seconds < 1)
    second.respond = { $0.response(code: .refused) }
    #expect(throws: ResolveError.serverFailure) { try resolve("c.example.com") }
    resolver.configuration.servers = []
    #expect(throws: ResolveError.noServers) { try resolve("d.example.com") }
  }

  @Test("forged answers are ignored until the true one comes")
  func forged() throws {
    let evil = IPv4Address(6, 6, 6, 6)
    server.raw = { [one] query in
      let name = query.questions[0].name
      var wrongIdentifier = query.response([DNSRecord(name: name, timeToLive: 9, address: evil)])
      wrongIdentifier.identifier &+= 1
      var wrongQuestion = query.response([DNSRecord(name: name, timeToLive: 9, address: evil)])
      wrongQuestion.questions[0].name = DNSName("other.example.com")!
      var noResponse = query
      noResponse.answers = [DNSRecord(name: name, timeToLive: 9, address: evil)]
      let right = query.response([DNSRecord(name: name, timeToLive: 9, address: one)])
      return [wrongIdentifier, wrongQuestion, noResponse, right].map { $0.encoded() }
    }
    #expect(try resolve("www.example.com") == [IPAddress(one)])
    #expect(resolver.counters.mismatched == 3)
  }

  @Test("an answer from another host does not arrive at the question's port")
  func foreignSource() throws {
    let station = Station(network, "10.0.0.66")
    server.respond = { [network, host] query in
      let forged = query.response([
        DNSRecord(name: query.questions[0].name, timeToLive: 9, address: IPv4Address.loopback)
      ])
      let port = server.sources.last!.port
      station.send(
        station.wire(to: host).udp(
          from: station.address, 53, to: IPv4Address(10, 0, 0, 1), port, payload: forged.encoded()))
      _ = network
      return nil
    }
    resolver.configuration.servers = [Endpoint(server.host.address, 53)]
    #expect(throws: ResolveError.timedOut) { try resolve("www.example.com") }
  }

  @Test("a damaged answer counts as none; the next server is asked")
  func damaged() throws {
    server.raw = { query in [Array(address(query).encoded().dropLast(3))] }
    second.respond = { address($0) }
    #expect(try resolve("www.example.com") == [IPAddress(one)])
    #expect(resolver.counters.malformed == 1)
    resolver.configuration.servers = [Endpoint(server.host.address, 53)]
    #expect(throws: ResolveError.malformed) { try resolve("b.example.com") }
  }

  @Test("a truncated answer is asked for again over TCP")
  func truncated() throws {
    server.respond = { query in
      var answer = query.response()
      answer.isTruncated = true
      return answer
    }
    let many = (0..<120).map { IPv4Address(198, 51, 100, UInt8($0)) }
    server.respondOverTCP = { query in
      query.response(many.map { DNSRecord(name: query.questions[0].name, timeToLive: 9, address: $0) })
    }
    #expect(try resolve("many.example.com") == many.map { IPAddress($0) })
    #expect(resolver.counters.truncated == 1 && resolver.counters.overTCP == 1)
  }

  @Test("short names get the search domains first, names with dots last")
  func search() throws {
    resolver.configuration.searchDomains = ["example.org", "example.net"]
    server.respond = { query in
      query.questions[0].name == DNSName("www.example.net") ? address(query) : query.response(code: .nameError)
    }
    #expect(try resolve("www") == [IPAddress(one)])
    #expect(server.questions.map(\.name.description) == ["www.example.org", "www.example.net"])
    #expect(throws: ResolveError.notFound) { try resolve("www.example") }
    #expect(
      server.questions.dropFirst(2).map(\.name.description) == [
        "www.example", "www.example.example.org", "www.example.example.net",
      ])
    #expect(throws: ResolveError.notFound) { try resolve("www.") }
    #expect(server.questions.last?.name == DNSName("www"))
  }

  @Test("the cache is bounded")
  func bounded() throws {
    var configuration = ResolverConfiguration()
    configuration.cacheLimit = 4
    configuration.servers = [Endpoint(server.host.address, 53)]
    let small = Resolver(host.stack, configuration: configuration)
    server.respond = { address($0) }
    try network.loop.run { for index in 0..<10 { _ = try await small.resolve("n\(index).example.com") } }
    #expect(small.cacheCount == 4)
  }
}
