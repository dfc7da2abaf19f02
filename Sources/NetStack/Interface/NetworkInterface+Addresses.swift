import Link
import Packets

/// The addresses of an interface, by Linux's rules: primary and secondary ones, each with the routes that come with it.
extension NetworkInterface {
  /// True if the interface has IPv4 at all: not when its MTU is too small for it (RFC 791 3.2).
  public var supportsIPv4: Bool { linkMTU >= 68 }

  /// Adds an address, its connected route, and announces it (RFC 5227 2.3). Nothing happens if it is there.
  public func add(_ address: IPv4Subnet) {
    guard !addresses.contains(where: { $0.address == address.address }) else { return }
    let broadcast = isLoopback || !address.hasBroadcast ? .any : address.broadcast
    try? insert(InterfaceAddress(address, label: name, broadcast: broadcast))
  }

  /// The same with all that an address has. 0.0.0.0 is none: nothing happens.
  ///
  /// - Throws: ``NetworkError/alreadyExists`` if it is there, ``NetworkError/noBuffers`` without IPv4,
  ///   or with too many addresses, ``NetworkError/invalidArgument`` for a network that is of this host and of the link
  ///   at once.
  public func insert(_ address: InterfaceAddress) throws(NetworkError) {
    guard supportsIPv4, addresses.count < Self.addressLimit else { throw .noBuffers }
    guard address.address != .any else { return }
    var new = address
    new.isSecondary = false
    for other in addresses where other.sharesNetwork(with: new) {
      if other.address == new.address { throw .alreadyExists }
      guard other.address.isLoopback == new.address.isLoopback else { throw .invalidArgument }
      new.isSecondary = true
    }
    // Primary ones first, and of those the ones that mean this host alone.
    let before = addresses.lastIndex { !$0.isSecondary && ($0.address.isLoopback || !new.address.isLoopback) }
    addresses.insert(new, at: new.isSecondary ? addresses.count : before.map { $0 + 1 } ?? 0)
    addressesChanged()
    if enabled { connect(new) }
    if isUp && !isLoopback { arp.announce(new.address) }
  }

  private static let addressLimit = 1024

  /// Removes an address and the routes that stand on it; TCP connections from it end.
  public func remove(_ address: IPv4Address) {
    guard let place = addresses.firstIndex(where: { $0.address == address }) else { return }
    endConnections(of: take(at: place))
  }

  /// The same as a user does it, with an address that may have a twin in another network: with the last one all
  /// neighbours are forgotten.
  public func remove(_ address: InterfaceAddress) {
    guard let place = addresses.firstIndex(of: address) else { return }
    endConnections(of: take(at: place))
    if addresses.isEmpty { neighbours.flush(andPermanent: true) }
  }

  /// Puts another address in the place of one: connections of one that stays go on. What cannot be inserted is gone.
  public func replace(_ old: InterfaceAddress, with new: InterfaceAddress) throws(NetworkError) {
    guard let place = addresses.firstIndex(of: old) else { throw .addressNotAvailable }
    let gone = take(at: place)
    defer { endConnections(of: gone) }
    if addresses.isEmpty { neighbours.flush(andPermanent: true) }
    try insert(new)
  }

  func removeAllAddresses() {
    while !addresses.isEmpty { endConnections(of: take(at: 0)) }
  }

  /// Takes an address away, with a primary one the secondary ones of its network, and their routes: that to the
  /// network, and those with a source that this host has no more. Without any address the interface has no routes.
  private func take(at place: Int) -> [InterfaceAddress] {
    var gone = [addresses.remove(at: place)]
    if !gone[0].isSecondary {
      gone += addresses.filter { $0.isSecondary && $0.sharesNetwork(with: gone[0]) }
      addresses.removeAll { $0.isSecondary && $0.sharesNetwork(with: gone[0]) }
    }
    addressesChanged()
    stack.routes.remove { route in
      guard route.interface === self, !route.isUnreachable else { return false }
      return addresses.isEmpty
        || gone.contains { old in
          old.address == route.preferredSource
            && (route.isConnected ? route.prefix == old.network : !stack.isLocal(old.address))
        }
    }
    return gone
  }

  private func endConnections(of gone: [InterfaceAddress]) {
    for old in gone where !stack.isLocal(old.address) { tcp.addressRemoved(IPAddress(old.address)) }
  }

  /// The route that comes with an address. What is in a network of `lo` is this host itself.
  func connect(_ address: InterfaceAddress) {
    guard address.hasNetwork else { return }
    guard isLoopback else {
      return stack.routes.append(
        connected: Route(
          prefix: address.network, interface: self, preferredSource: address.address, isConnected: true))
    }
    guard let place = addresses.firstIndex(of: address) else { return }
    addresses[place].ownsNetwork = true
    addressesChanged()
  }

  /// True if the address of this host is one of the interface's own.
  func isHome(of address: IPv4Address) -> Bool {
    addresses.contains { $0.address == address || $0.ownsNetwork && $0.contains(address) }
  }

  func addressesChanged() {
    primaryAddress = addresses.first?.address.rawValue ?? 0
    stack.routes.invalidate()
    stack.localAddressesChanged()
  }

  /// The address to speak from to `destination`: the one whose network holds it, else the primary. Those that mean this
  /// host alone come last.
  func source(for destination: IPv4Address) -> IPv4Address? {
    let speaking = addresses.filter { !$0.isSecondary && !$0.address.isLoopback }
    let candidates = speaking.isEmpty ? addresses : speaking
    return (candidates.first { $0.contains(destination) } ?? candidates.first)?.address
  }
}
