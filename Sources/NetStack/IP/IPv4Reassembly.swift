import EventLoop
import Packets

/// Puts fragmented datagrams together again (RFC 791 3.2, by the list of holes of RFC 815).
///
/// As in Linux since 4.19 a fragment that overlaps another one throws the whole datagram away, unless all of it has
/// arrived before (a duplicate). Memory, fragments of a datagram and datagrams of a source are bounded.
final class IPv4Reassembly {
  private struct Key: Hashable {
    let source: IPv4Address
    let destination: IPv4Address
    let identification: UInt16
    let `protocol`: UInt8
    let interface: Int
  }

  private struct Hole {
    var first: Int
    /// Behind the last missing octet; `.max` while the end is not known.
    var end: Int
  }

  private final class Partial {
    let key: Key
    let deadline: Instant
    unowned let interface: NetworkInterface
    let isLinkGroup: Bool
    let isGroup: Bool
    /// Payload; as long as what arrived reaches.
    var bytes: [UInt8] = []
    /// Header and first octets of the first fragment, for the datagram and for "time exceeded".
    var header: [UInt8] = []
    var quote: [UInt8] = []
    var holes = [Hole(first: 0, end: .max)]
    var end: Int?
    var fragments = 0
    /// Octets of the largest one with its header.
    var largest = 0
    var isDone = false
    /// Congestion marks seen (RFC 3168 5.3): bit n is set if a fragment had the ECN field n.
    var marks: UInt8 = 0

    init(_ key: Key, deadline: Instant, interface: NetworkInterface, isLinkGroup: Bool, isGroup: Bool) {
      self.key = key
      self.deadline = deadline
      self.interface = interface
      self.isLinkGroup = isLinkGroup
      self.isGroup = isGroup
    }

    var cost: Int { bytes.count + header.count + quote.count + 512 }
  }

  unowned let ip: IPv4Layer
  private let loop: any EventLoop
  private let configuration: ReassemblyConfiguration
  private var partials: [Key: Partial] = [:]
  /// In order of deadline, done ones included until their turn.
  private var order: [Partial] = []
  private var perSource: [IPv4Address: Int] = [:]
  private(set) var bytesHeld = 0
  private var timer: LoopTimer!

  init(ip: IPv4Layer, loop: any EventLoop, configuration: ReassemblyConfiguration) {
    self.ip = ip
    self.loop = loop
    self.configuration = configuration
    timer = LoopTimer(on: loop) { [unowned self] in expire() }
  }

  var count: Int { partials.count }

  /// Takes a fragment, and delivers the datagram that it completes.
  func add(_ header: borrowing IPv4Header, _ interface: NetworkInterface, isLinkGroup: Bool, isGroup: Bool) {
    let key = Key(
      source: header.source, destination: header.destination, identification: header.identification,
      protocol: header.protocol.rawValue, interface: interface.index)
    guard let partial = partials[key] ?? start(key, interface, isLinkGroup: isLinkGroup, isGroup: isGroup) else {
      ip.count { $0.reasmFails &+= 1 }
      return
    }
    let before = partial.cost
    let verdict = insert(header, into: partial)
    bytesHeld += partial.cost - before
    switch verdict {
    case .kept:
      if let end = partial.end, partial.holes.isEmpty {
        finish(partial, length: end)
      } else if bytesHeld > configuration.memoryLimit {
        drop(partial)
      }
    case .duplicate:
      break
    case .overlap:
      ip.count { $0.reasmOverlaps &+= 1 }
      drop(partial)
    case .malformed:
      drop(partial)
    }
  }

  private func start(_ key: Key, _ interface: NetworkInterface, isLinkGroup: Bool, isGroup: Bool) -> Partial? {
    guard bytesHeld < configuration.memoryLimit,
      perSource[key.source, default: 0] < configuration.datagramsPerSource
    else { return nil }
    let partial = Partial(
      key, deadline: loop.now + configuration.timeout, interface: interface, isLinkGroup: isLinkGroup, isGroup: isGroup)
    partials[key] = partial
    order.append(partial)
    perSource[key.source, default: 0] += 1
    bytesHeld += partial.cost
    if !timer.isArmed { timer.arm(at: partial.deadline) }
    return partial
  }

  private enum Verdict { case kept, duplicate, overlap, malformed }

