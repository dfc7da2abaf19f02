import IntelNIC
import Link
import Machine
import Memory
import Synchronization

/// The driver's side of the transmit ring (manual section 3.4), with the buffers that go through it.
///
/// A reserved buffer has its descriptors promised, so that a submission always finds room. Completion is read from the
/// descriptors (DD), never from TDH, which moves when a descriptor was fetched: the last descriptor of a batch and
/// the end of a frame about every ``reportInterval`` descriptors ask for their status, and what the oldest of these
/// reports covers is free once it is done. Every descriptor that the device has been told of is covered by one.
final class TransmitRing {
  /// Descriptors from one status report to the next inside a batch.
  static var reportInterval: Int { 32 }
  /// Bytes that one data descriptor names: the 16 KiB of packet buffer for transmission less 96 (manual section 3.3.3).
  static var dataByteLimit: Int { 16_288 }
  /// Bytes of a buffer for a large segment: 64 KiB of IP datagram, an Ethernet header, whole cache lines.
  static var segmentByteCount: Int { 65_664 }
  /// Descriptors that a frame, and a large segment, take at most: a context, and the data.
  static var frameCost: Int { 2 }
  static var segmentCost: Int { 1 + (segmentByteCount + dataByteLimit - 1) / dataByteLimit }

  private(set) var descriptors = DMABuffer.none.window
  private(set) var busAddress: UInt64 = 0
  /// Descriptors; zero while the driver is stopped.
  private(set) var count = 0
  /// Which start of the driver the ring belongs to: the upper half of its tokens. -1 while there is none.
  private var generation = -1
  private var frames = BufferPool()
  private var segments = BufferPool()
  /// 1 for a buffer that the client holds.
  private var held = PrivateTable(count: 0, repeating: 0)
  /// The buffer that becomes free with a descriptor, or -1.
  private var bufferOfSlot = PrivateTable(count: 0, repeating: 0)
  /// Slots whose status was asked for, oldest first, in a ring of its own.
  private var reports = PrivateTable(count: 0, repeating: 0)
  private var reportHead = 0
  private var reportCount = 0
  /// The slot that is written next; what TDT says; the oldest slot not free.
  private var tail = 0
  private var published = 0
  private var oldest = 0
  /// Slots in use, and those promised to buffers that the client holds.
  private var committed = 0
  /// Frames between submission and completion.
  private(set) var inFlight = 0
  /// The end of the last frame, and descriptors since the last report: 0 if that end is one.
  private var lastEnd = 0
  private var lastWord: UInt64 = 0
  private var sinceReport = 0
  /// The checksum context that the device holds, as the halves of its descriptor; a second half of 0 is none.
  private var contextLow: UInt64 = 0
  private var contextHigh: UInt64 = 0

  deinit { freeTables() }

  /// Makes an empty ring of `slots` descriptors and its buffers. ``close()`` must follow, also after an error.
  func open(
    slots: Int, configuration: E1000Configuration, sizes: FrameSizes, generation: Int, memory: inout DMAPieces
  ) throws(DriverError) {
    close()
    let ring = try memory.take(slots * TransmitDescriptor.byteCount)
    let frames = try BufferPool(
      count: configuration.transmitBuffers, bufferByteCount: sizes.transmitBuffer, memory: &memory)
    self.frames.close()
    self.frames = frames
    let segments = try BufferPool(
      count: configuration.offersSegmentation ? configuration.segmentationBuffers : 0,
      bufferByteCount: Self.segmentByteCount, memory: &memory)
    self.segments.close()
    self.segments = segments
    held.free()
    held = PrivateTable(count: frames.count + segments.count, repeating: 0)
    bufferOfSlot.free()
    bufferOfSlot = PrivateTable(count: slots, repeating: -1)
    reports.free()
    reports = PrivateTable(count: slots, repeating: 0)
    descriptors = ring.window
    busAddress = ring.busAddress
    self.generation = generation
    count = slots
  }

