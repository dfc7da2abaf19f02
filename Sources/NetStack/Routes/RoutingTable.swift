import Packets

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
    try append(route)
  }

  /// Adds a route behind those that are as good.
  private func append(_ route: Route) throws(NetworkError) {
    try insert(route, at: entries.firstIndex { Self.precedes(route, $0) } ?? entries.endIndex)
  }

  /// Adds the route of an address behind those that are as good, even to a table that is full: addresses have a limit
  /// of their own.
  func append(connected route: Route) {
    entries.insert(route, at: entries.firstIndex { Self.precedes(route, $0) } ?? entries.endIndex)
    invalidate()
  }

  /// Adds a route in front of those that are as good, as route(8) does.
  ///
  /// - Throws: ``NetworkError/alreadyExists`` if there is one that says the same, ``NetworkError/noBuffers`` if the
  ///   table is full.
  public func prepend(_ route: Route) throws(NetworkError) {
    guard !entries.contains(where: route.isSame) else { throw .alreadyExists }
    try insert(route, at: entries.firstIndex { !Self.precedes($0, route) } ?? entries.endIndex)
  }

  private func insert(_ route: Route, at place: Int) throws(NetworkError) {
    guard entries.count < limit else { throw .noBuffers }
    entries.insert(route, at: place)
    invalidate()
  }

  /// True if `route` is looked at before `other`, whichever came first.
  private static func precedes(_ route: Route, _ other: Route) -> Bool {
    other.prefix.prefixLength < route.prefix.prefixLength
      || (other.prefix.prefixLength == route.prefix.prefixLength && other.metric > route.metric)
  }

  /// Adds 0.0.0.0/0 through `gateway`.
  public func addDefault(gateway: IPv4Address, interface: NetworkInterface, metric: Int = 0) throws(NetworkError) {
    try add(Route(prefix: .any, gateway: gateway, interface: interface, metric: metric))
  }

  /// Removes the first route that `condition` accepts; false if there is none.
  public func removeFirst(where condition: (Route) -> Bool) -> Bool {
    guard let place = entries.firstIndex(where: condition) else { return false }
    entries.remove(at: place)
    invalidate()
    return true
  }

  /// Removes the routes that `condition` accepts; returns how many.
  @discardableResult
  public func remove(where condition: (Route) -> Bool) -> Int {
    let before = entries.count
    entries.removeAll(where: condition)
    if entries.count != before { invalidate() }
    return before - entries.count
  }

  /// The best route to `destination` over an interface that is up, unless one before it says that there is no way. Over
  /// `interface` only, if one is given: no way is no route then; without a router with `onLinkOnly`.
  public func lookUp(
    _ destination: IPv4Address, via interface: NetworkInterface? = nil, onLinkOnly: Bool = false
  ) -> RouteAnswer {
    for route in entries where route.prefix.contains(destination) && (route.interface.isUp || route.isUnreachable) {
      if route.isUnreachable { return interface == nil ? .unreachable : .none }
      if onLinkOnly, route.nextHop != nil { continue }
      if let interface, route.interface !== interface { continue }
      return .route(route)
    }
    return .none
  }

  /// Makes every ``Path`` look up again.
  func invalidate() { generation &+= 1 }
}

/// What a ``RoutingTable`` says of the way to an address.
public enum RouteAnswer {
  case route(Route)
  /// A route says that there is no way (RTF_REJECT).
  case unreachable
  /// No route says anything.
  case none

  /// The way, if there is one.
  public var route: Route? {
    if case .route(let route) = self { route } else { nil }
  }

  var isUnreachable: Bool {
    if case .unreachable = self { true } else { false }
  }
}

extension IPv4Subnet {
  /// 0.0.0.0/0: every address.
  public static var any: IPv4Subnet { IPv4Subnet(.any, mask: .any)! }
}
