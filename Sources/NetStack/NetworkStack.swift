import EventLoop
import Events
import Link
import Packets

/// The protocols of one host, without I/O: frames and time in, frames and wake-ups out.
///
///     let stack = NetworkStack(on: loop, tap: tap)
///     let interface = stack.attach(device)
///     interface.add(IPv4Subnet("10.0.2.15/24")!)
///     try stack.routes.addDefault(gateway: IPv4Address(10, 0, 2, 2), interface: interface)
///     let connection = try stack.tcp.connect(...)
///
/// A host, and a router only after ``startForwarding()``: otherwise datagrams for others are counted and dropped. The
/// loopback interface exists from the start, and carries everything that is sent to one of the host's own addresses, as
/// in Linux.
public final class NetworkStack {
  public let loop: any EventLoop
  public let tap: EventTap
  public let random: SeededRandom
  public let configuration: StackConfiguration
  public let routes = RoutingTable()
  public private(set) var interfaces: [NetworkInterface] = []
  public private(set) var loopback: NetworkInterface!
  /// IPv4 itself: its counters and reassembly.
  public private(set) var ip: IPv4Layer!
  public private(set) var icmp: ICMPLayer!
  public private(set) var udp: UDPLayer!
  public private(set) var raw: RawLayer!
  public private(set) var tcp: TCPLayer!
  /// Called after the state of an interface's link changed.
  public var onLinkChange: ((NetworkInterface, _ isUp: Bool) -> Void)?
  private var ownAddresses: Set<UInt32> = []
  /// Networks whose every address is this host's: those of `lo`.
  private var ownNetworks: [IPv4Subnet] = []
  /// For whom this host answers as a router (proxy ARP).
  public var proxies = ProxyTable()
  private var pathMTUs: PathMTUTable

  public init(on loop: any EventLoop, tap: EventTap, configuration: StackConfiguration = .init()) {
    self.loop = loop
    self.tap = tap
    self.configuration = configuration
    random = loop.random
    pathMTUs = PathMTUTable()
    ip = IPv4Layer(stack: self)
    icmp = ICMPLayer(stack: self)
    udp = UDPLayer(stack: self)
    raw = RawLayer(stack: self)
    tcp = TCPLayer(stack: self)
    ip.connect(icmp: icmp, udp: udp, raw: raw)
    let device = LoopbackDevice(on: loop)
    loopback = attach(device, isLoopback: true)
    if let address = IPv4Subnet(.loopback, prefixLength: 8) { loopback.add(address) }
  }

  deinit {
    tcp.shutDown()
    for interface in interfaces { interface.device.client = nil }
    ip.disconnect()
  }

  // MARK: Interfaces

  /// Makes an interface of a device and becomes the device's client. The interface has no address yet.
  public func attach(_ device: any NetworkDevice) -> NetworkInterface { attach(device, isLoopback: false) }

  private func attach(_ device: any NetworkDevice, isLoopback: Bool) -> NetworkInterface {
    let interface = NetworkInterface(device, index: interfaces.count + 1, isLoopback: isLoopback, stack: self)
    interfaces.append(interface)
    device.client = interface
    return interface
  }

  /// The interface of an index; nil if there is none.
  public func interface(at index: Int) -> NetworkInterface? {
    index > 0 && index <= interfaces.count ? interfaces[index - 1] : nil
  }

  public func interface(named name: String) -> NetworkInterface? { interfaces.first { $0.name == name } }

  /// Gives an interface another name, and its addresses the labels that go with it.
  ///
  /// - Throws: ``NetworkError/alreadyExists`` if another interface has it.
  public func rename(_ interface: NetworkInterface, to name: String) throws(NetworkError) {
    guard name != interface.name else { return }
    guard self.interface(named: name) == nil else { throw .alreadyExists }
    for place in interface.addresses.indices {
      let old = interface.addresses[place].label.drop { $0 != ":" }
      let alias = place == 0 ? "" : old.isEmpty ? ":\(place + 1)" : String(old)
      interface.addresses[place].label = String(name.prefix(15 - alias.count)) + alias
    }
    interface.name = name
  }

  func localAddressesChanged() {
    ownAddresses = Set(interfaces.flatMap { $0.addresses.map(\.address.rawValue) })
    ownNetworks = loopback?.addresses.filter { $0.ownsNetwork && $0.hasNetwork }.map(\.network) ?? []
    for interface in interfaces { interface.acceptedSource = 0 }
  }