  /// Forgets everything: no buffer is to be had, every token is stale.
  func close() {
    count = 0
    generation = -1
    descriptors = DMABuffer.none.window
    busAddress = 0
    freeTables()
    frames = BufferPool()
    segments = BufferPool()
    held = PrivateTable(count: 0, repeating: 0)
    bufferOfSlot = PrivateTable(count: 0, repeating: 0)
    reports = PrivateTable(count: 0, repeating: 0)
    reportHead = 0
    reportCount = 0
    tail = 0
    published = 0
    oldest = 0
    committed = 0
    inFlight = 0
    lastEnd = 0
    lastWord = 0
    sinceReport = 0
    contextLow = 0
    contextHigh = 0
  }

  private func freeTables() {
    frames.close()
    segments.close()
    held.free()
    bufferOfSlot.free()
    reports.free()
  }

  /// Largest capacity that can be reserved.
  var capacityLimit: Int { segments.count > 0 ? segments.bufferByteCount : frames.bufferByteCount }

  /// Takes a buffer and its descriptors; nil if there are none.
  @inline(__always) func reserve(capacity: Int) -> TransmitBuffer? {
    if capacity <= frames.bufferByteCount {
      guard frames.freeCount > 0, committed &+ Self.frameCost < count else { return nil }
      committed &+= Self.frameCost
      let number = frames.take()
      held[number] = 1
      return TransmitBuffer(window: frames.window(number), token: number | generation &<< 32)
    }
    return reserveSegment(capacity: capacity)
  }

  private func reserveSegment(capacity: Int) -> TransmitBuffer? {
    guard capacity <= segments.bufferByteCount, segments.freeCount > 0, committed + Self.segmentCost < count
    else { return nil }
    committed += Self.segmentCost
    let number = segments.take()
    held[frames.count + number] = 1
    return TransmitBuffer(window: segments.window(number), token: (frames.count + number) | generation << 32)
  }

  /// Takes the buffer behind a token of this ring from the client, which must hold it; nil if the token is of an
  /// earlier ring. To be followed by a submission or ``giveBack(_:)``.
  @inline(__always) func claim(_ token: Int) -> Int? {
    guard token &>> 32 == generation else { return nil }
    let number = token & 0xFFFF_FFFF
    let held = held
    precondition(held[number] == 1, "a transmit buffer was given back or submitted twice")
    held[number] = 0
    return number
  }

  /// Bytes of buffer `number`.
  @inline(__always) func byteCount(of number: Int) -> Int {
    number < frames.count ? frames.bufferByteCount : segments.bufferByteCount
  }

  /// Descriptors that were promised with buffer `number`.
  @inline(__always) private func cost(of number: Int) -> Int {
    number < frames.count ? Self.frameCost : Self.segmentCost
  }

  /// Frees a claimed buffer unused.
  func giveBack(_ number: Int) {
    committed -= cost(of: number)
    free(number)
  }

  @inline(__always) private func free(_ number: Int) {
    if number < frames.count { frames.giveBack(number) } else { segments.giveBack(number &- frames.count) }
  }

  /// Writes a descriptor, with whose completion buffer `number` becomes free (-1: none).
  @inline(__always) private func put(_ low: UInt64, _ high: UInt64, freeing number: Int = -1) {
    // Fields first: the compiler must take a store to memory for one that could change them.
    let slot = tail
    let table = bufferOfSlot
    let descriptor = descriptors.slice(slot &* TransmitDescriptor.byteCount, TransmitDescriptor.byteCount)
    tail = slot &+ 1 == count ? 0 : slot &+ 1
    sinceReport &+= 1
    descriptor.store(low, 0)
    descriptor.store(high, 8)
    table[slot] = number
  }

  /// Writes the last descriptor of a frame, which asks for a report if it is time.
  @inline(__always) private func end(_ number: Int, _ low: UInt64, _ high: UInt64) {
    lastEnd = tail
    lastWord = high
    inFlight &+= 1
    let isTime = sinceReport &+ 1 >= Self.reportInterval
    put(low, isTime ? high | TransmitWord.reportStatus : high, freeing: number)
    if isTime { report() }
  }

  @inline(__always) private func report() {
    let place = reportHead &+ reportCount
    reports[place < count ? place : place &- count] = lastEnd
    reportCount &+= 1
    sinceReport = 0
  }

  /// Queues a frame that is complete: one legacy descriptor.
  @inline(__always) func submitPlain(_ number: Int, length: Int) {
    let word = TransmitDescriptor.legacy(address: 0, length: length, command: [.endOfPacket, .insertFCS]).high
    if number < frames.count {
      committed &-= Self.frameCost &- 1
      end(number, frames.busAddress(number), word)
    } else {
      submitLargePlain(number, word)
    }
  }

