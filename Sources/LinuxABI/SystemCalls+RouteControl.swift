import NetStack
import Packets
import Sockets

/// A `struct rtentry` (linux/route.h): 120 bytes.
private struct RouteEntry {
  struct Address {
    let family: UInt16
    let address: IPv4Address
  }
  let destination: Address
  let gateway: Address
  let mask: Address
  let flags: UInt16
  let metric: Int16
  /// Pointer to the name of the interface, or null.
  let device: UInt
  let limits: Route.Limits

  static let byteCount = 120
  /// RTF_GATEWAY, RTF_HOST, RTF_MTU, RTF_WINDOW, RTF_IRTT, RTF_REJECT
  static let gatewayFlag: UInt16 = 0x0002
  static let hostFlag: UInt16 = 0x0004
  static let segmentFlag: UInt16 = 0x0040
  static let windowFlag: UInt16 = 0x0080
  static let roundTripFlag: UInt16 = 0x0100
  static let rejectFlag: UInt16 = 0x0200

  init(_ bytes: some Sequence<UInt8>) {
    let fields = UserStructure(bytes)
    func address(_ offset: Int) -> Address { Address(family: fields.load(offset), address: fields.ipv4(offset)) }
    destination = address(8)
    gateway = address(24)
    mask = address(40)
    let flags: UInt16 = fields.load(56)
    self.flags = flags
    metric = fields.load(80)
    device = fields.load(88)
    var limits = Route.Limits()
    // What is called MTU there is the segment and its headers.
    if flags & Self.segmentFlag != 0 {
      limits.segment = min(UInt32(truncatingIfNeeded: fields.load(96, as: UInt.self) &- 40), 65_495)
    }
    if flags & Self.windowFlag != 0 { limits.window = UInt32(truncatingIfNeeded: fields.load(104, as: UInt.self)) }
    if flags & Self.roundTripFlag != 0 { limits.roundTrip = UInt32(fields.load(112, as: UInt16.self)) << 3 }
    self.limits = limits
  }

  func has(_ flag: UInt16) -> Bool { flags & flag != 0 }

  /// The metric counts from one; none is zero.
  var priority: Int { metric == 0 ? 0 : Int(UInt32(truncatingIfNeeded: Int(metric) - 1)) }

  /// The network: a host's own where RTF_HOST says so.
  func prefix() throws(Errno) -> IPv4Subnet {
    guard destination.family == SocketDomain.AF_INET else { throw .EAFNOSUPPORT }
    let isHost = has(Self.hostFlag)
    if !isHost, mask.family != SocketDomain.AF_INET, mask.family != 0 || mask.address != .any { throw .EAFNOSUPPORT }
    let length = isHost ? IPv4Address.broadcast : mask.address
    guard let prefix = IPv4Subnet(destination.address, mask: length), prefix.network == destination.address else {
      throw .EINVAL
    }
    return prefix
  }
}

// ioctl(2) of routes: SIOCADDRT and SIOCDELRT, by Linux's rules (`ip_rt_ioctl`).
extension SystemCalls {
  func routeControl(_ request: UInt, _ address: UInt, _ memory: UserMemory) throws(Errno) {
    let entry = RouteEntry(try memory.bytes(address, RouteEntry.byteCount))
    let prefix = try entry.prefix()
    let isNew = request == ControlRequest.SIOCADDRT
    if entry.has(RouteEntry.rejectFlag) {
      let route = Route(
        prefix: prefix, interface: stack.loopback, metric: entry.priority, isUnreachable: true)
      if isNew { return try networkErrno { () throws(NetworkError) in try stack.routes.prepend(route) } }
      guard
        stack.routes.removeFirst(where: {
          $0.isUnreachable && $0.prefix == prefix && (entry.priority == 0 || $0.metric == entry.priority)
        })
      else { throw .ESRCH }
      return
    }
    let (interface, source) = try device(of: entry, memory)
    let gateway =
      entry.gateway.family == SocketDomain.AF_INET && entry.gateway.address != .any
      ? entry.gateway.address : nil
    guard isNew else {
      return try removeRoute(entry, prefix, gateway, interface, source)
    }
    if gateway == nil, entry.has(RouteEntry.gatewayFlag) { throw .EINVAL }
    let out = try egress(gateway, isRouter: entry.has(RouteEntry.gatewayFlag), interface)
    guard out.isEnabled else { throw .ENETDOWN }
    let route = Route(
      prefix: prefix, gateway: gateway, interface: out, metric: entry.priority, preferredSource: source,
      limits: entry.limits)
    try networkErrno { () throws(NetworkError) in try stack.routes.prepend(route) }
  }

  /// The interface that an entry names, and with an alias the address to speak from.
  private func device(
    of entry: RouteEntry, _ memory: UserMemory
  ) throws(Errno) -> (NetworkInterface?, IPv4Address?) {
    guard entry.device != 0 else { return (nil, nil) }
    let bytes = Array(memory.stretch(entry.device, 15))
    guard bytes.count == 15 else { throw .EFAULT }
    let label = String(octets: bytes.prefix { $0 != 0 })
    guard let interface = stack.interface(named: String(label.prefix { $0 != ":" })) else { throw .ENODEV }
    guard label.contains(":") else { return (interface, nil) }
    guard let own = interface.addresses.first(where: { $0.label == label }) else { throw .ENODEV }
    return (interface, own.address)
  }

  /// The interface by which a new route leaves. A router must be on a link; whatever else is named as a gateway must be
  /// this host itself (Linux `fib_check_nh`).
  private func egress(
    _ gateway: IPv4Address?, isRouter: Bool, _ named: NetworkInterface?
  ) throws(Errno) -> NetworkInterface {
    guard let gateway else {
      guard let named, named.supportsIPv4 else { throw .ENODEV }
      return named
    }
    let isHost = !gateway.isMulticast && !stack.isBroadcast(gateway)
    if isHost, stack.isLocal(gateway) {
      let own = stack.interfaces.first { $0.addresses.contains { $0.address == gateway } } ?? stack.loopback
      guard let own, named == nil || named === own else { throw .ENETUNREACH }
      return own
    }
    let found = stack.routes.entries.first { route in
      guard route.prefix.contains(gateway) else { return false }
      return route.isUnreachable
        || isHost && isRouter && route.interface.isEnabled && route.isOnLink
          && (named == nil || route.interface === named)
    }
    guard let found else { throw .ENETUNREACH }
    guard !found.isUnreachable else { throw .EHOSTUNREACH }
    return found.interface
  }

  private func removeRoute(
    _ entry: RouteEntry, _ prefix: IPv4Subnet, _ gateway: IPv4Address?, _ interface: NetworkInterface?,
    _ source: IPv4Address?
  ) throws(Errno) {
    let wasRemoved = stack.routes.removeFirst { route in
      route.prefix == prefix && !route.isUnreachable && (entry.priority == 0 || route.metric == entry.priority)
        && (interface == nil || route.interface === interface) && (gateway == nil || route.gateway == gateway)
        && (source == nil || route.preferredSource == source)
    }
    guard wasRemoved else { throw .ESRCH }
  }
}
