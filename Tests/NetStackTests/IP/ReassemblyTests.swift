import EventLoop
import NetStack
import Packets
import Testing

/// A piece of a fragmented UDP datagram.
private struct Piece {
  var offset: Int
  var bytes: [UInt8]
  var more: Bool
}

@Suite("IPv4 reassembly")
struct ReassemblyTests {
  let network = TestNetwork(seed: 7)
  let host: TestHost
  let station: Station
  let endpoint: UDPEndpoint
  let own = IPv4Address(10, 0, 0, 1)

  init() throws {
    var configuration = StackConfiguration()
    configuration.reassembly.memoryLimit = 200_000
    configuration.reassembly.datagramsPerSource = 8
    host = network.addHost("10.0.0.1/24", configuration: configuration)
    station = Station(network, "10.0.0.9")
    endpoint = host.stack.udp.open()
    try endpoint.bind(to: Endpoint(.any, 9))
    network.advance(.seconds(1))
  }

  var counters: IPv4Counters { host.stack.ip.counters }

  /// The UDP datagram with `payload`, as IP payload.
  private func datagram(_ payload: [UInt8]) -> [UInt8] {
    Array(station.wire(to: host).udp(from: station.address, 1000, to: own, 9, payload: payload)[34...])
  }

  private func pieces(_ whole: [UInt8], of size: Int) -> [Piece] {
    stride(from: 0, to: whole.count, by: size).map { offset in
      let end = min(offset + size, whole.count)
      return Piece(offset: offset, bytes: Array(whole[offset..<end]), more: end < whole.count)
    }
  }

  private func send(_ piece: Piece, id: UInt16 = 1) {
    var wire = station.wire(to: host)
    wire.identification = id
    wire.dontFragment = false
    station.send(
      wire.ipv4(
        from: station.address, to: own, .udp, moreFragments: piece.more, fragmentOffset: UInt16(piece.offset),
        payload: piece.bytes))
  }

  @Test("all orders of four fragments give the datagram")
  func everyOrder() {
    let payload = pattern(100)
    let parts = pieces(datagram(payload), of: 32)
    #expect(parts.count == 4)
    var id: UInt16 = 0
    func permute(_ left: [Piece], _ done: [Piece]) {
      if left.isEmpty {
        id += 1
        for piece in done { send(piece, id: id) }
        network.advance(.milliseconds(1))
        let arrived = endpoint.receive()?.1 == payload
        #expect(arrived)
      }
      for index in left.indices {
        var rest = left
        let next = rest.remove(at: index)
        permute(rest, done + [next])
      }
    }
    permute(parts, [])
    #expect(counters.reasmOKs == 24 && counters.reasmFails == 0)
    #expect(host.stack.ip.reassemblyUse == (0, 0))
    #expect(network.loop.isIdle)
  }

  @Test("shuffled fragments with duplicates give large datagrams", arguments: 1...20)
  func shuffled(seed: Int) {
    let random = SeededRandom(seed: UInt64(seed))
    let payload = pattern(Int(random.uniform(3000...60_000)), seed: seed)
    var generator = random
    var parts = pieces(datagram(payload), of: Int(random.uniform(6...180)) * 8)
    parts += parts.filter { _ in random.chance(0.2) }
    parts.shuffle(using: &generator)
    // A duplicate that comes after the datagram is complete starts a new one, which never will be.
    for piece in parts { send(piece) }
    network.advance(.milliseconds(100))
    let arrived = endpoint.receive()?.1 == payload
    #expect(arrived)
    network.advance(.seconds(31))
    #expect(host.stack.ip.reassemblyUse == (0, 0))
  }

  @Test("an overlap throws the datagram away; a fragment that has arrived already does not", arguments: [true, false])
  func overlaps(isOverlap: Bool) {
    let payload = pattern(100)
    let whole = datagram(payload)
    send(Piece(offset: 0, bytes: Array(whole[0..<64]), more: true))
    if isOverlap {
      send(Piece(offset: 56, bytes: Array(whole[56..<80]), more: true))
      network.advance(.milliseconds(1))
      #expect(counters.reasmOverlaps == 1 && counters.reasmFails == 1)
    } else {
      send(Piece(offset: 8, bytes: Array(whole[8..<40]), more: true))
    }
    send(Piece(offset: 64, bytes: Array(whole[64...]), more: false))
    network.advance(.milliseconds(1))
    #expect((endpoint.receive()?.1 == payload) == !isOverlap)
  }

