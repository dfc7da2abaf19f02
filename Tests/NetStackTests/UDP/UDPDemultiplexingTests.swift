import EventLoop
import NetStack
import Packets
import Testing

@Suite("UDP ports and demultiplexing")
struct UDPDemultiplexingTests {
  let network = TestNetwork(seed: 23)
  let host: TestHost
  let station: Station
  let own = IPv4Address(10, 0, 0, 1)

  init() {
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.9")
    network.advance(.seconds(1))
  }

  func open(_ address: IPv4Address = .any, _ port: UInt16, peer: Endpoint? = nil) throws -> UDPEndpoint {
    let endpoint = host.stack.udp.open()
    try endpoint.bind(to: Endpoint(address, port))
    if let peer { try endpoint.connect(to: peer) }
    return endpoint
  }

  func send(from port: UInt16, to target: IPv4Address? = nil, _ payload: [UInt8] = [1]) {
    station.send(station.wire(to: host).udp(from: station.address, port, to: target ?? own, 9, payload: payload))
    network.advance(.milliseconds(1))
  }

  @Test("the best match wins: connected, then bound to the address, then the wildcard")
  func bestMatch() throws {
    let peer = Endpoint(station.address, 1000)
    let wildcard = host.stack.udp.open()
    let bound = host.stack.udp.open()
    let connected = host.stack.udp.open()
    for endpoint in [wildcard, bound, connected] { endpoint.reusesAddress = true }
    try wildcard.bind(to: Endpoint(.any, 9))
    try bound.bind(to: Endpoint(own, 9))
    try connected.bind(to: Endpoint(own, 9))
    try connected.connect(to: peer)
    send(from: 1000)
    send(from: 1001)
    #expect(connected.queuedCount == 1 && bound.queuedCount == 1 && wildcard.queuedCount == 0)
    bound.close()
    connected.close()
    send(from: 1000)
    #expect(wildcard.queuedCount == 1)
  }

  @Test("a broadcast reaches all endpoints of the port")
  func broadcast() throws {
    let first = host.stack.udp.open()
    let second = host.stack.udp.open()
    for endpoint in [first, second] {
      endpoint.reusesAddress = true
      try endpoint.bind(to: Endpoint(.any, 9))
    }
    send(from: 1, to: IPv4Address(10, 0, 0, 255))
    #expect(first.queuedCount == 1 && second.queuedCount == 1)
  }

  @Test("flows are spread over the endpoints that share a port, and each stays where it is")
  func reusePort() throws {
    let sharers = try (0..<4).map { _ in
      let endpoint = host.stack.udp.open()
      endpoint.reusesPort = true
      try endpoint.bind(to: Endpoint(.any, 9))
      return endpoint
    }
    for port in 1...40 as ClosedRange<UInt16> { for _ in 0..<2 { send(from: port) } }
    #expect(sharers.allSatisfy { $0.queuedCount > 0 && $0.queuedCount % 2 == 0 })
    #expect(sharers.map(\.queuedCount).reduce(0, +) == 80)
  }

  @Test("binding conflicts as in Linux")
  func conflicts() throws {
    let first = try open(own, 9)
    #expect(throws: NetworkError.addressInUse) { _ = try open(.any, 9) }
    #expect(throws: NetworkError.addressInUse) { _ = try open(own, 9) }
    _ = try open(.loopback, 9)
    first.close()
    _ = try open(own, 9)
    #expect(throws: NetworkError.addressNotAvailable) { _ = try open(IPv4Address(10, 0, 0, 77), 10) }
    let bound = try open(own, 11)
    #expect(throws: NetworkError.invalidArgument) { try bound.bind(to: Endpoint(own, 12)) }
  }

