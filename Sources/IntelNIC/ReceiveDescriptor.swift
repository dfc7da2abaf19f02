/// A legacy receive descriptor (manual section 3.2.3), 16 bytes, read and written as one value.
///
/// | bytes | |
/// |---|---|
/// | 0..<8 | buffer address |
/// | 8..<10 | length |
/// | 10..<12 | packet checksum |
/// | 12 | status |
/// | 13 | errors |
/// | 14..<16 | special: VLAN tag |
@frozen public struct ReceiveDescriptor: BitwiseCopyable, Sendable, Equatable {
  /// Bytes 0...7.
  public var address: UInt64
  /// Bytes 8...15: length, checksum, status, errors, special.
  public var fields: UInt64

  public static let byteCount = 16
  public static let lengthOffset = 8
  public static let checksumOffset = 10
  public static let statusOffset = 12
  public static let errorsOffset = 13
  public static let specialOffset = 14

  /// A free descriptor for the device.
  @inlinable public init(address: UInt64) {
    self.address = address
    fields = 0
  }

  @inlinable public init(
    address: UInt64, length: UInt16, checksum: UInt16, status: ReceiveStatus, errors: ReceiveErrors = [],
    special: UInt16 = 0
  ) {
    self.address = address
    fields =
      UInt64(length) | UInt64(checksum) << 16 | UInt64(status.rawValue) << 32 | UInt64(errors.rawValue) << 40
      | UInt64(special) << 48
  }

  /// Bytes that the device stored in this descriptor's buffer, FCS included unless RCTL.SECRC.
  @inlinable public var length: Int { Int(truncatingIfNeeded: fields & 0xFFFF) }
  /// The 16-bit ones-complement sum over the frame from RXCSUM.PCSS on.
  @inlinable public var checksum: UInt16 { UInt16(truncatingIfNeeded: fields >> 16) }
  @inlinable public var status: ReceiveStatus { ReceiveStatus(rawValue: UInt8(truncatingIfNeeded: fields >> 32)) }
  @inlinable public var errors: ReceiveErrors { ReceiveErrors(rawValue: UInt8(truncatingIfNeeded: fields >> 40)) }
  /// The stripped VLAN tag (if ``ReceiveStatus/vlan``).
  @inlinable public var special: UInt16 { UInt16(truncatingIfNeeded: fields >> 48) }
}

/// Status of a receive descriptor (manual section 3.2.3.1).
@frozen public struct ReceiveStatus: OptionSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// DD
  public static var done: Self { @inlinable get { Self(rawValue: 1) } }
  /// EOP
  public static var endOfPacket: Self { @inlinable get { Self(rawValue: 2) } }
  /// IXSM: the checksum indications below say nothing
  public static var ignoreChecksum: Self { @inlinable get { Self(rawValue: 4) } }
  /// VP: a VLAN tag was found
  public static var vlan: Self { @inlinable get { Self(rawValue: 8) } }
  /// TCPCS: the TCP or UDP checksum was calculated
  public static var transportChecked: Self { @inlinable get { Self(rawValue: 0x20) } }
  /// IPCS: the IPv4 header checksum was calculated
  public static var networkChecked: Self { @inlinable get { Self(rawValue: 0x40) } }
  /// PIF: passed an inexact filter only
  public static var inexactFilter: Self { @inlinable get { Self(rawValue: 0x80) } }
}

/// Errors of a receive descriptor (manual section 3.2.3.2).
@frozen public struct ReceiveErrors: OptionSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// CE: CRC or alignment error
  public static var crc: Self { @inlinable get { Self(rawValue: 1) } }
  /// SE: symbol error
  public static var symbol: Self { @inlinable get { Self(rawValue: 2) } }
  /// SEQ: sequence error
  public static var sequence: Self { @inlinable get { Self(rawValue: 4) } }
  /// CXE: carrier extension error
  public static var carrierExtension: Self { @inlinable get { Self(rawValue: 0x10) } }
  /// TCPE: TCP or UDP checksum error
  public static var transportChecksum: Self { @inlinable get { Self(rawValue: 0x20) } }
  /// IPE: IPv4 header checksum error
  public static var networkChecksum: Self { @inlinable get { Self(rawValue: 0x40) } }
  /// RXE: receive data error
  public static var data: Self { @inlinable get { Self(rawValue: 0x80) } }
}
