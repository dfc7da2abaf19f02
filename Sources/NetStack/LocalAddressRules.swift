/// What an endpoint may take for its own side, beyond what every endpoint may, and whom it may reach (ip(7),
/// socket(7)).
public struct LocalAddressRules: Sendable, Equatable {
  /// IP_FREEBIND: `bind` takes addresses that are not this host's, or not yet.
  public var takesForeignAddresses = false
  /// IP_TRANSPARENT: the same, and datagrams are sent from them.
  public var isTransparent = false
  /// SO_DONTROUTE: routers are not used, only what is on a link is reached.
  public var staysOnLink = false
  /// IP_LOCAL_PORT_RANGE: bounds of the ephemeral ports; 0: the stack's.
  public var lowestPort: UInt16 = 0
  public var highestPort: UInt16 = 0

  public init() {}

  /// The ephemeral ports: bounds outside of the stack's own range count for nothing.
  func ports(within range: ClosedRange<UInt16>) -> ClosedRange<UInt16> {
    let low = range.contains(lowestPort) ? lowestPort : range.lowerBound
    let high = range.contains(highestPort) ? highestPort : range.upperBound
    return low <= high ? low...high : range
  }
}
