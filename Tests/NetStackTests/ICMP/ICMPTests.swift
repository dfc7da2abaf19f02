import EventLoop
import NetStack
import Packets
import Testing

@Suite("ICMP")
struct ICMPTests {
  let network = TestNetwork(seed: 13)
  let host: TestHost
  let station: Station
  let own = IPv4Address(10, 0, 0, 1)

  init() {
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.9")
    network.advance(.seconds(1))
    _ = station.take()
  }

  var counters: ICMPCounters { host.stack.icmp.counters }

  func echo(to target: IPv4Address, _ payload: [UInt8]) -> [UInt8] {
    station.wire(to: host).icmp(
      from: station.address, to: target, ICMPFields(type: 8, identifier: 7, sequenceNumber: 3), payload: payload)
  }

  @Test("an echo request is answered with the same data and a right checksum", arguments: [0, 1, 56, 1400])
  func answersEcho(size: Int) throws {
    let payload = pattern(size)
    station.send(echo(to: own, payload))
    network.advance(.milliseconds(1))
    let answer = try #require(station.takeDatagrams().first)
    let message = Array(answer[20...])
    #expect(message[0] == 0 && message[1] == 0 && message[5] == 7 && message[7] == 3)
    #expect(Array(message[8...]) == payload)
    #expect(InternetChecksum.checksum(of: message.span.bytes) == 0)
    #expect(counters.inEchos == 1 && counters.outEchoReps == 1)
  }

  @Test("an echo request of three fragments is answered in fragments")
  func fragmentedEcho() throws {
    let ping = network.addHost("10.0.0.2/24")
    let endpoint = ping.stack.icmp.open()
    let request = [8, 0, 0, 0, 0, 0, 0, 1] + pattern(4000)
    // The first one resolves the neighbour.
    try endpoint.send([8, 0, 0, 0, 0, 0, 0, 0], to: host.address)
    network.advance(.seconds(1))
    #expect(endpoint.receive()?.1.count == 8)
    try endpoint.send(request, to: host.address)
    network.advance(.seconds(1))
    let answer = try #require(endpoint.receive()?.1)
    #expect(Array(answer[8...]) == pattern(4000))
  }

  @Test("a broadcast echo request is ignored, unless the stack is told to answer")
  func broadcastEcho() {
    station.send(echo(to: IPv4Address(10, 0, 0, 255), pattern(8)))
    network.advance(.milliseconds(1))
    #expect(station.takeDatagrams().isEmpty && counters.inIgnored == 1)
    var configuration = StackConfiguration()
    configuration.ignoresBroadcastEcho = false
    let other = network.addHost("10.0.0.3/24", configuration: configuration)
    var wire = station.wire(to: other)
    wire.destination = .broadcast
    station.send(
      wire.icmp(
        from: station.address, to: IPv4Address(10, 0, 0, 255), ICMPFields(type: 8, identifier: 1, sequenceNumber: 1)))
    network.advance(.milliseconds(1))
    #expect(station.takeDatagrams().map { $0[15] } == [3], "from the own address")
  }

  @Test("a closed UDP port is answered with port unreachable that quotes the datagram")
  func portUnreachable() throws {
    let frame = station.wire(to: host).udp(from: station.address, 5000, to: own, 4000, payload: pattern(20))
    station.send(frame)
    network.advance(.milliseconds(1))
    let answer = try #require(station.takeDatagrams().first)
    #expect(answer[20] == 3 && answer[21] == 3)
    #expect(Array(answer[28...]) == Array(frame[14...]))
    #expect(counters.outDestUnreachs == 1 && host.stack.udp.counters.noPorts == 1)
  }

  @Test("no error about broadcasts, group frames, later fragments or ICMP errors", arguments: 0..<4)
  func forbidden(kind: Int) {
    var wire = station.wire(to: host)
    wire.dontFragment = false
    switch kind {
    case 0: station.send(wire.udp(from: station.address, 1, to: IPv4Address(10, 0, 0, 255), 4000, payload: [1]))
    case 1:
      wire.destination = .broadcast
      station.send(wire.udp(from: station.address, 1, to: own, 4000, payload: [1]))
    case 2:
      station.send(wire.ipv4(from: station.address, to: own, .udp, fragmentOffset: 800, payload: pattern(8)))
      network.advance(.seconds(40))
    default:
      station.send(
        wire.ipv4(
          from: station.address, to: own, .icmp, options: [0x44, 1, 0, 0], payload: [3, 3, 0, 0] + pattern(40)))
    }
    network.advance(.milliseconds(1))
    #expect(station.takeDatagrams().isEmpty)
  }

