import IntelNIC
import Memory
import Packets

/// The receive part of the packet buffer: frames that passed the filters while no descriptors were free, in the order
/// in which they came. Their bytes lie in the packet buffer memory (PBM), which a guest may read and overwrite; what
/// they are and where they begin is known here alone.
struct ReceiveBuffer {
  /// How a frame came: what the filters said of it.
  struct Arrival: BitwiseCopyable {
    /// It passed a filter that software has to look behind (status PIF).
    var isInexact: Bool
    /// It is longer than RCTL allows, and is stored as a bad one.
    var isLong: Bool
  }

  /// A frame in the buffer: its place, and its length without FCS, in bytes.
  struct Entry: BitwiseCopyable {
    var start = 0
    var length = 0
    var arrival = Arrival(isInexact: false, isLong: false)
    /// Bytes of the buffer that it takes: a header of 16 bytes, the frame and its FCS, in steps of 16 (Linux knows this
    /// form from the 82547, whose buffer it has to watch).
    var extent: Int { (16 &+ length &+ 4 &+ 15) & ~15 }
  }

  /// More than the shortest frames that 64 KiB hold.
  private static let entryLimit = 1024
  private var entries = [Entry](repeating: Entry(), count: entryLimit)
  private var oldest = 0
  private(set) var count = 0
  /// Bytes taken, and bytes that there are: PBA's part for receiving.
  private(set) var fill = 0
  private(set) var capacity = 48 << 10
  /// Where the oldest frame begins, and where the next one will, in bytes from the start of the memory.
  private(set) var head = 0
  private(set) var tail = 0

  var isEmpty: Bool { count == 0 }
  /// The oldest frame, which goes to the ring next.
  var first: Entry? { isEmpty ? nil : entries[oldest] }

  /// Adds a frame, whose bytes go into `memory`. False: there is no room.
  mutating func append(_ frame: RawSpan, _ arrival: Arrival, in memory: MemoryWindow) -> Bool {
    var entry = Entry(start: tail, length: frame.byteCount, arrival: arrival)
    guard entry.extent <= capacity &- fill, count < Self.entryLimit else { return false }
    let first = min(entry.length, capacity &- tail)
    memory.copy(from: frame.extracting(0..<first), to: tail)
    if first < entry.length { memory.copy(from: frame.extracting(first..<entry.length), to: 0) }
    entry.start = tail
    entries[(oldest &+ count) % Self.entryLimit] = entry
    count &+= 1
    fill &+= entry.extent
    tail = (tail &+ entry.extent) % capacity
    return true
  }

  /// Copies a frame, which may lie around the end of the buffer, to one piece.
  func copy(_ entry: Entry, from memory: MemoryWindow, to target: MemoryWindow) {
    let first = min(entry.length, capacity &- entry.start)
    target.copy(from: memory.bytes(entry.start, first))
    if first < entry.length { target.copy(from: memory.bytes(0, entry.length &- first), to: first) }
  }

  /// Takes the oldest frame out.
  mutating func removeFirst() {
    guard let entry = first else { return }
    oldest = (oldest &+ 1) % Self.entryLimit
    count &-= 1
    fill &-= entry.extent
    head = (entry.start &+ entry.extent) % capacity
  }

  /// Empties the buffer, which has `capacity` bytes from now on.
  mutating func removeAll(capacity: Int) {
    self.capacity = capacity
    count = 0
    fill = 0
    head = 0
    tail = 0
  }
}

/// What waits in the packet buffer (manual sections 13.4.16, 13.7.5, 13.7.33 and 13.8).
extension Intel8254x {
  private var bufferMemory: MemoryWindow { registers.window.slice(Register.packetBufferMemory, 64 << 10) }

  /// PBA: the transmit side gets what the receive side leaves of 64 KiB.
  func writePacketBufferAllocation(_ value: UInt32) {
    let receive = value & 0x7F
    let isNew = receive != load(Register.packetBufferAllocation) & 0x7F
    store(receive | (64 &- receive) << 16 & 0x007F_0000, Register.packetBufferAllocation)
    guard isNew else { return }
    clearReceiveBuffer()
    showReceiveBuffer()
    catchUpReceiving()
  }

