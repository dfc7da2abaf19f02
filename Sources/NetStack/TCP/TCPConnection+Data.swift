import EventLoop
import Packets

// Text and FIN of a segment, and when to acknowledge them (RFC 9293 3.10.7.4 seventh and eighth, 3.8.6.3; RFC 2883).
extension TCPConnection {
  /// Takes the payload and FIN of an acceptable segment.
  func receivedText(_ segment: ArrivedSegment, _ bytes: RawSpan, _ now: Instant) {
    let hasFin = segment.flags.contains(.fin)
    guard segment.payloadLength > 0 || hasFin else { return }
    layer.markDirty(self)
    guard current.canReceiveData, !hasReceivedFin else {
      // The peer's FIN has been acknowledged, and this is below or beyond it.
      if segment.sequence < receiveNext { ackUrgency = .now }
      return
    }
    let isUnwanted = isOrphan || (refusesData && current != .established)
    if isUnwanted, segment.sequence + segment.payloadLength > receiveNext, segment.payloadLength > 0 {
      // Nobody will ever read it: the peer must not believe that it arrived (RFC 2525 2.17, Linux TCPAbortOnData).
      layer.counted.abortsOnData &+= 1
      sendReset(at: now)
      return end(with: isOrphan ? nil : .connectionReset, now)
    }
    var start = segment.sequence
    var payload = bytes.extracting(segment.headerLength..<bytes.byteCount)
    let finAt = segment.sequence + segment.payloadLength
    // Left of the window: has been received.
    let old = receiveNext - start
    if old > 0 {
      reportDuplicate(start, SequenceNumber.earlier(finAt, receiveNext))
      if old > payload.byteCount || (old == payload.byteCount && !hasFin) {
        ackUrgency = .now
        return
      }
      payload = payload.extracting(old..<payload.byteCount)
      start = receiveNext
      ackUrgency = .now
    }
    // Right of the window: has not been asked for.
    let room = max(0, receiveEdge - start)
    var isCut = false
    if payload.byteCount > room {
      if receiveEdge == receiveNext {
        layer.counted.zeroWindowDrops &+= 1
      } else {
        layer.counted.beyondWindow &+= 1
      }
      payload = payload.extracting(0..<room)
      isCut = true
      ackUrgency = .now
    }
    if start == receiveNext {
      if payload.byteCount > 0 { takeInOrder(payload, now) }
      if hasFin, !isCut { finSequence = finAt }
    } else {
      takeOutOfOrder(start, payload, now)
      if hasFin, !isCut { finSequence = finAt }
      sendAck(at: now)
    }
    if let finSequence, finSequence == receiveNext { takeFin(now) }
  }

  /// Payload that begins at RCV.NXT and lies inside of the window.
  @inline(__always) func takeInOrder(_ payload: RawSpan, _ now: Instant) {
    let count = payload.byteCount
    let next = receiveNext
    if !isReceiveShut {
      makeRoom(upTo: next + count)
      receiveRing.store(payload, at: next)
    }
    receiveNext = next + count
    statistics.bytesReceived &+= UInt64(truncatingIfNeeded: count)
    if isReceiveShut { readNext = receiveNext }
    if !reassembly.isEmpty { fillHole() }
    noteDataArrival(count, now)
    tuning.received(upTo: receiveNext, window: receiveEdge - receiveNext, at: now)
    became(.readable)
    layer.markDirty(self)
  }

  /// The ring holds everything from the first unread byte to `end`.
  @inline(__always) func makeRoom(upTo end: SequenceNumber) {
    if end - readNext > receiveRing.capacity { growReceiveRing(upTo: end) }
  }

  @inline(never) private func growReceiveRing(upTo end: SequenceNumber) {
    let highest = SequenceNumber.later(receiveNext, reassembly.highest ?? receiveNext)
    receiveRing.grow(to: end - readNext, keeping: highest - readNext, from: readNext)
  }

