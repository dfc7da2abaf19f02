import IntelNIC
import Link
import Machine
import Memory
import Synchronization

/// The driver's side of the transmit ring (manual section 3.4), with the buffers that go through it.
///
/// A reserved buffer has its descriptors promised, so that a submission always finds room. Completion is read from the
/// descriptors (DD), never from TDH, which moves when a descriptor was fetched: the last descriptor of a batch and
/// the end of a frame about every ``reportInterval`` descriptors ask for their status, and what the oldest of these reports
/// covers is free once it is done. Every descriptor that the device has been told of is covered by one.
struct TransmitRing {
  /// Descriptors from one status report to the next inside a batch.
  static var reportInterval: Int { 32 }
  /// Bytes that one data descriptor names: the 16 KiB of packet buffer for transmission less 96 (manual section 3.3.3).
  static var dataByteLimit: Int { 16_288 }
  /// Bytes of a buffer for a large segment: 64 KiB of IP datagram, an Ethernet header, whole cache lines.
  static var segmentByteCount: Int { 65_664 }
  /// Descriptors that a frame, and a large segment, take at most: a context, and the data.
  static var frameCost: Int { 2 }
  static var segmentCost: Int { 1 + (segmentByteCount + dataByteLimit - 1) / dataByteLimit }

  enum Owner: UInt8 { case pool, client, device }

  let descriptors: MemoryWindow
  let busAddress: UInt64
  let count: Int
  /// Which start of the driver the ring belongs to: the upper half of its tokens.
  let generation: Int
  private var frames: BufferPool
  private var segments: BufferPool
  private var owners: [Owner]
  /// The buffer that becomes free with a descriptor, or -1.
  private var bufferOfSlot: [Int32]
  /// Slots whose status was asked for, oldest first, in a ring of its own.
  private var reports: [UInt16]
  private var reportHead = 0
  private var reportCount = 0
  /// The slot that is written next; what TDT says; the oldest slot not free.
  private(set) var tail = 0
  private var published = 0
  private var oldest = 0
  /// Slots in use, and slots promised to buffers that clients hold.
  private(set) var used = 0
  private var promised = 0
  /// Frames between submission and completion.
  private(set) var inFlight = 0
  /// The end of the last frame, and descriptors since the last report: 0 if that end is one.
  private var lastEnd = 0
  private var lastWord: UInt64 = 0
  private var sinceReport = 0
  /// The checksum context that the device holds; a second half of 0 is none.
  private var context = TransmitContext(TransmitDescriptor(low: 0, high: 0))

  /// No ring.
  init() {
    descriptors = DMABuffer.none.window
    busAddress = 0
    count = 0
    generation = 0
    frames = BufferPool()
    segments = BufferPool()
    owners = []
    bufferOfSlot = []
    reports = []
  }

  init(
    configuration: E1000Configuration, sizes: FrameSizes, generation: Int, memory: inout DMAPieces
  ) throws(DriverError) {
    let ring = try memory.take(configuration.transmitDescriptors * TransmitDescriptor.byteCount)
    descriptors = ring.window
    busAddress = ring.busAddress
    count = configuration.transmitDescriptors
    self.generation = generation
    frames = try BufferPool(
      count: configuration.transmitBuffers, bufferByteCount: sizes.transmitBuffer, memory: &memory)
    segments = try BufferPool(
      count: configuration.offersSegmentation ? configuration.segmentationBuffers : 0,
      bufferByteCount: Self.segmentByteCount, memory: &memory)
    owners = Array(repeating: .pool, count: frames.count + segments.count)
    bufferOfSlot = Array(repeating: -1, count: count)
    reports = Array(repeating: 0, count: count)
  }

  /// Largest capacity that can be reserved.
  var capacityLimit: Int { max(frames.bufferByteCount, segments.bufferByteCount) }

  /// Takes a buffer and its descriptors; nil if there are none.
  @inline(__always) mutating func reserve(capacity: Int) -> TransmitBuffer? {
    if capacity <= frames.bufferByteCount {
      guard frames.freeCount > 0, used &+ promised &+ Self.frameCost < count else { return nil }
      promised &+= Self.frameCost
      let number = frames.take()
      owners[number] = .client
      return TransmitBuffer(window: frames.window(number), token: number | generation &<< 32)
    }
    return reserveSegment(capacity: capacity)
  }

  private mutating func reserveSegment(capacity: Int) -> TransmitBuffer? {
    guard capacity <= segments.bufferByteCount, segments.freeCount > 0, used + promised + Self.segmentCost < count
    else { return nil }
    promised += Self.segmentCost
    let number = segments.take()
    owners[frames.count + number] = .client
    return TransmitBuffer(window: segments.window(number), token: (frames.count + number) | generation << 32)
  }

