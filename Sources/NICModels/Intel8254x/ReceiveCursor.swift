import IntelNIC
import Machine
import Memory

/// The receive ring as the last frame left it, with all its registers checked: where the next frame goes. Forgotten
/// whenever software writes one of the ring's registers other than RDT; the next frame finds it out again.
struct ReceiveCursor {
  /// All descriptors.
  var ring: MemoryWindow
  /// The memory that the buffers are expected in.
  var reach: DMAReach
  /// ``DMASpace/changes`` of the two above.
  var changes: Int
  /// RDH, and how many descriptors there are (0: nothing is known) and are free.
  var head = 0
  var entries = 0
  var free = 0
  /// RXDMT0 when so many are left.
  var threshold = 0

  /// Nothing is known.
  init(_ nowhere: MemoryWindow) {
    ring = nowhere
    reach = DMAReach(start: 0, window: nowhere)
    changes = 0
  }

  /// The next frame asks the registers.
  mutating func forget() {
    entries = 0
    free = 0
  }

  /// RDT moved.
  @inline(__always) mutating func extend(to tail: Int) {
    free = tail < entries ? (tail >= head ? tail &- head : tail &- head &+ entries) : 0
  }

  /// A descriptor has been used; returns the new head.
  @inline(__always) mutating func advance() -> Int {
    let next = head &+ 1
    head = next == entries ? 0 : next
    free &-= 1
    return head
  }
}

extension Intel8254x {
  /// A frame was stored by way of `ring`: where the next one goes.
  func renewReceiveCursor(_ ring: ReceiveRing) {
    receiveCursor.forget()
    let head = Int(load(Register.receiveHead))
    // A callback from the interrupt line may have written the registers.
    guard head < ring.entries, Int(load(Register.receiveTail)) == ring.tail,
      let window = dma.resolve(
        registers.load(Register.receiveBaseLow, as: UInt64.self), ring.entries &* ReceiveDescriptor.byteCount, .write)
    else { return }
    let address = window.load(ring.head &* ReceiveDescriptor.byteCount, as: UInt64.self)
    guard let reach = dma.reach(address) else { return }
    receiveCursor.ring = window
    receiveCursor.reach = reach
    receiveCursor.changes = dma.changes
    receiveCursor.head = head
    receiveCursor.entries = ring.entries
    receiveCursor.threshold = ring.entries &>> receiveSettings.thresholdShift
    receiveCursor.free = ring.tail >= head ? ring.tail &- head : ring.tail &- head &+ ring.entries
  }
}
