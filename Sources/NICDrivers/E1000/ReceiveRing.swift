import IntelNIC
import Machine
import Memory

/// The driver's side of the receive ring (manual section 3.2): legacy descriptors, each with its own buffer for good.
///
/// The device owns the descriptors from RDH up to, not including, RDT. The driver takes them from ``next`` on as they
/// get done, writes them anew, and moves RDT to the last one it wrote: one descriptor always stays between tail and
/// head, since an equal head and tail mean an empty ring.
final class ReceiveRing {
  let descriptors: MemoryWindow
  /// Address of the ring, as the device sees it.
  let busAddress: UInt64
  let buffers: DMABuffer
  let bufferByteCount: Int
  /// Descriptors; zero while the driver is stopped.
  let count: Int
  /// Where frames that span descriptors are put together; no bytes if none can.
  let assembly: MemoryWindow
  /// The descriptor that gets done next.
  var next = 0
  /// Bytes of the current frame that lie in ``assembly``.
  var assembled = 0
  /// Between a descriptor without EOP and the one with it.
  var isInsideFrame = false
  /// The frame that is being assembled is lost already: skip to its end.
  var isDiscarding = false

  /// No ring.
  init() {
    descriptors = DMABuffer.none.window
    busAddress = 0
    buffers = .none
    bufferByteCount = 0
    count = 0
    assembly = DMABuffer.none.window
  }

  /// A ring of `count` free descriptors.
  init(count: Int, sizes: FrameSizes, memory: inout DMAPieces) throws(DriverError) {
    let ring = try memory.take(count * ReceiveDescriptor.byteCount)
    descriptors = ring.window
    busAddress = ring.busAddress
    bufferByteCount = sizes.receiveBuffer
    buffers = try memory.take(count * sizes.receiveBuffer)
    assembly = try memory.take(sizes.spansDescriptors ? sizes.frame : 0).window
    self.count = count
    for index in 0..<count { free(index) }
  }

  /// Writes descriptor `index` anew, for the device to fill.
  @inline(__always) func free(_ index: Int) {
    let offset = index &* ReceiveDescriptor.byteCount
    descriptors.store(buffers.busAddress &+ UInt64(truncatingIfNeeded: index &* bufferByteCount), offset)
    descriptors.store(0 as UInt64, offset &+ 8)
  }

  /// True if the device has finished the next descriptor.
  var isNextDone: Bool {
    count > 0
      && descriptors.load(next &* ReceiveDescriptor.byteCount &+ 8, as: UInt64.self) & ReceiveWord.done != 0
  }

  /// Value of RDT that gives everything up to ``next`` to the device.
  var tail: UInt32 { UInt32(truncatingIfNeeded: next == 0 ? count &- 1 : next &- 1) }
}

/// The second half of a legacy receive descriptor as masks: the pass looks at it as one number.
enum ReceiveWord {
  static var done: UInt64 { UInt64(ReceiveStatus.done.rawValue) << 32 }
  static var endOfPacket: UInt64 { UInt64(ReceiveStatus.endOfPacket.rawValue) << 32 }
  static var ignoreChecksum: UInt64 { UInt64(ReceiveStatus.ignoreChecksum.rawValue) << 32 }
  static var networkChecked: UInt64 { UInt64(ReceiveStatus.networkChecked.rawValue) << 32 }
  static var transportChecked: UInt64 { UInt64(ReceiveStatus.transportChecked.rawValue) << 32 }
  static var networkError: UInt64 { UInt64(ReceiveErrors.networkChecksum.rawValue) << 40 }
  static var transportError: UInt64 { UInt64(ReceiveErrors.transportChecksum.rawValue) << 40 }
  /// The errors of the frame itself: it is good for nothing.
  static var frameErrors: UInt64 {
    let errors: ReceiveErrors = [.crc, .symbol, .sequence, .carrierExtension, .data]
    return UInt64(errors.rawValue) << 40
  }
}
