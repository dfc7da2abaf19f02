/// A 48-bit IEEE 802 hardware address.
@frozen public struct MACAddress: Hashable, Sendable, BitwiseCopyable {
  /// The address as a number, first octet in bits 40-47; bits 48-63 are zero.
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue & 0xFFFF_FFFF_FFFF }

  /// Six octets, in the order of transmission.
  public init(octets: some Collection<UInt8>) {
    precondition(octets.count == 6)
    self.init(rawValue: octets.reduce(0) { $0 << 8 | UInt64($1) })
  }

  public static var broadcast: MACAddress { @inlinable get { MACAddress(rawValue: 0xFFFF_FFFF_FFFF) } }
  public static var zero: MACAddress { @inlinable get { MACAddress(rawValue: 0) } }

  /// The group bit (I/G): multicast or broadcast.
  @inlinable public var isGroup: Bool { rawValue & 0x0100_0000_0000 != 0 }
  @inlinable public var isBroadcast: Bool { rawValue == 0xFFFF_FFFF_FFFF }

  /// Octet `index` (0...5), in the order of transmission.
  @inlinable public subscript(index: Int) -> UInt8 { UInt8(truncatingIfNeeded: rawValue >> UInt64(40 - 8 * index)) }

  /// All six, in that order.
  public var octets: [UInt8] { (0..<6).map { self[$0] } }
}

extension MACAddress: CustomStringConvertible, LosslessStringConvertible {
  /// Six hexadecimal octets with colons: `52:54:00:12:34:56`.
  public var description: String {
    octets.map { octet in
      let text = String(octet, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined(separator: ":")
  }

  /// Six octets of one or two hexadecimal digits, separated by colons or hyphens; nil for anything else.
  public init?(_ description: String) {
    let parts = description.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
    guard parts.count == 6 else { return nil }
    var value: UInt64 = 0
    for part in parts {
      guard (1...2).contains(part.utf8.count), let octet = UInt8(part, radix: 16), part.first != "+" else { return nil }
      value = value << 8 | UInt64(octet)
    }
    self.init(rawValue: value)
  }
}
