import EventLoop
import NetStack
import Packets
import Testing

@Suite("IPv4 forwarding")
struct ForwardingTests {
  let network: RoutedNetwork
  let station: Station
  let far = IPv4Address(10, 0, 2, 9)
  let listener: Station

  /// Without translation: what leaves is what came, one hop further.
  init() throws {
    network = try RoutedNetwork(translates: false)
    station = Station(network.inside, "192.168.76.9")
    listener = Station(network.outside, "10.0.2.9")
    network.advance(.seconds(1))
    _ = station.take()
    _ = listener.take()
  }

  private var wire: FrameBuilder { network.wire(from: station) }

  private func send(_ frame: [UInt8]) {
    station.send(frame)
    network.advance(.milliseconds(10))
  }

  /// The ICMP message that the station got: type, code, second word, and what it quotes.
  private func report() -> (source: IPv4Address, type: UInt8, code: UInt8, parameter: UInt32, quote: [UInt8])? {
    for datagram in station.takeDatagrams() where datagram[9] == 1 {
      let message = Array(datagram[20...])
      #expect(InternetChecksum.checksum(of: message.span.bytes) == 0)
      let parameter = message[4..<8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      return (IPv4Header(datagram.span.bytes)!.source, message[0], message[1], parameter, Array(message[8...]))
    }
    return nil
  }

  @Test(
    "a datagram goes on with its time to live one less and a right checksum, otherwise unchanged", arguments: [0, 20])
  func forwards(optionBytes: Int) throws {
    // Record route: passes as it is.
    let options: [UInt8] = optionBytes == 0 ? [] : [7, 19, 4] + [UInt8](repeating: 0, count: 16) + [0]
    let frame = wire.ipv4(from: station.address, to: far, .udp, options: options, payload: pattern(500))
    send(frame)
    let datagram = try #require(listener.takeDatagrams().first)
    let sent = Array(frame[14...])
    let header = IPv4Header(datagram.span.bytes)!
    #expect(header.timeToLive == 63 && header.isChecksumValid)
    var expected = sent
    expected[8] = 63
    expected[10] = datagram[10]
    expected[11] = datagram[11]
    #expect(datagram == expected)
    #expect(network.router.counters.forwarded == 1 && network.stack.ip.counters.forwDatagrams == 1)
    #expect(network.stack.ip.counters.outRequests == network.stack.icmp.counters.outMsgs)
  }

  @Test("a host that is no router forwards nothing")
  func offByDefault() {
    network.stack.stopForwarding()
    let before = network.stack.ip.counters.inAddrErrors
    send(wire.udp(from: station.address, 5, to: far, 5, payload: [1]))
    #expect(listener.takeDatagrams().isEmpty && report() == nil)
    #expect(network.stack.ip.counters.inAddrErrors == before + 1)
  }

  @Test("a time to live that ends here is reported to the sender, from the interface that faces it", arguments: [0, 1])
  func timeExceeded(ttl: UInt8) throws {
    var wire = wire
    wire.timeToLive = ttl
    let frame = wire.udp(from: station.address, 1000, to: far, 2000, payload: pattern(30))
    send(frame)
    let error = try #require(report())
    #expect(error.type == 11 && error.code == 0 && error.source == IPv4Address(192, 168, 76, 1))
    #expect(error.quote == Array(frame[14...]))
    #expect(listener.takeDatagrams().isEmpty && network.router.counters.timeExceeded == 1)
  }

  @Test("a datagram that is too long for the next link is reported with its MTU, or cut up if it may be")
  func longDatagrams() throws {
    let network = try RoutedNetwork(translates: false, outerMTU: 600)
    let station = Station(network.inside, "192.168.76.9")
    let listener = Station(network.outside, "10.0.2.9")
    network.advance(.seconds(1))
    _ = station.take()
    var wire = network.wire(from: station)
    station.send(wire.udp(from: station.address, 1, to: far, 2, payload: pattern(1000)))
    network.advance(.milliseconds(10))
    let error = try #require(station.takeDatagrams().first { $0[9] == 1 })
    #expect(error[20] == 3 && error[21] == 4 && error[26] == 0x02 && error[27] == 0x58)
    #expect(network.router.counters.fragmentationNeeded == 1)

    wire.dontFragment = false
    wire.identification = 77
    let endpoint = network.server.stack.udp.open()
    try endpoint.bind(to: Endpoint(.any, 2))
    station.send(wire.udp(from: station.address, 1, to: RoutedNetwork.serverAddress, 2, payload: pattern(1000)))
    network.advance(.seconds(1))
    #expect(endpoint.receive()?.1 == pattern(1000))
    #expect(network.router.counters.fragmented == 1)
    // One with options: only those that are to be copied are in every piece.
    _ = listener.take()
    let options: [UInt8] = [0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0]
    station.send(wire.ipv4(from: station.address, to: far, .udp, options: options, payload: pattern(1200)))
    network.advance(.seconds(1))
    let pieces = listener.takeDatagrams()
    #expect(pieces.count == 3)
    let headers = pieces.map { IPv4Header($0.span.bytes)!.headerLength }
    #expect(headers == [32, 24, 24])
    #expect(pieces.allSatisfy { IPv4Header($0.span.bytes)!.isChecksumValid && $0.count <= 600 })
    let payload = zip(pieces, headers).flatMap { $0[$1...] }
    #expect(payload == pattern(1200))
  }

  @Test("fragments are forwarded as they are")
  func fragments() {
    for (offset, more) in [(0, true), (800, false)] {
      send(
        wire.ipv4(
          from: station.address, to: far, .udp, moreFragments: more, fragmentOffset: UInt16(offset),
          payload: pattern(800)))
    }
    let pieces = listener.takeDatagrams().map { IPv4Header($0.span.bytes)!.fragmentOffset }
    #expect(pieces == [0, 800])
  }

  @Test("without a route the sender is told that the network cannot be reached")
  func noRoute() throws {
    network.stack.routes.remove { $0.prefix.prefixLength == 0 }
    send(wire.udp(from: station.address, 1, to: IPv4Address(8, 8, 8, 8), 2, payload: [1]))
    let error = try #require(report())
    #expect(error.type == 3 && error.code == 0)
    #expect(network.router.counters.noRoute == 1)
  }

  @Test("a host of the next network that does not answer ARP is reported as unreachable")
  func silentHost() throws {
    send(wire.udp(from: station.address, 1, to: IPv4Address(10, 0, 2, 99), 2, payload: [1]))
    network.advance(.seconds(10))
    let error = try #require(report())
    #expect(error.type == 3 && error.code == 1)
  }

  @Test(
    "broadcast, multicast, link-local, loopback and reserved destinations are never forwarded",
    arguments: [
      "255.255.255.255", "10.0.2.255", "192.168.76.255", "224.0.0.5", "239.1.1.1", "169.254.7.7", "127.0.0.1",
      "0.0.0.5",
      "240.0.0.1",
    ])
  func destinations(address: String) {
    send(wire.udp(from: station.address, 1, to: IPv4Address(address)!, 2, payload: [1]))
    #expect(listener.takeDatagrams().isEmpty && network.router.counters.forwarded == 0)
  }

  @Test(
    "sources that cannot be, or not on this side, are martians",
    arguments: [
      "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.1.1", "192.168.76.1", "192.168.76.255",
      "10.0.2.15", "10.0.2.7", "8.8.8.8",
    ])
  func sources(address: String) {
    send(wire.udp(from: IPv4Address(address)!, 1, to: far, 2, payload: [1]))
    #expect(listener.takeDatagrams().isEmpty && network.router.counters.forwarded == 0)
    #expect(network.router.counters.martians == 1)
  }

  @Test("what came in a broadcast or multicast frame is not forwarded")
  func linkGroups() {
    var frame = wire.udp(from: station.address, 1, to: far, 2, payload: [1])
    frame.replaceSubrange(0..<6, with: [UInt8](repeating: 0xFF, count: 6))
    send(frame)
    #expect(listener.takeDatagrams().isEmpty && network.router.counters.forwarded == 0)
  }

  @Test("source routes and damaged headers are refused")
  func refused() {
    send(wire.ipv4(from: station.address, to: far, .udp, options: [0x83, 7, 4, 10, 0, 2, 2], payload: pattern(20)))
    var frame = wire.udp(from: station.address, 1, to: far, 2, payload: [1])
    frame[24] ^= 1
    send(frame)
    #expect(listener.takeDatagrams().isEmpty && network.router.counters.forwarded == 0)
    #expect(network.stack.ip.counters.inSourceRoutes == 1 && network.stack.ip.counters.inCsumErrors == 1)
  }

  @Test("TCP runs through the router both ways")
  func tcp() throws {
    let (client, server, _) = try network.connect()
    let (out, home) = network.exchange(client, server, pattern(200_000), pattern(300_000, seed: 5))
    #expect(out.isComplete && home.isComplete, "\(out.progress), \(home.progress)")
    #expect(client.remote.address == IPAddress(RoutedNetwork.serverAddress))
    #expect(server.remote.address == IPAddress(RoutedNetwork.guestAddress))
  }

  @Test("frames for which the outgoing device has no buffer are dropped and counted, and nothing is held back")
  func congestion() throws {
    network.outerDevice.bandwidth = 1_000_000
    // The neighbour first.
    send(wire.udp(from: station.address, 1, to: far, 2, payload: [1]))
    for _ in 0..<400 { station.send(wire.udp(from: station.address, 1, to: far, 2, payload: pattern(1000))) }
    network.advance(.seconds(20))
    #expect(network.router.counters.noBuffer > 0)
    #expect(network.router.counters.noBuffer + network.router.counters.forwarded == 401)
    #expect(network.outerDevice.buffersInUse == 0)
  }
}