  /// Number of the buffer behind a token of this ring, which the client must hold; nil if the token is of an earlier ring.
  @inline(__always) func number(of token: Int) -> Int? {
    guard token &>> 32 == generation, count > 0 else { return nil }
    let number = token & 0xFFFF_FFFF
    precondition(owners[number] == .client, "a transmit buffer was given back or submitted twice")
    return number
  }

  /// Bytes of buffer `number`.
  @inline(__always) func byteCount(of number: Int) -> Int {
    number < frames.count ? frames.bufferByteCount : segments.bufferByteCount
  }

  /// Takes an unused buffer back from the client.
  mutating func giveBack(_ number: Int) {
    promised -= number < frames.count ? Self.frameCost : Self.segmentCost
    free(number)
  }

  @inline(__always) private mutating func free(_ number: Int) {
    owners[number] = .pool
    if number < frames.count { frames.giveBack(number) } else { segments.giveBack(number &- frames.count) }
  }

  @inline(__always) private mutating func put(_ low: UInt64, _ high: UInt64) {
    let offset = tail &* TransmitDescriptor.byteCount
    descriptors.store(low, offset)
    descriptors.store(high, offset &+ 8)
    tail = tail &+ 1 == count ? 0 : tail &+ 1
    used &+= 1
    sinceReport &+= 1
  }

  /// Writes the last descriptor of a frame, which asks for a report if it is time.
  @inline(__always) private mutating func end(_ number: Int, _ low: UInt64, _ high: UInt64) {
    lastEnd = tail
    bufferOfSlot[tail] = Int32(truncatingIfNeeded: number)
    owners[number] = .device
    inFlight &+= 1
    if sinceReport &+ 1 >= Self.reportInterval {
      put(low, high | TransmitWord.reportStatus)
      report()
    } else {
      lastWord = high
      put(low, high)
    }
  }

  @inline(__always) private mutating func report() {
    let place = reportHead &+ reportCount
    reports[place < count ? place : place &- count] = UInt16(truncatingIfNeeded: lastEnd)
    reportCount &+= 1
    sinceReport = 0
  }

  /// Queues a frame that is complete: one legacy descriptor.
  @inline(__always) mutating func submitPlain(_ number: Int, length: Int) {
    promised &-= number < frames.count ? Self.frameCost : Self.segmentCost
    let word = TransmitDescriptor.legacy(address: 0, length: length, command: [.endOfPacket, .insertFCS]).high
    end(number, address(of: number), word)
  }

  /// Queues a frame whose transport checksum the device fills in. The context is written only if the device holds
  /// another; returns true if it was.
  @inline(__always)
  mutating func submitChecksum(_ number: Int, length: Int, offload: TransmitOffload) -> Bool {
    promised &-= number < frames.count ? Self.frameCost : Self.segmentCost
    let wanted = offload.checksumContext
    let isNew = wanted.low != context.low || wanted.high != context.high
    if isNew {
      context = wanted
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
  mutating func submitSegment(_ number: Int, length: Int, offload: TransmitOffload) -> Int {
    promised -= number < frames.count ? Self.frameCost : Self.segmentCost
    let wanted = offload.segmentationContext(length: length)
    context = TransmitContext(TransmitDescriptor(low: 0, high: 0))
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
    return pieces
  }

  @inline(__always) private func address(of number: Int) -> UInt64 {
    number < frames.count ? frames.busAddress(number) : segments.busAddress(number &- frames.count)
  }

  /// Makes everything submitted ready for the device: the last descriptor asks for a report. Returns TDT's new value, or
  /// nil if there is nothing new.
  @inline(__always) mutating func publish() -> UInt32? {
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
  @inline(__always) mutating func reclaim() -> Int {
    var freed = 0
    while reportCount > 0 {
      let slot = Int(reports[reportHead])
      let word = descriptors.load(slot &* TransmitDescriptor.byteCount &+ 8, as: UInt64.self)
      guard word & TransmitWord.done != 0 else { break }
      atomicMemoryFence(ordering: .acquiring)
      reportHead = reportHead &+ 1 == count ? 0 : reportHead &+ 1
      reportCount &-= 1
      var isLast = false
      while !isLast {
        let number = Int(bufferOfSlot[oldest])
        if number >= 0 {
          bufferOfSlot[oldest] = -1
          free(number)
          freed &+= 1
        }
        isLast = oldest == slot
        oldest = oldest &+ 1 == count ? 0 : oldest &+ 1
        used &-= 1
      }
    }
    inFlight &-= freed
    return freed
  }
}
