import Glibc

/// Bytes of a capture in order: from memory, or from a file through a buffer of at most one block.
final class CaptureInput {
  private static let chunk = 65_536

  private let descriptor: Int32
  private let closesDescriptor: Bool
  private var buffer: [UInt8]
  private var start = 0
  /// How many bytes have been taken.
  private(set) var offset: UInt64 = 0

  init(bytes: [UInt8]) {
    buffer = bytes
    descriptor = -1
    closesDescriptor = false
  }

  init(path: String) throws(CaptureError) {
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    closesDescriptor = true
    buffer = []
    if descriptor < 0 { throw .cannotOpen(path: path, code: errno) }
  }

  init(descriptor: Int32) {
    self.descriptor = descriptor
    closesDescriptor = false
    buffer = []
  }

  deinit {
    if closesDescriptor, descriptor >= 0 { _ = Glibc.close(descriptor) }
  }

  /// The next `count` bytes; nil at the end of the input.
  func take(_ count: Int, recordStart: UInt64) throws(CaptureError) -> [UInt8]? {
    try fill(count)
    let available = buffer.count - start
    if available == 0, count > 0 { return nil }
    guard available >= count else { throw .truncated(offset: recordStart) }
    let result = [UInt8](buffer[start..<(start + count)])
    start += count
    offset += UInt64(count)
    return result
  }

  /// The next `count` bytes, which belong to the record that starts at `recordStart`.
  func require(_ count: Int, recordStart: UInt64) throws(CaptureError) -> [UInt8] {
    guard let bytes = try take(count, recordStart: recordStart) else { throw .truncated(offset: recordStart) }
    return bytes
  }

  /// Leaves out `count` bytes without keeping them.
  func skip(_ count: Int, recordStart: UInt64) throws(CaptureError) {
    var rest = count
    while rest > 0 {
      try fill(1)
      let step = Swift.min(rest, buffer.count - start)
      guard step > 0 else { throw .truncated(offset: recordStart) }
      start += step
      offset += UInt64(step)
      rest -= step
    }
  }

  /// Reads until `count` bytes wait, or the file ends.
  private func fill(_ count: Int) throws(CaptureError) {
    guard descriptor >= 0, buffer.count - start < count else { return }
    buffer.removeSubrange(0..<start)
    start = 0
    while buffer.count < count {
      let old = buffer.count
      buffer.append(contentsOf: repeatElement(0, count: Self.chunk))
      let got = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + old, Self.chunk) }
      let code = errno
      buffer.removeSubrange((old + Swift.max(got, 0))...)
      if got == 0 { return }
      if got < 0, code != EINTR { throw .readFailed(code: code) }
    }
  }
}

/// The fields of a record in the byte order of its file. Offsets were checked before.
struct CaptureFields {
  let bytes: [UInt8]
  let isBigEndian: Bool

  func number16(_ offset: Int) -> UInt16 {
    let value = UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
    return isBigEndian ? value.byteSwapped : value
  }

  func number32(_ offset: Int) -> UInt32 {
    let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    return isBigEndian ? value.byteSwapped : value
  }

  func number64(_ offset: Int) -> UInt64 {
    let first = UInt64(number32(offset))
    let second = UInt64(number32(offset + 4))
    return isBigEndian ? first << 32 | second : second << 32 | first
  }
}