  private func insert(_ header: borrowing IPv4Header, into partial: Partial) -> Verdict {
    let payload = header.payload
    let first = header.fragmentOffset
    var length = payload.byteCount
    partial.fragments += 1
    guard partial.fragments <= configuration.fragmentsPerDatagram else { return .malformed }
    if header.moreFragments { length &= ~7 }
    let end = first + length
    guard length > 0, end + header.headerLength <= 65535 else { return .malformed }
    if header.moreFragments {
      if let known = partial.end, end > known { return .malformed }
    } else {
      if let known = partial.end, known != end { return .malformed }
      guard partial.bytes.count <= end else { return .malformed }
      closeEnd(of: partial, at: end)
    }
    guard let place = partial.holes.firstIndex(where: { $0.first < end && first < $0.end }) else { return .duplicate }
    let hole = partial.holes[place]
    guard hole.first <= first, end <= hole.end else { return .overlap }
    partial.holes.remove(at: place)
    if end < hole.end { partial.holes.insert(Hole(first: end, end: hole.end), at: place) }
    if hole.first < first { partial.holes.insert(Hole(first: hole.first, end: first), at: place) }

    if partial.bytes.count < end {
      partial.bytes.append(contentsOf: repeatElement(0, count: end - partial.bytes.count))
    }
    var target = partial.bytes.mutableSpan
    var memory = unsafe target.mutableBytes
    memory.copy(payload.clamped(0, length), to: first)
    partial.largest = max(partial.largest, length + header.headerLength)
    partial.marks |= 1 << header.congestionNotification
    if first == 0 {
      partial.header = header.bytes.clamped(0, header.headerLength).array
      partial.quote = header.datagram.clamped(0, ICMPLayer.quoteLimit).array
    }
    return .kept
  }

  /// The last fragment tells where the datagram ends: the open hole does not reach further.
  private func closeEnd(of partial: Partial, at end: Int) {
    partial.end = end
    guard let last = partial.holes.indices.last, partial.holes[last].end == .max else { return }
    partial.holes[last].end = end
    if partial.holes[last].first >= end { partial.holes.removeLast() }
  }

  private func finish(_ partial: Partial, length: Int) {
    remove(partial)
    var whole = partial.header
    let total = UInt16(truncatingIfNeeded: whole.count + length)
    whole[2] = UInt8(total >> 8)
    whole[3] = UInt8(total & 255)
    whole[6] = 0
    whole[7] = 0
    // A mark of congestion on any fragment is one of the datagram, unless others were not capable of any.
    if partial.marks & 0b1000 != 0 {
      guard partial.marks & 1 == 0 else {
        ip.count { $0.reasmFails &+= 1 }
        return
      }
      whole[1] |= 3
    }
    // The header is one that could have arrived (Linux's `ip_send_check`).
    whole[IPv4Field.checksum] = 0
    whole[IPv4Field.checksum + 1] = 0
    let sum = unsafe InternetChecksum.checksum(of: whole.span.bytes)
    whole[IPv4Field.checksum] = UInt8(sum >> 8)
    whole[IPv4Field.checksum + 1] = UInt8(sum & 255)
    whole.append(contentsOf: partial.bytes)
    ip.count { $0.reasmOKs &+= 1 }
    guard let header = unsafe IPv4Header(whole.span.bytes) else { return }
    ip.reassembled(
      header, partial.interface, isLinkGroup: partial.isLinkGroup, isGroup: partial.isGroup,
      largestFragment: partial.largest)
  }

  private func drop(_ partial: Partial) {
    ip.count { $0.reasmFails &+= 1 }
    partial.interface.reportDrop(.ip, "reassembly", length: partial.bytes.count)
    remove(partial)
  }

  private func remove(_ partial: Partial) {
    partials[partial.key] = nil
    partial.isDone = true
    bytesHeld -= partial.cost
    let left = perSource[partial.key.source, default: 1] - 1
    perSource[partial.key.source] = left > 0 ? left : nil
    while let oldest = order.first, oldest.isDone { order.removeFirst() }
    if order.isEmpty { timer.cancel() } else if order.count > 64 && order.count > 4 * partials.count { sweep() }
  }

  private func sweep() { order.removeAll { $0.isDone } }

  private func expire() {
    let now = loop.now
    while let oldest = order.first, oldest.isDone || oldest.deadline <= now {
      if oldest.isDone {
        order.removeFirst()
        continue
      }
      ip.count {
        $0.reasmTimeout &+= 1
        $0.reasmFails &+= 1
      }
      remove(oldest)
      let quote = oldest.quote
      // Only who sent the first fragment can be told which datagram it was (RFC 792, RFC 1122 3.3.2).
      if let quoted = unsafe IPv4Header(quoted: quote.span.bytes) {
        ip.stack.icmp.sendError(
          .reassemblyTimeExceeded,
          about: IPv4Arrival(
            quoted, isLinkGroup: oldest.isLinkGroup, isGroup: oldest.isGroup, isChecksumVerified: false))
      }
    }
    if let next = order.first { timer.arm(at: next.deadline) }
  }
}
