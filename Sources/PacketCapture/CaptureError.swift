import Glibc

/// Why a capture cannot be read or written. Offsets count bytes from the start of the file.
public enum CaptureError: Error, Equatable, Sendable {
  /// The file cannot be opened; `code` is errno.
  case cannotOpen(path: String, code: Int32)
  case readFailed(code: Int32)
  case writeFailed(code: Int32)
  /// The first four bytes are none of pcap or pcapng.
  case notACapture
  case unsupportedVersion(offset: UInt64, major: Int)
  /// The file ends inside the record or block that starts at `offset`.
  case truncated(offset: UInt64)
  /// A length of a pcapng block that is no multiple of four, too small for its content, too large to be true, or not
  /// the same at both ends.
  case badBlockLength(offset: UInt64, length: UInt32)
  /// A section header without the byte-order magic.
  case badByteOrder(offset: UInt64)
  /// A frame that is longer than ``CaptureReader/frameLimit`` or than its block.
  case badFrameLength(offset: UInt64, length: UInt32)
  /// A frame of an interface that no block before describes.
  case unknownInterface(offset: UInt64, interface: UInt32)
  /// More interfaces than ``CaptureReader/interfaceLimit``.
  case tooManyInterfaces(offset: UInt64)
  /// A time before 1970 or after 2554.
  case timeOutOfRange(offset: UInt64)
  /// Writing after ``CaptureSink/close()``.
  case closed
  /// Writing a frame of an interface that was not added.
  case noSuchInterface(Int)
}

extension CaptureError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .cannotOpen(let path, let code): "cannot open \(path): \(Self.text(code))"
    case .readFailed(let code): "reading the capture failed: \(Self.text(code))"
    case .writeFailed(let code): "writing the capture failed: \(Self.text(code))"
    case .notACapture: "neither a pcap nor a pcapng file"
    case .unsupportedVersion(let offset, let major): "unsupported format version \(major) at byte \(offset)"
    case .truncated(let offset): "the file ends inside the record at byte \(offset)"
    case .badBlockLength(let offset, let length): "impossible block length \(length) at byte \(offset)"
    case .badByteOrder(let offset): "a section without byte-order magic at byte \(offset)"
    case .badFrameLength(let offset, let length): "impossible frame length \(length) at byte \(offset)"
    case .unknownInterface(let offset, let interface): "frame of unknown interface \(interface) at byte \(offset)"
    case .tooManyInterfaces(let offset): "too many interfaces, at byte \(offset)"
    case .timeOutOfRange(let offset): "impossible time stamp at byte \(offset)"
    case .closed: "the capture is closed"
    case .noSuchInterface(let interface): "the capture has no interface \(interface)"
    }
  }
  private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
