import EventLoop
import NetStack
import Packets
import Testing

@Suite("Options in the headers of what is sent (IP_OPTIONS)")
struct HeaderOptionTests {
  let network = TestNetwork(seed: 31)
  let host: TestHost
  let station: Station
  let own = IPv4Address(10, 0, 0, 1)

  init() {
    host = network.addHost("10.0.0.1/24", features: [.transmitChecksum, .segmentationIPv4])
    station = Station(network, "10.0.0.9")
    network.advance(.seconds(1))
  }

  private func options(_ bytes: [UInt8]) throws -> IPv4HeaderOptions {
    try IPv4HeaderOptions(bytes) { $0 == own }
  }

  /// The datagrams that carry `count` bytes to the station, and their headers' options.
  private func send(_ count: Int, _ bytes: [UInt8]) throws -> [(options: [UInt8], datagram: [UInt8])] {
    let endpoint = host.stack.udp.open()
    endpoint.headerOptions = try options(bytes)
    let payload = [UInt8](repeating: 7, count: count)
    try endpoint.send(payload.span.bytes, to: Endpoint(station.address, 9))
    network.advance(.milliseconds(5))
    return station.takeDatagrams().map { datagram in
      let header = IPv4Header(datagram.span.bytes)!
      let isValid = header.isChecksumValid
      #expect(isValid)
      return (header.options.array, datagram)
    }
  }

  @Test("a record route begins with the sender, a source route ends with the destination")
  func filledIn() throws {
    let recorded = try send(3, [7, 11, 4] + [UInt8](repeating: 0, count: 8))
    #expect(recorded.map(\.options) == [[7, 11, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0]])
    let endpoint = host.stack.udp.open()
    endpoint.headerOptions = try options([131, 11, 4, 10, 0, 0, 9, 10, 0, 0, 20])
    try endpoint.send([1].span.bytes, to: Endpoint(IPv4Address(192, 0, 2, 1), 9))
    network.advance(.milliseconds(5))
    let routed = station.takeDatagrams()
    #expect(routed.map { Array($0[16..<20]) } == [[10, 0, 0, 9]])
    #expect(routed.map { Array($0[20..<32]) } == [[131, 11, 4, 10, 0, 0, 20, 192, 0, 2, 1, 0]])
  }

  @Test("a time stamp is milliseconds since midnight, behind the address that was asked for")
  func timestamp() throws {
    let stamped = try #require(try send(3, [68, 12, 5, 1] + [UInt8](repeating: 0, count: 8)).first)
    #expect(Array(stamped.options[..<8]) == [68, 12, 13, 1, 10, 0, 0, 1])
    let time = stamped.options[8...].reduce(0) { $0 << 8 | Int64($1) }
    let now = (network.loop.epochNanoseconds + network.loop.now.nanoseconds) / 1_000_000 % 86_400_000
    #expect((0...10).contains(now - time))
  }

  @Test("fragments after the first keep only the options that are to be copied (RFC 791 3.1)")
  func fragments() throws {
    let pieces = try send(3000, [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0])
    #expect(pieces.count == 3)
    #expect(pieces[0].options == [7, 7, 8, 10, 0, 0, 1, 148, 4, 0, 0, 0])
    for piece in pieces.dropFirst() { #expect(piece.options == [1, 1, 1, 1, 1, 1, 1, 148, 4, 0, 0, 0]) }
    #expect(pieces.allSatisfy { $0.datagram.count <= 1500 })
    #expect(pieces.map { $0.datagram.count - 32 }.reduce(0, +) == 3008)
  }

  @Test("a stream's segments leave room for them, and the device cuts nothing up")
  func stream() throws {
    let other = network.addHost("10.0.0.2/24")
    let listener = try other.stack.tcp.listen(on: Endpoint(.any, 80))
    var parameters = host.stack.tcp.configuration.defaults
    parameters.headerOptions = try options([148, 4, 0, 0])
    network.isRecording = true
    let connection = try host.stack.tcp.connect(
      to: Endpoint(IPv4Address(10, 0, 0, 2), 80), parameters: parameters)
    network.advance(.milliseconds(10))
    let accepted = try #require(listener.accept())
    let bytes = (0..<20_000).map { UInt8(truncatingIfNeeded: $0) }
    #expect(connection.send(bytes.span.bytes) == bytes.count)
    network.advance(.seconds(1))
    var received = [UInt8](repeating: 0, count: 30_000)
    let count = received.withUnsafeMutableBytes { accepted.receive(into: $0) }
    #expect(Array(received[..<count]) == bytes)
    let sent = network.recording.filter { $0.sender === host.device && $0.bytes[12] == 8 && $0.bytes[13] == 0 }
    #expect(sent.count > 10)
    for frame in sent {
      #expect(frame.bytes[14] == 0x46 && Array(frame.bytes[34..<38]) == [148, 4, 0, 0] && frame.bytes.count <= 1514)
    }
    #expect(sent.contains { $0.bytes.count == 1514 })
  }
}