  @Test("ephemeral ports are random, of Linux's range, and run out with an error")
  func ephemeral() throws {
    var configuration = StackConfiguration()
    let ports = try (0..<50).map { _ in try open(.any, 0).local.port }
    #expect(ports.allSatisfy { (32768...60999).contains($0) } && Set(ports).count == 50)
    #expect(ports != ports.sorted())
    configuration.ephemeralPorts = 40000...40003
    let small = network.addHost("10.0.0.2/24", configuration: configuration)
    let held = try (0..<4).map { _ in
      let endpoint = small.stack.udp.open()
      try endpoint.bind(to: Endpoint(.any, 0))
      return endpoint
    }
    #expect(Set(held.map(\.local.port)) == Set(40000...40003))
    #expect(throws: NetworkError.addressInUse) { try small.stack.udp.open().bind(to: Endpoint(.any, 0)) }
  }

  @Test("a bad checksum is dropped and counted, none at all is accepted")
  func checksums() throws {
    let endpoint = try open(9)
    var frame = station.wire(to: host).udp(from: station.address, 1, to: own, 9, payload: [1, 2, 3])
    frame[40] ^= 0x40
    station.send(frame)
    network.advance(.milliseconds(1))
    #expect(endpoint.queuedCount == 0 && host.stack.udp.counters.inCsumErrors == 1)
    (frame[40], frame[41]) = (0, 0)
    station.send(frame)
    network.advance(.milliseconds(1))
    #expect(endpoint.queuedCount == 1)
    frame[39] = 60
    station.send(frame)
    network.advance(.milliseconds(1))
    #expect(host.stack.udp.counters.inErrors == 2)
  }

  func open(_ port: UInt16) throws -> UDPEndpoint { try open(.any, port) }

  @Test("a full queue drops and counts; what is read makes room again, in order", arguments: 1...4)
  func queue(seed: Int) throws {
    let endpoint = try open(9)
    endpoint.receiveQueueLimit = 20_000
    let random = SeededRandom(seed: UInt64(seed))
    var expected: [[UInt8]] = []
    for round in 0..<400 {
      if random.chance(0.6) {
        let payload = pattern(Int(random.uniform(0...1400)), seed: round)
        let before = endpoint.drops
        send(from: 5, payload)
        if endpoint.drops == before { expected.append(payload) }
      } else if !expected.isEmpty {
        #expect(endpoint.receive()?.1 == expected.removeFirst())
      }
    }
    #expect(endpoint.queuedCount == expected.count)
    #expect(endpoint.drops > 0 && endpoint.drops == host.stack.udp.counters.rcvbufErrors)
    for payload in expected { #expect(endpoint.receive()?.1 == payload) }
  }

  @Test("broadcasting needs permission; a busy device says so and tells when it is not")
  func sending() throws {
    let endpoint = try open(9)
    let everybody = Endpoint(IPv4Address(10, 0, 0, 255), 9)
    #expect(throws: NetworkError.permissionDenied) { try endpoint.send("x", to: everybody) }
    endpoint.allowsBroadcast = true
    try endpoint.send("x", to: everybody)
    #expect(throws: NetworkError.destinationRequired) { try endpoint.send("x") }
    #expect(throws: NetworkError.noRoute) { try endpoint.send("x", to: Endpoint(IPv4Address(8, 8, 8, 8), 9)) }
    let small = network.addHost("10.0.0.3/24", buffers: 4)
    small.device.bandwidth = 1_000_000
    network.advance(.seconds(1))
    let sender = small.stack.udp.open()
    sender.allowsBroadcast = true
    var wasTold = false
    sender.onReadiness = { if $0.contains(.writable) { wasTold = true } }
    var sent = 0
    #expect(throws: NetworkError.wouldBlock) {
      for _ in 0..<10 {
        try sender.send("x", to: everybody)
        sent += 1
      }
    }
    #expect(sent == 4 && !sender.readiness.contains(.writable))
    network.advance(.seconds(1))
    #expect(wasTold && sender.readiness.contains(.writable))
    #expect(small.device.buffersInUse == 0)
  }
}
