import EventLoop
import Memory
import Packets

/// What a connection goes on from when it is put together instead of opened (TCP_REPAIR).
public struct TCPResumption: Sendable, Equatable {
  /// Sequence numbers of the next byte in either direction (TCP_QUEUE_SEQ; Linux `write_seq`, `rcv_nxt`).
  public var sendNext: UInt32
  public var receiveNext: UInt32
  /// What is added to the clock of the timestamps option (TCP_TIMESTAMP; Linux `tsoffset`).
  public var timestampOffset: UInt32

  public init(sendNext: UInt32 = 0, receiveNext: UInt32 = 0, timestampOffset: UInt32 = 0) {
    self.sendNext = sendNext
    self.receiveNext = receiveNext
    self.timestampOffset = timestampOffset
  }
}

/// `struct tcp_repair_window`
public struct TCPRepairWindow: Sendable, Equatable {
  /// SND.WL1, SND.WND, the largest SND.WND.
  public var updateSequence: UInt32 = 0
  public var send: UInt32 = 0
  public var largestSend: UInt32 = 0
  /// RCV.WND, counted from ``receiveStart``.
  public var receive: UInt32 = 0
  public var receiveStart: UInt32 = 0

  public init() {}
}

/// What a SYN would have negotiated (`struct tcp_repair_opt`).
public enum TCPRepairOption: Sendable, Equatable {
  case maximumSegment(Int)
  case windowScale(send: Int, receive: Int)
  case selectiveAcknowledgement
  case timestamps
}

// Connections taken apart and put together (TCP_REPAIR).
extension TCPConnection {
  // MARK: Looking at it

  /// The sequence numbers behind the last byte queued, and of the next one to come (TCP_QUEUE_SEQ). They can be set
  /// while there is no connection.
  public var nextNumbers: (send: UInt32, receive: UInt32) {
    get { (writeEnd.rawValue, receiveNext.rawValue) }
    set {
      guard current == .closed else { return }
      writeEnd = SequenceNumber(newValue.send)
      guard newValue.receive != receiveNext.rawValue else { return }
      receiveNext = SequenceNumber(newValue.receive)
      readNext = receiveNext
    }
  }

  /// The first byte that the peer has not acknowledged.
  public var firstUnacknowledged: UInt32 { sendUnacknowledged.rawValue }

  /// What the timestamps option would say now (TCP_TIMESTAMP).
  public var currentTimestamp: UInt32 {
    get { timestamp(at: layer.loop.now) }
    set { timestampOffset = timestampOffset &+ newValue &- currentTimestamp }
  }

  public var repairWindow: TCPRepairWindow {
    get {
      var window = TCPRepairWindow()
      window.updateSequence = windowUpdateSequence.rawValue
      window.send = UInt32(truncatingIfNeeded: sendWindow)
      window.largestSend = UInt32(truncatingIfNeeded: largestSendWindow)
      window.receive = receiveEdge.rawValue &- lastAckSent.rawValue
      window.receiveStart = lastAckSent.rawValue
      return window
    }
    set {
      windowUpdateSequence = SequenceNumber(newValue.updateSequence)
      windowUpdateAcknowledgement = sendUnacknowledged
      sendWindow = Int(newValue.send)
      largestSendWindow = Int(newValue.largestSend)
      lastAckSent = SequenceNumber(newValue.receiveStart)
      receiveEdge = lastAckSent + Int(newValue.receive)
    }
  }

  /// The largest segment that the peer takes, without options (Linux `mss_clamp`).
  public var peerMaximumSegment: Int { sendMaximumSegment }

  /// Bytes have left, not counting those that only count as sent (Linux `bytes_sent`).
  public var hasSentBytes: Bool { statistics.bytesSent + statistics.bytesRetransmitted > 0 }

  /// Bytes that the peer has not acknowledged, sent or not.
  public var unacknowledgedQueue: Int { min(queuedBytes, sendRing.capacity) }

  /// Copies those into `buffer`; returns how many fitted (Linux `tcp_peek_sndq`).
  public func peekUnacknowledged(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let queued = unacknowledgedQueue
    let count = min(queued, buffer.count)
    if count > 0, let base = buffer.baseAddress {
      sendRing.copy(count, from: writeEnd - queued, to: unsafe MemoryWindow(base, count: count), at: 0)
    }
    return count
  }

  // MARK: Leaving it

  /// Ends the connection on this side only: the peer hears nothing.
  public func vanish() {
    isOrphan = true
    onReadiness = nil
    pendingReadiness = []
    end(with: nil, layer.loop.now)
  }

