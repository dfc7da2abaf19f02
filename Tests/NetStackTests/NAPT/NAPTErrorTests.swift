import EventLoop
import NetStack
import Packets
import Testing

@Suite("NAPT: ICMP errors")
struct NAPTErrorTests {
  let network: RoutedNetwork
  let far: Station

  init() throws {
    network = try RoutedNetwork()
    far = Station(network.outside, "10.0.2.9")
    network.advance(.seconds(1))
    _ = far.take()
  }

  private var outer: IPv4Address { RoutedNetwork.outerAddress }

  /// An ICMP error from `far` that quotes `datagram`, in whole or in part.
  private func report(_ datagram: [UInt8], type: UInt8 = 3, code: UInt8, parameter: UInt32 = 0, limit: Int = 548) {
    far.send(
      network.outerWire(from: far).icmp(
        from: far.address, to: outer, ICMPFields(type: type, code: code, parameter: parameter),
        payload: Array(datagram.prefix(limit))))
    network.advance(.milliseconds(10))
  }

  @Test(
    "a port unreachable from outside reaches the inner endpoint that it is about, from a quotation of any length",
    arguments: [
      28, 29, 100,
    ])
  func unreachable(quoted: Int) throws {
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    try guest.connect(to: Endpoint(far.address, 9))
    try guest.send(pattern(200))
    network.advance(.seconds(1))
    let datagram = try #require(far.takeDatagrams().first)
    report(datagram, code: 3, limit: quoted)
    #expect(throws: NetworkError.connectionRefused) { try guest.send("again") }
    #expect(network.translation?.counters.errorsInbound == 1)
    // The session stays (RFC 5508 REQ-5).
    #expect(network.translation?.sessionCount == 1)
  }

