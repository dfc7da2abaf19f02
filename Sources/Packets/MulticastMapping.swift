extension MACAddress {
  /// The group address that frames to an IPv4 multicast address go to: 01:00:5e and the low 23 bits (RFC 1112 6.4).
  @inlinable public init(multicast address: IPv4Address) {
    self.init(rawValue: 0x0100_5E00_0000 | UInt64(address.rawValue & 0x7F_FFFF))
  }

  /// The group address that frames to an IPv6 multicast address go to: 33:33 and the low 32 bits (RFC 2464 7).
  @inlinable public init(multicast address: IPv6Address) {
    self.init(rawValue: 0x3333_0000_0000 | address.low & 0xFFFF_FFFF)
  }
}