  // MARK: Putting it together

  /// The connection stands, and the peer hears nothing of it (Linux `tcp_connect` with `repair`).
  func resume(_ start: TCPResumption, at now: Instant) {
    timestampOffset = start.timestampOffset
    prepareOpening(at: now)
    // The initial sequence number is the one before.
    sendUnacknowledged = writeEnd
    sendNext = writeEnd
    lastSmallEnd = writeEnd
    recoveryPoint = writeEnd
    limitedUntil = writeEnd
    receiveNext = SequenceNumber(start.receiveNext)
    initialReceiveSequence = receiveNext - 1
    readNext = receiveNext
    lastAckSent = receiveNext
    receiveEdge = receiveNext + min(65_535, receiveLimit)
    // Any timestamp of the peer is newer.
    recentTimestampAt = Instant.zero - Self.timestampAge
    if let most = chosen.maximumSegment { sendMaximumSegment = most }
    adoptSegmentSize()
    congestion = CongestionWindow(size: initialCongestionWindow, segmentSize: segmentPayload)
    tuning.begin(at: now, next: receiveNext)
    lastDataReceivedAt = now
    lastSentAt = now
    established(now)
  }

  /// Takes over what the SYNs had said (TCP_REPAIR_OPTIONS; Linux `tcp_repair_options_est`).
  public func adopt(_ option: TCPRepairOption) {
    switch option {
    case .maximumSegment(let size): sendMaximumSegment = size
    case .windowScale(let send, let receive): (hasPeerScale, sendScale, receiveScale) = (true, send, receive)
    case .selectiveAcknowledgement: usesSelectiveAcknowledgement = true
    case .timestamps: usesTimestamps = true
    }
    adoptSegmentSize()
    congestion = CongestionWindow(size: initialCongestionWindow, segmentSize: segmentPayload)
  }

  /// Bytes handed over count as sent: nothing leaves before the retransmission timer takes them for lost (Linux
  /// `tcp_write_xmit` with `repair` and TCP_SEND_QUEUE).
  public var isSendingHeld: Bool {
    get { outputHold.contains(.repair) }
    set { if newValue { outputHold.insert(.repair) } else { outputHold.remove(.repair) } }
  }

  /// What ``output(at:)`` does while it is held.
  @inline(never) func outputHeld(at now: Instant) {
    if outputHold.contains(.stamps) { return outputStamped(at: now) }
    guard outputHold == .repair, current.isSynchronized, current != .timeWait else { return }
    if records.hasUnsentLoss, !resendLost(at: now, atLeastOne: false) { return }
    let wasIdle = outstanding == 0
    // No round trip can be measured on what was sent by somebody else.
    while sendNext < writeEnd, !records.isFull {
      let count = min(writeEnd - sendNext, segmentPayload)
      records.append(sendNext, length: count, at: now, marks: .ambiguous)
      sendNext += count
      if count < segmentPayload { lastSmallEnd = sendNext }
    }
    if isSendClosed, sendNext == writeEnd, !records.isFull {
      records.append(sendNext, length: 1, at: now, marks: [.ambiguous, .fin])
      sendNext += 1
    }
    if wasIdle, outstanding > 0 { armRetransmit(.retransmit, at: now + estimator.timeout(backedOff: backoff)) }
  }

  /// Bytes that somebody else has received: they can be read, and are acknowledged already (Linux `tcp_send_rcvq`).
  /// False: there is no room.
  public func appendReceived(_ bytes: RawSpan) -> Bool {
    guard readableCount <= chosen.receiveBuffer ?? chosen.maximumReceiveBuffer else { return false }
    guard !isReceiveShut else { return true }
    // The peer's FIN stays behind what can be read.
    let start = receivedEnd
    makeRoom(upTo: start + bytes.byteCount)
    receiveRing.store(bytes, at: start)
    receiveNext += bytes.byteCount
    statistics.bytesReceived &+= UInt64(truncatingIfNeeded: bytes.byteCount)
    if !reassembly.isEmpty { receiveNext = reassembly.absorb(from: receiveNext) }
    return true
  }

  /// Asks the peer for its window, and where it stands (Linux `tcp_send_window_probe`).
  public func probeWindow() {
    guard current == .established else { return }
    windowUpdateSequence = receiveNext - 1
    windowUpdateAcknowledgement = sendUnacknowledged
    layer.counted.windowProbes &+= 1
    sendProbe(at: layer.loop.now)
  }
}
