import Packets

/// One way to a network.
public struct Route {
  public let prefix: IPv4Subnet
  /// The router; nil: the network is on the link.
  public let gateway: IPv4Address?
  /// Who gets the frames; nil: the destination itself. A gateway that was this host itself leads nowhere else.
  let nextHop: IPv4Address?
  public let interface: NetworkInterface
  /// Among equal prefixes the lowest metric wins.
  public let metric: Int
  /// Source address of what is sent this way; nil: the interface's address that fits best.
  public let preferredSource: IPv4Address?
  /// True if the route came with an address of the interface, and goes with it.
  public let isConnected: Bool
  /// True if there is no way: senders are told that the host is unreachable (RTF_REJECT).
  public let isUnreachable: Bool
  /// What TCP connections on this way are told.
  public let limits: Limits

  /// What a route says of the connections that use it (route(8): `mss`, `window`, `irtt`); 0: nothing.
  public struct Limits: Equatable, Sendable {
    /// Largest segment to announce, in bytes.
    public var segment: UInt32 = 0
    /// Largest window, in bytes.
    public var window: UInt32 = 0
    /// First guess of the round trip, in milliseconds. Kept: every connection has measured it by its handshake.
    public var roundTrip: UInt32 = 0

    public init() {}
  }

  public init(
    prefix: IPv4Subnet, gateway: IPv4Address? = nil, interface: NetworkInterface, metric: Int = 0,
    preferredSource: IPv4Address? = nil, isConnected: Bool = false, isUnreachable: Bool = false,
    limits: Limits = Limits()
  ) {
    self.prefix = IPv4Subnet(prefix.network, prefixLength: Int(prefix.prefixLength)) ?? prefix
    self.gateway = gateway
    nextHop = gateway.flatMap { interface.isHome(of: $0) ? nil : $0 }
    self.interface = interface
    self.metric = metric
    self.preferredSource = preferredSource
    self.isConnected = isConnected
    self.isUnreachable = isUnreachable
    self.limits = limits
  }

  /// True if the network is on the link.
  public var isOnLink: Bool { nextHop == nil && !isUnreachable }

  /// True if both say the same of the same network.
  func isSame(as other: Route) -> Bool {
    prefix == other.prefix && metric == other.metric && gateway == other.gateway && interface === other.interface
      && preferredSource == other.preferredSource && isConnected == other.isConnected
      && isUnreachable == other.isUnreachable && limits == other.limits
  }
}