  /// A plain frame in a buffer for large segments.
  @inline(never) private func submitLargePlain(_ number: Int, _ word: UInt64) {
    committed &-= Self.segmentCost &- 1
    end(number, segments.busAddress(number &- frames.count), word)
  }

  /// Queues a frame whose transport checksum the device fills in. The context is written only if the device holds
  /// another; returns true if it was.
  @inline(__always)
  func submitChecksum(_ number: Int, length: Int, offload: TransmitOffload) -> Bool {
    let wanted = offload.checksumContext
    let isNew = wanted.low != contextLow || wanted.high != contextHigh
    committed &-= cost(of: number) &- (isNew ? 2 : 1)
    if isNew {
      contextLow = wanted.low
      contextHigh = wanted.high
      put(wanted.low, wanted.high)
    }
    let word = TransmitDescriptor.data(
      address: 0, length: length, command: [.endOfPacket, .insertFCS], options: .transportChecksum
    ).high
    end(number, address(of: number), word)
    return isNew
  }

  /// Queues a large segment for the device to cut up: its context, and data descriptors of at most ``dataByteLimit``
  /// bytes; returns how many of these. A segmentation context is never used twice, and the checksum context is taken as
  /// lost with it.
  func submitSegment(_ number: Int, length: Int, offload: TransmitOffload) -> Int {
    let wanted = offload.segmentationContext(length: length)
    contextHigh = 0
    put(wanted.low, wanted.high)
    let options: TransmitOptions = offload.isIPv6 ? .transportChecksum : [.ipChecksum, .transportChecksum]
    var address = address(of: number)
    var rest = length
    var pieces = 1
    while rest > Self.dataByteLimit {
      let word = TransmitDescriptor.data(
        address: 0, length: Self.dataByteLimit, command: [.insertFCS, .segment], options: options
      ).high
      put(address, word)
      address += UInt64(Self.dataByteLimit)
      rest -= Self.dataByteLimit
      pieces += 1
    }
    let word = TransmitDescriptor.data(
      address: 0, length: rest, command: [.endOfPacket, .insertFCS, .segment], options: options
    ).high
    end(number, address, word)
    committed -= cost(of: number) - (1 + pieces)
    return pieces
  }

  @inline(__always) private func address(of number: Int) -> UInt64 {
    number < frames.count ? frames.busAddress(number) : segments.busAddress(number &- frames.count)
  }

  /// Makes everything submitted ready for the device: the last descriptor asks for a report. Returns TDT's new value,
  /// or nil if there is nothing new.
  @inline(__always) func publish() -> UInt32? {
    guard tail != published else { return nil }
    if sinceReport > 0 {
      let offset = lastEnd &* TransmitDescriptor.byteCount &+ 8
      descriptors.store(lastWord | TransmitWord.reportStatus, offset)
      report()
    }
    published = tail
    // The device may be in another process: contents before the tail.
    atomicMemoryFence(ordering: .releasing)
    return UInt32(truncatingIfNeeded: tail)
  }

  /// Takes back the buffers of all frames that the device is done with; returns their number. Bounded by the ring.
  @inline(__always) func reclaim() -> Int {
    guard reportCount > 0 else { return 0 }
    let table = bufferOfSlot
    let slots = count
    var freed = 0
    var released = 0
    while reportCount > 0 {
      let end = reports[reportHead]
      let word = descriptors.load(end &* TransmitDescriptor.byteCount &+ 8, as: UInt64.self)
      guard word & TransmitWord.done != 0 else { break }
      atomicMemoryFence(ordering: .acquiring)
      reportHead = reportHead &+ 1 == count ? 0 : reportHead &+ 1
      reportCount &-= 1
      let stop = end &+ 1 == slots ? 0 : end &+ 1
      var slot = oldest
      repeat {
        let number = table[slot]
        if number >= 0 {
          free(number)
          freed &+= 1
        }
        slot = slot &+ 1 == slots ? 0 : slot &+ 1
        released &+= 1
      } while slot != stop
      oldest = stop
    }
    committed &-= released
    inFlight &-= freed
    return freed
  }
}
