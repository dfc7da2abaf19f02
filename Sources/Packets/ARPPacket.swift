/// Offsets of the fields of an ARP packet for IPv4 over Ethernet from its start, in bytes.
public enum ARPField {
  @inlinable public static var hardwareType: Int { 0 }
  @inlinable public static var protocolType: Int { 2 }
  @inlinable public static var hardwareLength: Int { 4 }
  @inlinable public static var protocolLength: Int { 5 }
  @inlinable public static var operation: Int { 6 }
  @inlinable public static var senderHardwareAddress: Int { 8 }
  @inlinable public static var senderAddress: Int { 14 }
  @inlinable public static var targetHardwareAddress: Int { 18 }
  @inlinable public static var targetAddress: Int { 24 }
  @inlinable public static var length: Int { 28 }
}

/// A view of an ARP packet that resolves IPv4 addresses on Ethernet (RFC 826).
@frozen public struct ARPPacket: ~Escapable {
  public let bytes: RawSpan

  /// ar$op (RFC 826, RFC 5494). Open to values without a name.
  @frozen public struct Operation: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt16
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    public static var request: Operation { @inlinable get { Operation(rawValue: 1) } }
    public static var reply: Operation { @inlinable get { Operation(rawValue: 2) } }
  }

  /// Nil if the packet is too short, or for other hardware than Ethernet or another protocol than IPv4.
  @inlinable @_lifetime(copy packet)
  public init?(_ packet: RawSpan) {
    guard packet.byteCount >= ARPField.length,
      packet.loadBigEndian(ARPField.hardwareType, as: UInt64.self) >> 16 == 0x0001_0800_0604
    else { return nil }
    bytes = packet
  }

  @inlinable public var operation: Operation { Operation(rawValue: bytes.loadBigEndian(ARPField.operation)) }
  /// ar$sha
  @inlinable public var senderHardwareAddress: MACAddress { bytes.macAddress(ARPField.senderHardwareAddress) }
  /// ar$spa
  @inlinable public var senderAddress: IPv4Address { bytes.ipv4Address(ARPField.senderAddress) }
  /// ar$tha
  @inlinable public var targetHardwareAddress: MACAddress { bytes.macAddress(ARPField.targetHardwareAddress) }
  /// ar$tpa
  @inlinable public var targetAddress: IPv4Address { bytes.ipv4Address(ARPField.targetAddress) }

  /// The fields of an ARP packet as values.
  @inlinable public var fields: Fields {
    Fields(
      operation: operation, senderHardwareAddress: senderHardwareAddress, senderAddress: senderAddress,
      targetHardwareAddress: targetHardwareAddress, targetAddress: targetAddress)
  }

  /// The fields of an ARP packet as values, to be kept or written.
  @frozen public struct Fields: BitwiseCopyable, Sendable, Equatable {
    public var operation: Operation
    public var senderHardwareAddress: MACAddress
    public var senderAddress: IPv4Address
    public var targetHardwareAddress: MACAddress
    public var targetAddress: IPv4Address

    @inlinable
    public init(
      operation: Operation, senderHardwareAddress: MACAddress, senderAddress: IPv4Address,
      targetHardwareAddress: MACAddress = .zero, targetAddress: IPv4Address
    ) {
      self.operation = operation
      self.senderHardwareAddress = senderHardwareAddress
      self.senderAddress = senderAddress
      self.targetHardwareAddress = targetHardwareAddress
      self.targetAddress = targetAddress
    }

    /// Writes the packet; returns the offset behind it. The memory must have room for it.
    @inlinable @discardableResult @_lifetime(memory: copy memory)
    public func write(into memory: inout MutableRawSpan, at offset: Int) -> Int {
      memory.storeBigEndian(0x0001_0800_0604_0000 | UInt64(operation.rawValue), offset)
      memory.store(senderHardwareAddress, offset &+ ARPField.senderHardwareAddress)
      memory.storeBigEndian(senderAddress.rawValue, offset &+ ARPField.senderAddress)
      memory.store(targetHardwareAddress, offset &+ ARPField.targetHardwareAddress)
      memory.storeBigEndian(targetAddress.rawValue, offset &+ ARPField.targetAddress)
      return offset &+ ARPField.length
    }
  }
}
