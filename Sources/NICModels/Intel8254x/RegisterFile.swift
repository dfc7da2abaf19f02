import IntelNIC
import Memory

/// The register file: a window whose length is known to the compiler, so that an access at a constant offset costs no
/// check at run time.
@safe struct RegisterFile {
  static let byteCount = Intel8254xBAR.memoryByteCount
  /// The same memory as a plain window.
  let window: MemoryWindow
  private let base: UnsafeMutableRawPointer

  /// The first 128 KiB of `window`, which has as much at least.
  init(_ window: MemoryWindow) {
    self.window = window.slice(0, Self.byteCount)
    unsafe base = window.baseAddress
  }

  @inline(__always) func load<T: BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    precondition(offset >= 0 && offset <= 0x2_0000 - MemoryLayout<T>.size)
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: T.self)
  }

  @inline(__always) func store<T: BitwiseCopyable>(_ value: T, _ offset: Int) {
    precondition(offset >= 0 && offset <= 0x2_0000 - MemoryLayout<T>.size)
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: T.self)
  }
}
