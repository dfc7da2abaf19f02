import Packets

/// Seeded random numbers (splitmix64), so that every run tests the same bytes.
struct SplitMix {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
  mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }
}

/// Hexadecimal digits as bytes; blanks are left out.
func hex(_ text: String) -> [UInt8] {
  let digits = text.filter { !$0.isWhitespace }.compactMap { UInt8(String($0), radix: 16) }
  return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// One frame of each kind that the module takes apart.
enum Samples {
  static let client = IPv4Address(10, 0, 2, 15)
  static let server = IPv4Address(10, 0, 2, 2)
  static let client6 = IPv6Address(high: 0xFE80 << 48, low: 0x5054_00FF_FE12_3456)
  static let server6 = IPv6Address(high: 0xFE80 << 48, low: 2)
  static let builder = FrameBuilder(
    source: MACAddress(rawValue: 0x5254_0012_3456), destination: MACAddress(rawValue: 0x5255_0A00_0202))

  static var synOptions: TCPOptions {
    var options = TCPOptions()
    options.maximumSegmentSize = 1460
    options.isSACKPermitted = true
    options.hasTimestamps = true
    options.timestampValue = 1000
    options.windowScale = 7
    return options
  }
  static var ackOptions: TCPOptions {
    var options = TCPOptions()
    options.hasTimestamps = true
    options.timestampValue = 2000
    options.timestampEcho = 1000
    options.append(SACKBlock(left: 100, right: 200))
    options.append(SACKBlock(left: 300, right: 400))
    return options
  }
  static var syn: [UInt8] {
    builder.tcp(
      from: client, to: server,
      TCPHeader.Fields(
        sourcePort: 49152, destinationPort: 80, sequenceNumber: 0xFFFF_FFFF, flags: .syn, window: 64240),
      options: synOptions)
  }
  static var data: [UInt8] {
    builder.tcp(
      from: client6, to: server6,
      TCPHeader.Fields(
        sourcePort: 49152, destinationPort: 80, sequenceNumber: 7, acknowledgmentNumber: 9, flags: [.psh, .ack],
        window: 502), options: ackOptions, payload: [UInt8]("hello".utf8))
  }
  static var dhcp: [UInt8] {
    let message = DHCPMessage.Fields(
      isRequest: false, transactionIdentifier: 0xDEAD_BEEF, clientHardwareAddress: builder.source,
      yourAddress: client, serverAddress: server,
      options: [
        DHCPOption(.offer), DHCPOption(.serverIdentifier, server), DHCPOption(.leaseTime, number: UInt32(86400)),
        DHCPOption(.subnetMask, IPv4Address(255, 255, 255, 0)), DHCPOption(.router, server),
        DHCPOption(.domainNameServer, IPv4Address(10, 0, 2, 3), IPv4Address(1, 1, 1, 1)),
        DHCPOption(.domainName, text: "example.test"), DHCPOption(.interfaceMTU, number: UInt16(1400)),
      ])
    return builder.udp(from: server, 67, to: client, 68, payload: message.encoded())
  }
  static var dnsMessage: DNSMessage {
    let name = DNSName("www.example.test") ?? .root
    let alias = DNSName("web.example.test") ?? .root
    let zone = DNSName("example.test") ?? .root
    var message = DNSMessage.query(identifier: 0x1234, name: name, type: .a, udpPayloadSize: 1232).response([
      DNSRecord(name: name, timeToLive: 60, alias: alias),
      DNSRecord(name: alias, timeToLive: 30, address: IPv4Address(93, 184, 216, 34)),
      DNSRecord(name: alias, timeToLive: 30, address: server6),
      DNSRecord(name: zone, type: .mx, timeToLive: 5, data: .mx(preference: 10, exchange: alias)),
      DNSRecord(name: zone, type: .txt, timeToLive: 5, data: .txt([[UInt8]("v=spf1".utf8), []])),
      DNSRecord(name: zone, type: .srv, timeToLive: 5, data: .srv(priority: 1, weight: 2, port: 443, target: alias)),
      DNSRecord(name: zone, type: .ptr, timeToLive: 5, data: .ptr(name)),
      DNSRecord(name: zone, type: DNSRecordType(rawValue: 999), timeToLive: 5, data: .other([1, 2, 3])),
    ])
    message.authorities = [
      DNSRecord(
        name: zone, type: .soa, timeToLive: 900,
        data: .soa(
          DNSStartOfAuthority(
            primary: alias, mailbox: name, serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5))),
      DNSRecord(name: zone, type: .ns, timeToLive: 900, data: .ns(alias)),
    ]
    message.additionals = [DNSRecord.option(udpPayloadSize: 4096)]
    return message
  }
  static var dns: [UInt8] { builder.udp(from: server, 53, to: client, 5353, payload: dnsMessage.encoded()) }
  static var neighborAdvertisement: [UInt8] {
    let target = (0..<8).flatMap { [UInt8(server6[group: $0] >> 8), UInt8(server6[group: $0] & 255)] }
    return builder.icmp(
      from: server6, to: client6, ICMPFields(type: 136, parameter: 0x6000_0000),
      payload: target + [2, 1, 0x52, 0x55, 0x0A, 0, 2, 2])
  }
  static var unreachable: [UInt8] {
    let quoted = [UInt8](builder.udp(from: server, 53, to: client, 40000, payload: [1, 2, 3]).dropFirst(14))
    return builder.icmp(from: client, to: server, ICMPFields(type: 3, code: 3), payload: quoted)
  }
  static var extensionHeaders: [UInt8] {
    let udp = [UInt8](builder.udp(from: client6, 1, to: server6, 2, payload: [9]).dropFirst(54))
    let chain: [UInt8] = [60, 0, 1, 4, 0, 0, 0, 0] + [44, 0, 1, 4, 0, 0, 0, 0] + [17, 0, 0, 0, 0, 0, 0, 5]
    return builder.ipv6(from: client6, to: server6, .hopByHop, payload: chain + udp)
  }
  static var tagged: [UInt8] {
    var builder = builder
    builder.tag = VLANTag(identifier: 42, priority: 5)
    return builder.icmp(
      from: client, to: server, ICMPFields(type: 8, identifier: 7, sequenceNumber: 3), payload: [1, 2, 3])
  }
  static var fragment: [UInt8] {
    builder.ipv4(
      from: client, to: server, .udp, options: [7, 3, 4], moreFragments: true, fragmentOffset: 1480,
      payload: [UInt8](repeating: 7, count: 24))
  }

  static var all: [(name: String, frame: [UInt8])] {
    [
      ("ARP request", builder.arpRequest(from: client, for: server)),
      ("ARP reply", builder.arpReply(from: client, to: server)),
      ("SYN", syn), ("data over IPv6", data), ("DHCP", dhcp), ("DNS", dns),
      ("neighbor advertisement", neighborAdvertisement), ("unreachable", unreachable),
      ("extension headers", extensionHeaders), ("802.1Q", tagged), ("fragment", fragment),
      ("LLC", builder.ethernet(EtherType(rawValue: 38), [0x42, 0x42, 3] + [UInt8](repeating: 0, count: 43))),
    ]
  }
}
