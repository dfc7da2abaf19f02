import Packets

/// What a sender says about one datagram beside its bytes (the control messages of sendmsg(2), ip(7), udp(7)); nil: as
/// the endpoint's options say.
public struct DatagramControl: Sendable, Equatable {
  /// IP_PKTINFO: the address to send from (0.0.0.0: the route decides, whatever the endpoint is bound to), and the
  /// index of the interface to send over (0: any).
  public var source: IPv4Address?
  public var interfaceIndex = 0
  /// MSG_DONTROUTE: no router is used.
  public var staysOnLink = false
  /// IP_TTL, IP_TOS
  public var timeToLive: UInt8?
  public var typeOfService: UInt8?
  /// IP_RETOPTS
  public var headerOptions: IPv4HeaderOptions?
  /// UDP_SEGMENT: bytes of payload of each datagram that the message is cut into; 0: it is one.
  public var segmentSize: Int?
  /// SO_TIMESTAMPING: the SCM_TSTAMP_* kinds of time stamps that the sender wants to hear of.
  public var transmitStamps: [UInt32]?

  public init() {}

  /// The path of the last datagram will not do.
  var choosesPath: Bool { source != nil || interfaceIndex != 0 || headerOptions != nil || staysOnLink }
}
