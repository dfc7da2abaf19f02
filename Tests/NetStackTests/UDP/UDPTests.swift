import EventLoop
import Link
import NetStack
import Packets
import Testing

@Suite("UDP")
struct UDPTests {
  @Test(
    "a datagram reaches the endpoint on the other host and an answer comes back",
    arguments: [
      DeviceFeatures([]), [.transmitChecksum], [.transmitChecksum, .receiveChecksum],
    ])
  func echo(features: DeviceFeatures) throws {
    let network = TestNetwork()
    let a = network.addHost("10.0.0.1/24", features: features)
    let b = network.addHost("10.0.0.2/24")
    let server = b.stack.udp.open()
    try server.bind(to: Endpoint(IPv4Address.any, 7))
    let client = a.stack.udp.open()
    try client.connect(to: Endpoint(b.address, 7))
    try client.send("ping")
    network.advance(.seconds(1))
    let (record, data) = try #require(server.receive())
    #expect(data == Array("ping".utf8))
    #expect(record.source == client.local)
    #expect(record.destination == b.address)
    try server.send("pong", to: record.source)
    network.advance(.seconds(1))
    let answer = try #require(client.receive())
    #expect(answer.1 == Array("pong".utf8))
    #expect(a.device.buffersInUse == 0 && b.device.buffersInUse == 0)
    #expect(a.stack.udp.counters.inCsumErrors == 0 && b.stack.udp.counters.inCsumErrors == 0)
  }

  @Test("own addresses are reached over lo, without a frame on the cable")
  func ownAddress() throws {
    let network = TestNetwork()
    let a = network.addHost("10.0.0.1/24")
    network.advance(.seconds(1))
    let before = network.frameCount
    let server = a.stack.udp.open()
    try server.bind(to: Endpoint(IPv4Address.any, 7))
    let client = a.stack.udp.open()
    for target in [IPAddress(.loopback), a.address, IPAddress(IPv4Address(127, 1, 2, 3))] {
      try client.send("x", to: Endpoint(target, 7))
      network.advance(.milliseconds(1))
      let (record, _) = try #require(server.receive())
      // All of 127.0.0.0/8 is spoken to from the interface's own address.
      #expect(record.source.address == (target == a.address ? target : IPAddress(.loopback)))
      #expect(record.interfaceIndex == a.stack.loopback.index)
    }
    #expect(network.frameCount == before)
  }

  @Test(
    "a datagram without a checksum has zero there, and is taken", arguments: [DeviceFeatures([]), .transmitChecksum])
  func withoutChecksum(features: DeviceFeatures) throws {
    let network = TestNetwork()
    let a = network.addHost("10.0.0.1/24", features: features)
    let b = network.addHost("10.0.0.2/24")
    let server = b.stack.udp.open()
    try server.bind(to: Endpoint(IPv4Address.any, 7))
    let client = a.stack.udp.open()
    client.omitsSums = true
    network.isRecording = true
    for length in [1, 3000] {
      try client.send([UInt8](repeating: 7, count: length).span.bytes, to: Endpoint(b.address, 7))
    }
    network.advance(.seconds(1))
    #expect(server.receive()?.1.count == 1 && server.receive()?.1.count == 3000)
    var sums: [[UInt8]] = []
    for (_, _, bytes) in network.recording where bytes[12] == 8 && bytes[13] == 0 {
      // The first fragment of a datagram has the header.
      let offset = Int(bytes[20] & 0x1F) << 8 | Int(bytes[21])
      if offset == 0 { sums.append(Array(bytes[40..<42])) }
    }
    #expect(sums == [[0, 0], [0, 0]])
  }
}
