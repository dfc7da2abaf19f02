import NetStack
import Packets
import Sockets

// ioctl(2) of addresses: SIOCGIFADDR, SIOCSIFADDR and their kin, by Linux's rules (`devinet_ioctl`). An address is
// named by its label.
extension SystemCalls {
  /// The address that is asked for: of several with the label, the one that the caller names, or the first.
  private func address(
    _ asked: InterfaceRequest, of interface: NetworkInterface, isNamed: Bool
  ) -> InterfaceAddress? {
    let candidates = interface.addresses.filter { $0.label == asked.label }
    guard isNamed, asked.family == SocketDomain.AF_INET else { return candidates.first }
    return candidates.first { $0.address == asked.address } ?? candidates.first
  }

  func askAddress(_ request: UInt, _ asked: inout InterfaceRequest) throws(Errno) {
    let interface = try interface(asked)
    guard let own = address(asked, of: interface, isNamed: true) else { throw .EADDRNOTAVAIL }
    switch request {
    case ControlRequest.SIOCGIFADDR: asked.put(own.address)
    case ControlRequest.SIOCGIFDSTADDR: asked.put(own.peer)
    case ControlRequest.SIOCGIFBRDADDR: asked.put(own.broadcast)
    default: asked.put(own.mask)
    }
  }

  /// SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFBRDADDR, SIOCSIFDSTADDR.
  func changeAddress(_ request: UInt, _ asked: InterfaceRequest) throws(Errno) {
    guard asked.family == SocketDomain.AF_INET else { throw .EINVAL }
    let interface = try interface(asked)
    let value = asked.address
    let old = address(asked, of: interface, isNamed: false)
    if request == ControlRequest.SIOCSIFADDR { return try setAddress(value, asked, interface, old) }
    guard let old else { throw .EADDRNOTAVAIL }
    let new: InterfaceAddress
    switch request {
    case ControlRequest.SIOCSIFNETMASK:
      guard let subnet = IPv4Subnet(old.address, mask: value) else { throw .EINVAL }
      guard subnet != old.subnet else { return }
      // A broadcast address that followed from the mask follows it.
      let follows = !interface.isLoopback && subnet.hasBroadcast && old.broadcast == old.subnet.broadcast
      new = InterfaceAddress(
        subnet, label: old.label, broadcast: follows ? subnet.broadcast : old.broadcast, peer: old.peer)
    case ControlRequest.SIOCSIFBRDADDR:
      guard value != old.broadcast else { return }
      new = InterfaceAddress(old.subnet, label: old.label, broadcast: value, peer: old.peer)
    default:
      guard value != old.peer else { return }
      guard Self.classPrefix(of: value) != nil else { throw .EINVAL }
      new = InterfaceAddress(old.subnet, label: old.label, broadcast: old.broadcast, peer: value)
    }
    // An address that has become another's twin is gone, and nobody is told.
    try? interface.replace(old, with: new)
  }

  /// SIOCSIFADDR: the mask is that of the address's class, until SIOCSIFNETMASK says better.
  private func setAddress(
    _ value: IPv4Address, _ asked: InterfaceRequest, _ interface: NetworkInterface, _ old: InterfaceAddress?
  ) throws(Errno) {
    guard let length = Self.classPrefix(of: value), let subnet = IPv4Subnet(value, prefixLength: length) else {
      throw .EINVAL
    }
    guard old?.address != value else { return }
    let broadcast = interface.isLoopback || !subnet.hasBroadcast ? .any : subnet.broadcast
    let new = InterfaceAddress(subnet, label: asked.label, broadcast: broadcast)
    try networkErrno { () throws(NetworkError) in
      if let old { try interface.replace(old, with: new) } else { try interface.insert(new) }
    }
  }

  /// The length of the network's prefix before there were masks (RFC 791 2.3); nil for a group.
  private static func classPrefix(of address: IPv4Address) -> Int? {
    switch address.rawValue >> 24 {
    case 0 where address == .any: 0
    case ..<128: 8
    case ..<192: 16
    case ..<224: 24
    case ..<240: nil
    default: address == .broadcast ? 0 : 32
    }
  }

  /// SIOCSIFFLAGS: with the name of another address, taking that down is taking it away.
  func changeFlags(_ asked: InterfaceRequest) throws(Errno) {
    let interface = try interface(asked)
    let flags = InterfaceFlags(rawValue: asked.flags)
    guard asked.isAlias else { return interface.setFlags(flags) }
    guard let alias = address(asked, of: interface, isNamed: false) else { throw .EADDRNOTAVAIL }
    if !flags.contains(.up) { interface.remove(alias) }
  }
}