  @Test("what the guest gets quotes its own datagram, with right checksums inside and outside")
  func quotation() throws {
    let raw = network.guest.stack.raw.open(.icmp)
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    try guest.send(pattern(60), to: Endpoint(far.address, 9))
    network.advance(.seconds(1))
    report(try #require(far.takeDatagrams().first), code: 13)
    let datagram = try #require(raw.receive()?.1)
    let header = IPv4Header(datagram.span.bytes)!
    #expect(header.isChecksumValid && header.source == far.address && header.destination == RoutedNetwork.guestAddress)
    let message = ICMPv4Message(header.payload)!
    #expect(message.isChecksumValid && message.code == 13)
    let quote = IPv4Header(message.payload)!
    #expect(quote.isChecksumValid && quote.source == RoutedNetwork.guestAddress && quote.destination == far.address)
    let udp = UDPHeader(quote.payload)!
    #expect(udp.sourcePort == 5000 && udp.isChecksumValid(quote.pseudoHeader(length: udp.length)))
  }

  @Test("fragmentation needed on the way lowers the guest's path MTU, and its connection goes on")
  func pathMTU() throws {
    let (client, server, _) = try network.connect()
    let before = network.guest.stack.tcp.counters.retransmittedSegments
    // A router outside that carries 800 bytes.
    network.outside.disturb = { [outside = network.outside, far, wire = network.outerWire(from: far)] flight in
      guard flight.sender !== far.device, flight.bytes.count > 814, flight.bytes[12] == 8, flight.bytes[26] == 10,
        flight.bytes[29] == 15
      else { return }
      flight.copies = 0
      outside.inject(
        wire.icmp(
          from: far.address, to: RoutedNetwork.outerAddress, ICMPFields(type: 3, code: 4, parameter: 800),
          payload: Array(flight.bytes[14..<(14 + 64)])), from: far.device)
    }
    let (out, home) = network.exchange(client, server, pattern(100_000), [], limit: .seconds(100))
    #expect(out.isComplete && home.isComplete, "\(out.progress)")
    #expect(network.guest.stack.tcp.counters.retransmittedSegments > before)
  }

  @Test("a guest's own error about what came in leaves with the outer address, outside and in the quotation")
  func fromInside() throws {
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    try guest.send("question", to: Endpoint(far.address, 9))
    network.advance(.seconds(1))
    _ = far.take()
    guest.close()
    far.send(
      network.outerWire(from: far).udp(from: far.address, 9, to: outer, 5000, payload: pattern(50)))
    network.advance(.seconds(1))
    let datagram = try #require(far.takeDatagrams().first { $0[9] == 1 })
    let header = IPv4Header(datagram.span.bytes)!
    #expect(header.source == outer && header.isChecksumValid)
    let message = ICMPv4Message(header.payload)!
    #expect(message.isChecksumValid && message.kind == .destinationUnreachable && message.code == 3)
    let quote = IPv4Header(message.payload)!
    #expect(quote.destination == outer && quote.isChecksumValid)
    let udp = UDPHeader(quote.payload)!
    #expect(udp.destinationPort == 5000 && udp.isChecksumValid(quote.pseudoHeader(length: udp.length)))
  }

  @Test("an error about an echo request finds its sender")
  func echo() throws {
    let raw = network.guest.stack.raw.open(.icmp)
    let guest = network.guest.stack.icmp.open()
    try guest.bind(to: Endpoint(.any, 7))
    try guest.send([8, 0, 0, 0, 0, 0, 0, 1] + pattern(20), to: IPAddress(far.address))
    network.advance(.seconds(1))
    report(try #require(far.takeDatagrams().first), type: 11, code: 0)
    let datagram = try #require(raw.receive()?.1)
    let quote = IPv4Header(ICMPv4Message(IPv4Header(datagram.span.bytes)!.payload)!.payload)!
    let message = ICMPv4Message(quote.payload)!
    #expect(message.identifier == 7 && message.isChecksumValid && quote.source == RoutedNetwork.guestAddress)
  }

  @Test("errors about nothing that is known, damaged ones, and errors about errors reach nobody inside")
  func hostile() throws {
    let raw = network.guest.stack.raw.open(.icmp)
    let guest = network.guest.stack.udp.open()
    try guest.bind(to: Endpoint(.any, 5000))
    try guest.send("question", to: Endpoint(far.address, 9))
    network.advance(.seconds(1))
    let datagram = try #require(far.takeDatagrams().first)
    func changed(_ place: Int, _ value: UInt8) -> [UInt8] {
      var copy = datagram
      copy[place] = value
      return copy
    }
    // Another source, another port, another peer, a later fragment, a header that is cut, nothing at all.
    for quote in [
      changed(15, 77), changed(21, 1), changed(19, 4), changed(7, 9), Array(datagram.prefix(27)), changed(0, 0x4F), [],
      [UInt8](repeating: 0xFF, count: 40),
    ] { report(quote, code: 3) }
    var frame = network.outerWire(from: far).icmp(
      from: far.address, to: outer, ICMPFields(type: 3, code: 3), payload: datagram)
    frame[36] ^= 1
    far.send(frame)
    network.advance(.seconds(1))
    #expect(raw.receive() == nil && network.translation?.counters.errorsInbound == 0)
  }

  @Test("random datagrams from both sides neither stop the router nor grow the table beyond its limit")
  func random() throws {
    var configuration = NAPTConfiguration()
    configuration.sessionLimit = 50
    let network = try RoutedNetwork(configuration: configuration)
    let near = Station(network.inside, "192.168.76.9")
    let far = Station(network.outside, "10.0.2.9")
    let random = network.inside.loop.random
    for _ in 0..<3000 {
      let size = Int(random.uniform(0...80))
      let payload = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let kind = [IPProtocol.tcp, .udp, .icmp, IPProtocol(rawValue: 47)][Int(random.uniform(0...3))]
      let isFragment = random.chance(0.2)
      let offset = isFragment ? UInt16(random.uniform(0...100)) * 8 : 0
      var (a, b) = (
        network.wire(from: near).ipv4(
          from: near.address, to: far.address, kind, moreFragments: isFragment, fragmentOffset: offset, payload: payload
        ),
        network.outerWire(from: far).ipv4(
          from: far.address, to: RoutedNetwork.outerAddress, kind, moreFragments: isFragment, fragmentOffset: offset,
          payload: payload)
      )
      if random.chance(0.3) { a[Int(random.uniform(14...Int64(a.count - 1)))] ^= 0x11 }
      if random.chance(0.3) { b[Int(random.uniform(14...Int64(b.count - 1)))] ^= 0x11 }
      near.send(a)
      far.send(b)
      network.advance(.milliseconds(1))
      #expect(network.translation!.sessionCount <= 50)
    }
    // It still works.
    let guest = network.guest.stack.udp.open()
    try guest.send("alive", to: Endpoint(far.address, 9))
    _ = far.take()
    network.advance(.seconds(5))
    #expect(far.takeDatagrams().contains { $0.suffix(5).elementsEqual("alive".utf8) })
  }
}
