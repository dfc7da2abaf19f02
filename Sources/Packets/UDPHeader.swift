/// Offsets of the fields of a UDP header from its start, in bytes.
public enum UDPField {
  @inlinable public static var sourcePort: Int { 0 }
  @inlinable public static var destinationPort: Int { 2 }
  @inlinable public static var datagramLength: Int { 4 }
  @inlinable public static var checksum: Int { 6 }
  /// Length of the header.
  @inlinable public static var headerLength: Int { 8 }
}

/// A view of a UDP datagram (RFC 768).
@frozen public struct UDPHeader: ~Escapable {
  /// From the header on; may go beyond the datagram's end.
  public let bytes: RawSpan

  /// Nil if the header is not whole, or the length field is less than the header or more than there is.
  @inlinable @_lifetime(copy datagram)
  public init?(_ datagram: RawSpan) {
    self.init(quoted: datagram)
    guard length <= bytes.byteCount else { return nil }
  }

  /// A datagram whose end may be missing; the header must be whole.
  @inlinable @_lifetime(copy datagram)
  public init?(quoted datagram: RawSpan) {
    guard datagram.byteCount >= 8, datagram.loadBigEndian(UDPField.datagramLength, as: UInt16.self) >= 8 else {
      return nil
    }
    bytes = datagram
  }

  @inlinable public var sourcePort: UInt16 { bytes.loadBigEndian(UDPField.sourcePort) }
  @inlinable public var destinationPort: UInt16 { bytes.loadBigEndian(UDPField.destinationPort) }
  /// Header and payload, bytes.
  @inlinable public var length: Int { Int(bytes.loadBigEndian(UDPField.datagramLength, as: UInt16.self)) }
  /// Zero: the sender computed none.
  @inlinable public var checksum: UInt16 { bytes.loadBigEndian(UDPField.checksum) }

  @inlinable public var payload: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(8, length &- 8) }
  }

  /// True if the checksum fits under the pseudo header's sum, or if there is none (IPv4 only; over IPv6 the caller
  /// refuses a zero checksum, RFC 8200 8.1).
  @inlinable public func isChecksumValid(_ pseudoHeader: InternetChecksum) -> Bool {
    if checksum == 0 { return true }
    var sum = pseudoHeader
    sum.add(bytes.clamped(0, length))
    return sum.isValid
  }

  /// The fields of a UDP header as values, to be written.
  @frozen public struct Fields: BitwiseCopyable, Sendable, Equatable {
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// Header and payload, bytes.
    public var length: UInt16
    public var checksum: UInt16

    @inlinable public init(sourcePort: UInt16, destinationPort: UInt16, length: UInt16, checksum: UInt16 = 0) {
      self.sourcePort = sourcePort
      self.destinationPort = destinationPort
      self.length = length
      self.checksum = checksum
    }

    /// Writes the header; returns the offset behind it. The memory must have room for it.
    @inlinable @discardableResult @_lifetime(memory: copy memory)
    public func write(into memory: inout MutableRawSpan, at offset: Int) -> Int {
      memory.storeBigEndian(sourcePort, offset &+ UDPField.sourcePort)
      memory.storeBigEndian(destinationPort, offset &+ UDPField.destinationPort)
      memory.storeBigEndian(length, offset &+ UDPField.datagramLength)
      memory.storeBigEndian(checksum, offset &+ UDPField.checksum)
      return offset &+ UDPField.headerLength
    }
  }
}
