import Packets

/// One way to a network.
public struct Route {
  public let prefix: IPv4Subnet
  /// The router; nil: the network is on the link.
  public let gateway: IPv4Address?
  public let interface: NetworkInterface
  /// Among equal prefixes the lowest metric wins.
  public let metric: Int
  /// Source address of what is sent this way; nil: the interface's address that fits best.
  public let preferredSource: IPv4Address?
  /// True if the route came with an address of the interface, and goes with it.
  public let isConnected: Bool

  public init(
    prefix: IPv4Subnet, gateway: IPv4Address? = nil, interface: NetworkInterface, metric: Int = 0,
    preferredSource: IPv4Address? = nil, isConnected: Bool = false
  ) {
    self.prefix = IPv4Subnet(prefix.network, prefixLength: Int(prefix.prefixLength)) ?? prefix
    self.gateway = gateway
    self.interface = interface
    self.metric = metric
    self.preferredSource = preferredSource
    self.isConnected = isConnected
  }
}

/// The routes of a host: a flat table in order of preference, so that the first match is the longest prefix with the
/// lowest metric. A host has a handful of routes; a look-up happens once a flow, not once a datagram (``Path``).
public final class RoutingTable {
  /// Routes in order of preference.
  public private(set) var entries: [Route] = []
  /// Grows with every change of routes and addresses; a ``Path`` of an older generation is no longer valid.
  public private(set) var generation: UInt64 = 0
  /// Routes at most.
  public let limit = 1024

  init() {}

  /// Adds a route; one with the same prefix, metric and interface is replaced.
  ///
  /// - Throws: ``NetworkError/noBuffers`` if the table is full; ``NetworkError/networkUnreachable`` if no connected
  ///   network of the interface contains the gateway.
  public func add(_ route: Route) throws(NetworkError) {
    if let gateway = route.gateway {
      guard route.interface.addresses.contains(where: { $0.contains(gateway) && $0.address != gateway }) else {
        throw .networkUnreachable
      }
    }
    entries.removeAll {
      $0.prefix == route.prefix && $0.metric == route.metric && $0.interface === route.interface
    }
    guard entries.count < limit else { throw .noBuffers }
    let place =
      entries.firstIndex { other in
        other.prefix.prefixLength < route.prefix.prefixLength
          || (other.prefix.prefixLength == route.prefix.prefixLength && other.metric > route.metric)
      } ?? entries.endIndex
    entries.insert(route, at: place)
    invalidate()
  }

  /// Adds 0.0.0.0/0 through `gateway`.
  public func addDefault(gateway: IPv4Address, interface: NetworkInterface, metric: Int = 0) throws(NetworkError) {
    try add(Route(prefix: .any, gateway: gateway, interface: interface, metric: metric))
  }

  /// Removes the routes that `condition` accepts; returns how many.
  @discardableResult
  public func remove(where condition: (Route) -> Bool) -> Int {
    let before = entries.count
    entries.removeAll(where: condition)
    if entries.count != before { invalidate() }
    return before - entries.count
  }

  /// The best route to `destination` over an interface that is up (over `interface` only, if one is given; without a
  /// router with `onLinkOnly`).
  public func lookUp(
    _ destination: IPv4Address, via interface: NetworkInterface? = nil, onLinkOnly: Bool = false
  ) -> Route? {
    for route in entries where route.prefix.contains(destination) && route.interface.isUp {
      if onLinkOnly, route.gateway != nil { continue }
      if let interface, route.interface !== interface { continue }
      return route
    }
    return nil
  }

  /// Makes every ``Path`` look up again.
  func invalidate() { generation &+= 1 }
}

extension IPv4Subnet {
  /// 0.0.0.0/0: every address.
  public static var any: IPv4Subnet { IPv4Subnet(.any, mask: .any)! }
}
