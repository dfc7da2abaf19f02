import EventLoop
import NetStack
import Packets
import Testing

@Suite("The error queue of datagrams")
struct UDPErrorQueueTests {
  let network = TestNetwork(seed: 37)

  @Test("it is bounded, tells who complained, and its errors are told one by one")
  func bounded() throws {
    let (a, b) = (network.addHost("10.0.0.1/24"), network.addHost("10.0.0.2/24"))
    let endpoint = a.stack.udp.open()
    endpoint.receivesErrors = true
    endpoint.receiveQueueLimit = 4096
    for i: UInt8 in 0..<20 {
      _ = endpoint.takeError()
      try endpoint.send([i].span.bytes, to: Endpoint(IPv4Address(10, 0, 0, 2), 9))
      network.advance(.seconds(2))
    }
    #expect(endpoint.errors.count == 8)
    let first = try #require(endpoint.takeQueuedError())
    #expect(first.origin == .icmp && first.error == .connectionRefused && first.type == 3 && first.code == 3)
    #expect(first.offender == IPv4Address(10, 0, 0, 2) && first.payload == [0])
    #expect(first.destination == Endpoint(IPv4Address(10, 0, 0, 2), 9))
    // The next one's error waits.
    #expect(endpoint.takeError() == .connectionRefused)
    while endpoint.takeQueuedError() != nil {}
    #expect(endpoint.takeError() == nil && !endpoint.readiness.contains(.error))
    _ = b
  }

  @Test("a datagram that may not be fragmented and does not fit is told with the MTU")
  func tooLong() throws {
    let host = network.addHost("10.0.0.1/24")
    let endpoint = host.stack.udp.open()
    endpoint.receivesErrors = true
    endpoint.pathMTUDiscovery = .always
    let payload = [UInt8](repeating: 1, count: 1473)
    #expect(throws: NetworkError.packetTooBig(mtu: 1500)) {
      try endpoint.send(payload.span.bytes, to: Endpoint(IPv4Address(10, 0, 0, 2), 9))
    }
    let entry = try #require(endpoint.takeQueuedError())
    #expect(entry.origin == .local && entry.info == 1500 && entry.offender == nil && entry.payload.isEmpty)
    #expect(endpoint.takeError() == nil)
  }
}
