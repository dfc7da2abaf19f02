/// A transmit descriptor of any kind, 16 bytes, read and written as one value (manual section 3.3.3).
///
/// Bit 29 of the second word (DEXT) tells the kinds apart: legacy without it; with it, bits 20 to 23 (DTYP) are 0 for a
/// TCP/IP context and 1 for TCP/IP data.
@frozen public struct TransmitDescriptor: BitwiseCopyable, Sendable, Equatable {
  /// Bytes 0...7: buffer address, or the offsets of a context.
  public var low: UInt64
  /// Bytes 8...15.
  public var high: UInt64

  public static let byteCount = 16
  /// Byte offset of the status, in all kinds.
  public static let statusOffset = 12

  @inlinable public init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  /// DEXT: not a legacy descriptor.
  @inlinable public var isExtended: Bool { high & (1 << 29) != 0 }
  /// DTYP; meaningful if ``isExtended``.
  @inlinable public var type: Int { Int(truncatingIfNeeded: high >> 20 & 15) }
  @inlinable public var isContext: Bool { high & 0x20F0_0000 == 0x2000_0000 }
  @inlinable public var isData: Bool { high & 0x20F0_0000 == 0x2010_0000 }

  /// The command byte (legacy: CMD, extended: DCMD or TUCMD): bits 24...31.
  @inlinable public var command: TransmitCommand { TransmitCommand(rawValue: UInt8(truncatingIfNeeded: high >> 24)) }
  /// Status, written by the device.
  @inlinable public var status: TransmitStatus { TransmitStatus(rawValue: UInt8(truncatingIfNeeded: high >> 32 & 15)) }
  /// Legacy and data descriptors: the buffer.
  @inlinable public var address: UInt64 { low }
  /// Legacy descriptors: bytes in the buffer (16 bits).
  @inlinable public var legacyLength: Int { Int(truncatingIfNeeded: high & 0xFFFF) }
  /// Data descriptors: bytes in the buffer (DTALEN, 20 bits).
  @inlinable public var dataLength: Int { Int(truncatingIfNeeded: high & 0xF_FFFF) }
  /// VLAN tag of legacy and data descriptors.
  @inlinable public var special: UInt16 { UInt16(truncatingIfNeeded: high >> 48) }

  /// CSO of a legacy descriptor: where the checksum is put.
  @inlinable public var checksumOffset: Int { Int(truncatingIfNeeded: high >> 16 & 0xFF) }
  /// CSS of a legacy descriptor: where summing starts.
  @inlinable public var checksumStart: Int { Int(truncatingIfNeeded: high >> 40 & 0xFF) }
  /// POPTS of a data descriptor.
  @inlinable public var options: TransmitOptions { TransmitOptions(rawValue: UInt8(truncatingIfNeeded: high >> 40)) }

  /// A legacy descriptor.
  @inlinable public static func legacy(
    address: UInt64, length: Int, command: TransmitCommand, checksumStart: UInt8 = 0, checksumOffset: UInt8 = 0,
    special: UInt16 = 0
  ) -> TransmitDescriptor {
    let first = UInt64(truncatingIfNeeded: length) & 0xFFFF | UInt64(checksumOffset) << 16
    let second = UInt64(checksumStart) << 40 | UInt64(special) << 48
    return TransmitDescriptor(
      low: address, high: first | UInt64(command.subtracting(.extended).rawValue) << 24 | second)
  }

  /// A TCP/IP data descriptor.
  @inlinable public static func data(
    address: UInt64, length: Int, command: TransmitCommand, options: TransmitOptions = [], special: UInt16 = 0
  ) -> TransmitDescriptor {
    let first = UInt64(truncatingIfNeeded: length) & 0xF_FFFF | 1 << 20
    let second = UInt64(options.rawValue) << 40 | UInt64(special) << 48
    return TransmitDescriptor(low: address, high: first | UInt64(command.union(.extended).rawValue) << 24 | second)
  }
}

/// The offsets that the following data descriptors use: a TCP/IP context descriptor (manual section 3.3.6).
@frozen public struct TransmitContext: BitwiseCopyable, Sendable, Equatable {
  public var low: UInt64
  public var high: UInt64

  @inlinable public init(_ descriptor: TransmitDescriptor) {
    low = descriptor.low
    high = descriptor.high
  }

  /// A context. Offsets count from the start of the frame; ends are inclusive, 0 = to the end of the frame.
  @inlinable public init(
    ipStart: UInt8 = 0, ipOffset: UInt8 = 0, ipEnd: UInt16 = 0, transportStart: UInt8 = 0,
    transportOffset: UInt8 = 0, transportEnd: UInt16 = 0, payloadLength: Int = 0, headerLength: UInt8 = 0,
    maximumSegmentSize: UInt16 = 0, command: TransmitContextCommand
  ) {
    low =
      UInt64(ipStart) | UInt64(ipOffset) << 8 | UInt64(ipEnd) << 16 | UInt64(transportStart) << 32
      | UInt64(transportOffset) << 40 | UInt64(transportEnd) << 48
    let commands = command.union(.extended).rawValue
    high =
      UInt64(truncatingIfNeeded: payloadLength) & 0xF_FFFF | UInt64(commands) << 24 | UInt64(headerLength) << 40
      | UInt64(maximumSegmentSize) << 48
  }

