/// A view of an ICMPv6 message (RFC 4443) with the messages of neighbour discovery (RFC 4861).
@frozen public struct ICMPv6Message: ~Escapable {
  /// The whole message: the upper-layer packet.
  public let bytes: RawSpan

  /// The type of a message (IANA ICMPv6 Parameters). Open to values without a name.
  @frozen public struct Kind: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static var destinationUnreachable: Kind { @inlinable get { Kind(rawValue: 1) } }
    public static var packetTooBig: Kind { @inlinable get { Kind(rawValue: 2) } }
    public static var timeExceeded: Kind { @inlinable get { Kind(rawValue: 3) } }
    public static var parameterProblem: Kind { @inlinable get { Kind(rawValue: 4) } }
    public static var echoRequest: Kind { @inlinable get { Kind(rawValue: 128) } }
    public static var echoReply: Kind { @inlinable get { Kind(rawValue: 129) } }
    public static var listenerReport: Kind { @inlinable get { Kind(rawValue: 131) } }
    public static var routerSolicitation: Kind { @inlinable get { Kind(rawValue: 133) } }
    public static var routerAdvertisement: Kind { @inlinable get { Kind(rawValue: 134) } }
    public static var neighborSolicitation: Kind { @inlinable get { Kind(rawValue: 135) } }
    public static var neighborAdvertisement: Kind { @inlinable get { Kind(rawValue: 136) } }
    public static var redirect: Kind { @inlinable get { Kind(rawValue: 137) } }
    public static var listenerReportV2: Kind { @inlinable get { Kind(rawValue: 143) } }
    /// Types below 128 report errors (RFC 4443 2.1).
    @inlinable public var isError: Bool { rawValue < 128 }
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
  /// The second word, whose meaning the type decides: MTU, pointer, flags of an advertisement.
  @inlinable public var parameter: UInt32 { bytes.loadBigEndian(4) }
  /// Of echo messages.
  @inlinable public var identifier: UInt16 { bytes.loadBigEndian(ICMPField.identifier) }
  /// Of echo messages.
  @inlinable public var sequenceNumber: UInt16 { bytes.loadBigEndian(ICMPField.sequenceNumber) }

  /// Data of echo messages; in errors the quoted packet, for ``IPv6Header/init(quoted:)``.
  @inlinable public var payload: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(8) }
  }

  /// Of neighbour solicitations, advertisements and redirects; nil if there is none.
  @inlinable public var targetAddress: IPv6Address? {
    (135...137).contains(bytes.octet(0)) && bytes.byteCount >= 24 ? bytes.ipv6Address(8) : nil
  }

  @inlinable public func isChecksumValid(source: IPv6Address, destination: IPv6Address) -> Bool {
    var sum = InternetChecksum(source: source, destination: destination, protocol: .icmpv6, length: bytes.byteCount)
    sum.add(bytes)
    return sum.isValid
  }

  /// Offset of the options of a neighbour discovery message; nil for other types (RFC 4861 4).
  @inlinable public var optionsOffset: Int? {
    switch kind {
    case .routerSolicitation: 8
    case .routerAdvertisement: 16
    case .neighborSolicitation, .neighborAdvertisement: 24
    case .redirect: 40
    default: nil
    }
  }

  /// The first neighbour discovery option of this type, with its type and length bytes (RFC 4861 4.6): 1 source and
  /// 2 target link-layer address, 3 prefix information, 5 MTU. Nil if there is none, or if an option before it is
  /// damaged.
  @_lifetime(copy self)
  public func option(_ type: UInt8) -> RawSpan? {
    guard var offset = optionsOffset else { return nil }
    while bytes.byteCount - offset >= 8 {
      let length = Int(bytes.octet(offset + 1)) * 8
      guard length > 0, length <= bytes.byteCount - offset else { return nil }
      if bytes.octet(offset) == type { return bytes.extracting(offset..<(offset + length)) }
      offset += length
    }
    return nil
  }

  /// The hardware address in the option of this type: 1 source, 2 target.
  public func linkLayerAddress(_ type: UInt8) -> MACAddress? {
    guard let option = option(type) else { return nil }
    return option.macAddress(2)
  }
}
