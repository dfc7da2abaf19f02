/// The memory of a program whose system calls are answered by number: an arena at a base address. Pointers in the
/// arguments of a call are addresses in it, and one that leaves it is EFAULT, as in a kernel.
public final class UserMemory {
  /// Address of the first byte.
  public let base: UInt
  private let storage: UnsafeMutableRawBufferPointer

  /// `byteCount` zeroed bytes at `base`, which is not 0 so that a null pointer is never valid.
  public init(base: UInt = 0x10000, byteCount: Int) {
    precondition(base > 0 && byteCount > 0)
    self.base = base
    storage = .allocate(byteCount: byteCount, alignment: 16)
    storage.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { storage.deallocate() }

  /// The `count` bytes at `address`; EFAULT if they do not all lie in the arena. No bytes lie everywhere.
  public func bytes(_ address: UInt, _ count: Int) throws(Errno) -> UnsafeMutableRawBufferPointer {
    guard count >= 0 else { throw .EINVAL }
    if count == 0 { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    let offset = address &- base
    guard address >= base, offset <= UInt(storage.count), UInt(count) <= UInt(storage.count) - offset else {
      throw .EFAULT
    }
    return UnsafeMutableRawBufferPointer(rebasing: storage[Int(offset)..<(Int(offset) + count)])
  }

  /// As many of the `count` bytes at `address` as lie in the arena, up to the first that does not.
  public func stretch(_ address: UInt, _ count: Int) -> UnsafeMutableRawBufferPointer {
    let offset = address &- base
    guard address >= base, offset < UInt(storage.count), count > 0 else {
      return UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeMutableRawBufferPointer(
      rebasing: storage[Int(offset)..<min(storage.count, Int(offset) + min(count, storage.count))])
  }

  /// EFAULT if the bytes do not lie below the kernel's addresses (Linux `access_ok`).
  static func checkRange(_ address: UInt, _ count: UInt) throws(Errno) {
    let (end, overflow) = address.addingReportingOverflow(count)
    guard !overflow, end <= 0x7FFF_FFFF_F000 else { throw .EFAULT }
  }

  public func load<T: BitwiseCopyable>(_ address: UInt, as type: T.Type) throws(Errno) -> T {
    try bytes(address, MemoryLayout<T>.size).loadUnaligned(as: T.self)
  }

  public func store<T: BitwiseCopyable>(_ value: T, at address: UInt) throws(Errno) {
    try bytes(address, MemoryLayout<T>.size).storeBytes(of: value, as: T.self)
  }

  /// Copies `source` to `address`.
  public func copy(_ source: some Collection<UInt8>, to address: UInt) throws(Errno) {
    try bytes(address, source.count).copyBytes(from: source)
  }
}
