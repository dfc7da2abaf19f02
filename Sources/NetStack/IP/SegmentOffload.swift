import Link
import Memory

/// What remains to be done to a transport segment that is handed to
/// ``Path/submit(_:transportLength:protocol:offload:tos:ttl:dontFragment:)``.
@frozen public struct SegmentOffload: BitwiseCopyable, Sendable, Equatable {
  /// Offset of the checksum field in the transport header; nil: the transport has written everything itself. The path
  /// fills it in, or prepares it for the device.
  public var checksumOffset: Int?
  /// Payload bytes of a frame, if the device shall cut the segment up; 0 if not. Only with a path whose features
  /// contain segmentation.
  public var segmentSize: Int
  /// Length of the transport header with options, in bytes.
  public var transportHeaderLength: Int
  /// True for TCP, false for UDP and ICMP.
  public var isTCP: Bool

  @inlinable public init(
    checksumOffset: Int? = nil, segmentSize: Int = 0, transportHeaderLength: Int = 0, isTCP: Bool = false
  ) {
    self.checksumOffset = checksumOffset
    self.segmentSize = segmentSize
    self.transportHeaderLength = transportHeaderLength
    self.isTCP = isTCP
  }

  /// A TCP segment with a header of `headerLength` bytes.
  @inlinable public static func tcp(headerLength: Int, segmentSize: Int = 0) -> SegmentOffload {
    SegmentOffload(
      checksumOffset: 16, segmentSize: segmentSize, transportHeaderLength: headerLength, isTCP: true)
  }
  public static var udp: SegmentOffload {
    @inlinable get { SegmentOffload(checksumOffset: 6, transportHeaderLength: 8) }
  }
  /// Nothing is left to do.
  public static var none: SegmentOffload { @inlinable get { SegmentOffload() } }
}

/// A transmit buffer of a ``Path``: room for one transport header and its payload.
@frozen public struct DatagramBuffer: BitwiseCopyable {
  /// The memory to write into; offset 0 is the start of the transport header. At least as long as was asked for.
  public let window: MemoryWindow
  @usableFromInline let frame: TransmitBuffer

  @inlinable init(window: MemoryWindow, frame: TransmitBuffer) {
    self.window = window
    self.frame = frame
  }
}
