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
/// A host, and a router only after ``startForwarding()``: otherwise datagrams for others are counted and dropped. The loopback interface exists from the start, and
/// carries everything that is sent to one of the host's own addresses, as in Linux.
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

  func localAddressesChanged() {
    ownAddresses = Set(interfaces.flatMap { $0.addresses.map(\.address.rawValue) })
    for interface in interfaces { interface.acceptedSource = 0 }
  }

  /// The broadcast address of 127.0.0.0/8.
  private static let loopbackBroadcast = IPv4Address(127, 255, 255, 255)

  /// True if `address` is one of this host's, 127.0.0.0/8 included but for its broadcast address.
  public func isLocal(_ address: IPv4Address) -> Bool {
    address.isLoopback && address != Self.loopbackBroadcast || ownAddresses.contains(address.rawValue)
  }

  /// What `bind` demands of an address, before it looks at anything else.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable`` unless it is unspecified, one of this host's, a group or a broadcast
  ///   address, or `rules` allow any; ``NetworkError/addressFamilyNotSupported``.
  public func checkBindable(_ address: IPAddress, _ rules: LocalAddressRules = .init()) throws(NetworkError) {
    if address.isUnspecified { return }
    guard let wanted = address.v4 else { throw .addressFamilyNotSupported }
    if rules.takesForeignAddresses || rules.isTransparent { return }
    guard isLocal(wanted) || wanted.isMulticast || isBroadcast(wanted) else { throw .addressNotAvailable }
  }

  /// True for 255.255.255.255 and the directed broadcast address of a network that an interface is on.
  public func isBroadcast(_ address: IPv4Address) -> Bool {
    address == .broadcast
      || interfaces.contains { interface in
        interface.addresses.contains { $0.hasBroadcast && $0.broadcast == address }
      }
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
    if isLocal(target) || target == Self.loopbackBroadcast, interface.map({ $0.isHome(of: target) }) ?? true {
      return localPath(to: target, from: wanted, headerOptions, headerOptions?.firstHop == nil ? target : final)
    }
    if target == .broadcast || target.isMulticast {
      return try groupPath(to: target, from: wanted, via: interface, staysOnLink, headerOptions, final)
    }
    let found = routes.lookUp(target, via: interface, onLinkOnly: staysOnLink) ?? interface.flatMap(Self.onLink)
    guard let route = found else { throw .noRoute }
    guard let from = wanted ?? route.preferredSource ?? route.interface.source(for: route.gateway ?? target) else {
      throw .addressNotAvailable
    }
    let isBroadcast = route.interface.addresses.contains { $0.hasBroadcast && $0.broadcast == target }
    let limit = pathMTUs.mtu(to: target, now: loop.now) ?? route.interface.mtu
    return Path(
      stack: self, interface: route.interface, source: from, destination: target, nextHop: route.gateway ?? target,
      station: isBroadcast ? .broadcast : nil, mtu: min(limit, route.interface.mtu), isBroadcast: isBroadcast,
      headerOptions: headerOptions, final: final)
  }

  /// Without a route over the interface that the caller insists on, everybody is taken to be on its link, as in Linux.
  private static func onLink(_ interface: NetworkInterface) -> Route? {
    // Nobody speaks from 127.0.0.0/8 to another host.
    interface.isUp
      ? Route(prefix: .any, interface: interface, preferredSource: interface.isLoopback ? .any : nil) : nil
  }

  private func localPath(
    to target: IPv4Address, from wanted: IPv4Address?, _ headerOptions: IPv4HeaderOptions?, _ final: IPv4Address
  ) -> Path {
    // The route to 127.0.0.0/8 prefers the interface's address, that to any other address the address itself.
    Path(
      stack: self, interface: loopback, source: wanted ?? (target.isLoopback ? .loopback : target), destination: target,
      nextHop: target, station: .zero, mtu: loopback.mtu, isBroadcast: target == Self.loopbackBroadcast,
      headerOptions: headerOptions, final: final)
  }

  private func groupPath(
    to target: IPv4Address, from wanted: IPv4Address?, via bound: NetworkInterface?,
    _ staysOnLink: Bool, _ headerOptions: IPv4HeaderOptions?, _ final: IPv4Address
  ) throws(NetworkError) -> Path {
    guard
      let interface = bound ?? routes.lookUp(target, onLinkOnly: staysOnLink)?.interface
        ?? interfaces.first(where: { candidate in
          wanted.map { candidate.isHome(of: $0) } ?? false
        }), interface.isUp
    else { throw .noRoute }
    let from = wanted ?? interface.addresses.first?.address ?? .any
    return Path(
      stack: self, interface: interface, source: from, destination: target, nextHop: target,
      station: interface.isLoopback ? .zero : target == .broadcast ? .broadcast : MACAddress(multicast: target),
      mtu: interface.mtu, isBroadcast: target == .broadcast, headerOptions: headerOptions, final: final)
  }

  /// A router said that datagrams to `destination` must not be longer than `mtu`. Kept for ten minutes, not below 552
  /// bytes (Linux's `min_pmtu`); paths made from now on know it.
  func lowerPathMTU(to destination: IPv4Address, mtu: Int) -> Int {
    pathMTUs.lower(destination, to: mtu, now: loop.now)
  }
}
