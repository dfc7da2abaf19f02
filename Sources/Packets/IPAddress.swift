/// An IPv4 or IPv6 address in one 128-bit value: an IPv4 address is kept in its IPv4-mapped form `::ffff:a.b.c.d`
/// (RFC 4291 2.5.5.2), so that tables of both families hash and compare two machine words.
@frozen public struct IPAddress: Hashable, Sendable, BitwiseCopyable {
  /// The first eight octets, in host order.
  public let high: UInt64
  /// The last eight octets, in host order.
  public let low: UInt64

  @inlinable public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  @inlinable public init(_ address: IPv4Address) {
    high = 0
    low = 0xFFFF_0000_0000 | UInt64(address.rawValue)
  }

  /// The IPv4 address, if it is one.
  @inlinable public var v4: IPv4Address? {
    high == 0 && low >> 32 == 0xFFFF ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)) : nil
  }

  @inlinable public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

  /// 0.0.0.0 or `::`.
  @inlinable public var isUnspecified: Bool { high == 0 && (low == 0 || low == 0xFFFF_0000_0000) }
}

/// A transport address: IP address and port.
@frozen public struct Endpoint: Hashable, Sendable, BitwiseCopyable {
  public var address: IPAddress
  public var port: UInt16

  @inlinable public init(_ address: IPAddress, _ port: UInt16) {
    self.address = address
    self.port = port
  }

  @inlinable public init(_ address: IPv4Address, _ port: UInt16) {
    self.address = IPAddress(address)
    self.port = port
  }
}
