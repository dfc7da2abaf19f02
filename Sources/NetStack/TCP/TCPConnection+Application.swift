import EventLoop
import Memory
import Packets

// What the application calls: bytes in and out. Closing has its own file.
extension TCPConnection {
  /// Takes as many of `bytes` as there is room for, and sends what may be sent. Returns how many were taken: 0 if the
  /// buffer is full, and in states in which nothing can be sent (not connected yet, or closed).
  public func send(_ bytes: RawSpan) -> Int {
    guard current.canSendData, !isSendClosed else { return 0 }
    let taken = enqueue(bytes)
    if taken > 0 { output(at: layer.loop.now) }
    return taken
  }

  /// As ``send(_:)``, but a partial segment at the end waits for more (MSG_MORE).
  public func sendMore(_ bytes: RawSpan) -> Int {
    guard current.canSendData, !isSendClosed else { return 0 }
    let taken = enqueue(bytes)
    guard taken > 0 else { return 0 }
    let wasCorked = chosen.isCorked
    chosen.isCorked = true
    output(at: layer.loop.now)
    chosen.isCorked = wasCorked
    return taken
  }

  func enqueue(_ bytes: RawSpan) -> Int {
    let queued = queuedBytes
    var count = min(bytes.byteCount, sendLimit - queued)
    if let most = chosen.notSentLowWater, writeEnd - sendNext >= most { count = 0 }
    guard count > 0 else {
      if bytes.byteCount > 0 { lacksSendSpace = true }
      return 0
    }
    if queued + count > sendRing.capacity {
      // At least doubled by the ring; at most what the limit needs.
      sendRing.grow(to: queued + count, keeping: queued, from: writeEnd - queued)
    }
    sendRing.store(count == bytes.byteCount ? bytes : bytes.extracting(0..<count), at: writeEnd)
    writeEnd += count
    if (sendLimit - queued - count) * 3 < sendLimit { lacksSendSpace = true }
    return count
  }

  /// Bytes that ``send(_:)`` would take now.
  public var writableCount: Int {
    current.canSendData && !isSendClosed ? max(0, sendLimit - queuedBytes) : 0
  }

  /// Bytes handed over and not yet sent (SIOCOUTQNSD).
  public var unsentCount: Int {
    current == .synSent || current == .synReceived ? 0 : max(0, writeEnd - sendNext + (isSendClosed ? 1 : 0))
  }

  /// Sequence numbers handed over and not yet acknowledged, also of a connection that is over (SIOCOUTQ): there a SYN
  /// that was refused counts like a byte, and everywhere a FIN.
  public var unacknowledgedCount: Int {
    if current == .synSent || current == .synReceived { return 0 }
    return max(0, writeEnd - sendUnacknowledged + (isSendClosed ? 1 : 0))
  }

  /// How far the sequence numbers of the next connection of the same socket begin behind what was sent last of this one
  /// (Linux `tcp_disconnect`).
  public var sequenceGap: Int { largestSendWindow + 2 }

  /// Moves bytes that arrived into `buffer`; returns how many: 0 if there are none (which is the end of the stream if
  /// ``isReceiveClosed``).
  public func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    if urgentState != .none { return unsafe receiveAroundMark(buffer) }
    let count = unsafe peek(into: buffer)
    consume(count)
    return count
  }

  /// As ``receive(into:)`` for a span.
  public func receive(into span: inout MutableRawSpan) -> Int {
    unsafe span.withUnsafeMutableBytes { unsafe receive(into: $0) }
  }

  /// As ``receive(into:)``, but the bytes stay (MSG_PEEK). `offset`: how many unread bytes to leave out.
  public func peek(into buffer: UnsafeMutableRawBufferPointer, skipping offset: Int = 0) -> Int {
    var offset = offset
    var count = min(buffer.count, readableCount - offset)
    if urgentState != .none, offset == 0 { (offset, count) = readableStretch(buffer.count) }
    guard count > 0, offset >= 0, let base = buffer.baseAddress else { return 0 }
    receiveRing.copy(count, from: readNext + offset, to: unsafe MemoryWindow(base, count: count), at: 0)
    return count
  }

  /// Throws away up to `count` unread bytes; returns how many.
  public func discard(_ count: Int) -> Int {
    let (skip, count) = readableStretch(max(0, count))
    consume(skip + count)
    passUrgentMark()
    return count
  }

  @inline(never) private func receiveAroundMark(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = unsafe peek(into: buffer)
    consume(readableStretch(buffer.count).skip + count)
    passUrgentMark()
    return count
  }

  /// Bytes that can be read.
  public var readableCount: Int { max(0, receivedEnd - readNext) }

  /// No byte will ever follow those that are readable now: the peer has closed, the connection is over, or receiving
  /// was shut down.
  public var isReceiveClosed: Bool { hasReceivedFin || isReceiveShut || current == .closed || current == .timeWait }

  /// The peer's FIN has been taken.
  public var hasReceivedEnd: Bool { hasReceivedFin }

  /// What poll(2) would say now.
  public var readiness: Readiness {
    var result: Readiness = []
    let isConnecting = current == .synSent || current == .synReceived
    if current == .closed || current == .timeWait || (isSendClosed && isReceiveClosed) { result.insert(.hangUp) }
    if isReceiveClosed { result.formUnion([.readable, .readHangUp]) }
    if !isConnecting {
      if readableCount > 0 { result.insert(.readable) }
      if hasUrgentByte { result.insert(.priority) }
      if isSendClosed || current == .closed || hasSendSpace {
        result.insert(.writable)
      } else {
        lacksSendSpace = true
      }
    }
    if failure != nil { result.insert(.error) }
    return result
  }

  /// The pending error, which is thereby cleared (SO_ERROR).
  public func takeError() -> NetworkError? {
    defer { failure = nil }
    return failure
  }

  /// The error that would be told should the connection time out, which is thereby forgotten (SO_ERROR, if there is no
  /// other; Linux `sk_err_soft`).
  public func takeSoftError() -> NetworkError? {
    defer { softError = nil }
    return softError
  }

  /// The pending error, which stays.
  public var pendingError: NetworkError? { failure }

  /// A third of the buffer is free (Linux `sk_stream_is_writeable`).
  var hasSendSpace: Bool {
    if let most = chosen.notSentLowWater, (writeEnd - sendNext) * 2 >= most { return false }
    return (sendLimit - queuedBytes) * 3 >= sendLimit
  }

  /// The end of the bytes that arrived in order; the FIN takes a sequence number but no byte.
  @inline(__always) var receivedEnd: SequenceNumber { hasReceivedFin ? receiveNext - 1 : receiveNext }

  /// The application has taken `count` bytes: offers the room to the peer if that is worth a segment.
  private func consume(_ count: Int) {
    guard count > 0 else { return }
    readNext += count
    guard current.canReceiveData else { return }
    let now = layer.loop.now
    if chosen.receiveBuffer == nil,
      let limit = tuning.read(
        upTo: readNext, limit: receiveLimit,
        maximum: min(chosen.maximumReceiveBuffer, windowClamp ?? .max, 65_535 << receiveScale),
        segment: announcedSegment,
        senderRoundTrip: estimator.smoothed, at: now)
    {
      receiveLimit = limit
    }
    // As Linux (tcp_cleanup_rbuf): say it when the window has become small and can at least be doubled.
    let offered = receiveEdge - receiveNext
    guard 2 * offered <= receiveLimit else { return }
    let room = receiveLimit - (receiveNext - readNext)
    if room >= 2 * offered, room - offered >= min(receiveLimit / 2, announcedSegment) {
      ackUrgency = .now
      flushAck(at: now)
    }
  }
}
