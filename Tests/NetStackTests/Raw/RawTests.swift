import EventLoop
import NetStack
import Packets
import Testing

@Suite("Raw endpoints")
struct RawTests {
  let network = TestNetwork(seed: 29)
  let host: TestHost
  let station: Station
  let own = IPv4Address(10, 0, 0, 1)

  init() {
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.9")
    network.advance(.seconds(1))
  }

  @Test("a raw endpoint gets a copy with the header, and the protocol its due")
  func copies() throws {
    let raw = host.stack.raw.open(.icmp)
    let quiet = host.stack.raw.open(.icmp)
    quiet.filteredICMPTypes = 1 << 8
    let frame = station.wire(to: host).icmp(
      from: station.address, to: own, ICMPFields(type: 8, identifier: 1, sequenceNumber: 1), payload: [1, 2])
    station.send(frame)
    network.advance(.milliseconds(10))
    #expect(raw.receive()?.1 == Array(frame[14...]))
    #expect(quiet.receive() == nil)
    #expect(station.takeDatagrams().count == 1)
    raw.close()
    quiet.close()
    #expect(host.stack.raw.isIdle)
  }

  @Test("payloads get a header; with the header included only what must be is filled in")
  func sends() throws {
    let raw = host.stack.raw.open(IPProtocol(rawValue: 200))
    raw.ttl = 7
    let payload: [UInt8] = [9, 8, 7]
    try raw.send(payload.span.bytes, to: IPAddress(station.address))
    raw.includesHeader = true
    var header = [UInt8](repeating: 0, count: 24)
    header[0] = 0x46
    header[8] = 3
    header[9] = 201
    (header[16], header[17], header[18], header[19]) = (10, 0, 0, 9)
    (header[20], header[21], header[22]) = (1, 1, 1)
    try raw.send((header + [5]).span.bytes, to: IPAddress(station.address))
    #expect(throws: NetworkError.invalidArgument) {
      try raw.send(Array(header[..<19]).span.bytes, to: IPAddress(station.address))
    }
    network.advance(.seconds(1))
    let datagrams = station.takeDatagrams()
    #expect(datagrams.count == 2)
    #expect(datagrams[0][8] == 7 && datagrams[0][9] == 200)
    let second = datagrams[1]
    #expect(second.count == 25 && second[8] == 3 && Array(second[12..<16]) == [10, 0, 0, 1])
    #expect(second[4] != 0 || second[5] != 0)
    #expect(InternetChecksum.checksum(of: Array(second[..<24]).span.bytes) == 0)
  }
}
