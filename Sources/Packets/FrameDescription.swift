/// Describes frames in one line each, much like tcpdump: `10.0.2.15:49152 > 10.0.2.2:80 TCP [S] seq 1 win 64240 ...`.
/// Any bytes get a line: what is missing is said in brackets.
public enum FrameDescription {
  /// What the sender of a frame leaves to the device that it is handed to.
  public enum Offload: Sendable, Equatable {
    case nothing
    /// The transport checksum: its field holds the sum of the pseudo header.
    case checksum
    /// Cutting into segments of so many bytes of payload: lengths and checksums are not those of any frame on the wire.
    case segmentation(Int)

    var mark: String {
      switch self {
      case .nothing: ""
      case .checksum: " [checksum offloaded]"
      case .segmentation(let size): " [segmentation offloaded, \(size) bytes each]"
      }
    }
  }

  /// One line, without line break, for an Ethernet frame without FCS. `originalLength` is that of a frame which a
  /// capture cut; bytes. `offload`: what the frame leaves to the device that will send it.
  public static func describe(
    _ frame: RawSpan, originalLength: Int? = nil, offload: Offload = .nothing
  ) -> String {
    guard let header = EthernetHeader(frame) else { return "[truncated Ethernet: \(frame.byteCount) bytes]" }
    var text = ""
    if let tag = header.tag { text += "vlan \(tag.identifier) " }
    if let tag = header.innerTag { text += "vlan \(tag.identifier) " }
    let payload = header.payload
    switch header.etherType {
    case .ipv4: text += ipv4(payload, offload)
    case .ipv6: text += ipv6(payload, offload)
    case .arp: text += arp(payload)
    case let type where type.isLength:
      text += "\(header.source) > \(header.destination) LLC length \(type.rawValue)"
      if payload.byteCount < Int(type.rawValue) { text += " [truncated: \(payload.byteCount) bytes]" }
    case let type:
      text += "\(header.source) > \(header.destination) \(type) length \(payload.byteCount)"
    }
    if let originalLength, originalLength > frame.byteCount {
      text += " [captured \(frame.byteCount) of \(originalLength) bytes]"
    }
    return text
  }

  /// One line for an IPv4 or IPv6 packet without link layer.
  public static func describe(packet: RawSpan) -> String {
    guard packet.byteCount > 0 else { return "[truncated IP: 0 bytes]" }
    return packet.octet(0) >> 4 == 6 ? ipv6(packet) : ipv4(packet)
  }

  static func arp(_ packet: RawSpan) -> String {
    guard let arp = ARPPacket(packet) else {
      return packet.byteCount < ARPField.length
        ? "ARP [truncated: \(packet.byteCount) bytes]" : "ARP [other hardware or protocol]"
    }
    switch arp.operation {
    case .request:
      if arp.senderAddress == arp.targetAddress {
        return "ARP announcement \(arp.senderAddress) is at \(arp.senderHardwareAddress)"
      }
      return "ARP who has \(arp.targetAddress)? tell \(arp.senderAddress)"
    case .reply: return "ARP \(arp.senderAddress) is at \(arp.senderHardwareAddress)"
    case let other: return "ARP operation \(other.rawValue)"
    }
  }

  static func ipv4(_ packet: RawSpan, _ offload: Offload = .nothing) -> String {
    if case .segmentation = offload, packet.byteCount >= 20,
      packet.loadBigEndian(IPv4Field.totalLength, as: UInt16.self) == 0
    {
      return ipv4(withLength: packet, offload)
    }
    guard let header = IPv4Header(quoted: packet) else {
      guard packet.byteCount >= 20 else { return "IPv4 [truncated: \(packet.byteCount) bytes]" }
      return "IPv4 [bad header: version \(packet.octet(0) >> 4), length \((packet.octet(0) & 15) * 4)]"
    }
    var marks = ""
    if header.totalLength > packet.byteCount {
      marks += " [truncated: \(packet.byteCount) of \(header.totalLength) bytes]"
    }
    if !header.isChecksumValid { marks += " [bad IP checksum]" }
    if header.congestionNotification == 3 { marks += " [CE]" }
    if header.isFragment {
      marks += " [fragment \(header.identification) at \(header.fragmentOffset)\(header.moreFragments ? "+" : "")]"
    }
    let payload = header.payload
    if header.fragmentOffset > 0 {
      return "\(header.source) > \(header.destination) \(header.protocol) length \(payload.byteCount)" + marks
    }
    let isWhole = header.totalLength <= packet.byteCount && !header.isFragment
    let body = transport(
      header.protocol, payload, source: "\(header.source)", destination: "\(header.destination)", bracket: false,
      sum: isWhole && offload == .nothing ? header.pseudoHeader(length: payload.byteCount) : nil)
    return body + marks + offload.mark
  }

  /// A datagram that shall be segmented, as if it had its length and checksum, which the device fills in.
  private static func ipv4(withLength packet: RawSpan, _ offload: Offload) -> String {
    var bytes = packet.array
    let length = UInt16(clamping: bytes.count)
    bytes.replaceSubrange(2..<4, with: [UInt8(length >> 8), UInt8(length & 0xFF)])
    bytes.replaceSubrange(10..<12, with: [0, 0])
    var sum = InternetChecksum()
    sum.add(unsafe bytes.span.bytes.clamped(0, Int(bytes[0] & 15) * 4))
    bytes.replaceSubrange(10..<12, with: [UInt8(sum.checksum >> 8), UInt8(sum.checksum & 0xFF)])
    return ipv4(unsafe bytes.span.bytes, offload)
  }

  static func ipv6(_ packet: RawSpan, _ offload: Offload = .nothing) -> String {
    guard let header = IPv6Header(quoted: packet) else {
      guard packet.byteCount >= 40 else { return "IPv6 [truncated: \(packet.byteCount) bytes]" }
      return "IPv6 [bad header: version \(packet.octet(0) >> 4)]"
    }
    var marks = ""
    let isWhole = header.payloadLength <= packet.byteCount - 40
    if !isWhole { marks += " [truncated: \(packet.byteCount - 40) of \(header.payloadLength) bytes]" }
    if header.congestionNotification == 3 { marks += " [CE]" }
    let upper = header.upperLayer
    if upper.hasFragmentHeader {
      marks += " [fragment \(upper.identification) at \(upper.fragmentOffset)\(upper.moreFragments ? "+" : "")]"
    }
    let payload = header.upperLayerPayload(upper)
    let ends = "\(header.source) > \(header.destination)"
    switch upper.ending {
    case .upperLayer:
      let isChecked = isWhole && !upper.hasFragmentHeader
      let sum = header.pseudoHeader(protocol: upper.protocol, length: payload.byteCount)
      return transport(
        upper.protocol, payload, source: "\(header.source)", destination: "\(header.destination)", bracket: true,
        sum: isChecked && offload == .nothing ? sum : nil) + marks + offload.mark
    case .nothingFollows: return "\(ends) IPv6 no next header" + marks
    case .laterFragment: return "\(ends) \(upper.protocol) length \(payload.byteCount)" + marks
    case .truncated: return "\(ends) IPv6 [truncated \(upper.protocol) header]" + marks
    case .refused: return "\(ends) IPv6 [bad extension headers]" + marks
    }
  }
}
