/// Offsets of the fields of an ICMP message (both versions) from its start, in bytes.
public enum ICMPField {
  @inlinable public static var type: Int { 0 }
  @inlinable public static var code: Int { 1 }
  @inlinable public static var checksum: Int { 2 }
  /// Of echo messages.
  @inlinable public static var identifier: Int { 4 }
  /// Of echo messages.
  @inlinable public static var sequenceNumber: Int { 6 }
  /// The MTU of ICMPv4's "fragmentation needed" (RFC 1191 4).
  @inlinable public static var nextHopMTU: Int { 6 }
  /// The length of the part that all messages share.
  @inlinable public static var headerLength: Int { 8 }
}

/// A view of an ICMP message for IPv4 (RFC 792, RFC 1191, RFC 4884).
@frozen public struct ICMPv4Message: ~Escapable {
  /// The whole message: the IP payload.
  public let bytes: RawSpan

  /// The type of a message (IANA ICMP Parameters). Open to values without a name.
  @frozen public struct Kind: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static var echoReply: Kind { @inlinable get { Kind(rawValue: 0) } }
    public static var destinationUnreachable: Kind { @inlinable get { Kind(rawValue: 3) } }
    public static var sourceQuench: Kind { @inlinable get { Kind(rawValue: 4) } }
    public static var redirect: Kind { @inlinable get { Kind(rawValue: 5) } }
    public static var echoRequest: Kind { @inlinable get { Kind(rawValue: 8) } }
    public static var timeExceeded: Kind { @inlinable get { Kind(rawValue: 11) } }
    public static var parameterProblem: Kind { @inlinable get { Kind(rawValue: 12) } }
    public static var timestampRequest: Kind { @inlinable get { Kind(rawValue: 13) } }
    public static var timestampReply: Kind { @inlinable get { Kind(rawValue: 14) } }
    /// True for messages that report a problem with a datagram, to which no error is ever sent (RFC 1122 3.2.2).
    @inlinable public var isError: Bool {
      rawValue == 3 || rawValue == 4 || rawValue == 5 || rawValue == 11 || rawValue == 12
    }
  }

  /// Codes of "destination unreachable" (RFC 792, RFC 1122 3.2.2.1).
  public enum UnreachableCode {
    @inlinable public static var network: UInt8 { 0 }
    @inlinable public static var host: UInt8 { 1 }
    @inlinable public static var `protocol`: UInt8 { 2 }
    @inlinable public static var port: UInt8 { 3 }
    @inlinable public static var fragmentationNeeded: UInt8 { 4 }
    @inlinable public static var administrativelyProhibited: UInt8 { 13 }
  }

  /// Nil if there are fewer than eight bytes.
  @inlinable @_lifetime(copy message)
  public init?(_ message: RawSpan) {
    guard message.byteCount >= 8 else { return nil }
    bytes = message
  }

  @inlinable public var kind: Kind { Kind(rawValue: bytes.octet(ICMPField.type)) }
  @inlinable public var code: UInt8 { bytes.octet(ICMPField.code) }
  @inlinable public var checksum: UInt16 { bytes.loadBigEndian(ICMPField.checksum) }
  /// The second word, whose meaning the type decides.
  @inlinable public var parameter: UInt32 { bytes.loadBigEndian(4) }
  /// Of echo and timestamp messages.
  @inlinable public var identifier: UInt16 { bytes.loadBigEndian(ICMPField.identifier) }
  /// Of echo and timestamp messages.
  @inlinable public var sequenceNumber: UInt16 { bytes.loadBigEndian(ICMPField.sequenceNumber) }
  /// Of "fragmentation needed"; 0 from old routers.
  @inlinable public var nextHopMTU: UInt16 { bytes.loadBigEndian(ICMPField.nextHopMTU) }
  /// Of "redirect".
  @inlinable public var gateway: IPv4Address { bytes.ipv4Address(4) }
  /// Of "parameter problem": offset of the offending byte.
  @inlinable public var pointer: UInt8 { bytes.octet(4) }

  /// Data of echo messages; in errors the quoted datagram, for ``IPv4Header/init(quoted:)``.
  @inlinable public var payload: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(8) }
  }

  @inlinable public var isChecksumValid: Bool {
    var sum = InternetChecksum()
    sum.add(bytes)
    return sum.isValid
  }
}

/// The first eight bytes of an ICMP message of either version as values, to be written.
@frozen public struct ICMPFields: BitwiseCopyable, Sendable, Equatable {
  public var type: UInt8
  public var code: UInt8
  public var checksum: UInt16
  /// The second word: identifier and sequence number, MTU, gateway, ...
  public var parameter: UInt32

  @inlinable public init(type: UInt8, code: UInt8 = 0, checksum: UInt16 = 0, parameter: UInt32 = 0) {
    self.type = type
    self.code = code
    self.checksum = checksum
    self.parameter = parameter
  }

  /// Identifier and sequence number of an echo message as ``parameter``.
  @inlinable public init(type: UInt8, identifier: UInt16, sequenceNumber: UInt16) {
    self.init(type: type, parameter: UInt32(identifier) << 16 | UInt32(sequenceNumber))
  }

  /// Writes eight bytes; returns the offset behind them. The memory must have room for them.
  @inlinable @discardableResult @_lifetime(memory: copy memory)
  public func write(into memory: inout MutableRawSpan, at offset: Int) -> Int {
    memory.storeBigEndian(UInt16(type) << 8 | UInt16(code), offset)
    memory.storeBigEndian(checksum, offset &+ ICMPField.checksum)
    memory.storeBigEndian(parameter, offset &+ 4)
    return offset &+ ICMPField.headerLength
  }
}
