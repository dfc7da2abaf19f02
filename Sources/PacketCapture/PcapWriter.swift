import Packets

/// Writes the classic pcap format, little-endian, with nano- or microseconds.
public final class PcapWriter {
  public let sink: CaptureSink
  private let snapLength: Int
  private let isNano: Bool
  private var header = [UInt8](repeating: 0, count: 16)

  /// Writes the file header. Frames are cut to `snapLength` bytes.
  public init(
    _ sink: CaptureSink, linkType: CaptureLinkType = .ethernet, snapLength: Int = 262_144, nanoseconds: Bool = true
  ) throws(CaptureError) {
    self.sink = sink
    self.snapLength = snapLength > 0 ? snapLength : 262_144
    isNano = nanoseconds
    var bytes: [UInt8] = []
    bytes.append(little: UInt32(nanoseconds ? 0xA1B2_3C4D : 0xA1B2_C3D4))
    bytes.append(little: UInt16(2))
    bytes.append(little: UInt16(4))
    bytes.append(little: UInt64(0))
    bytes.append(little: UInt32(clamping: self.snapLength))
    bytes.append(little: UInt32(linkType.rawValue))
    try sink.append(bytes)
  }

  /// Writes a frame. `time` in nanoseconds since 1970; `originalLength` only for a frame that is not whole.
  public func write(_ frame: RawSpan, time: UInt64, originalLength: Int? = nil) throws(CaptureError) {
    let kept = Swift.min(frame.byteCount, snapLength)
    header.removeAll(keepingCapacity: true)
    header.append(little: UInt32(clamping: time / 1_000_000_000))
    header.append(little: UInt32(time % 1_000_000_000 / (isNano ? 1 : 1000)))
    header.append(little: UInt32(kept))
    header.append(little: UInt32(clamping: Swift.max(originalLength ?? 0, frame.byteCount)))
    try sink.append(header)
    try sink.append(frame.extracting(0..<kept))
  }
}

extension [UInt8] {
  /// Appends `value` in little-endian order.
  mutating func append<T: FixedWidthInteger>(little value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> T(shift))) }
  }
}