  /// Forgets what waits: the device is reset, or its packet buffer is cut anew.
  func clearReceiveBuffer() {
    count.framesMissed &+= UInt64(truncatingIfNeeded: receiveBuffer.count)
    let allocation = Int(load(Register.packetBufferAllocation) & 0x7F)
    receiveBuffer.removeAll(capacity: min(allocation, 64) << 10)
    isBehind = isHolding
    pausesAsked = 0
    pauseOwed = nil
  }

  /// The frame has to wait for descriptors: in the packet buffer if that has room, else with the wire. Returns what
  /// ``receive(_:)`` says.
  @inline(never) func wait(_ frame: RawSpan, _ arrival: ReceiveBuffer.Arrival, wireLength: Int) -> Bool {
    isBehind = true
    // What comes now has to queue behind.
    receiveCursor.forget()
    if receiveBuffer.append(frame, arrival, in: bufferMemory) {
      add(1, to: Statistic.receivedWithoutBuffer)
      countAccepted(wireLength, destination: frame.loadLittleEndian(0, as: UInt64.self), isLong: arrival.isLong)
      count.framesBuffered &+= 1
      if tap.isOn, receiveBuffer.count == 1 { tap.emit(.model, .note("\(name): frames wait for receive descriptors")) }
      showReceiveBuffer()
      receiveBufferFilled()
      return true
    }
    // A frame of our own that comes back cannot be left with a wire.
    guard options.lossless, !isLooping else {
      isBehind = isHolding || !receiveBuffer.isEmpty
      miss(wireLength)
      return true
    }
    if !isHolding { count.receiveStalls &+= 1 }
    isHolding = true
    return false
  }

  private func miss(_ wireLength: Int) {
    add(1, to: Statistic.receivedWithoutBuffer)
    add(1, to: Statistic.missedPackets)
    add(1, to: Statistic.totalReceived)
    add64(wireLength, to: Statistic.totalOctetsReceived)
    count.framesMissed &+= 1
    if tap.isOn { tap.emit(.model, .dropped(reason: "the packet buffer is full", length: wireLength &- 4)) }
    receiveBufferFilled(overflowing: true)
    raise(.receiverOverrun)
  }

  /// Descriptors, the receiver or memory may have come back: what waits in the packet buffer goes to the ring, as far
  /// as that has room, and then the wire may go on.
  @inline(never) func catchUpReceiving() {
    guard isBehind, !isCatchingUp else { return }
    if !receiveBuffer.isEmpty {
      isCatchingUp = true
      let before = receiveBuffer.count
      while let entry = receiveBuffer.first, mayStore {
        receiveBuffer.copy(entry, from: bufferMemory, to: scratch.waiting)
        guard store(scratch.waiting.bytes(0, entry.length), entry.arrival, waited: true) else { break }
      }
      isCatchingUp = false
      if !receiveBuffer.isEmpty { receiveCursor.forget() }
      if receiveBuffer.count != before {
        showReceiveBuffer()
        receiveBufferDrained()
      }
    }
    if isHolding {
      isHolding = false
      isBehind = !receiveBuffer.isEmpty
      cable.portIsReady()
    } else {
      isBehind = !receiveBuffer.isEmpty
    }
  }

  /// The receiver works, may reach memory, and software has given it descriptors.
  private var mayStore: Bool {
    ReceiveControl(rawValue: load(Register.receiveControl)).enabled && !isSleeping && dma.isMasterEnabled
      && load(Register.receiveHead) != load(Register.receiveTail)
  }

  /// RDFH and the registers beside it: places in units of 8 bytes, and the number of frames.
  func showReceiveBuffer() {
    let head = UInt32(truncatingIfNeeded: receiveBuffer.head &>> 3)
    let tail = UInt32(truncatingIfNeeded: receiveBuffer.tail &>> 3)
    store(head, Register.receiveFIFOHead)
    store(tail, Register.receiveFIFOTail)
    store(head, Register.receiveFIFOHeadSaved)
    store(tail, Register.receiveFIFOTailSaved)
    store(UInt32(truncatingIfNeeded: receiveBuffer.count), Register.receiveFIFOPacketCount)
  }
}
