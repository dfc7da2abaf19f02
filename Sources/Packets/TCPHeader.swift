/// Offsets of the fields of a TCP header from its start, in bytes.
public enum TCPField {
  @inlinable public static var sourcePort: Int { 0 }
  @inlinable public static var destinationPort: Int { 2 }
  @inlinable public static var sequenceNumber: Int { 4 }
  @inlinable public static var acknowledgmentNumber: Int { 8 }
  /// Data offset in words (high four bits).
  @inlinable public static var dataOffset: Int { 12 }
  @inlinable public static var flags: Int { 13 }
  @inlinable public static var window: Int { 14 }
  @inlinable public static var checksum: Int { 16 }
  @inlinable public static var urgentPointer: Int { 18 }
  @inlinable public static var options: Int { 20 }
  /// Length of a header without options.
  @inlinable public static var minimumLength: Int { 20 }
}

/// The control bits of a TCP segment (RFC 9293 3.1, RFC 3168, AccECN's AE bit in bit 8).
@frozen public struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static var fin: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x01) } }
  public static var syn: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x02) } }
  public static var rst: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x04) } }
  public static var psh: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x08) } }
  public static var ack: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x10) } }
  public static var urg: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x20) } }
  /// ECN-Echo.
  public static var ece: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x40) } }
  /// Congestion Window Reduced.
  public static var cwr: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x80) } }
  /// Accurate ECN.
  public static var ae: TCPFlags { @inlinable get { TCPFlags(rawValue: 0x100) } }
}

/// A view of a TCP segment (RFC 9293 3.1): header, options and payload.
@frozen public struct TCPHeader: ~Escapable {
  /// The whole segment: the IP payload.
  public let bytes: RawSpan

  /// Nil if the segment is shorter than its header or the data offset is less than five words.
  @inlinable @_lifetime(copy segment)
  public init?(_ segment: RawSpan) {
    guard segment.byteCount >= 20 else { return nil }
    let headerLength = Int(segment.octet(TCPField.dataOffset) >> 4) &* 4
    guard headerLength >= 20, headerLength <= segment.byteCount else { return nil }
    bytes = segment
  }

  @inlinable public var sourcePort: UInt16 { bytes.loadBigEndian(TCPField.sourcePort) }
  @inlinable public var destinationPort: UInt16 { bytes.loadBigEndian(TCPField.destinationPort) }
  /// SEG.SEQ
  @inlinable public var sequenceNumber: UInt32 { bytes.loadBigEndian(TCPField.sequenceNumber) }
  /// SEG.ACK; without meaning unless ``TCPFlags/ack`` is set.
  @inlinable public var acknowledgmentNumber: UInt32 { bytes.loadBigEndian(TCPField.acknowledgmentNumber) }
  /// The data offset in bytes: 20...60.
  @inlinable public var headerLength: Int { Int(bytes.octet(TCPField.dataOffset) >> 4) &* 4 }
  @inlinable public var flags: TCPFlags {
    TCPFlags(rawValue: bytes.loadBigEndian(TCPField.dataOffset, as: UInt16.self) & 0x1FF)
  }
  /// SEG.WND as it is in the header, not scaled.
  @inlinable public var window: UInt16 { bytes.loadBigEndian(TCPField.window) }
  @inlinable public var checksum: UInt16 { bytes.loadBigEndian(TCPField.checksum) }
  /// SEG.UP; without meaning unless ``TCPFlags/urg`` is set.
  @inlinable public var urgentPointer: UInt16 { bytes.loadBigEndian(TCPField.urgentPointer) }

  /// The options as bytes, with their padding.
  @inlinable public var optionBytes: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(20, headerLength &- 20) }
  }
  /// The options, parsed.
  @inlinable public var options: TCPOptions { TCPOptions(optionBytes) }

  @inlinable public var payload: RawSpan {
    @_lifetime(copy self) get { bytes.clamped(headerLength) }
  }

  /// SEG.LEN: the sequence numbers that the segment takes, with SYN and FIN.
  @inlinable public var sequenceLength: Int {
    bytes.byteCount &- headerLength &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
  }

  /// True if the checksum fits under the pseudo header's sum.
  @inlinable public func isChecksumValid(_ pseudoHeader: InternetChecksum) -> Bool {
    var sum = pseudoHeader
    sum.add(bytes)
    return sum.isValid
  }

  /// The fields of a TCP header as values, to be written.
  @frozen public struct Fields: BitwiseCopyable, Sendable, Equatable {
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    public var sequenceNumber: UInt32
    public var acknowledgmentNumber: UInt32
    /// Header with options, bytes: a multiple of four, 20...60.
    public var headerLength: Int
    public var flags: TCPFlags
    public var window: UInt16
    public var checksum: UInt16
    public var urgentPointer: UInt16

    @inlinable
    public init(
      sourcePort: UInt16, destinationPort: UInt16, sequenceNumber: UInt32, acknowledgmentNumber: UInt32 = 0,
      flags: TCPFlags, window: UInt16, headerLength: Int = 20, checksum: UInt16 = 0, urgentPointer: UInt16 = 0
    ) {
      self.sourcePort = sourcePort
      self.destinationPort = destinationPort
      self.sequenceNumber = sequenceNumber
      self.acknowledgmentNumber = acknowledgmentNumber
      self.headerLength = headerLength
      self.flags = flags
      self.window = window
      self.checksum = checksum
      self.urgentPointer = urgentPointer
    }

    /// Writes the first 20 bytes of the header; returns the offset behind them, where options go. The memory must have
    /// room for it.
    @inlinable @discardableResult @_lifetime(memory: copy memory)
    public func write(into memory: inout MutableRawSpan, at offset: Int) -> Int {
      memory.storeBigEndian(sourcePort, offset &+ TCPField.sourcePort)
      memory.storeBigEndian(destinationPort, offset &+ TCPField.destinationPort)
      memory.storeBigEndian(sequenceNumber, offset &+ TCPField.sequenceNumber)
      memory.storeBigEndian(acknowledgmentNumber, offset &+ TCPField.acknowledgmentNumber)
      let words = UInt16(truncatingIfNeeded: headerLength / 4)
      memory.storeBigEndian(words << 12 | flags.rawValue & 0x1FF, offset &+ TCPField.dataOffset)
      memory.storeBigEndian(window, offset &+ TCPField.window)
      memory.storeBigEndian(checksum, offset &+ TCPField.checksum)
      memory.storeBigEndian(urgentPointer, offset &+ TCPField.urgentPointer)
      return offset &+ TCPField.options
    }
  }
}
