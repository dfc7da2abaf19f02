/// Puts whole frames together as bytes, with lengths and checksums right: for tests, replay and scripts. The data path
/// writes its headers itself, into the device's memory.
///
///     let wire = FrameBuilder(source: a, destination: b)
///     wire.tcp(from: client, 49152, to: server, 80, fields, options: options, payload: [])
public struct FrameBuilder: Sendable, Equatable {
  public var source: MACAddress
  public var destination: MACAddress
  /// Goes into every frame, if set.
  public var tag: VLANTag?
  /// TTL or hop limit.
  public var timeToLive: UInt8
  /// DSCP and ECN.
  public var typeOfService: UInt8
  /// IPv4's identification.
  public var identification: UInt16
  /// IPv4's DF.
  public var dontFragment: Bool

  public init(
    source: MACAddress, destination: MACAddress, tag: VLANTag? = nil, timeToLive: UInt8 = 64, typeOfService: UInt8 = 0,
    identification: UInt16 = 0, dontFragment: Bool = true
  ) {
    self.source = source
    self.destination = destination
    self.tag = tag
    self.timeToLive = timeToLive
    self.typeOfService = typeOfService
    self.identification = identification
    self.dontFragment = dontFragment
  }

  /// An Ethernet frame, not padded.
  public func ethernet(_ type: EtherType, _ payload: [UInt8]) -> [UInt8] {
    let fields = EthernetHeader.Fields(destination: destination, source: source, tag: tag, etherType: type)
    var frame = [UInt8](repeating: 0, count: fields.headerLength)
    var span = frame.mutableSpan
    var memory = unsafe span.mutableBytes
    fields.write(into: &memory)
    return frame + payload
  }

  /// An ARP packet in an Ethernet frame.
  public func arp(_ fields: ARPPacket.Fields) -> [UInt8] {
    var packet = [UInt8](repeating: 0, count: ARPField.length)
    var span = packet.mutableSpan
    var memory = unsafe span.mutableBytes
    fields.write(into: &memory, at: 0)
    return ethernet(.arp, packet)
  }

  /// A request for the hardware address of `target`; the sender's is ``source``.
  public func arpRequest(from sender: IPv4Address, for target: IPv4Address) -> [UInt8] {
    arp(
      ARPPacket.Fields(
        operation: .request, senderHardwareAddress: source, senderAddress: sender, targetAddress: target))
  }

  /// The answer that ``source`` has the address `sender`.
  public func arpReply(from sender: IPv4Address, to target: IPv4Address) -> [UInt8] {
    arp(
      ARPPacket.Fields(
        operation: .reply, senderHardwareAddress: source, senderAddress: sender, targetHardwareAddress: destination,
        targetAddress: target))
  }

  /// An IPv4 datagram in an Ethernet frame; at most 65,535 bytes with header. `options`: at most 40 bytes, padded here.
  public func ipv4(
    from: IPv4Address, to: IPv4Address, _ protocol: IPProtocol, options: [UInt8] = [], moreFragments: Bool = false,
    fragmentOffset: UInt16 = 0, payload: [UInt8]
  ) -> [UInt8] {
    let padded = options + [UInt8](repeating: 0, count: -options.count & 3)
    let fields = IPv4Header.Fields(
      source: from, destination: to, protocol: `protocol`, totalLength: UInt16(20 + padded.count + payload.count),
      identification: identification, timeToLive: timeToLive, typeOfService: typeOfService,
      dontFragment: dontFragment && !moreFragments && fragmentOffset == 0, moreFragments: moreFragments,
      fragmentOffset: fragmentOffset)
    var header = [UInt8](repeating: 0, count: 20 + padded.count)
    var span = header.mutableSpan
    var memory = unsafe span.mutableBytes
    fields.write(into: &memory, at: 0, options: unsafe padded.span.bytes)
    return ethernet(.ipv4, header + payload)
  }

  /// An IPv6 packet in an Ethernet frame; `payload` begins with a header of kind `nextHeader`.
  public func ipv6(
    from: IPv6Address, to: IPv6Address, _ nextHeader: IPProtocol, flowLabel: UInt32 = 0, payload: [UInt8]
  ) -> [UInt8] {
    let fields = IPv6Header.Fields(
      source: from, destination: to, nextHeader: nextHeader, payloadLength: UInt16(payload.count),
      hopLimit: timeToLive, trafficClass: typeOfService, flowLabel: flowLabel)
    var header = [UInt8](repeating: 0, count: IPv6Field.length)
    var span = header.mutableSpan
    var memory = unsafe span.mutableBytes
    fields.write(into: &memory, at: 0)
    return ethernet(.ipv6, header + payload)
  }
}

