/// What an IP datagram carries (IANA Protocol Numbers); IPv6 extension headers are in the same space. Open to values
/// without a name.
@frozen public struct IPProtocol: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static var hopByHop: IPProtocol { @inlinable get { IPProtocol(rawValue: 0) } }
  public static var icmp: IPProtocol { @inlinable get { IPProtocol(rawValue: 1) } }
  public static var igmp: IPProtocol { @inlinable get { IPProtocol(rawValue: 2) } }
  public static var tcp: IPProtocol { @inlinable get { IPProtocol(rawValue: 6) } }
  public static var udp: IPProtocol { @inlinable get { IPProtocol(rawValue: 17) } }
  public static var routing: IPProtocol { @inlinable get { IPProtocol(rawValue: 43) } }
  public static var fragment: IPProtocol { @inlinable get { IPProtocol(rawValue: 44) } }
  public static var encapsulatedSecurityPayload: IPProtocol { @inlinable get { IPProtocol(rawValue: 50) } }
  public static var authentication: IPProtocol { @inlinable get { IPProtocol(rawValue: 51) } }
  public static var icmpv6: IPProtocol { @inlinable get { IPProtocol(rawValue: 58) } }
  public static var noNextHeader: IPProtocol { @inlinable get { IPProtocol(rawValue: 59) } }
  public static var destinationOptions: IPProtocol { @inlinable get { IPProtocol(rawValue: 60) } }
  public static var sctp: IPProtocol { @inlinable get { IPProtocol(rawValue: 132) } }
}

extension IPProtocol: CustomStringConvertible {
  public var description: String {
    switch self {
    case .hopByHop: "hop-by-hop"
    case .icmp: "ICMP"
    case .igmp: "IGMP"
    case .tcp: "TCP"
    case .udp: "UDP"
    case .routing: "routing"
    case .fragment: "fragment"
    case .encapsulatedSecurityPayload: "ESP"
    case .authentication: "AH"
    case .icmpv6: "ICMPv6"
    case .noNextHeader: "no next header"
    case .destinationOptions: "destination options"
    case .sctp: "SCTP"
    default: "protocol \(rawValue)"
    }
  }
}
