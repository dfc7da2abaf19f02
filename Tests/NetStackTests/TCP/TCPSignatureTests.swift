import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: segments signed with MD5 (RFC 2385)")
struct TCPSignatureTests {
  private static func parameters(_ address: String, _ text: String) -> TCPParameters {
    var parameters = TCPParameters()
    parameters.signatureKeys = TCPSignatureKeys(
      TCPSignatureKey(address: IPv4Address(address)!, bytes: Array(text.utf8)))
    return parameters
  }

  /// A SYN from 10.0.0.2:4000 to 10.0.0.1:80 with the sequence number 1000, MSS 1460 and SACK permitted, whose
  /// signature and checksum were computed with Python's hashlib for the key "secret of two".
  private static let signedSyn: [UInt8] = [
    0x0F, 0xA0, 0x00, 0x50, 0x00, 0x00, 0x03, 0xE8, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x02, 0xFF, 0xFF, 0xDC, 0x8E, 0x00,
    0x00, 0x01, 0x01, 0x13, 0x12, 0x5E, 0xF9, 0x0A, 0x62, 0x36, 0x7E, 0x94, 0x25, 0x68, 0x1F, 0x76, 0x1C, 0xC4, 0x40,
    0x44, 0x13, 0x02, 0x04, 0x05, 0xB4, 0x01, 0x01, 0x04, 0x02,
  ]

  private static func send(_ segment: [UInt8], by peer: ScriptedPeer) {
    let frame = peer.station.wire(to: peer.host).ipv4(
      from: peer.station.address, to: peer.host.interface.addresses[0].address, .tcp, payload: segment)
    peer.station.send(frame)
    peer.wait(.milliseconds(1))
  }

  @Test("a SYN with the signature that another implementation computed is answered by a signed one without timestamps")
  func knownSignature() throws {
    let peer = ScriptedPeer()
    try peer.listen(parameters: Self.parameters("10.0.0.2", "secret of two"))
    Self.send(Self.signedSyn, by: peer)
    #expect(peer.take().map(\.flags) == [[.syn, .ack]])
    #expect(peer.lastOptions.hasSignature && !peer.lastOptions.hasTimestamps)
    #expect(peer.lastOptions.maximumSegmentSize == 1460)
  }

  @Test("a SYN without, with an unexpected or with a wrong signature is dropped and counted")
  func wrongSignatures() throws {
    let peer = ScriptedPeer()
    try peer.listen(parameters: Self.parameters("10.0.0.2", "secret of two"))
    peer.send(.syn, 0)
    #expect(peer.take().isEmpty)
    #expect(peer.tcp.counters.signatureMissing == 1)
    for place in [0, 5, 24, 39] {
      var changed = Self.signedSyn
      changed[place] ^= 1
      // The checksum is made right again: one word's bit more or less.
      let word = UInt16(changed[16]) << 8 | UInt16(changed[17])
      let (before, after) = (UInt32(Self.signedSyn[place]), UInt32(changed[place]))
      let unit: UInt32 = place % 2 == 0 ? 256 : 1
      var sum = UInt32(~word) + after * unit + (0xFFFF - before * unit)
      sum = (sum & 0xFFFF) + sum >> 16
      sum = (sum & 0xFFFF) + sum >> 16
      changed[16] = UInt8(truncatingIfNeeded: ~sum >> 8)
      changed[17] = UInt8(truncatingIfNeeded: ~sum)
      Self.send(changed, by: peer)
    }
    #expect(peer.take().isEmpty)
    #expect(peer.tcp.counters.signatureFailures == 4)
    let other = ScriptedPeer()
    try other.listen()
    Self.send(Self.signedSyn, by: other)
    #expect(other.take().isEmpty)
    #expect(other.tcp.counters.signatureUnexpected == 1)
  }

  @Test("a signed segment that nobody listens to is not answered; an unsigned one is reset")
  func strangers() throws {
    let peer = ScriptedPeer()
    Self.send(Self.signedSyn, by: peer)
    #expect(peer.take().isEmpty)
    peer.send(.syn, 0)
    #expect(peer.take().map(\.flags) == [[.rst, .ack]])
    // Who listens on the port that the segment came from has the key of both: the reset is signed.
    _ = try peer.tcp.listen(
      on: Endpoint(peer.host.address, 4000), parameters: Self.parameters("10.0.0.2", "secret of two"))
    Self.send(Self.signedSyn, by: peer)
    #expect(peer.take().map(\.flags) == [[.rst, .ack]])
    #expect(peer.lastOptions.hasSignature)
  }

  @Test("a megabyte each way between stacks with one key", arguments: DeviceFeaturesOfTest.allCases, [0, 1])
  func exchange(_ features: DeviceFeaturesOfTest, loss: Int) throws {
    let pair = TCPPair(features: features)
    try pair.connect(Self.parameters("10.0.0.2", "one key"), server: Self.parameters("10.0.0.1", "one key"))
    #expect(pair.client.info.sendMSS == 1460 && !pair.client.info.usesTimestamps)
    if loss > 0 { pair.network.disturb = { flight in if flight.number % 50 < loss { flight.copies = 0 } } }
    let (out, home) = NetStackTests.exchange(pair, there: pattern(1 << 20), back: pattern(1 << 20, seed: 7))
    #expect(out.isComplete, "\(out.progress)")
    #expect(home.isComplete, "\(home.progress)")
    for host in [pair.a, pair.b] {
      let counters = host.stack.tcp.counters
      #expect(counters.signatureFailures == 0 && counters.signatureMissing == 0 && counters.inErrors == 0)
    }
    pair.client.close()
    pair.server.close()
    pair.expectNothingLeft()
  }

  @Test("with keys that differ the attempt times out, and so it does if only one side has one")
  func differentKeys() throws {
    for (client, server) in [("one", "two"), ("one", nil), (nil, "two")] {
      let pair = TCPPair()
      try pair.listen(parameters: server.map { Self.parameters("10.0.0.1", $0) })
      let connection = try pair.a.stack.tcp.connect(
        to: pair.serverEndpoint, parameters: client.map { Self.parameters("10.0.0.2", $0) })
      pair.network.advance(.seconds(400))
      #expect(connection.state == .closed)
      #expect(connection.takeError() == .timedOut)
      #expect(pair.listener.acceptableCount == 0)
      let counters = pair.b.stack.tcp.counters
      #expect(counters.signatureFailures + counters.signatureUnexpected + counters.signatureMissing > 1)
    }
  }

  @Test("a reset by the application is signed, so the peer believes it")
  func reset() throws {
    let pair = TCPPair()
    try pair.connect(Self.parameters("10.0.0.2", "one key"), server: Self.parameters("10.0.0.1", "one key"))
    pair.client.abort()
    pair.network.advance(.milliseconds(10))
    #expect(pair.server.takeError() == .connectionReset)
  }

  @Test("the longest prefix decides which key is meant")
  func prefixes() throws {
    var parameters = Self.parameters("10.0.0.1", "near")
    let wide = TCPSignatureKey(address: IPv4Address("10.0.0.0")!, prefixLength: 8, bytes: Array("wide".utf8))
    parameters.signatureKeys = parameters.signatureKeys?.adding(wide)
    let pair = TCPPair()
    try pair.connect(Self.parameters("10.0.0.2", "near"), server: parameters)
    #expect(pair.server.parameters.signatureKeys?.removing(wide) == nil)
  }
}
