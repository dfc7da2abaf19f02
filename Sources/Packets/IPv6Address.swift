/// A 128-bit IPv6 address (RFC 4291), as two numbers in host order.
@frozen public struct IPv6Address: Hashable, Sendable, BitwiseCopyable {
  /// The first eight octets: the network prefix of an ordinary address.
  public let high: UInt64
  /// The last eight octets: the interface identifier of an ordinary address.
  public let low: UInt64

  @inlinable public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// `::`
  public static var any: IPv6Address { @inlinable get { IPv6Address(high: 0, low: 0) } }
  /// `::1`
  public static var loopback: IPv6Address { @inlinable get { IPv6Address(high: 0, low: 1) } }
  /// `ff02::1`
  public static var allNodes: IPv6Address { @inlinable get { IPv6Address(high: 0xFF02 << 48, low: 1) } }
  /// `ff02::2`
  public static var allRouters: IPv6Address { @inlinable get { IPv6Address(high: 0xFF02 << 48, low: 2) } }

  @inlinable public var isUnspecified: Bool { high | low == 0 }
  @inlinable public var isLoopback: Bool { high == 0 && low == 1 }
  /// ff00::/8 (RFC 4291 2.7).
  @inlinable public var isMulticast: Bool { high >> 56 == 0xFF }
  /// fe80::/10 (RFC 4291 2.5.6).
  @inlinable public var isLinkLocal: Bool { high >> 54 == 0x3FA }

  /// The IPv4 address in an IPv4-mapped address `::ffff:a.b.c.d` (RFC 4291 2.5.5.2).
  @inlinable public var mappedIPv4: IPv4Address? {
    high == 0 && low >> 32 == 0xFFFF ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)) : nil
  }
  /// `::ffff:a.b.c.d`
  @inlinable public init(mapped address: IPv4Address) {
    self.init(high: 0, low: 0xFFFF << 32 | UInt64(address.rawValue))
  }

  /// The solicited-node multicast address `ff02::1:ffxx:xxxx` that a neighbour solicitation goes to (RFC 4291 2.7.1).
  @inlinable public var solicitedNode: IPv6Address {
    IPv6Address(high: 0xFF02 << 48, low: 0x1_FF00_0000 | low & 0xFF_FFFF)
  }

  /// The link-local address that is made from a hardware address (modified EUI-64, RFC 4291 appendix A).
  @inlinable public init(linkLocal address: MACAddress) {
    let mac = address.rawValue ^ 0x0200_0000_0000
    self.init(high: 0xFE80 << 48, low: (mac >> 24) << 40 | 0xFFFE << 24 | mac & 0xFF_FFFF)
  }

  /// Group `index` (0...7) of 16 bits, as written between colons.
  @inlinable public subscript(group index: Int) -> UInt16 {
    let half = index < 4 ? high : low
    return UInt16(truncatingIfNeeded: half >> UInt64(48 &- 16 &* (index & 3)))
  }
}

extension IPv6Address: CustomStringConvertible, LosslessStringConvertible {
  /// The canonical text of RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as
  /// `::`, and dotted decimal at the end of an IPv4-mapped address.
  public var description: String {
    if let mapped = mappedIPv4 { return "::ffff:\(mapped)" }
    var longest = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, self[group: end] == 0 { end += 1 }
      if end - start > 1, end - start > longest.count { longest = start..<end }
      start = Swift.max(end, start + 1)
    }
    func text(_ groups: Range<Int>) -> String {
      groups.map { String(self[group: $0], radix: 16) }.joined(separator: ":")
    }
    return longest.isEmpty ? text(0..<8) : text(0..<longest.lowerBound) + "::" + text(longest.upperBound..<8)
  }

  /// Any text form of RFC 4291 2.2, in upper or lower case, without zone or prefix length; nil for anything else.
  public init?(_ description: String) {
    guard description.utf8.count <= 45 else { return nil }
    var groups: [UInt16] = []
    var gap: Int?
    var parts = description.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count >= 3 else { return nil }
    // A colon at either end is allowed only as half of a double colon; the empty part beside it says nothing then.
    if parts[0].isEmpty {
      guard parts[1].isEmpty else { return nil }
      parts.removeFirst()
    }
    if parts[parts.count - 1].isEmpty {
      guard parts.count >= 2, parts[parts.count - 2].isEmpty else { return nil }
      parts.removeLast()
    }
    for (index, part) in parts.enumerated() {
      if part.isEmpty {
        guard gap == nil else { return nil }
        gap = groups.count
      } else if index == parts.count - 1, part.utf8.contains(46) {
        guard let tail = IPv4Address(String(part)) else { return nil }
        groups.append(UInt16(truncatingIfNeeded: tail.rawValue >> 16))
        groups.append(UInt16(truncatingIfNeeded: tail.rawValue))
      } else {
        guard part.utf8.count <= 4, part.first != "+", part.first != "-", let group = UInt16(part, radix: 16) else {
          return nil
        }
        groups.append(group)
      }
    }
    if let gap {
      guard groups.count <= 7 else { return nil }
      groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
    }
    guard groups.count == 8 else { return nil }
    self.init(
      high: groups[0..<4].reduce(0) { $0 << 16 | UInt64($1) }, low: groups[4..<8].reduce(0) { $0 << 16 | UInt64($1) })
  }
}
