/// What an Ethernet frame carries (IEEE 802 Numbers). Open to values without a name.
@frozen public struct EtherType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static var ipv4: EtherType { @inlinable get { EtherType(rawValue: 0x0800) } }
  public static var arp: EtherType { @inlinable get { EtherType(rawValue: 0x0806) } }
  public static var wakeOnLAN: EtherType { @inlinable get { EtherType(rawValue: 0x0842) } }
  /// 802.1Q customer tag.
  public static var vlan: EtherType { @inlinable get { EtherType(rawValue: 0x8100) } }
  public static var ipv6: EtherType { @inlinable get { EtherType(rawValue: 0x86DD) } }
  /// 802.3x pause frames and other MAC control.
  public static var macControl: EtherType { @inlinable get { EtherType(rawValue: 0x8808) } }
  /// 802.1ad service tag.
  public static var serviceVLAN: EtherType { @inlinable get { EtherType(rawValue: 0x88A8) } }
  public static var lldp: EtherType { @inlinable get { EtherType(rawValue: 0x88CC) } }
  /// IEEE 1588 over Ethernet.
  public static var precisionTime: EtherType { @inlinable get { EtherType(rawValue: 0x88F7) } }

  /// Values up to 1500 are the length of an 802.3 frame, not a type (IEEE 802.3 3.2.6).
  @inlinable public var isLength: Bool { rawValue <= 1500 }
}

extension EtherType: CustomStringConvertible {
  public var description: String {
    switch self {
    case .ipv4: "IPv4"
    case .arp: "ARP"
    case .wakeOnLAN: "Wake-on-LAN"
    case .vlan: "802.1Q"
    case .ipv6: "IPv6"
    case .macControl: "MAC control"
    case .serviceVLAN: "802.1ad"
    case .lldp: "LLDP"
    case .precisionTime: "PTP"
    default: "0x" + hexadecimal(rawValue, digits: 4)
    }
  }
}

/// `value` in lower-case hexadecimal with leading zeros up to `digits`.
func hexadecimal(_ value: some BinaryInteger, digits: Int) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: Swift.max(0, digits - text.utf8.count)) + text
}
