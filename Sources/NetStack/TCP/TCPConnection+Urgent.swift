import Memory
import Packets

// Urgent data (RFC 9293 3.8.5, RFC 6093) as Linux reads it: the urgent pointer names the byte behind the last urgent
// one, and that one byte is out of band: it is taken apart from the stream, and stays in it as a mark (Linux
// `tcp_check_urg`, `tcp_urg`, `tcp_recv_urg`).
extension TCPConnection {
  /// What is known of the last urgent byte.
  enum UrgentState: UInt8 {
    case none
    /// Announced, but not here yet.
    case announced
    /// Here, and not taken.
    case waiting
    /// Taken; its place in the stream has not been passed.
    case taken
  }

  // MARK: Sending

  /// As ``send(_:)``; the last byte is urgent (MSG_OOB), and ``stamps`` tell of it as `kinds` say.
  public func sendUrgent(_ bytes: RawSpan, _ kinds: [StreamStamps.Kind]? = nil) -> Int {
    guard current.canSendData, !isSendClosed else { return 0 }
    let taken = enqueue(bytes)
    guard taken > 0 else { return 0 }
    if let kinds, taken == bytes.byteCount { markLast(kinds) }
    urgentEnd = writeEnd
    isUrgentMode = true
    output(at: layer.loop.now)
    return taken
  }

  /// Urgent data is outstanding or unsent.
  @inline(__always) var hasUrgentData: Bool { isUrgentMode && urgentEnd > sendUnacknowledged }

  /// Puts the urgent pointer into the header of a segment that begins at `sequence`.
  @inline(never) func markUrgent(_ window: MemoryWindow, _ sequence: SequenceNumber) {
    guard urgentEnd > sendUnacknowledged else {
      isUrgentMode = false
      return
    }
    let distance = urgentEnd - sequence
    guard distance > 0 else { return }
    let flags: UInt8 = window.load(13)
    window.store(flags | UInt8(truncatingIfNeeded: TCPFlags.urg.rawValue), 13)
    window.storeBigEndian(UInt16(min(distance, 0xFFFF)), TCPField.urgentPointer)
  }

  // MARK: Receiving

  /// Step six of RFC 9293 3.10.7.4: takes note of the urgent pointer and of the byte that it points to. `bytes`: the
  /// whole segment.
  func receivedUrgent(_ segment: ArrivedSegment, _ bytes: RawSpan) {
    if segment.flags.contains(.urg) { announceUrgent(segment, bytes) }
    guard urgentState == .announced else { return }
    let offset = urgentSequence - segment.sequence
    guard offset >= 0, offset < segment.payloadLength else { return }
    urgentByte = bytes.octet(segment.headerLength + offset)
    urgentState = .waiting
    became([.readable, .priority])
    layer.markDirty(self)
  }

  private func announceUrgent(_ segment: ArrivedSegment, _ bytes: RawSpan) {
    guard current.canReceiveData, !hasReceivedFin else { return }
    let pointer = Int(bytes.loadBigEndian(TCPField.urgentPointer, as: UInt16.self))
    let place = segment.sequence + max(0, pointer - 1)
    // Read already, received before without being urgent, or not newer than what is known.
    guard place >= readNext, place >= receiveNext, urgentState == .none || place > urgentSequence else { return }
    if urgentState != .none, urgentSequence == readNext, !chosen.isUrgentInline, readNext < receiveNext {
      // The mark before this one is where the reader stands: its byte is no ordinary one.
      readNext += 1
    }
    urgentState = .announced
    urgentSequence = place
  }

  /// The reader stands at the urgent byte (SIOCATMARK).
  public var isAtUrgentMark: Bool { urgentState != .none && urgentSequence == readNext }

  /// The reader stands at an urgent byte that is not part of the stream: it counts for nothing.
  public var isAtHole: Bool { isAtUrgentMark && !chosen.isUrgentInline }

  /// An urgent byte waits to be taken (POLLPRI).
  public var hasUrgentByte: Bool { urgentState == .waiting }

  /// Takes the urgent byte (MSG_OOB); it stays if `peek`.
  ///
  /// - Throws: ``NetworkError/invalidArgument`` if there is none, or it is part of the stream (SO_OOBINLINE);
  ///   ``NetworkError/wouldBlock`` if it is announced and not here; ``NetworkError/notConnected``.
  /// - Returns: nil at the end of the stream.
  public func receiveUrgent(peek: Bool, isReceiveShut: Bool = false) throws(NetworkError) -> UInt8? {
    guard !chosen.isUrgentInline, urgentState != .none, urgentState != .taken else { throw .invalidArgument }
    if current == .closed, !hasReceivedFin { throw .notConnected }
    if urgentState == .waiting {
      if !peek { urgentState = .taken }
      return urgentByte
    }
    if isReceiveShut || isReceiveClosed { return nil }
    throw .wouldBlock
  }

  /// Bytes before the urgent one, or all if none is ahead (FIONREAD).
  public var readableBeforeMark: Int {
    let count = readableCount
    guard urgentState != .none, !chosen.isUrgentInline, urgentSequence >= readNext, urgentSequence < receivedEnd else {
      return count
    }
    return urgentSequence - readNext
  }

  /// Where reading begins and how many bytes may follow, if a mark is ahead: never across it, and behind it if it is
  /// here and not part of the stream.
  func readableStretch(_ wanted: Int) -> (skip: Int, count: Int) {
    let all = readableCount
    let distance = urgentSequence - readNext
    let count = min(wanted, all)
    guard urgentState != .none, distance >= 0, distance < count else { return (0, count) }
    if distance > 0 { return (0, distance) }
    return chosen.isUrgentInline ? (0, count) : (1, min(wanted, all - 1))
  }

  /// Bytes that ``peek(into:skipping:)`` would copy into so large a buffer.
  public func peekCount(_ wanted: Int) -> Int { readableStretch(wanted).count }

  /// The reader has moved.
  func passUrgentMark() {
    if urgentState != .none, readNext > urgentSequence { urgentState = .none }
  }
}
