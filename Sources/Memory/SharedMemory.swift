import CLinux
import Glibc

/// Memory that other processes can map: a memfd (or a file), mapped whole, read and write or read-only.
///
/// A bench keeps its configuration space, register files and guest memory in such memory, so that a second process can
/// watch it and a device can be served to one.
public final class SharedMemory: @unchecked Sendable {
  /// The descriptor behind the mapping; closed when this object goes away.
  public let descriptor: Int32
  /// All of the mapping.
  public let window: MemoryWindow

  /// Creates `byteCount` bytes of zeroed memory under `name` (seen in `/proc/PID/fd` and `/proc/PID/maps`).
  public convenience init(creating name: String, byteCount: Int) throws(SharedMemoryError) {
    let descriptor = unsafe clinux_memfd_create(name)
    guard descriptor >= 0 else { throw SharedMemoryError(operation: "memfd_create", subject: name, code: errno) }
    guard ftruncate(descriptor, byteCount) == 0 else {
      let code = errno
      close(descriptor)
      throw SharedMemoryError(operation: "ftruncate", subject: name, code: code)
    }
    try self.init(mapping: descriptor, byteCount: byteCount, offset: 0, writable: true, subject: name)
  }

  /// Maps the whole file at `path` read-only; `/proc/PID/fd/N` reaches the memory of another process.
  public convenience init(reading path: String) throws(SharedMemoryError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SharedMemoryError(operation: "open", subject: path, code: errno) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw SharedMemoryError(operation: "fstat", subject: path, code: code)
    }
    let size = Int(status.st_size)
    guard size > 0 else {
      close(descriptor)
      throw SharedMemoryError(operation: "map", subject: path, code: ENODATA)
    }
    try self.init(mapping: descriptor, byteCount: size, offset: 0, writable: false, subject: path)
  }

  /// Maps `byteCount` bytes from `offset` of `descriptor`, which this object then owns and closes.
  public init(
    mapping descriptor: Int32, byteCount: Int, offset: Int, writable: Bool, subject: String
  ) throws(SharedMemoryError) {
    let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
    let address = unsafe mmap(nil, byteCount, protection, MAP_SHARED, descriptor, off_t(offset))
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      let code = errno
      close(descriptor)
      throw SharedMemoryError(operation: "mmap", subject: subject, code: code)
    }
    self.descriptor = descriptor
    window = unsafe MemoryWindow(address, count: byteCount)
  }

  deinit {
    unsafe munmap(window.baseAddress, window.count)
    close(descriptor)
  }
}

/// A system call on shared memory that failed: which, on what, and the errno.
public struct SharedMemoryError: Error, CustomStringConvertible, Equatable {
  public let operation: String
  public let subject: String
  public let code: Int32

  public init(operation: String, subject: String, code: Int32) {
    self.operation = operation
    self.subject = subject
    self.code = code
  }

  public var description: String { unsafe "\(operation) \(subject): \(String(cString: strerror(code)))" }
}