  @inlinable public var descriptor: TransmitDescriptor { TransmitDescriptor(low: low, high: high) }

  /// IPCSS
  @inlinable public var ipStart: Int { Int(truncatingIfNeeded: low & 0xFF) }
  /// IPCSO
  @inlinable public var ipOffset: Int { Int(truncatingIfNeeded: low >> 8 & 0xFF) }
  /// IPCSE
  @inlinable public var ipEnd: Int { Int(truncatingIfNeeded: low >> 16 & 0xFFFF) }
  /// TUCSS
  @inlinable public var transportStart: Int { Int(truncatingIfNeeded: low >> 32 & 0xFF) }
  /// TUCSO
  @inlinable public var transportOffset: Int { Int(truncatingIfNeeded: low >> 40 & 0xFF) }
  /// TUCSE
  @inlinable public var transportEnd: Int { Int(truncatingIfNeeded: low >> 48 & 0xFFFF) }
  /// PAYLEN: bytes after the headers, for segmentation
  @inlinable public var payloadLength: Int { Int(truncatingIfNeeded: high & 0xF_FFFF) }
  /// TUCMD
  @inlinable public var command: TransmitContextCommand {
    TransmitContextCommand(rawValue: UInt8(truncatingIfNeeded: high >> 24))
  }
  /// HDRLEN
  @inlinable public var headerLength: Int { Int(truncatingIfNeeded: high >> 40 & 0xFF) }
  /// MSS
  @inlinable public var maximumSegmentSize: Int { Int(truncatingIfNeeded: high >> 48 & 0xFFFF) }
}

/// CMD and DCMD of transmit descriptors (manual sections 3.3.3.1 and 3.3.7.1).
@frozen public struct TransmitCommand: OptionSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// EOP
  public static var endOfPacket: Self { @inlinable get { Self(rawValue: 1) } }
  /// IFCS: the device appends the FCS
  public static var insertFCS: Self { @inlinable get { Self(rawValue: 2) } }
  /// IC (legacy): insert a checksum at CSO
  public static var insertChecksum: Self { @inlinable get { Self(rawValue: 4) } }
  /// TSE (data): segment
  public static var segment: Self { @inlinable get { Self(rawValue: 4) } }
  /// RS: write the status back
  public static var reportStatus: Self { @inlinable get { Self(rawValue: 8) } }
  /// RPS: write the status back once the frame has left
  public static var reportSent: Self { @inlinable get { Self(rawValue: 0x10) } }
  /// DEXT
  public static var extended: Self { @inlinable get { Self(rawValue: 0x20) } }
  /// VLE: insert a VLAN tag
  public static var insertVLAN: Self { @inlinable get { Self(rawValue: 0x40) } }
  /// IDE: the interrupt may be delayed
  public static var delayInterrupt: Self { @inlinable get { Self(rawValue: 0x80) } }
}

/// TUCMD of a context descriptor (manual section 3.3.6.1).
@frozen public struct TransmitContextCommand: OptionSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// TCP: the transport is TCP, else UDP
  public static var tcp: Self { @inlinable get { Self(rawValue: 1) } }
  /// IP: IPv4, else IPv6
  public static var ipv4: Self { @inlinable get { Self(rawValue: 2) } }
  /// TSE: the context is for segmentation
  public static var segment: Self { @inlinable get { Self(rawValue: 4) } }
  /// RS
  public static var reportStatus: Self { @inlinable get { Self(rawValue: 8) } }
  /// DEXT
  public static var extended: Self { @inlinable get { Self(rawValue: 0x20) } }
  /// IDE
  public static var delayInterrupt: Self { @inlinable get { Self(rawValue: 0x80) } }
}

/// POPTS of a data descriptor (manual section 3.3.7.3).
@frozen public struct TransmitOptions: OptionSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// IXSM: insert the IPv4 header checksum
  public static var ipChecksum: Self { @inlinable get { Self(rawValue: 1) } }
  /// TXSM: insert the TCP or UDP checksum
  public static var transportChecksum: Self { @inlinable get { Self(rawValue: 2) } }
}

/// Status of a transmit descriptor (manual section 3.3.3.2).
@frozen public struct TransmitStatus: OptionSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// DD
  public static var done: Self { @inlinable get { Self(rawValue: 1) } }
  /// EC: excess collisions
  public static var excessCollisions: Self { @inlinable get { Self(rawValue: 2) } }
  /// LC: late collision
  public static var lateCollision: Self { @inlinable get { Self(rawValue: 4) } }
}
