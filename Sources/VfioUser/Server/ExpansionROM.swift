import Machine
import Memory

/// An option ROM: the bytes behind a function's expansion ROM register.
public final class ExpansionROM {
  /// A power of two from 2 KiB to 16 MiB: bytes that the register decodes.
  public let byteCount: UInt64
  let window: MemoryWindow

  /// - Throws: ``VfioUserError/badExpansionROM(reason:)`` if `image` is empty, longer than 16 MiB, or does not begin
  ///   with the signature of an option ROM (PCI Firmware Specification 5.1: 55h AAh).
  public init(_ image: [UInt8]) throws(VfioUserError) {
    guard image.count >= 2, image[0] == 0x55, image[1] == 0xAA else {
      throw .badExpansionROM(reason: "the image does not begin with 55 AA")
    }
    guard image.count <= 16 << 20 else {
      throw .badExpansionROM(reason: "the image has \(image.count) bytes; 16 MiB are the most")
    }
    var size = 2048
    while size < image.count { size *= 2 }
    byteCount = UInt64(size)
    window = MemoryWindow(.allocate(byteCount: size, alignment: 16), count: size)
    window.fill(0xFF, at: 0, count: size)
    window.copy(from: image.span.bytes)
  }

  deinit { window.baseAddress.deallocate() }
}