  @Test("impossible fragments are refused", arguments: ["two ends", "behind the end", "beyond 65535", "empty"])
  func impossible(kind: String) {
    send(Piece(offset: 0, bytes: pattern(64), more: true))
    switch kind {
    case "two ends":
      send(Piece(offset: 128, bytes: pattern(8), more: false))
      send(Piece(offset: 256, bytes: pattern(8), more: false))
    case "behind the end":
      send(Piece(offset: 128, bytes: pattern(8), more: false))
      send(Piece(offset: 160, bytes: pattern(8), more: true))
    case "beyond 65535":
      send(Piece(offset: 65_528, bytes: pattern(8), more: false))
    default:
      send(Piece(offset: 64, bytes: pattern(4), more: true))
    }
    network.advance(.milliseconds(1))
    #expect(counters.reasmFails == 1)
    #expect(host.stack.ip.reassemblyUse == (0, 0))
  }

  @Test(
    "after 30 s without the rest the sender of the first fragment is told, others are not", arguments: [true, false])
  func timeout(hasFirst: Bool) throws {
    send(Piece(offset: hasFirst ? 0 : 64, bytes: pattern(64), more: true))
    network.advance(.seconds(29))
    #expect(counters.reasmTimeout == 0)
    _ = station.take()
    network.advance(.seconds(2))
    #expect(counters.reasmTimeout == 1)
    let answers = station.takeDatagrams()
    #expect(answers.count == (hasFirst ? 1 : 0))
    if let answer = answers.first {
      #expect(answer[20] == 11 && answer[21] == 1)
      // Quoted as it came: header with its fragment field, and payload.
      #expect(Array(answer[48...]) == pattern(64) && answer[34] == 0x20 && answer[28] == 0x45)
    }
    #expect(host.stack.icmp.counters.outTimeExcds == (hasFirst ? 1 : 0))
    #expect(host.stack.ip.reassemblyUse == (0, 0))
  }

  @Test("a source holds no more than its share, and all sources no more than the limit")
  func limits() {
    for id in 0..<50 { send(Piece(offset: 0, bytes: pattern(64), more: true), id: UInt16(id)) }
    network.advance(.milliseconds(1))
    #expect(host.stack.ip.reassemblyUse.datagrams == 8)
    #expect(counters.reasmFails == 42)
    network.advance(.seconds(31))
    for id in 0..<8 { send(Piece(offset: 60_000, bytes: pattern(1000), more: true), id: UInt16(id)) }
    network.advance(.milliseconds(1))
    #expect(host.stack.ip.reassemblyUse.bytes <= 200_000)
    #expect(host.stack.ip.reassemblyUse.datagrams < 8)
  }

  @Test("a datagram of more fragments than the limit is given up")
  func tooMany() {
    for index in 0..<2000 { send(Piece(offset: index * 16, bytes: pattern(8), more: true)) }
    network.advance(.milliseconds(1))
    #expect(counters.reasmFails == 1)
  }

  @Test("a long datagram is fragmented by the sender and arrives, and a forbidden fragmentation is an error")
  func roundTrip() throws {
    let other = network.addHost("10.0.0.3/24")
    let sender = other.stack.udp.open()
    let payload = pattern(65_507)
    try sender.send(payload, to: Endpoint(own, 9))
    network.advance(.seconds(1))
    // The neighbour had to be resolved: its queue kept only the last fragments. The next ones find it resolved.
    try sender.send(payload, to: Endpoint(own, 9))
    network.advance(.seconds(1))
    let arrived = endpoint.receive()?.1 == payload
    #expect(arrived)
    #expect(other.stack.ip.counters.fragOKs == 2 && other.stack.ip.counters.fragCreates == 90)
    sender.pathMTUDiscovery = .always
    #expect(throws: NetworkError.packetTooBig(mtu: 1500)) { try sender.send(payload, to: Endpoint(own, 9)) }
    #expect(throws: NetworkError.messageTooLong) { try sender.send(pattern(65_508), to: Endpoint(own, 9)) }
    #expect(other.device.buffersInUse == 0)
  }
}
