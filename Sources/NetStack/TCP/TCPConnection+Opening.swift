import EventLoop
import Packets

// Opening: SYN, SYN-ACK and what they negotiate (RFC 9293 3.5, 3.10.7.3; RFC 7323 2; RFC 2018 2).
extension TCPConnection {
  /// What we announce, before the first SYN.
  func prepareOpening(at now: Instant) {
    announcedSegment = max(48, min(path.mtu - 40, chosen.maximumSegment ?? .max, 65_495))
    if path.limits.segment > 0 { announcedSegment = min(announcedSegment, max(48, Int(path.limits.segment))) }
    if layer.configuration.usesWindowScaling {
      let largest = min(chosen.receiveBuffer ?? chosen.maximumReceiveBuffer, windowClamp ?? .max)
      while receiveScale < 14, largest >> receiveScale > 65_535 { receiveScale += 1 }
    }
    peerSegment = min(536, announcedSegment)
    firstTimestamp = timestamp(at: now)
  }

  /// Active open: sends the SYN.
  func open(at now: Instant) {
    prepareOpening(at: now)
    // As long as the peer has not said what it takes (Linux `tcp_connect_init`).
    let room = path.mtu - 40 - path.optionLength
    let most = max(min(48, room), min(chosen.maximumSegment ?? 536, room))
    segmentPayload = max(8, most - (layer.configuration.usesTimestamps ? 12 : 0) - optionLength)
    move(to: .synSent)
    sendFirstSyn(at: now)
  }

  private func sendFirstSyn(at now: Instant) {
    records.append(initialSendSequence, length: 1, at: now, marks: .syn)
    sendNext = initialSendSequence + 1
    armRetransmit(.retransmit, at: now + estimator.timeout(backedOff: 0))
    guard transmitSyn(at: now) else {
      // The retransmission timer stands in for the buffer that is missing.
      layer.counted.transmitStalls &+= 1
      return
    }
    layer.counted.outSegments &+= 1
  }

  /// Passive open: a SYN arrived at `listener`.
  func open(answering segment: ArrivedSegment, _ options: TCPOptions, of listener: TCPListener, at now: Instant) {
    self.listener = listener
    prepareOpening(at: now)
    takeSyn(segment, options, now)
    move(to: .synReceived)
    sendFirstSyn(at: now)
  }

  /// Takes the peer's sequence number and options from its SYN.
  private func takeSyn(_ segment: ArrivedSegment, _ options: TCPOptions, _ now: Instant) {
    initialReceiveSequence = segment.sequence
    receiveNext = segment.sequence + 1
    readNext = receiveNext
    receiveEdge = receiveNext
    lastAckSent = receiveNext
    let configuration = layer.configuration
    if configuration.usesWindowScaling, let scale = options.windowScale {
      hasPeerScale = true
      sendScale = min(14, Int(scale))
    } else {
      hasPeerScale = false
      sendScale = 0
      receiveScale = 0
    }
    usesSelectiveAcknowledgement = configuration.usesSelectiveAcknowledgement && options.isSACKPermitted
    usesTimestamps = configuration.usesTimestamps && options.hasTimestamps
    // Signature, timestamps and SACK blocks do not fit one header (Linux `tcp_synack_options`).
    if signingKey != nil, listener != nil, usesSelectiveAcknowledgement { usesTimestamps = false }
    if usesTimestamps {
      recentTimestamp = options.timestampValue
      recentTimestampAt = now
    }
    // Without the option 536 (RFC 9293 3.7.1); nonsense below 48 is taken for 48 (Linux `tcp_min_snd_mss`).
    sendMaximumSegment = max(48, Int(options.maximumSegmentSize ?? 536))
    if receiveScale == 0 { receiveLimit = min(receiveLimit, 65_535) }
    // The window of a SYN is not scaled.
    sendWindow = segment.window
    largestSendWindow = max(largestSendWindow, sendWindow)
    adoptSegmentSize()
    congestion = CongestionWindow(size: initialCongestionWindow, segmentSize: segmentPayload)
    windowUpdateSequence = segment.sequence
    windowUpdateAcknowledgement = segment.acknowledgement
    tuning.begin(at: now, next: receiveNext)
  }

  // MARK: SYN-SENT (RFC 9293 3.10.7.3)

