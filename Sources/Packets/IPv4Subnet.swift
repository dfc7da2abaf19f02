/// An IPv4 address together with the length of its network prefix (RFC 4632): `10.0.2.15/24`.
@frozen public struct IPv4Subnet: Hashable, Sendable, BitwiseCopyable {
  /// The address as it was given; its host bits are kept.
  public let address: IPv4Address
  /// Number of leading bits that name the network: 0...32.
  public let prefixLength: UInt8

  /// Nil if the prefix is longer than 32 bits.
  @inlinable public init?(_ address: IPv4Address, prefixLength: Int) {
    guard (0...32).contains(prefixLength) else { return nil }
    self.address = address
    self.prefixLength = UInt8(truncatingIfNeeded: prefixLength)
  }

  /// Nil if the ones of the mask are not all on the left.
  @inlinable public init?(_ address: IPv4Address, mask: IPv4Address) {
    let length = (~mask.rawValue).leadingZeroBitCount
    guard length == 32 || mask.rawValue << UInt32(length) == 0 else { return nil }
    self.init(address, prefixLength: length)
  }

  /// 255.255.255.0 for /24.
  @inlinable public var mask: IPv4Address {
    IPv4Address(rawValue: prefixLength == 0 ? 0 : ~0 << UInt32(32 &- prefixLength))
  }
  /// The network's own address: all host bits zero.
  @inlinable public var network: IPv4Address { IPv4Address(rawValue: address.rawValue & mask.rawValue) }
  /// The directed broadcast address: all host bits one (RFC 919). Without meaning for /31 and /32 (RFC 3021).
  @inlinable public var broadcast: IPv4Address { IPv4Address(rawValue: address.rawValue | ~mask.rawValue) }
  /// True if the network has a directed broadcast address at all.
  @inlinable public var hasBroadcast: Bool { prefixLength < 31 }

  @inlinable public func contains(_ other: IPv4Address) -> Bool {
    (other.rawValue ^ address.rawValue) & mask.rawValue == 0
  }
}

extension IPv4Subnet: CustomStringConvertible, LosslessStringConvertible {
  public var description: String { "\(address)/\(prefixLength)" }

  /// `address/length`, length in decimal without sign; nil for anything else.
  public init?(_ description: String) {
    let parts = description.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPv4Address(String(parts[0])), (1...2).contains(parts[1].utf8.count),
      parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(parts[1])
    else { return nil }
    self.init(address, prefixLength: length)
  }
}

/// An IPv6 address together with the length of its network prefix (RFC 4291 2.3): `fd00::/64`.
@frozen public struct IPv6Subnet: Hashable, Sendable, BitwiseCopyable {
  public let address: IPv6Address
  /// Number of leading bits that name the network: 0...128.
  public let prefixLength: UInt8

  /// Nil if the prefix is longer than 128 bits.
  @inlinable public init?(_ address: IPv6Address, prefixLength: Int) {
    guard (0...128).contains(prefixLength) else { return nil }
    self.address = address
    self.prefixLength = UInt8(truncatingIfNeeded: prefixLength)
  }

  @inlinable public func contains(_ other: IPv6Address) -> Bool {
    let length = Int(prefixLength)
    // Smart shifts: a shift by 64 gives zero.
    let highMask: UInt64 = ~(UInt64.max >> Swift.min(length, 64))
    let lowMask: UInt64 = ~(UInt64.max >> Swift.max(length - 64, 0))
    return (other.high ^ address.high) & highMask == 0 && (other.low ^ address.low) & lowMask == 0
  }
}

extension IPv6Subnet: CustomStringConvertible, LosslessStringConvertible {
  public var description: String { "\(address)/\(prefixLength)" }

  /// `address/length`, length in decimal without sign; nil for anything else.
  public init?(_ description: String) {
    let parts = description.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPv6Address(String(parts[0])), (1...3).contains(parts[1].utf8.count),
      parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(parts[1])
    else { return nil }
    self.init(address, prefixLength: length)
  }
}
