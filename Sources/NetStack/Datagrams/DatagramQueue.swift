import EventLoop
import Memory
import Packets

/// What is known of a received datagram besides its bytes.
public struct ReceivedDatagram: Sendable, Equatable, BitwiseCopyable {
  /// Who sent it; port 0 for ICMP and raw endpoints.
  public var source: Endpoint
  /// The address it was sent to, which may be a broadcast or group address.
  public var destination: IPAddress
  /// ``NetworkInterface/index`` of where it came in.
  public var interfaceIndex: Int
  /// All of the datagram's bytes, of which a short buffer got only the first.
  public var length: Int
  public var tos: UInt8
  public var ttl: UInt8
  /// It is several datagrams, of so many octets each but for the last; 0: it is one (UDP_GRO).
  public var segmentSize: UInt16 = 0
  /// Datagrams that had found the queue full when this one came, modulo 2^32 (SO_RXQ_OVFL).
  public var drops: UInt32 = 0
  /// Octets of options in the IPv4 header, where an endpoint keeps them.
  public var optionLength: UInt8 = 0
  /// Octets of the largest fragment that it was put together from; 0: it came whole (IP_RECVFRAGSIZE).
  public var largestFragment: UInt16 = 0
  /// The sum over a UDP header and payload that were checked here, where an endpoint keeps it; 0: none (IP_CHECKSUM).
  public var partialSum: UInt32 = 0
  public var time: Instant
}

/// Received datagrams of one endpoint, back to back in a ring of bytes that grows up to its limit: no allocation for a
/// datagram, and a bound in bytes as in Linux (the record of each datagram counts).
@safe struct DatagramQueue: ~Copyable {
  private static var recordSize: Int { (MemoryLayout<ReceivedDatagram>.size + 7) & ~7 }

  /// Bytes at most; what exceeds it is not taken.
  var limit: Int
  private(set) var count = 0
  private(set) var bytesHeld = 0
  private var memory: UnsafeMutableRawPointer?
  private var window = MemoryWindow.none
  /// Start of the oldest record, and behind the newest.
  private var head = 0
  private var tail = 0
  /// Bytes that the newest record takes, up to ``tail``.
  private var newestSize = 0
  /// Where the records of the upper part end, while newer ones are at the start.
  private var wrap: Int?

  init(limit: Int) {
    self.limit = limit
    unsafe memory = nil
  }

  deinit { unsafe memory?.deallocate() }

  var isEmpty: Bool { count == 0 }

  /// Appends a datagram; false if there is no room. As in Linux a queue that is not full takes one more.
  mutating func append(_ record: ReceivedDatagram, _ bytes: RawSpan, options: RawSpan) -> Bool {
    guard bytesHeld < limit else { return false }
    let needed = DatagramQueue.size(of: record)
    guard let place = place(for: needed) else { return false }
    window.store(record, place)
    window.copy(from: bytes, to: place + DatagramQueue.recordSize)
    if record.optionLength > 0 { window.copy(from: options, to: DatagramQueue.end(of: record, at: place)) }
    tail = place + needed
    newestSize = needed
    bytesHeld += needed
    count += 1
    return true
  }

  /// Appends bytes to the newest datagram, which has no options; false if there is no room, or it has been taken.
  mutating func extendNewest(_ bytes: RawSpan, segmentSize: Int) -> Bool {
    guard count > 0, bytesHeld < limit else { return false }
    let more = (bytes.byteCount + 7) & ~7
    let end = wrap == nil ? window.count : head
    if end - tail < more { grow(by: more) }
    let place = tail - newestSize
    var record = window.load(place, as: ReceivedDatagram.self)
    guard record.optionLength == 0 else { return false }
    window.copy(from: bytes, to: place + DatagramQueue.recordSize + record.length)
    record.length += bytes.byteCount
    record.segmentSize = UInt16(truncatingIfNeeded: segmentSize)
    window.store(record, place)
    let added = DatagramQueue.size(of: record) - newestSize
    newestSize += added
    tail += added
    bytesHeld += added
    return true
  }

  private mutating func place(for needed: Int) -> Int? {
    if count == 0 {
      head = 0
      tail = 0
      wrap = nil
    }
    if wrap == nil {
      if window.count - tail >= needed { return tail }
      if head >= needed {
        wrap = tail
        return 0
      }
    } else if head - tail >= needed {
      return tail
    }
    grow(by: needed)
    return tail
  }

  /// Moves everything to larger memory, oldest first.
  private mutating func grow(by needed: Int) {
    let size = max(bytesHeld + needed, min(2 * window.count, limit + 65536), 4096)
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    let target = unsafe MemoryWindow(fresh, count: size)
    var filled = 0
    if let wrap {
      target.copy(from: window, at: head, count: wrap - head, to: 0)
      filled = wrap - head
      target.copy(from: window, at: 0, count: tail, to: filled)
      filled += tail
    } else {
      target.copy(from: window, at: head, count: tail - head, to: 0)
      filled = tail - head
    }
    unsafe memory?.deallocate()
    unsafe memory = fresh
    window = target
    head = 0
    tail = filled
    wrap = nil
  }

  /// Where the bytes of a datagram end, and the options begin.
  private static func end(of record: ReceivedDatagram, at place: Int) -> Int {
    place + recordSize + (record.length + 7) & ~7
  }

  /// Bytes that a datagram takes with its record.
  private static func size(of record: ReceivedDatagram) -> Int {
    end(of: record, at: 0) + (Int(record.optionLength) + 7) & ~7
  }

  /// The options of the oldest datagram's header.
  var firstOptions: [UInt8] {
    guard let first, first.optionLength > 0 else { return [] }
    return window.bytes(DatagramQueue.end(of: first, at: head), Int(first.optionLength)).array
  }

  /// The oldest datagram's record.
  var first: ReceivedDatagram? {
    count == 0 ? nil : window.load(head, as: ReceivedDatagram.self)
  }

  /// The oldest datagram's bytes; they stay valid until the queue changes.
  var firstBytes: RawSpan {
    @_lifetime(borrow self) get {
      guard let first else { return RawSpan() }
      return window.bytes(head + DatagramQueue.recordSize, first.length)
    }
  }

  /// The datagram in which `offset` bytes of all that wait end, where its record lies, and how far into it that is.
  func locate(_ offset: Int) -> (record: ReceivedDatagram, place: Int, rest: Int)? {
    var (place, rest, left) = (head, offset, count)
    while left > 0 {
      if let wrap, place >= wrap { place = 0 }
      let record = window.load(place, as: ReceivedDatagram.self)
      if rest == 0 || rest < record.length { return (record, place, rest) }
      rest -= record.length
      place += DatagramQueue.size(of: record)
      left -= 1
    }
    return nil
  }

  /// The bytes of a record that ``locate(_:)`` has found.
  @_lifetime(borrow self)
  func bytes(of record: ReceivedDatagram, at place: Int) -> RawSpan {
    window.bytes(place + DatagramQueue.recordSize, record.length)
  }

  mutating func removeFirst() {
    guard let first else { return }
    let size = DatagramQueue.size(of: first)
    head += size
    bytesHeld -= size
    count -= 1
    if let end = wrap, head >= end {
      head = 0
      wrap = nil
    }
  }

  mutating func removeAll() {
    while count > 0 { removeFirst() }
  }
}

extension MemoryWindow {
  /// A window of no bytes.
  static var none: MemoryWindow {
    unsafe MemoryWindow(UnsafeMutableRawPointer(bitPattern: 16)!, count: 0)
  }
}