  func receivedInSynSent(_ segment: ArrivedSegment, _ bytes: RawSpan, _ now: Instant) {
    guard let header = TCPHeader(bytes) else { return }
    let options = header.options
    let hasAck = segment.flags.contains(.ack)
    if options.hasSignature, chosen.signatureKeys == nil {
      layer.counted.signatureUnexpected &+= 1
      return
    }
    if hasAck {
      guard segment.acknowledgement > initialSendSequence, segment.acknowledgement <= sendNext else {
        if !segment.flags.contains(.rst) { layer.sendReset(answering: segment, key, signing: signingKey) }
        return
      }
      if layer.configuration.usesTimestamps, options.hasTimestamps, options.timestampEcho != 0,
        !isOurTimestamp(options.timestampEcho, now)
      {
        layer.counted.pawsActive &+= 1
        if !segment.flags.contains(.rst) { layer.sendReset(answering: segment, key, signing: signingKey) }
        return
      }
    }
    if segment.flags.contains(.rst) {
      guard hasAck else { return }
      layer.counted.attemptFails &+= 1
      return end(with: .connectionRefused, now)
    }
    guard segment.flags.contains(.syn) else { return }
    takeSyn(segment, options, now)
    if hasAck {
      completeActiveOpen(segment, options, bytes, now)
    } else {
      // Simultaneous open (RFC 9293 3.5, figure 8): our SYN goes out again with an ACK.
      move(to: .synReceived)
      isSendClosed = closesIfSimultaneous
      // No retransmission: nothing was lost.
      if transmitSyn(at: now) {
        layer.counted.outSegments &+= 1
      } else {
        layer.counted.transmitStalls &+= 1
      }
    }
  }

  private func isOurTimestamp(_ echo: UInt32, _ now: Instant) -> Bool {
    let span = timestamp(at: now) &- firstTimestamp
    return echo &- firstTimestamp <= span
  }

  private func completeActiveOpen(
    _ segment: ArrivedSegment, _ options: TCPOptions, _ bytes: RawSpan, _ now: Instant
  ) {
    var segment = segment
    segment.read(options)
    established(now)
    advance(to: segment.acknowledgement, segment, now)
    // Bytes or a FIN that came with the SYN-ACK.
    segment.sequence += 1
    segment.flags.remove(.syn)
    if chosen.deferredAccept > 0 {
      // TCP_DEFER_ACCEPT on this side: the data that follows carries the acknowledgement.
      ackUrgency = .delayed
      ackDeadline = now + .milliseconds(200)
      armAckTimer()
    } else {
      ackUrgency = .now
    }
    if segment.length > 0 { receivedText(segment, bytes, now) }
    layer.markDirty(self)
  }

  func established(_ now: Instant) {
    if records.count > 0, records[0].marks.contains(.ambiguous) {
      // RFC 5681 3.1: a lost SYN is congestion; RFC 6298 5.7.
      congestion.size = segmentPayload
      estimator.handshakeWasSlow()
    }
    move(to: .established)
    backoff = 0
    quickAcks = 0
    armKeepAlive(at: now)
    became(.writable)
    listener?.handshakeCompleted(self)
  }

  // MARK: SYN-RECEIVED

  /// The peer's SYN once more: our SYN-ACK was lost, or is on its way. Answered with the same SYN-ACK (Linux
  /// `tcp_check_req`), at most every half second.
  func answersRepeatedSyn(_ segment: ArrivedSegment, _ now: Instant) -> Bool {
    guard segment.flags.contains(.syn), !segment.flags.contains(.ack), !segment.flags.contains(.rst),
      segment.sequence == initialReceiveSequence
    else { return false }
    if mayAnswerInvalid(at: now), records.count > 0 { _ = resend(0, at: now) }
    return true
  }

  /// The SYN-ACK of a simultaneous open: it repeats the SYN below the window, but acknowledges ours.
  func completesSimultaneousOpen(_ segment: ArrivedSegment) -> Bool {
    current == .synReceived && segment.flags.contains(.ack) && segment.sequence + 1 == receiveNext
      && segment.acknowledgement == sendNext
  }

  /// The ACK that completes the handshake. False: dropped.
  func handshakeAcknowledged(_ segment: ArrivedSegment, _ now: Instant) -> Bool {
    guard segment.acknowledgement > sendUnacknowledged, segment.acknowledgement <= sendNext else {
      layer.sendReset(answering: segment, key, signing: signingKey)
      return false
    }
    if listener != nil, segment.length == 0, backoff < chosen.deferredAccept {
      // TCP_DEFER_ACCEPT: the connection is not of interest before its data.
      isAcceptDeferred = true
      layer.counted.deferredAccepts &+= 1
      return false
    }
    if let listener, !listener.hasRoom {
      // Linux lets the peer believe and the SYN-ACK's timer go on.
      layer.counted.listenOverflows &+= 1
      return false
    }
    windowUpdateSequence = segment.sequence
    sendWindow = segment.window << sendScale
    // A connection of a listener begins for Linux with this segment (`tcp_create_openreq_child`).
    largestSendWindow = listener == nil ? max(largestSendWindow, sendWindow) : sendWindow
    largestWindowGrew()
    windowUpdateAcknowledgement = segment.acknowledgement
    if isSendClosed {
      established(now)
      move(to: .finWait1)
    } else {
      established(now)
    }
    return true
  }
}
