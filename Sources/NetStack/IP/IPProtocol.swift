/// The protocol field of an IPv4 header (IANA protocol numbers).
@frozen public struct IPProtocol: Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt8

  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static var icmp: IPProtocol { @inlinable get { IPProtocol(rawValue: 1) } }
  public static var tcp: IPProtocol { @inlinable get { IPProtocol(rawValue: 6) } }
  public static var udp: IPProtocol { @inlinable get { IPProtocol(rawValue: 17) } }
}
