import Glibc

/// Where a capture is written: a file behind a buffer, or memory.
///
/// Bytes go to the file when the buffer is full, on ``flush()`` and on ``close()``; a sink that goes away flushes too,
/// but then nobody hears of an error.
public final class CaptureSink {
  private let descriptor: Int32
  private let closesDescriptor: Bool
  private let capacity: Int
  private var buffer: [UInt8] = []
  private var isClosed = false
  /// The first failure to write: nothing is written after it, because the file would have a hole.
  private var failure: CaptureError?
  /// Bytes taken so far, in the buffer or out of it.
  public private(set) var byteCount: UInt64 = 0

  /// A sink in memory: see ``bytes``.
  public init() {
    descriptor = -1
    closesDescriptor = false
    capacity = Int.max
  }

  /// A new file, or an old one emptied. `bufferSize` in bytes.
  public init(path: String, bufferSize: Int = 65_536) throws(CaptureError) {
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    closesDescriptor = true
    capacity = Swift.max(bufferSize, 1)
    if descriptor < 0 { throw .cannotOpen(path: path, code: errno) }
    buffer.reserveCapacity(capacity)
  }

  /// An open descriptor (standard output, a pipe), which stays open.
  public init(descriptor: Int32, bufferSize: Int = 65_536) {
    self.descriptor = descriptor
    closesDescriptor = false
    capacity = Swift.max(bufferSize, 1)
    buffer.reserveCapacity(capacity)
  }

  deinit { try? close() }

  /// What waits in the buffer: everything, for a sink in memory.
  public var bytes: [UInt8] { buffer }

  /// Takes bytes; writes to the file only if the buffer has no room for them.
  public func append(_ bytes: RawSpan) throws(CaptureError) {
    try bytes.withUnsafeBytes { (all) throws(CaptureError) in try append(all) }
  }

  /// Takes bytes of a header that was put together apart.
  func append(_ bytes: [UInt8]) throws(CaptureError) {
    let span = bytes.span.bytes
    try append(span)
  }

  private func append(_ bytes: UnsafeRawBufferPointer) throws(CaptureError) {
    if isClosed { throw .closed }
    if let failure { throw failure }
    if bytes.count > capacity - buffer.count { try flush() }
    byteCount += UInt64(bytes.count)
    if bytes.count <= capacity {
      buffer.append(contentsOf: bytes)
    } else if let error = writeOut(bytes) {
      throw error
    }
  }

  /// Writes everything that waits to the file.
  public func flush() throws(CaptureError) {
    if isClosed { throw .closed }
    if let failure { throw failure }
    guard descriptor >= 0, !buffer.isEmpty else { return }
    if let error = buffer.withUnsafeBytes({ writeOut($0) }) { throw error }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Flushes and closes; closing twice does nothing.
  public func close() throws(CaptureError) {
    if isClosed { return }
    defer {
      isClosed = true
      if closesDescriptor, descriptor >= 0 { _ = Glibc.close(descriptor) }
    }
    try flush()
  }

  private func writeOut(_ bytes: UnsafeRawBufferPointer) -> CaptureError? {
    var rest = bytes
    while let start = rest.baseAddress, rest.count > 0 {
      let count = write(descriptor, start, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        failure = .writeFailed(code: errno)
        return failure
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return nil
  }
}
