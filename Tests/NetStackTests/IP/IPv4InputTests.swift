import EventLoop
import NetStack
import Packets
import Testing

@Suite("IPv4 input")
struct IPv4InputTests {
  let network = TestNetwork(seed: 11)
  let host: TestHost
  let station: Station
  let endpoint: UDPEndpoint
  let own = IPv4Address(10, 0, 0, 1)

  init() throws {
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.9")
    endpoint = host.stack.udp.open()
    try endpoint.bind(to: Endpoint(.any, 9))
    network.advance(.seconds(1))
    _ = station.take()
  }

  var counters: IPv4Counters { host.stack.ip.counters }

  func datagram() -> [UInt8] {
    station.wire(to: host).udp(from: station.address, 1000, to: own, 9, payload: Array("hello".utf8))
  }

  func arrives(_ frame: [UInt8]) -> Bool {
    station.send(frame)
    network.advance(.milliseconds(1))
    return endpoint.receive() != nil
  }

  @Test(
    "damaged headers are dropped and counted",
    arguments: [
      "version", "header length", "total length", "short total length", "checksum", "cut",
    ])
  func damaged(kind: String) {
    var frame = datagram()
    switch kind {
    case "version": frame[14] = 0x65
    case "header length": frame[14] = 0x44
    case "total length": frame[16] = 4
    case "short total length": (frame[16], frame[17]) = (0, 19)
    case "checksum": frame[24] ^= 1
    default: frame.removeLast(frame.count - 25)
    }
    #expect(!arrives(frame))
    #expect(counters.inHdrErrors == 1 && counters.inDelivers == 0)
    #expect(counters.inCsumErrors == (kind == "checksum" ? 1 : 0))
    #expect(station.takeDatagrams().isEmpty)
  }

  @Test("a priority tag is no obstacle, the tag of a VLAN is", arguments: [0x0000, 0xE000, 0x0001, 0xEFFF])
  func tagged(tag: Int) {
    var frame = datagram()
    frame.insert(contentsOf: [0x81, 0x00, UInt8(tag >> 8), UInt8(tag & 255)], at: 12)
    let isPriority = tag & 0xFFF == 0
    #expect(arrives(frame) == isPriority)
    #expect(host.interface.counters.droppedOtherVLAN == (isPriority ? 0 : 1))
  }

