import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: listening, ports, limits")
struct TCPListenerTests {
  @Test("a full accept queue drops SYNs; room lets them in again")
  func backlog() throws {
    let pair = TCPPair()
    try pair.listen(backlog: 1)
    let clients = try (0..<4).map { _ in try pair.a.stack.tcp.connect(to: pair.serverEndpoint) }
    pair.network.advance(.milliseconds(100))
    #expect(pair.listener.acceptableCount == 2)
    #expect(pair.b.stack.tcp.counters.listenDrops + pair.b.stack.tcp.counters.listenOverflows > 0)
    var accepted = 0
    for _ in 0..<200 {
      while pair.listener.accept() != nil { accepted += 1 }
      pair.network.advance(.milliseconds(100))
    }
    #expect(accepted == 4)
    #expect(clients.allSatisfy { $0.state == .established })
  }

  @Test("a flood of SYNs holds no more than the queue, and all of it is forgotten")
  func synFlood() throws {
    let peer = ScriptedPeer()
    try peer.listen(backlog: 16)
    for port in 1...500 { peer.inject(.syn, port * 7, from: UInt16(port)) }
    peer.wait(.seconds(1))
    #expect(peer.tcp.connections.count <= 1 + 17)
    #expect(peer.tcp.counters.requestQueueFullDrops > 400)
    peer.wait(.seconds(120))
    #expect(peer.tcp.connections.count == 1)
  }

  @Test("closing a listener resets what nobody accepted")
  func closeListener() throws {
    let pair = TCPPair()
    try pair.listen()
    let client = try pair.a.stack.tcp.connect(to: pair.serverEndpoint)
    pair.network.advance(.milliseconds(10))
    #expect(client.state == .established)
    pair.listener.close()
    pair.network.advance(.milliseconds(10))
    #expect(client.takeError() == .connectionReset)
    #expect(pair.b.stack.tcp.connections.isEmpty)
  }

  @Test("a port is bound once, unless both sides allow reuse and nobody listens")
  func bind() throws {
    let pair = TCPPair()
    let tcp = pair.b.stack.tcp
    let any = Endpoint(IPv4Address.any, 90)
    let first = try tcp!.bind(any)
    #expect(throws: NetworkError.addressInUse) { _ = try tcp!.bind(Endpoint(pair.b.address, 90), reuseAddress: true) }
    first.release()
    let second = try tcp!.bind(any, reuseAddress: true)
    _ = try tcp!.bind(Endpoint(pair.b.address, 90), reuseAddress: true)
    _ = try tcp!.listen(on: second)
    #expect(throws: NetworkError.addressInUse) { _ = try tcp!.bind(any, reuseAddress: true) }
    #expect(throws: NetworkError.addressNotAvailable) { _ = try tcp!.bind(Endpoint(IPv4Address(9, 9, 9, 9), 1)) }
  }

  @Test("a SYN with newer timestamps takes the place of a TIME-WAIT")
  func timeWaitReuse() throws {
    let peer = ScriptedPeer()
    var options = TCPOptions()
    options.hasTimestamps = true
    options.timestampValue = 100
    try peer.establish(options: options)
    options.timestampEcho = peer.lastOptions.timestampValue
    peer.connection.close()
    peer.wait(.milliseconds(1))
    options.timestampValue = 101
    peer.send(.fin, 1, ack: 2, options: options)
    #expect(peer.state == .timeWait)
    _ = peer.take()
    options.timestampValue = 5000
    options.timestampEcho = 0
    peer.send(.syn, 0, options: options)
    #expect(peer.take().map(\.flags) == [[.syn, .ack]])
    #expect(peer.tcp.counters.timeWaitsRecycled == 1)
    #expect(peer.state == .synReceived)
  }

  @Test("TIME-WAITs are bounded")
  func timeWaitLimit() throws {
    let pair = TCPPair { $0.configuration.maximumTimeWaits = 3 }
    try pair.listen(backlog: 64)
    for _ in 0..<6 {
      let client = try pair.a.stack.tcp.connect(to: pair.serverEndpoint)
      pair.network.advance(.milliseconds(5))
      client.close()
      pair.network.advance(.milliseconds(5))
      pair.listener.accept()?.close()
      pair.network.advance(.milliseconds(5))
    }
    #expect(pair.a.stack.tcp.connections.count == 3)
    #expect(pair.a.stack.tcp.counters.timeWaitOverflows == 3)
    pair.network.advance(.seconds(61))
    #expect(pair.a.stack.tcp.connections.isEmpty)
  }

  @Test("challenge ACKs are limited a second, over all connections")
  func challengeLimit() throws {
    let peer = ScriptedPeer {
      $0.configuration.challengeAckLimit = 5
      $0.configuration.invalidAckInterval = .zero
    }
    try peer.establish()
    for _ in 0..<20 { peer.inject(.rst, 10) }
    peer.wait(.milliseconds(1))
    #expect(peer.take().count == 5)
    #expect(peer.tcp.counters.challengeAcks == 5)
    #expect(peer.tcp.counters.skippedAcks == 15)
    peer.wait(.seconds(1))
    peer.send(.rst, 10)
    #expect(peer.take().count == 1)
  }

  @Test("a connection answers invalid segments every half second, whatever is wrong with them; data and FIN always")
  func invalidAnswerLimit() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.send(.rst, 10)
    #expect(peer.take().count == 1)
    // A reset and a SYN inside of the window, a SYN and an empty segment outside of it.
    for (flags, sequence) in [(.rst, 10), (.syn, 10), (.syn, -1000), (.ack, -1000)] as [(TCPFlags, Int)] {
      peer.send(flags, sequence)
      #expect(peer.take().isEmpty)
    }
    #expect(peer.tcp.counters.skippedAcks == 4)
    #expect(peer.tcp.counters.challengeAcks == 1)
    for (flags, count) in [(.ack, 3), ([.fin, .ack], 0)] as [(TCPFlags, Int)] {
      peer.send(flags, -1000, count: count)
      #expect(peer.take().count == 1)
    }
    peer.wait(.milliseconds(490))
    peer.send(.syn, 10)
    #expect(peer.take().isEmpty)
    peer.wait(.milliseconds(11))
    // An empty segment takes the one of this half second.
    peer.send(.ack, -1000)
    #expect(peer.take().count == 1)
    peer.send(.syn, 10)
    #expect(peer.take().isEmpty)
    peer.wait(.milliseconds(501))
    peer.send(.syn, 10)
    #expect(peer.take().count == 1)
    #expect(peer.tcp.counters.challengeAcks == 2)
  }

  @Test("initial sequence numbers differ by connection and grow with time")
  func initialNumbers() throws {
    var starts: Set<UInt32> = []
    let network = TestNetwork()
    let host = network.addHost("10.0.0.1/24")
    let station = Station(network, "10.0.0.2")
    for port in 1...50 {
      _ = try host.stack.tcp.connect(to: Endpoint(IPAddress(station.address), UInt16(port)))
      network.advance(.milliseconds(1))
    }
    for datagram in station.takeDatagrams() {
      guard let header = IPv4Header(datagram.span.bytes), let segment = TCPHeader(header.payload) else { continue }
      starts.insert(segment.sequenceNumber)
    }
    #expect(starts.count == 50)
  }
}