extension FrameBuilder {
  /// A UDP datagram over IPv4.
  public func udp(
    from: IPv4Address, _ sourcePort: UInt16, to: IPv4Address, _ destinationPort: UInt16, payload: [UInt8]
  ) -> [UInt8] {
    let sum = InternetChecksum(source: from, destination: to, protocol: .udp, length: 8 + payload.count)
    return ipv4(from: from, to: to, .udp, payload: Self.udpDatagram(sourcePort, destinationPort, payload, sum))
  }

  /// A UDP datagram over IPv6.
  public func udp(
    from: IPv6Address, _ sourcePort: UInt16, to: IPv6Address, _ destinationPort: UInt16, payload: [UInt8]
  ) -> [UInt8] {
    let sum = InternetChecksum(source: from, destination: to, protocol: .udp, length: 8 + payload.count)
    return ipv6(from: from, to: to, .udp, payload: Self.udpDatagram(sourcePort, destinationPort, payload, sum))
  }

  private static func udpDatagram(
    _ sourcePort: UInt16, _ destinationPort: UInt16, _ payload: [UInt8], _ pseudoHeader: InternetChecksum
  ) -> [UInt8] {
    let fields = UDPHeader.Fields(
      sourcePort: sourcePort, destinationPort: destinationPort, length: UInt16(8 + payload.count))
    var datagram = [UInt8](repeating: 0, count: 8) + payload
    var span = datagram.mutableSpan
    var memory = unsafe span.mutableBytes
    fields.write(into: &memory, at: 0)
    fill(&datagram, UDPField.checksum, pseudoHeader)
    return datagram
  }

  /// A TCP segment over IPv4. Header length and checksum of `fields` are set here.
  public func tcp(
    from: IPv4Address, to: IPv4Address, _ fields: TCPHeader.Fields, options: TCPOptions = TCPOptions(),
    payload: [UInt8] = []
  ) -> [UInt8] {
    var segment = Self.tcpSegment(fields, options, payload)
    Self.fill(
      &segment, TCPField.checksum,
      InternetChecksum(source: from, destination: to, protocol: .tcp, length: segment.count))
    return ipv4(from: from, to: to, .tcp, payload: segment)
  }

  /// A TCP segment over IPv6. Header length and checksum of `fields` are set here.
  public func tcp(
    from: IPv6Address, to: IPv6Address, _ fields: TCPHeader.Fields, options: TCPOptions = TCPOptions(),
    payload: [UInt8] = []
  ) -> [UInt8] {
    var segment = Self.tcpSegment(fields, options, payload)
    Self.fill(
      &segment, TCPField.checksum,
      InternetChecksum(source: from, destination: to, protocol: .tcp, length: segment.count))
    return ipv6(from: from, to: to, .tcp, payload: segment)
  }

  private static func tcpSegment(
    _ fields: TCPHeader.Fields, _ options: TCPOptions, _ payload: [UInt8]
  ) -> [UInt8] {
    var fields = fields
    fields.headerLength = 20 + options.encodedLength
    fields.checksum = 0
    var segment = [UInt8](repeating: 0, count: fields.headerLength) + payload
    var span = segment.mutableSpan
    var memory = unsafe span.mutableBytes
    let end = fields.write(into: &memory, at: 0)
    options.write(into: &memory, at: end)
    return segment
  }

  /// An ICMP message over IPv4.
  public func icmp(from: IPv4Address, to: IPv4Address, _ fields: ICMPFields, payload: [UInt8] = []) -> [UInt8] {
    ipv4(from: from, to: to, .icmp, payload: Self.icmpMessage(fields, payload, InternetChecksum()))
  }

  /// An ICMPv6 message.
  public func icmp(from: IPv6Address, to: IPv6Address, _ fields: ICMPFields, payload: [UInt8] = []) -> [UInt8] {
    let sum = InternetChecksum(source: from, destination: to, protocol: .icmpv6, length: 8 + payload.count)
    return ipv6(from: from, to: to, .icmpv6, payload: Self.icmpMessage(fields, payload, sum))
  }

  private static func icmpMessage(
    _ fields: ICMPFields, _ payload: [UInt8], _ pseudoHeader: InternetChecksum
  ) -> [UInt8] {
    var fields = fields
    fields.checksum = 0
    var message = [UInt8](repeating: 0, count: 8) + payload
    var span = message.mutableSpan
    var memory = unsafe span.mutableBytes
    fields.write(into: &memory, at: 0)
    fill(&message, ICMPField.checksum, pseudoHeader)
    return message
  }

  /// Writes the checksum of a message whose field is zero.
  private static func fill(_ message: inout [UInt8], _ offset: Int, _ pseudoHeader: InternetChecksum) {
    var sum = pseudoHeader
    sum.add(unsafe message.span.bytes)
    var span = message.mutableSpan
    var memory = unsafe span.mutableBytes
    memory.storeBigEndian(sum.transportChecksum, offset)
  }
}
