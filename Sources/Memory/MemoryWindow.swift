/// A checked view of a stretch of shared memory: the only way in which models, drivers and protocols touch memory that
/// another party can see (guest RAM, descriptor rings, register files, packet buffers).
///
/// A window is a pointer and a length; every access is bounds-checked once, and a violation is a broken invariant of
/// our own (offsets and lengths that came from a guest or a peer are validated before they get here). The window does
/// not own its memory: its ``SharedMemory`` (or whoever made it) outlives it.
///
/// Multi-byte loads and stores need no alignment. `load` and `store` use the byte order of PCI and x86 (little-endian
/// hosts only); `loadBigEndian` and `storeBigEndian` use network order.
@safe @frozen public struct MemoryWindow: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  /// Length in bytes.
  public let count: Int

  /// A window over `count` bytes at `base`, which must stay mapped as long as the window is used.
  @inlinable public init(_ base: UnsafeMutableRawPointer, count: Int) {
    precondition(count >= 0)
    unsafe self.base = unsafe base
    self.count = count
  }

  @inline(__always) @inlinable func check(_ offset: Int, _ size: Int) {
    precondition(
      UInt(bitPattern: size) <= UInt(bitPattern: count)
        && UInt(bitPattern: offset) <= UInt(bitPattern: count &- size))
  }

  /// The value at `offset`, in host byte order.
  @inline(__always) @inlinable
  public func load<T: BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    check(offset, MemoryLayout<T>.size)
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: T.self)
  }

  /// Stores `value` at `offset`, in host byte order.
  @inline(__always) @inlinable
  public func store<T: BitwiseCopyable>(_ value: T, _ offset: Int) {
    check(offset, MemoryLayout<T>.size)
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: T.self)
  }

  /// The integer at `offset`, stored in network byte order.
  @inline(__always) @inlinable
  public func loadBigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    T(bigEndian: load(offset, as: T.self))
  }

  /// Stores `value` at `offset` in network byte order.
  @inline(__always) @inlinable
  public func storeBigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, _ offset: Int) {
    store(value.bigEndian, offset)
  }

  /// The part of this window that starts at `offset` and is `count` bytes long.
  @inline(__always) @inlinable
  public func slice(_ offset: Int, _ count: Int) -> MemoryWindow {
    check(offset, count)
    return unsafe MemoryWindow(base + offset, count: count)
  }

  /// The bytes `offset ..< offset + count` as a span, to be read before their owner changes or unmaps them.
  @inline(__always) @inlinable @_lifetime(immortal)
  public func bytes(_ offset: Int, _ count: Int) -> RawSpan {
    check(offset, count)
    let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base + offset), byteCount: count)
    return unsafe _overrideLifetime(span, copying: ())
  }

  /// All bytes of the window.
  @inlinable public var bytes: RawSpan {
    @_lifetime(immortal) get { bytes(0, count) }
  }

  /// Copies all of `source` to `offset`.
  @inline(__always) @inlinable
  public func copy(from source: RawSpan, to offset: Int = 0) {
    check(offset, source.byteCount)
    unsafe source.withUnsafeBytes { from in
      if let start = from.baseAddress {
        unsafe (base + offset).copyMemory(from: start, byteCount: from.count)
      }
    }
  }

  /// Copies `count` bytes of `source`, starting at `sourceOffset`, to `offset`. The stretches may overlap.
  @inline(__always) @inlinable
  public func copy(from source: MemoryWindow, at sourceOffset: Int, count: Int, to offset: Int) {
    check(offset, count)
    source.check(sourceOffset, count)
    unsafe (base + offset).copyMemory(from: source.base + sourceOffset, byteCount: count)
  }

  /// Sets `count` bytes at `offset` to `value`.
  @inlinable public func fill(_ value: UInt8 = 0, at offset: Int, count: Int) {
    check(offset, count)
    unsafe (base + offset).initializeMemory(as: UInt8.self, repeating: value, count: count)
  }

  /// The address of the window, for system calls and C libraries that are handed the memory itself.
  @unsafe @inlinable public var baseAddress: UnsafeMutableRawPointer { unsafe base }
}
