/// A 32-bit IPv4 address (RFC 791).
@frozen public struct IPv4Address: Hashable, Sendable, BitwiseCopyable {
  /// The address as a number in host order: 10.0.2.15 is 0x0A00020F.
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
  @inlinable public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
    rawValue = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
  }

  /// 0.0.0.0: "this host" or "any address".
  public static var any: IPv4Address { @inlinable get { IPv4Address(rawValue: 0) } }
  /// 255.255.255.255 (RFC 919).
  public static var broadcast: IPv4Address { @inlinable get { IPv4Address(rawValue: 0xFFFF_FFFF) } }
  /// 127.0.0.1.
  public static var loopback: IPv4Address { @inlinable get { IPv4Address(rawValue: 0x7F00_0001) } }

  /// 127.0.0.0/8 (RFC 1122 3.2.1.3).
  @inlinable public var isLoopback: Bool { rawValue >> 24 == 127 }
  /// 224.0.0.0/4 (RFC 5771).
  @inlinable public var isMulticast: Bool { rawValue >> 28 == 14 }
}

extension IPv4Address: CustomStringConvertible, LosslessStringConvertible {
  /// Dotted decimal.
  public var description: String {
    "\(rawValue >> 24).\(rawValue >> 16 & 255).\(rawValue >> 8 & 255).\(rawValue & 255)"
  }

  /// Four decimal octets without leading zeros or signs; nil for anything else (RFC 6943 3.1.1, strict form).
  public init?(_ description: String) {
    let parts = description.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
        part.utf8.count == 1 || part.utf8.first != 48, let octet = UInt8(part)
      else { return nil }
      value = value << 8 | UInt32(octet)
    }
    self.init(rawValue: value)
  }
}