  private func fillHole() {
    receiveNext = reassembly.absorb(from: receiveNext)
    if isReceiveShut { readNext = receiveNext }
    // A filled hole is acknowledged at once (RFC 5681 4.2).
    ackUrgency = .now
  }

  private func takeOutOfOrder(_ start: SequenceNumber, _ payload: RawSpan, _ now: Instant) {
    noteDataArrival(0, now)
    guard payload.byteCount > 0, !isReceiveShut else { return }
    let end = start + payload.byteCount
    // The bytes first: what the list reports must lie in the ring. Bytes of a part that had arrived stay as they are
    // in meaning; a peer that sends something else in their place gets what it deserves.
    switch reassembly.insert(start, end) {
    case .added:
      layer.counted.outOfOrderQueued &+= 1
      statistics.outOfOrder &+= 1
      makeRoom(upTo: end)
      receiveRing.store(payload, at: start)
    case .duplicate:
      reportDuplicate(start, end)
    case .refused:
      layer.counted.outOfOrderDrops &+= 1
    }
  }

  /// The peer's FIN is next (RFC 9293 3.10.7.4, eighth).
  private func takeFin(_ now: Instant) {
    receiveNext += 1
    hasReceivedFin = true
    reassembly.removeAll()
    finSequence = nil
    ackUrgency = .now
    became([.readable, .readHangUp])
    layer.markDirty(self)
    switch current {
    case .established: move(to: .closeWait)
    case .finWait1: move(to: .closing)
    case .finWait2: enterTimeWait(now)
    default: break
    }
  }

  /// The next acknowledgement reports `left ..< right` as a duplicate (RFC 2883).
  func reportDuplicate(_ left: SequenceNumber, _ right: SequenceNumber) {
    guard usesSelectiveAcknowledgement, left < right else { return }
    duplicateBlock = SACKBlock(left: left.rawValue, right: right.rawValue)
    ackUrgency = .now
  }

  // MARK: When to acknowledge

  /// Data arrived: decides between an acknowledgement at once and a delayed one (RFC 5681 4.2; Linux
  /// `tcp_event_data_recv` and `__tcp_ack_snd_check`).
  @inline(__always) private func noteDataArrival(_ count: Int, _ now: Instant) {
    if count > peerSegment { peerSegment = min(count, announcedSegment) }
    if ackDelay == .zero {
      // The first data: the peer is in slow start and needs every acknowledgement.
      quickAcks = quickAckAllowance
      ackDelay = smallestAckDelay
    } else {
      let pause = now - lastDataReceivedAt
      if pause > estimator.timeout { quickAcks = max(quickAcks, quickAckAllowance) }
    }
    lastDataReceivedAt = now
    guard ackUrgency != .now else { return }
    // More than one full segment, counted in bytes, is acknowledged at once; so is everything while acknowledgements
    // are quick.
    if receiveNext - lastAckSent > peerSegment || quickAcks > 0 && !isInteractive {
      ackUrgency = .now
    } else if ackUrgency == .none {
      ackUrgency = .delayed
      ackDeadline = now + ackDelay
      armAckTimer()
    }
  }

  /// Half a window's worth of segments, at most 16 (Linux `tcp_incr_quickack`).
  private var quickAckAllowance: Int {
    min(16, max(2, (receiveEdge - receiveNext) / max(1, 2 * peerSegment)))
  }

  /// TCP_DELACK_MIN, or TCP_DELACK_MAX_US if that is less.
  var smallestAckDelay: TimeSpan { min(.milliseconds(40), chosen.maximumAckDelay ?? Self.largestAckDelay) }
  /// TCP_DELACK_MAX
  static var largestAckDelay: TimeSpan { .milliseconds(200) }

  /// TCP_QUICKACK: acknowledge the next segments at once, or delay again.
  public func setQuickAcknowledge(_ isQuick: Bool) {
    isInteractive = !isQuick
    guard isQuick else { return }
    quickAcks = max(quickAcks, 2)
    if ackUrgency == .delayed { sendAck(at: layer.loop.now) }
  }
}