  /// True if `address` is one of this host's: an address of an interface, even if that is down, or of a network of `lo`
  /// (127.0.0.0/8).
  public func isLocal(_ address: IPv4Address) -> Bool {
    ownAddresses.contains(address.rawValue)
      || ownNetworks.contains { $0.contains(address) } && !isBroadcast(address)
  }

  /// What `bind` demands of an address, before it looks at anything else.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable`` unless it is unspecified, one of this host's, a group or a
  ///   broadcast address, or `rules` allow any; ``NetworkError/addressFamilyNotSupported``.
  public func checkBindable(_ address: IPAddress, _ rules: LocalAddressRules = .init()) throws(NetworkError) {
    if address.isUnspecified { return }
    guard let wanted = address.v4 else { throw .addressFamilyNotSupported }
    if rules.takesForeignAddresses || rules.isTransparent { return }
    guard isLocal(wanted) || wanted.isMulticast || isBroadcast(wanted) else { throw .addressNotAvailable }
  }

  /// True for 255.255.255.255 and the directed broadcast address of a network that an interface is on.
  public func isBroadcast(_ address: IPv4Address) -> Bool {
    address == .broadcast || broadcastHome(of: address, nil) != nil
  }

  /// The interface (`named`, or any) that has a directed broadcast address, and its own address there.
  private func broadcastHome(
    of address: IPv4Address, _ named: NetworkInterface?
  ) -> (interface: NetworkInterface, own: IPv4Address)? {
    for interface in interfaces where interface.isEnabled && (named == nil || named === interface) {
      if let own = interface.addresses.first(where: { $0.isBroadcast(address) }) { return (interface, own.address) }
    }
    return nil
  }

  /// True for multicast and broadcast addresses.
  func isGroup(_ address: IPAddress) -> Bool { address.v4.map { $0.isMulticast || isBroadcast($0) } ?? false }

  func transmitReady(_ interface: NetworkInterface) {
    tcp.transmitReady(interface)
    udp.transmitReady()
    icmp.transmitReady()
    raw.transmitReady()
  }

  func linkChanged(_ interface: NetworkInterface, isUp: Bool) { onLinkChange?(interface, isUp) }

  // MARK: Paths

  /// The way to `destination`: route look-up and choice of the source address.
  ///
  /// - Parameters:
  ///   - source: the address to speak from; nil or 0.0.0.0: the route decides.
  ///   - index: index of the only interface that may be used, if the caller is bound to one; 0: any.
  ///   - isTransparent: `source` need not be one of this host's.
  ///   - staysOnLink: routes through routers do not count (Linux `RT_SCOPE_LINK`).
  ///   - headerOptions: stand in the header of every datagram; a source route among them leads the way.
  /// - Throws: ``NetworkError/noSuchDevice``, ``NetworkError/noRoute``, also if `source` is not one of this host's
  ///   (Linux `ip_route_output_key_hash_rcu`), ``NetworkError/addressFamilyNotSupported``.
  public func path(
    to destination: IPAddress, from source: IPAddress?, via index: Int = 0, isTransparent: Bool = false,
    staysOnLink: Bool = false, headerOptions: IPv4HeaderOptions? = nil
  ) throws(NetworkError) -> Path {
    let interface = interface(at: index)
    if index != 0 && interface == nil { throw .noSuchDevice }
    guard let final = destination.v4 else { throw .addressFamilyNotSupported }
    var target = headerOptions?.firstHop ?? final
    var wanted: IPv4Address?
    if let source, !source.isUnspecified {
      guard let address = source.v4 else { throw .addressFamilyNotSupported }
      guard isTransparent || isLocal(address) else { throw .noRoute }
      wanted = address
    }
    // Linux takes the unspecified destination for this host.
    if target == .any { target = wanted ?? .loopback }
    if isLocal(target), interface.map({ $0.isHome(of: target) }) ?? true {
      return localPath(to: target, from: wanted, headerOptions, headerOptions?.firstHop == nil ? target : final)
    }
    if target == .broadcast || target.isMulticast {
      return try groupPath(to: target, from: wanted, via: interface, staysOnLink, headerOptions, final)
    }
    if let (home, own) = broadcastHome(of: target, interface) {
      return Path(
        stack: self, interface: home, source: wanted ?? own, destination: target, nextHop: target,
        station: home.isLoopback ? home.hardwareAddress : home.hardwareBroadcast, mtu: home.mtu, isBroadcast: true,
        headerOptions: headerOptions, final: final)
    }
    let found = routes.lookUp(target, via: interface, onLinkOnly: staysOnLink)
    if found.isUnreachable { throw .hostUnreachable }
    guard let route = found.route ?? interface.flatMap(Self.onLink) else { throw .noRoute }
    guard let from = wanted ?? route.preferredSource ?? self.source(on: route, to: target) else {
      throw .addressNotAvailable
    }
    let limit = pathMTUs.mtu(to: target, now: loop.now) ?? route.interface.mtu
    return Path(
      stack: self, interface: route.interface, source: from, destination: target, nextHop: route.nextHop ?? target,
      station: nil, mtu: min(limit, route.interface.mtu), isBroadcast: false, headerOptions: headerOptions,
      final: final, limits: route.limits)
  }

