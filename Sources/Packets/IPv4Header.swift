/// Offsets of the fields of an IPv4 header from its start, in bytes.
public enum IPv4Field {
  /// Version (high four bits) and IHL (low four bits).
  @inlinable public static var versionAndLength: Int { 0 }
  /// DSCP and ECN.
  @inlinable public static var typeOfService: Int { 1 }
  @inlinable public static var totalLength: Int { 2 }
  @inlinable public static var identification: Int { 4 }
  /// Flags (high three bits) and fragment offset in units of eight bytes.
  @inlinable public static var fragment: Int { 6 }
  @inlinable public static var timeToLive: Int { 8 }
  @inlinable public static var `protocol`: Int { 9 }
  @inlinable public static var checksum: Int { 10 }
  @inlinable public static var source: Int { 12 }
  @inlinable public static var destination: Int { 16 }
  @inlinable public static var options: Int { 20 }
  /// Length of a header without options.
  @inlinable public static var minimumLength: Int { 20 }
}

/// A view of an IPv4 datagram (RFC 791 3.1).
@frozen public struct IPv4Header: ~Escapable {
  /// From the header on; may go beyond the datagram's end (Ethernet padding).
  public let bytes: RawSpan

  /// Nil if the version is not 4, the header is not whole, or the total length is less than the header or more than
  /// there is.
  @inlinable @_lifetime(copy packet)
  public init?(_ packet: RawSpan) {
    self.init(quoted: packet)
    guard totalLength <= bytes.byteCount else { return nil }
  }

  /// A datagram whose end may be missing, as ICMP errors quote it and captures cut it; the header must be whole.
  @inlinable @_lifetime(copy packet)
  public init?(quoted packet: RawSpan) {
    guard packet.byteCount >= 20 else { return nil }
    let first = packet.octet(0)
    let headerLength = Int(first & 15) &* 4
    guard first >> 4 == 4, headerLength >= 20, headerLength <= packet.byteCount,
      Int(packet.loadBigEndian(IPv4Field.totalLength, as: UInt16.self)) >= headerLength
    else { return nil }
    bytes = packet
  }

  /// IHL in bytes: 20...60.
  @inlinable public var headerLength: Int { Int(bytes.octet(0) & 15) &* 4 }
  @inlinable public var typeOfService: UInt8 { bytes.octet(IPv4Field.typeOfService) }
  /// DSCP (RFC 2474).
  @inlinable public var differentiatedServices: UInt8 { typeOfService >> 2 }
  /// ECN field (RFC 3168): 0 not capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced.
  @inlinable public var congestionNotification: UInt8 { typeOfService & 3 }
  /// Header and payload, bytes.
  @inlinable public var totalLength: Int { Int(bytes.loadBigEndian(IPv4Field.totalLength, as: UInt16.self)) }
  @inlinable public var identification: UInt16 { bytes.loadBigEndian(IPv4Field.identification) }
  @usableFromInline var fragment: UInt16 { @inlinable get { bytes.loadBigEndian(IPv4Field.fragment) } }
  /// DF
  @inlinable public var dontFragment: Bool { fragment & 0x4000 != 0 }
  /// MF
  @inlinable public var moreFragments: Bool { fragment & 0x2000 != 0 }
  /// Where the payload belongs in the whole datagram, bytes.
  @inlinable public var fragmentOffset: Int { Int(fragment & 0x1FFF) &* 8 }
  /// True for every piece of a fragmented datagram.
  @inlinable public var isFragment: Bool { fragment & 0x3FFF != 0 }
  @inlinable public var timeToLive: UInt8 { bytes.octet(IPv4Field.timeToLive) }
  @inlinable public var `protocol`: IPProtocol { IPProtocol(rawValue: bytes.octet(IPv4Field.protocol)) }
  @inlinable public var checksum: UInt16 { bytes.loadBigEndian(IPv4Field.checksum) }
  @inlinable public var source: IPv4Address { bytes.ipv4Address(IPv4Field.source) }
  @inlinable public var destination: IPv4Address { bytes.ipv4Address(IPv4Field.destination) }

