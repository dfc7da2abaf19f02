import IntelNIC

/// How far the transmit side is with the frame whose descriptors it is taking. It survives between passes: a guest may
/// move the tail in the middle of a frame, the wire may have no room, a pass may be over.
struct TransmitAssembly {
  /// The last context descriptors, for checksums and for segmentation (section 3.3.6: the part keeps both).
  var checksumContext = TransmitContext(low: 0, high: 0)
  var segmentationContext = TransmitContext(low: 0, high: 0)

  /// Some descriptors of the frame have been taken.
  var isOpen = false
  /// The frame was refused: the rest of its descriptors is taken and thrown away.
  var isBad = false
  /// The current descriptor has been begun before.
  var isResuming = false
  /// The frame (or segment) is complete and waits for the wire.
  var isReady = false
  /// Made of data descriptors, not of legacy ones.
  var isExtended = false
  var isSegmenting = false
  var options: TransmitOptions = []
  var context = TransmitContext(low: 0, high: 0)
  /// TCI to insert, if `hasTag`.
  var tag: UInt16 = 0
  var hasTag = false
  /// Bytes gathered of the frame, or of the current segment with its headers.
  var length = 0
  /// Where the complete frame lies in the scratch memory.
  var start = 0
  /// Bytes taken of the current descriptor's buffer.
  var taken = 0

  // Segmentation.
  var headerTaken = 0
  /// Payload taken of the whole and number of the current segment.
  var payloadTaken = 0
  var segment: UInt32 = 0
  var hasExcess = false

  /// The frame is over; the contexts stay.
  mutating func close() {
    isOpen = false
    isBad = false
    isResuming = false
    isReady = false
    length = 0
    taken = 0
  }

  /// Reset: nothing stays.
  mutating func abandon() { self = TransmitAssembly() }

  /// A frame begins with `descriptor`.
  mutating func open(_ descriptor: TransmitDescriptor) {
    isOpen = true
    length = 0
    isExtended = descriptor.isExtended
    isSegmenting = false
    options = []
    hasTag = false
    guard isExtended else { return }
    options = descriptor.options
    isSegmenting = descriptor.command.contains(.segment)
    guard isSegmenting else {
      context = checksumContext
      return
    }
    context = segmentationContext
    headerTaken = 0
    payloadTaken = 0
    segment = 0
    hasExcess = false
  }
}

extension TransmitContext {
  init(low: UInt64, high: UInt64) { self.init(TransmitDescriptor(low: low, high: high)) }
}
