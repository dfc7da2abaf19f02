import Memory

/// The memory in which frames are put together that do not lie ready in one piece: allocated once for a controller.
@safe final class FrameScratch {
  /// Largest frame of the family without FCS and VLAN tag, bytes (manual section 13.4.22, LPE).
  static let largestFrame = 16_384
  /// Free bytes in front of a frame, for a VLAN tag.
  static let headroom = 16
  static let byteCount = headroom + largestFrame + 48

  /// A frame to be sent starts at ``headroom``.
  let transmit: MemoryWindow
  /// The headers of a segmentation, as the guest wrote them.
  let header: MemoryWindow
  /// A received frame that is padded, stripped or extended.
  let receive: MemoryWindow
  /// A received frame on its way out of the packet buffer.
  let waiting: MemoryWindow
  /// A pause frame.
  let pause: MemoryWindow
  private let memory: UnsafeMutableRawPointer

  init() {
    let total = 3 * Self.byteCount + 256 + 64
    unsafe memory = .allocate(byteCount: total, alignment: 64)
    let all = unsafe MemoryWindow(memory, count: total)
    all.fill(0, at: 0, count: total)
    transmit = all.slice(0, Self.byteCount)
    receive = all.slice(Self.byteCount, Self.byteCount)
    waiting = all.slice(2 * Self.byteCount, Self.byteCount)
    header = all.slice(3 * Self.byteCount, 256)
    pause = all.slice(3 * Self.byteCount + 256, 60)
  }

  deinit { unsafe memory.deallocate() }
}
