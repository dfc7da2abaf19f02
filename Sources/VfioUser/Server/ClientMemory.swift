import CLinux
import Glibc
import Memory

/// Memory of the client that this process has mapped; unmapped when this object goes away.
///
/// The client can cut its file off at any time. Pages that are gone then are replaced by pages of zeros.
final class ClientMemory {
  /// Exactly the bytes that the client offered.
  let window: MemoryWindow
  private let mapping: UnsafeMutableRawPointer
  private let byteCount: Int
  private let guarding: Int32

  /// Maps `size` bytes from `offset` of `descriptor`, which stays the caller's. The bytes must be there.
  init(_ descriptor: Int32, offset: UInt64, size: UInt64, writable: Bool) throws(VfioUserRefusal) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .badDescriptor }
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard !overflow, status.st_size >= 0, end <= UInt64(status.st_size) else { throw .badMappingRange }
    // mmap(2) takes whole pages only.
    let lead = Int(offset & 4095)
    byteCount = Int(size) + lead
    let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
    let address = mmap(nil, byteCount, protection, MAP_SHARED, descriptor, off_t(offset) - lead)
    guard let address, address != MAP_FAILED else { throw .mappingFailed }
    guarding = clinux_guard_begin(address, Int64((byteCount + 4095) & ~4095))
    guard guarding >= 0 else {
      munmap(address, byteCount)
      throw .tooManyMappings
    }
    mapping = address
    window = MemoryWindow(address + lead, count: Int(size))
  }

  deinit {
    clinux_guard_end(guarding)
    munmap(mapping, byteCount)
  }
}