  /// The address to speak from on a route (Linux `inet_select_addr`): the interface's own, or another's if that means
  /// this host alone; 0.0.0.0 if all do. Nil without any address.
  private func source(on route: Route, to target: IPv4Address) -> IPv4Address? {
    let own = route.interface.source(for: route.nextHop ?? target)
    if let own, !own.isLoopback { return own }
    let others = interfaces.lazy.flatMap(\.addresses).filter { !$0.isSecondary && !$0.address.isLoopback }
    return others.first?.address ?? own.map { _ in .any }
  }

  /// Without a route over the interface that the caller insists on, everybody is taken to be on its link, as in Linux.
  private static func onLink(_ interface: NetworkInterface) -> Route? {
    interface.isUp ? Route(prefix: .any, interface: interface) : nil
  }

  private func localPath(
    to target: IPv4Address, from wanted: IPv4Address?, _ headerOptions: IPv4HeaderOptions?, _ final: IPv4Address
  ) -> Path {
    Path(
      stack: self, interface: loopback, source: wanted ?? preferredSource(toOwn: target), destination: target,
      nextHop: target, station: loopback.hardwareAddress, mtu: loopback.mtu, isBroadcast: false,
      headerOptions: headerOptions, final: final)
  }

  /// Who speaks to an address of this host: the address itself, for a secondary one the primary of its network, and to
  /// what only lies in a network of `lo` the address of that.
  private func preferredSource(toOwn target: IPv4Address) -> IPv4Address {
    for interface in interfaces {
      guard let own = interface.addresses.first(where: { $0.address == target }) else { continue }
      let primary = interface.addresses.first { !$0.isSecondary && $0.sharesNetwork(with: own) }
      return primary?.address ?? target
    }
    return loopback.addresses.first { $0.ownsNetwork && $0.contains(target) }?.address ?? target
  }

  private func groupPath(
    to target: IPv4Address, from wanted: IPv4Address?, via bound: NetworkInterface?,
    _ staysOnLink: Bool, _ headerOptions: IPv4HeaderOptions?, _ final: IPv4Address
  ) throws(NetworkError) -> Path {
    // The interface that the caller means, by index or by source, comes before the routes.
    let speaker = wanted.flatMap { address in interfaces.first { $0.isHome(of: address) } }
    let found = bound == nil && speaker == nil ? routes.lookUp(target, onLinkOnly: staysOnLink) : .none
    if found.isUnreachable { throw .hostUnreachable }
    guard let interface = bound ?? speaker ?? found.route?.interface, interface.isUp else { throw .noRoute }
    let from = wanted ?? interface.addresses.first?.address ?? .any
    return Path(
      stack: self, interface: interface, source: from, destination: target, nextHop: target,
      station: interface.groupStation(of: target), mtu: interface.mtu, isBroadcast: target == .broadcast,
      headerOptions: headerOptions, final: final)
  }

  /// A router said that datagrams to `destination` must not be longer than `mtu`. Kept for ten minutes, not below 552
  /// bytes (Linux's `min_pmtu`); paths made from now on know it.
  func lowerPathMTU(to destination: IPv4Address, mtu: Int) -> Int {
    pathMTUs.lower(destination, to: mtu, now: loop.now)
  }
}