  @Test("frames that end within a tag, or have two, are dropped and counted")
  func strangeTags() {
    var frame = datagram()
    frame.insert(contentsOf: [0x81, 0, 0, 0, 0x81, 0, 0, 0], at: 12)
    #expect(!arrives(frame))
    for length in 14..<18 { #expect(!arrives(Array(frame.prefix(length)))) }
    #expect(host.interface.counters.droppedUnknownType == 1)
    #expect(host.interface.counters.droppedShort == 4)
  }

  @Test("padding behind the total length is not payload")
  func padding() {
    station.send(datagram() + [UInt8](repeating: 0xEE, count: 13))
    network.advance(.milliseconds(1))
    #expect(endpoint.receive()?.1 == Array("hello".utf8))
  }

  @Test(
    "sources that cannot be one are dropped as martians",
    arguments: [
      "127.0.0.1", "224.0.0.5", "255.255.255.255", "240.0.0.1", "10.0.0.1", "10.0.0.255", "0.0.0.0", "0.1.2.3",
    ])
  func martians(source: String) {
    let frame = station.wire(to: host).udp(from: IPv4Address(source)!, 1, to: own, 9, payload: [1])
    #expect(!arrives(frame))
    #expect(counters.inMartianSources == 1)
  }

  @Test(
    "destinations: own, broadcast and all-hosts are accepted, others counted and not forwarded",
    arguments: [
      ("10.0.0.1", true), ("10.0.0.255", true), ("255.255.255.255", true), ("10.0.0.7", false), ("8.8.8.8", false),
      ("224.0.0.251", false), ("127.0.0.1", false),
    ])
  func destinations(target: String, accepted: Bool) {
    let frame = station.wire(to: host).udp(from: station.address, 1, to: IPv4Address(target)!, 9, payload: [1])
    #expect(arrives(frame) == accepted)
    #expect(counters.inAddrErrors + counters.inMartianSources == (accepted ? 0 : 1))
    #expect(station.takeDatagrams().isEmpty)
  }

  @Test("a multicast datagram reaches those who joined the group, until they leave it")
  func multicast() throws {
    let group = IPv4Address(224, 0, 0, 251)
    var wire = station.wire(to: host)
    wire.destination = MACAddress(multicast: group)
    let frame = wire.udp(from: station.address, 1, to: group, 9, payload: [1])
    #expect(!arrives(frame))
    try endpoint.groups.join(group, on: host.interface)
    #expect(arrives(frame))
    try endpoint.groups.leave(group, on: host.interface)
    #expect(!arrives(frame))
    #expect(throws: NetworkError.addressNotAvailable) { try endpoint.groups.leave(group, on: host.interface) }
  }

  /// Options and whether the datagram is accepted, answered with a parameter problem at an offset, or just dropped.
  static let optionCases: [([UInt8], Bool, UInt8?)] = [
    ([1, 1, 1, 0], true, nil),
    ([0x94, 4, 0, 0], true, nil),
    ([7, 7, 4, 0, 0, 0, 0, 0], true, nil),
    ([0x83, 7, 4, 10, 0, 0, 1, 0], false, nil),
    ([0x89, 7, 4, 10, 0, 0, 1, 0], false, nil),
    ([0x44, 1, 0, 0], false, 20),
    ([1, 1, 1, 0x44], false, 23),
    ([1, 0x82, 11, 0], false, 21),
    ([7, 3, 3, 0], false, 22),
    ([0x83, 3, 1, 0], false, 22),
  ]

  @Test("options are walked safely; source routes are refused", arguments: optionCases)
  func options(options: [UInt8], accepted: Bool, pointer: UInt8?) throws {
    let payload = Array(datagram()[34...])
    let frame = station.wire(to: host).ipv4(
      from: station.address, to: own, .udp, options: options, payload: payload)
    #expect(arrives(frame) == accepted)
    let answers = station.takeDatagrams()
    #expect(answers.count == (pointer == nil ? 0 : 1))
    if let pointer {
      let answer = try #require(answers.first)
      #expect(answer[20] == 12 && answer[24] == pointer)
    }
    #expect(counters.inSourceRoutes == (!accepted && pointer == nil ? 1 : 0))
  }

  @Test("an unknown protocol is answered with protocol unreachable, unless a raw endpoint wants it")
  func unknownProtocol() throws {
    let frame = station.wire(to: host).ipv4(
      from: station.address, to: own, IPProtocol(rawValue: 99), payload: pattern(20))
    station.send(frame)
    network.advance(.milliseconds(1))
    let answer = try #require(station.takeDatagrams().first)
    #expect(answer[20] == 3 && answer[21] == 2)
    #expect(Array(answer[28...]) == Array(frame[14...]))
    #expect(counters.inUnknownProtos == 1)
    let raw = host.stack.raw.open(IPProtocol(rawValue: 99))
    station.send(frame)
    network.advance(.milliseconds(1))
    #expect(raw.receive()?.1 == Array(frame[14...]))
    #expect(station.takeDatagrams().isEmpty)
  }

  @Test("random frames neither trap nor leave anything behind", arguments: 1...8)
  func noise(seed: Int) {
    let random = SeededRandom(seed: UInt64(seed))
    for _ in 0..<2000 {
      var frame =
        random.chance(0.5)
        ? datagram()
        : station.wire(to: host).icmp(
          from: station.address, to: own, ICMPFields(type: UInt8(random.uniform(0...20))), payload: datagram())
      for _ in 0..<random.uniform(1...6) {
        frame[Int(random.uniform(12...Int64(frame.count - 1)))] = UInt8(random.uniform(0...255))
      }
      if random.chance(0.3) { frame.removeLast(Int(random.uniform(0...Int64(frame.count)))) }
      // Right header checksums let the noise get deeper.
      if frame.count >= 34 && random.chance(0.8) {
        (frame[24], frame[25]) = (0, 0)
        let sum = InternetChecksum.checksum(of: Array(frame[14..<34]).span.bytes)
        (frame[24], frame[25]) = (UInt8(sum >> 8), UInt8(sum & 255))
      }
      station.send(frame)
    }
    network.advance(.seconds(100))
    #expect(host.stack.ip.reassemblyUse == (0, 0))
    #expect(host.device.buffersInUse == 0)
    #expect(host.interface.counters.receivedFrames >= 1000)
  }
}