  @Test("errors are limited to six at once for a destination, then one a second")
  func hostRate() {
    station.send(echo(to: own, []))
    network.advance(.milliseconds(10))
    _ = station.take()
    for _ in 0..<20 {
      station.send(station.wire(to: host).udp(from: station.address, 1, to: own, 4000, payload: [1]))
    }
    network.advance(.milliseconds(10))
    #expect(station.takeDatagrams().count == 6)
    #expect(counters.outRateLimitHost == 14)
    network.advance(.seconds(2))
    for _ in 0..<20 {
      station.send(station.wire(to: host).udp(from: station.address, 1, to: own, 4000, payload: [1]))
    }
    network.advance(.milliseconds(10))
    #expect(station.takeDatagrams().count == 2)
  }

  @Test("errors are limited to a burst of fifty for all destinations together; echo replies are not")
  func globalRate() {
    for last in 10..<110 {
      station.send(
        station.wire(to: host).udp(from: IPv4Address(10, 0, 0, UInt8(last)), 1, to: own, 4000, payload: [1]))
    }
    network.advance(.milliseconds(5))
    #expect(counters.outDestUnreachs == 50 && counters.outRateLimitGlobal == 50)
    for _ in 0..<100 { station.send(echo(to: own, [])) }
    network.advance(.milliseconds(5))
    #expect(counters.outEchoReps == 100)
  }

  @Test("a port unreachable reaches the connected endpoint that it quotes, and only as its peer's answer")
  func deliveredErrors() throws {
    let client = host.stack.udp.open()
    try client.connect(to: Endpoint(station.address, 4000))
    var wasTold = false
    client.onReadiness = { if $0.contains(.error) { wasTold = true } }
    try client.send("hello")
    network.advance(.milliseconds(10))
    let sent = try #require(station.takeDatagrams().first)
    func answer(_ quote: [UInt8], code: UInt8 = 3) -> [UInt8] {
      station.wire(to: host).icmp(
        from: station.address, to: own, ICMPFields(type: 3, code: code), payload: quote)
    }
    var other = sent
    other[23] ^= 1
    station.send(answer(other))
    station.send(answer(Array(sent[..<24])))
    station.send(answer(sent, code: 1))
    var damaged = answer(sent)
    damaged[36] ^= 1
    station.send(damaged)
    network.advance(.milliseconds(10))
    #expect(!wasTold && client.takeError() == nil, "another port, a cut quote, a soft error, a bad checksum")
    station.send(answer(Array(sent[..<28])))
    network.advance(.milliseconds(10))
    #expect(wasTold)
    #expect(client.readiness.contains(.error))
    #expect(throws: NetworkError.connectionRefused) { try client.send("again") }
    #expect(client.takeError() == nil)
    client.receivesErrors = true
    station.send(answer(sent, code: 1))
    network.advance(.milliseconds(10))
    #expect(client.takeError() == .hostUnreachable)
  }

  @Test("fragmentation needed lowers the path's MTU, not below 552, and longer datagrams are then fragmented here")
  func pathMTU() throws {
    let client = host.stack.udp.open()
    try client.connect(to: Endpoint(station.address, 4000))
    try client.send(pattern(1400))
    network.advance(.milliseconds(10))
    let sent = try #require(station.takeDatagrams().first)
    func tooBig(_ mtu: UInt32) {
      station.send(
        station.wire(to: host).icmp(
          from: station.address, to: own, ICMPFields(type: 3, code: 4, parameter: mtu), payload: Array(sent[..<28])))
      network.advance(.milliseconds(10))
    }
    tooBig(1000)
    #expect(client.takeError() == .packetTooBig(mtu: 1000))
    #expect(client.pathMTU == 1000)
    try client.send(pattern(1400))
    network.advance(.milliseconds(10))
    #expect(station.takeDatagrams().map(\.count) == [996, 452])
    tooBig(68)
    #expect(client.pathMTU == 552)
    #expect(try host.stack.path(to: IPAddress(station.address), from: nil).mtu == 552)
    network.advance(.seconds(601))
    #expect(try host.stack.path(to: IPAddress(station.address), from: nil).mtu == 1500)
  }

  @Test("ping sockets get the replies to their identifier only")
  func pingSockets() throws {
    let first = host.stack.icmp.open()
    let second = host.stack.icmp.open()
    try second.bind(to: Endpoint(.any, 99))
    first.reusesAddress = false
    #expect(throws: NetworkError.addressInUse) { try first.bind(to: Endpoint(.any, 99)) }
    let message: [UInt8] = [8, 0, 0, 0, 0, 0, 0, 5] + pattern(10)
    try first.send(message, to: IPAddress(station.address))
    network.advance(.milliseconds(10))
    let request = try #require(station.takeDatagrams().first)
    #expect(UInt16(request[24]) << 8 | UInt16(request[25]) == first.identifier)
    station.send(
      station.wire(to: host).icmp(
        from: station.address, to: own, ICMPFields(type: 0, identifier: 99, sequenceNumber: 5), payload: pattern(10)))
    network.advance(.milliseconds(10))
    #expect(first.receive() == nil)
    #expect(second.receive()?.0.source.address == IPAddress(station.address))
    #expect(throws: NetworkError.invalidArgument) { try first.send([0, 0, 0, 0, 0, 0, 0, 0], to: host.address) }
  }
}
