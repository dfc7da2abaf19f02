import EventLoop
import Memory
import Packets

/// What an application is told about the way of its bytes (SO_TIMESTAMPING): for each call that wanted it, when the
/// last byte left and when it was acknowledged (Linux `tcp_tx_timestamp`, `__skb_tstamp_tx`). It goes to the error
/// queue.
public final class StreamStamps {
  /// SCM_TSTAMP_*
  public enum Kind: UInt32, Sendable { case sent, scheduled, acknowledged }

  /// The last byte of one call.
  struct Mark {
    var sequence: SequenceNumber
    var kinds: [Kind]
    var isSent = false
    /// The segment that carried it, without headers.
    var payload: [UInt8] = []
  }

  private let errors: ErrorQueue
  /// Numbers are counted from here (SOF_TIMESTAMPING_OPT_ID); nil: entries have none.
  public var origin: UInt32?
  /// Entries carry what was sent (SOF_TIMESTAMPING_OPT_TSONLY is off).
  public var carriesPackets = true
  /// In order; those that are sent come first.
  var marks: [Mark] = []

  public init(errors: ErrorQueue) { self.errors = errors }

  /// Notes the last byte of a call. A call whose bytes joined one that is not sent yet takes its place: there is one
  /// mark a segment.
  func mark(_ sequence: SequenceNumber, _ kinds: [Kind]) {
    if let last = marks.last, !last.isSent { marks.removeLast() }
    marks.append(Mark(sequence: sequence, kinds: kinds))
  }

  func tell(_ kind: Kind, of mark: Mark, _ packet: [UInt8], at now: Instant) {
    var entry = QueuedError(.transmitTime, at: now)
    entry.info = kind.rawValue
    if let origin { entry.data = mark.sequence.rawValue &- origin }
    if carriesPackets { entry.payload = packet }
    errors.append(entry)
  }
}

extension TCPConnection {
  /// As ``send(_:)`` and ``sendMore(_:)``, and ``stamps`` tell of the last byte of the call: of `bytes`, or with
  /// `isFinal` of those that are taken now.
  public func sendStamped(_ bytes: RawSpan, _ kinds: [StreamStamps.Kind], more: Bool, isFinal: Bool) -> Int {
    guard current.canSendData, !isSendClosed else { return 0 }
    let taken = enqueue(bytes)
    guard taken > 0 else { return 0 }
    if isFinal || taken == bytes.byteCount { markLast(kinds) }
    let wasCorked = chosen.isCorked
    if more { chosen.isCorked = true }
    output(at: layer.loop.now)
    chosen.isCorked = wasCorked
    return taken
  }

  /// ``stamps`` tell of the byte that was queued last.
  func markLast(_ kinds: [StreamStamps.Kind]) {
    guard let stamps else { return }
    stamps.mark(writeEnd - 1, kinds)
    outputHold.insert(.stamps)
  }

  /// What ``output(at:)`` does while somebody waits for a stamp.
  func outputStamped(at now: Instant) {
    outputHold.remove(.stamps)
    stampAcknowledged(at: now)
    output(at: now)
    guard let stamps, !stamps.marks.isEmpty else { return }
    stampSent(stamps, at: now)
    if !stamps.marks.isEmpty { outputHold.insert(.stamps) }
  }

  /// Tells of marks that the peer has acknowledged.
  func stampAcknowledged(at now: Instant) {
    guard let stamps else { return }
    while let mark = stamps.marks.first, mark.isSent, mark.sequence < sendUnacknowledged {
      stamps.marks.removeFirst()
      guard mark.kinds.contains(.acknowledged) else { continue }
      stamps.tell(.acknowledged, of: mark, mark.payload, at: now)
      becameStamped()
    }
  }

  private func stampSent(_ stamps: StreamStamps, at now: Instant) {
    for index in stamps.marks.indices where !stamps.marks[index].isSent && stamps.marks[index].sequence < sendNext {
      stamps.marks[index].isSent = true
      let mark = stamps.marks[index]
      let segment = stamps.carriesPackets ? segment(with: mark.sequence) : (start: mark.sequence, payload: [])
      stamps.marks[index].payload = segment.payload
      for kind in [StreamStamps.Kind.scheduled, .sent] where mark.kinds.contains(kind) {
        stamps.tell(kind, of: mark, stamps.carriesPackets ? packet(segment, at: now) : [], at: now)
        becameStamped()
      }
    }
    stamps.marks.removeAll { $0.isSent && !$0.kinds.contains(.acknowledged) }
  }

  private func becameStamped() {
    became(.error)
    layer.markDirty(self)
  }

  /// The segment that the byte at `sequence` left in.
  private func segment(with sequence: SequenceNumber) -> (start: SequenceNumber, payload: [UInt8]) {
    for index in stride(from: records.count - 1, through: 0, by: -1) {
      let record = records[index]
      guard record.start <= sequence, record.end > sequence else { continue }
      let count = Int(record.length) - (record.marks.contains(.fin) ? 1 : 0)
      var payload = [UInt8](repeating: 0, count: count)
      unsafe payload.withUnsafeMutableBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        sendRing.copy(count, from: record.start, to: unsafe MemoryWindow(base, count: count), at: 0)
      }
      return (record.start, payload)
    }
    return (sequence, [])
  }

  /// The segment as it left, behind 14 octets of link header; those of addresses, and what the device fills in, are
  /// zero.
  private func packet(_ segment: (start: SequenceNumber, payload: [UInt8]), at now: Instant) -> [UInt8] {
    guard let source = key.localAddress.v4, let destination = key.remoteAddress.v4 else { return [] }
    let headerLength = 20 + (usesTimestamps ? 12 : 0)
    let length = 20 + headerLength + segment.payload.count
    var bytes = [UInt8](repeating: 0, count: 14 + length - segment.payload.count)
    let ip = IPv4Header.Fields(
      source: source, destination: destination, protocol: .tcp, totalLength: UInt16(truncatingIfNeeded: length),
      timeToLive: chosen.timeToLive ?? layer.defaultTTL, typeOfService: chosen.typeOfService, dontFragment: true)
    let tcp = TCPHeader.Fields(
      sourcePort: key.localPort, destinationPort: key.remotePort, sequenceNumber: segment.start.rawValue,
      acknowledgmentNumber: receiveNext.rawValue,
      flags: segment.start + segment.payload.count == writeEnd ? [.psh, .ack] : .ack,
      window: UInt16(clamping: max(0, receiveEdge - receiveNext) >> receiveScale), headerLength: headerLength)
    var span = bytes.mutableSpan
    var memory = unsafe span.mutableBytes
    memory.storeBigEndian(0x0800 as UInt16, 12)
    let options = tcp.write(into: &memory, at: ip.write(into: &memory, at: 14))
    if usesTimestamps {
      memory.storeBigEndian(0x0101_080A as UInt32, options)
      memory.storeBigEndian(timestamp(at: now), options + 4)
      memory.storeBigEndian(recentTimestamp, options + 8)
    }
    return bytes + segment.payload
  }
}
