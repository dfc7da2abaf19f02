/// Offsets of the fields of an IPv6 header from its start, in bytes.
public enum IPv6Field {
  /// Version (4 bits), traffic class (8), flow label (20).
  @inlinable public static var versionClassFlow: Int { 0 }
  @inlinable public static var payloadLength: Int { 4 }
  @inlinable public static var nextHeader: Int { 6 }
  @inlinable public static var hopLimit: Int { 7 }
  @inlinable public static var source: Int { 8 }
  @inlinable public static var destination: Int { 24 }
  @inlinable public static var length: Int { 40 }
}

/// A view of an IPv6 packet (RFC 8200 3).
@frozen public struct IPv6Header: ~Escapable {
  /// From the header on; may go beyond the packet's end (Ethernet padding).
  public let bytes: RawSpan

  /// Nil if the version is not 6, the header is not whole, or the payload length is more than there is.
  @inlinable @_lifetime(copy packet)
  public init?(_ packet: RawSpan) {
    self.init(quoted: packet)
    guard payloadLength <= bytes.byteCount &- 40 else { return nil }
  }

  /// A packet whose end may be missing, as ICMPv6 errors quote it and captures cut it; the header must be whole.
  @inlinable @_lifetime(copy packet)
  public init?(quoted packet: RawSpan) {
    guard packet.byteCount >= 40, packet.octet(0) >> 4 == 6 else { return nil }
    bytes = packet
  }

  @inlinable public var trafficClass: UInt8 {
    UInt8(truncatingIfNeeded: bytes.loadBigEndian(0, as: UInt16.self) >> 4)
  }
  /// ECN field (RFC 3168): 0 not capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced.
  @inlinable public var congestionNotification: UInt8 { trafficClass & 3 }
  /// 20 bits.
  @inlinable public var flowLabel: UInt32 { bytes.loadBigEndian(0, as: UInt32.self) & 0xF_FFFF }
  /// Everything behind this header, extension headers included; bytes.
  @inlinable public var payloadLength: Int { Int(bytes.loadBigEndian(IPv6Field.payloadLength, as: UInt16.self)) }
  /// What follows this header: an extension header or the upper layer.
  @inlinable public var nextHeader: IPProtocol { IPProtocol(rawValue: bytes.octet(IPv6Field.nextHeader)) }
  @inlinable public var hopLimit: UInt8 { bytes.octet(IPv6Field.hopLimit) }
  @inlinable public var source: IPv6Address { bytes.ipv6Address(IPv6Field.source) }
  @inlinable public var destination: IPv6Address { bytes.ipv6Address(IPv6Field.destination) }

  /// Everything behind this header, without padding behind the payload length.
  @inlinable public var payload: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(40, payloadLength) }
  }

  /// The sum of the pseudo header for an upper-layer packet of `length` bytes. With a routing header, the destination
  /// must be the final one (RFC 8200 8.1): the caller's affair.
  @inlinable public func pseudoHeader(protocol: IPProtocol, length: Int) -> InternetChecksum {
    InternetChecksum(source: source, destination: destination, protocol: `protocol`, length: length)
  }

  /// The fields of a header as values, to be written.
  @frozen public struct Fields: BitwiseCopyable, Sendable, Equatable {
    public var trafficClass: UInt8
    public var flowLabel: UInt32
    public var payloadLength: UInt16
    public var nextHeader: IPProtocol
    public var hopLimit: UInt8
    public var source: IPv6Address
    public var destination: IPv6Address

    @inlinable
    public init(
      source: IPv6Address, destination: IPv6Address, nextHeader: IPProtocol, payloadLength: UInt16,
      hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, flowLabel: UInt32 = 0
    ) {
      self.trafficClass = trafficClass
      self.flowLabel = flowLabel
      self.payloadLength = payloadLength
      self.nextHeader = nextHeader
      self.hopLimit = hopLimit
      self.source = source
      self.destination = destination
    }

    /// Writes the header; returns the offset behind it. The memory must have room for it.
    @inlinable @discardableResult @_lifetime(memory: copy memory)
    public func write(into memory: inout MutableRawSpan, at offset: Int) -> Int {
      memory.storeBigEndian(0x6000_0000 | UInt32(trafficClass) << 20 | flowLabel & 0xF_FFFF, offset)
      memory.storeBigEndian(payloadLength, offset &+ IPv6Field.payloadLength)
      memory.storeBigEndian(UInt16(nextHeader.rawValue) << 8 | UInt16(hopLimit), offset &+ IPv6Field.nextHeader)
      memory.store(source, offset &+ IPv6Field.source)
      memory.store(destination, offset &+ IPv6Field.destination)
      return offset &+ IPv6Field.length
    }
  }
}
