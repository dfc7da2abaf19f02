import EventLoop
import NetStack
import Packets
import Testing

@Suite("UDP: what is told about checksums and fragments of received datagrams")
struct UDPSumTests {
  @Test("the sum of a datagram that was checked here is kept if wanted, and is right", arguments: 0...9)
  func sums(_ count: Int) throws {
    let network = TestNetwork()
    let a = network.addHost("10.0.0.1/24")
    let b = network.addHost("10.0.0.2/24")
    let (sender, receiver) = (a.stack.udp.open(), b.stack.udp.open())
    try receiver.bind(to: Endpoint(b.address, 70))
    receiver.keepsSums = true
    let text = pattern(count, seed: 3)
    try sender.send(text.span.bytes, to: Endpoint(b.address, 70))
    network.advance(.milliseconds(10))
    let (record, bytes) = try #require(receiver.receive())
    #expect(bytes == text)
    // Folded and with the pseudo header it is all ones (RFC 1071).
    var sum = UInt32(UInt16(truncatingIfNeeded: record.partialSum).byteSwapped)
    sum += UInt32(UInt16(truncatingIfNeeded: record.partialSum >> 16).byteSwapped)
    for address in [a.address, b.address] {
      let word = try #require(address.v4).rawValue
      sum += word >> 16 + word & 0xFFFF
    }
    sum += 17 + UInt32(8 + count)
    while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
    #expect(sum == 0xFFFF)
  }

  @Test("what the device has checked, and what nobody wants to know, has no sum")
  func noSums() throws {
    for (features, wanted) in [(DeviceFeaturesOfTest.checksums, true), (.none, false)] {
      let network = TestNetwork()
      let a = network.addHost("10.0.0.1/24")
      let b = network.addHost("10.0.0.2/24", features: features.value)
      let (sender, receiver) = (a.stack.udp.open(), b.stack.udp.open())
      try receiver.bind(to: Endpoint(b.address, 70))
      receiver.keepsSums = wanted
      try sender.send([1, 2, 3].span.bytes, to: Endpoint(b.address, 70))
      network.advance(.milliseconds(10))
      #expect(try #require(receiver.receive()).0.partialSum == 0)
    }
  }

  @Test("the largest fragment of a datagram is told, and none of one that came whole")
  func fragments() throws {
    let network = TestNetwork()
    let a = network.addHost("10.0.0.1/24")
    let b = network.addHost("10.0.0.2/24")
    let (sender, receiver) = (a.stack.udp.open(), b.stack.udp.open())
    sender.pathMTUDiscovery = .never
    try receiver.bind(to: Endpoint(b.address, 70))
    for (count, largest) in [(100, 0), (1472, 0), (1473, 1500), (4000, 1500)] {
      try sender.send(pattern(count).span.bytes, to: Endpoint(b.address, 70))
      network.advance(.milliseconds(10))
      #expect(try #require(receiver.receive()).0.largestFragment == UInt16(largest))
    }
  }
}
