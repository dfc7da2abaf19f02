import Packets

/// What names the exchange that a frame belongs to.
extension Correspondence {
  static let dnsPort: UInt16 = 53
  /// Longest question of a DNS message that is compared: a name of 255 bytes, type and class.
  private static let questionLimit = 260

  private static func arp(_ frame: [UInt8], _ operation: UInt16) -> Bool {
    frame.count >= FrameAnatomy.networkOffset + ARPField.length && frame.number16(12) == EtherType.arp.rawValue
      && frame.number16(FrameAnatomy.networkOffset + 6) == operation
  }

  /// The address that an ARP request asks for; nil for announcements.
  static func arpRequest(_ frame: [UInt8]) -> UInt32? {
    guard arp(frame, 1) else { return nil }
    let sender = frame.number32(FrameAnatomy.networkOffset + 14)
    let target = frame.number32(FrameAnatomy.networkOffset + 24)
    return sender == target ? nil : target
  }

  /// The address that an ARP reply tells about.
  static func arpReply(_ frame: [UInt8]) -> UInt32? {
    arp(frame, 2) ? frame.number32(FrameAnatomy.networkOffset + 14) : nil
  }

  /// The transaction of a DHCP message to (`isReply`: from) a server.
  static func dhcpTransaction(_ frame: [UInt8], _ anatomy: FrameAnatomy, isReply: Bool) -> UInt32? {
    let ports = isReply ? (67, 68) : (68, 67)
    guard anatomy.sourcePort == ports.0, anatomy.destinationPort == ports.1,
      anatomy.end - anatomy.transportOffset >= UDPField.headerLength + DHCPField.magicCookie
    else { return nil }
    return frame.number32(anatomy.transportOffset + UDPField.headerLength + DHCPField.transactionIdentifier)
  }

  /// The question section of a DNS message with one question, as bytes with letters in lower case; empty for everything
  /// else.
  static func question(_ frame: [UInt8], _ anatomy: FrameAnatomy, serverPort: UInt16) -> [UInt8] {
    let start = anatomy.transportOffset + UDPField.headerLength
    guard serverPort == dnsPort, anatomy.end - start > 12, frame.number16(start + 4) == 1 else { return [] }
    var offset = start + 12
    while offset < anatomy.end, frame[offset] != 0 {
      // No compression is possible before the first name.
      guard frame[offset] < 64 else { return [] }
      offset += 1 + Int(frame[offset])
    }
    let end = offset + 5
    guard end <= anatomy.end, end - start - 12 <= questionLimit else { return [] }
    return frame[(start + 12)..<end].map { (65...90).contains($0) ? $0 + 32 : $0 }
  }
}
