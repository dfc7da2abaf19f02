import IntelNIC
import Link

/// Bits of POPTS and command in place in the second half of a transmit descriptor.
enum TransmitWord {
  static var done: UInt64 { UInt64(TransmitStatus.done.rawValue) << 32 }
  static var reportStatus: UInt64 { UInt64(TransmitCommand.reportStatus.rawValue) << 24 }
}

extension TransmitOffload {
  /// Offset of the transport header, in bytes.
  @inline(__always) var transportOffset: Int { Int(networkOffset) &+ Int(networkHeaderLength) }

  /// Bytes of all headers.
  @inline(__always) var headerByteCount: Int { transportOffset &+ Int(transportHeaderLength) }

  /// Offset of the checksum field: 16 bytes into a TCP header, 6 into a UDP one.
  @inline(__always) var checksumFieldOffset: Int { transportOffset &+ (isTCP ? 16 : 6) }

  /// True if the checksum field lies inside the first `length` bytes, where a context can name it.
  @inline(__always) func canInsertChecksum(length: Int) -> Bool {
    checksumFieldOffset <= 255 && checksumFieldOffset &+ 2 <= length
  }

  /// True if a large segment of `length` bytes can be cut up: TCP, with payload, and headers that a context can name.
  func canSegment(length: Int) -> Bool {
    isTCP && transportHeaderLength >= 20 && networkHeaderLength >= 20 && headerByteCount <= 255
      && length > headerByteCount
  }

  /// The context that lets the device fill in the transport checksum. The IP part stays empty: IXSM is not asked for.
  @inline(__always) var checksumContext: TransmitContext {
    TransmitContext(
      transportStart: UInt8(truncatingIfNeeded: transportOffset),
      transportOffset: UInt8(truncatingIfNeeded: checksumFieldOffset), command: isTCP ? .tcp : [])
  }

  /// The context that lets the device cut up a large segment of `length` bytes (manual section 3.5.4: IPCSE ends with
  /// the IP header, TUCSE is 0 for the end of each frame; PAYLEN counts what follows the headers).
  func segmentationContext(length: Int) -> TransmitContext {
    TransmitContext(
      ipStart: networkOffset, ipOffset: isIPv6 ? 0 : networkOffset &+ 10,
      ipEnd: isIPv6 ? 0 : UInt16(truncatingIfNeeded: transportOffset &- 1),
      transportStart: UInt8(truncatingIfNeeded: transportOffset),
      transportOffset: UInt8(truncatingIfNeeded: checksumFieldOffset), payloadLength: length &- headerByteCount,
      headerLength: UInt8(truncatingIfNeeded: headerByteCount), maximumSegmentSize: segmentSize,
      command: isIPv6 ? [.tcp, .segment] : [.tcp, .ipv4, .segment])
  }
}
