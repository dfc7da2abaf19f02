import EventLoop
import NetStack
import Packets
import Testing

@Suite("UDP: datagrams of one flow that arrive together are received as one (UDP_GRO)")
struct UDPJoiningTests {
  private let network = TestNetwork()
  private let host: TestHost
  private let station: Station
  private let receiver: UDPEndpoint

  init() throws {
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.2")
    receiver = host.stack.udp.open()
    try receiver.bind(to: Endpoint(host.address, 70))
    receiver.joinsDatagrams = true
  }

  /// Lets datagrams of these lengths arrive in one batch; what is received: length and size of the pieces.
  private func receive(_ lengths: [Int], ports: [UInt16] = [], apart: Bool = false) -> [[Int]] {
    for (place, length) in lengths.enumerated() {
      var wire = station.wire(to: host)
      wire.identification = UInt16(100 + place)
      let frame = wire.udp(
        from: station.address, ports.isEmpty ? 9 : ports[place], to: host.interface.addresses[0].address, 70,
        payload: pattern(length, seed: place))
      station.send(frame)
      if apart { network.advance(.milliseconds(1)) }
    }
    network.advance(.milliseconds(1))
    var received: [[Int]] = []
    while let (record, bytes) = receiver.receive() {
      received.append([record.length, Int(record.segmentSize)])
      #expect(bytes.count == record.length)
    }
    return received
  }

  @Test("equal ones are joined, a shorter one is the last, a longer one begins anew")
  func sizes() {
    #expect(receive([100, 100, 100]) == [[300, 100]])
    #expect(receive([100, 100, 40, 40]) == [[240, 100], [40, 0]])
    #expect(receive([40, 100, 100]) == [[40, 0], [200, 100]])
    #expect(receive([7]) == [[7, 0]])
    #expect(receive([1000] + [Int](repeating: 1000, count: 64)) == [[64_000, 1000], [1000, 0]])
  }

  @Test("other flows and batches stay apart, and so does everything without UDP_GRO")
  func apart() {
    #expect(receive([50, 50, 50], ports: [1, 2, 2]) == [[50, 0], [100, 50]])
    #expect(receive([50, 50], apart: true) == [[50, 0], [50, 0]])
    receiver.joinsDatagrams = false
    #expect(receive([50, 50]) == [[50, 0], [50, 0]])
  }
}
