import Packets

/// An address of an interface (rtnetlink(7) `struct ifaddrmsg`).
public struct InterfaceAddress: Equatable, Sendable {
  /// The address and its mask.
  public let subnet: IPv4Subnet
  /// What ioctl(2) calls it: the interface's name, or that with an alias behind a colon.
  public internal(set) var label: String
  /// The broadcast address that goes with it besides that of its network; 0.0.0.0: none.
  public let broadcast: IPv4Address
  /// The address whose network is on the link: the address itself, but where somebody named the other end.
  public let peer: IPv4Address
  /// True if an address of the same network was there before: nothing is sent from this one by choice, and it goes with
  /// that one.
  public internal(set) var isSecondary = false
  /// On `lo`: its network is this host's, from the first time that it was up.
  var ownsNetwork = false

  public init(_ subnet: IPv4Subnet, label: String, broadcast: IPv4Address = .any, peer: IPv4Address? = nil) {
    self.subnet = subnet
    self.label = label
    self.broadcast = broadcast
    self.peer = peer ?? subnet.address
  }

  public var address: IPv4Address { subnet.address }
  public var prefixLength: UInt8 { subnet.prefixLength }
  public var mask: IPv4Address { subnet.mask }

  /// The network on the link.
  public var network: IPv4Subnet {
    IPv4Subnet(IPv4Address(rawValue: peer.rawValue & mask.rawValue), prefixLength: Int(prefixLength)) ?? subnet
  }

  /// True if `other` is in the network on the link.
  public func contains(_ other: IPv4Address) -> Bool { network.contains(other) }

  /// True if `other` reaches everybody in the network.
  func isBroadcast(_ other: IPv4Address) -> Bool {
    (broadcast != .any && broadcast == other)
      || (hasNetwork && network.hasBroadcast && network.broadcast == other)
  }

  /// True if a route to the network comes with the address: everything is no network, and a host alone neither.
  var hasNetwork: Bool {
    !isSecondary && network.address != .any && (prefixLength < 32 || peer != address)
  }

  /// Two addresses of one network.
  func sharesNetwork(with other: InterfaceAddress) -> Bool { mask == other.mask && contains(other.peer) }
}

extension InterfaceAddress: CustomStringConvertible {
  public var description: String { subnet.description }
}