  /// The options with their padding; empty in most headers.
  @inlinable public var options: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(20, headerLength &- 20) }
  }

  /// What the datagram carries, without padding behind the total length.
  @inlinable public var payload: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(headerLength, totalLength &- headerLength) }
  }

  /// The datagram: header and payload without padding behind the total length.
  @inlinable public var datagram: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(0, totalLength) }
  }

  /// True if the header's checksum fits.
  @inlinable public var isChecksumValid: Bool {
    var sum = InternetChecksum()
    sum.add(bytes.clamped(0, headerLength))
    return sum.isValid
  }

  /// The sum of the pseudo header for a transport payload of `length` bytes.
  @inlinable public func pseudoHeader(length: Int) -> InternetChecksum {
    InternetChecksum(source: source, destination: destination, protocol: `protocol`, length: length)
  }

  /// The fields of a header without options as values, to be written.
  @frozen public struct Fields: BitwiseCopyable, Sendable, Equatable {
    public var typeOfService: UInt8
    /// Header and payload, bytes.
    public var totalLength: UInt16
    public var identification: UInt16
    public var dontFragment: Bool
    public var moreFragments: Bool
    /// In bytes; a multiple of eight.
    public var fragmentOffset: UInt16
    public var timeToLive: UInt8
    public var `protocol`: IPProtocol
    public var source: IPv4Address
    public var destination: IPv4Address

    @inlinable
    public init(
      source: IPv4Address, destination: IPv4Address, protocol: IPProtocol, totalLength: UInt16,
      identification: UInt16 = 0, timeToLive: UInt8 = 64, typeOfService: UInt8 = 0, dontFragment: Bool = false,
      moreFragments: Bool = false, fragmentOffset: UInt16 = 0
    ) {
      self.typeOfService = typeOfService
      self.totalLength = totalLength
      self.identification = identification
      self.dontFragment = dontFragment
      self.moreFragments = moreFragments
      self.fragmentOffset = fragmentOffset
      self.timeToLive = timeToLive
      self.protocol = `protocol`
      self.source = source
      self.destination = destination
    }

    /// Flags and fragment offset as one field.
    @inlinable public var fragment: UInt16 {
      (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0) | fragmentOffset >> 3
    }

    /// Writes the header with its checksum and with `options` (at most 40 bytes, a multiple of four); returns the
    /// offset behind it. The memory must have room for it.
    @inlinable @discardableResult @_lifetime(memory: copy memory)
    public func write(into memory: inout MutableRawSpan, at offset: Int, options: RawSpan = RawSpan()) -> Int {
      precondition(options.byteCount <= 40 && options.byteCount & 3 == 0)
      let words = UInt16(truncatingIfNeeded: 5 &+ options.byteCount / 4)
      memory.storeBigEndian(0x4000 | words << 8 | UInt16(typeOfService), offset)
      memory.storeBigEndian(totalLength, offset &+ IPv4Field.totalLength)
      memory.storeBigEndian(identification, offset &+ IPv4Field.identification)
      memory.storeBigEndian(fragment, offset &+ IPv4Field.fragment)
      memory.storeBigEndian(UInt16(timeToLive) << 8 | UInt16(`protocol`.rawValue), offset &+ IPv4Field.timeToLive)
      var sum = InternetChecksum()
      sum.add(0x4000 | words << 8 | UInt16(typeOfService))
      sum.add(totalLength)
      sum.add(identification)
      sum.add(fragment)
      sum.add(UInt16(timeToLive) << 8 | UInt16(`protocol`.rawValue))
      sum.add(source.rawValue)
      sum.add(destination.rawValue)
      sum.add(options)
      memory.storeBigEndian(sum.checksum, offset &+ IPv4Field.checksum)
      memory.storeBigEndian(source.rawValue, offset &+ IPv4Field.source)
      memory.storeBigEndian(destination.rawValue, offset &+ IPv4Field.destination)
      memory.copy(options, to: offset &+ IPv4Field.options)
      return offset &+ 20 &+ options.byteCount
    }
  }
}
