import EventLoop
import Packets

// A segment arrives at a connection: RFC 9293 3.10.7 with the checks of RFC 5961 and RFC 7323, in Linux's order.
extension TCPConnection {
  /// Takes one segment whose checksum is right. What it causes is sent at the end of the receive batch.
  func received(_ segment: ArrivedSegment, _ bytes: RawSpan, at now: Instant) {
    statistics.segmentsIn &+= 1
    lastReceivedAt = now
    if current == .established, predicted(segment, bytes, now) { return }
    var segment = segment
    if segment.hasOtherOptions, !segment.flags.contains(.syn), let header = TCPHeader(bytes) {
      segment.read(header.options)
      if header.options.isMalformed { layer.counted.malformedOptions &+= 1 }
      if header.options.hasSignature, chosen.signatureKeys == nil {
        layer.counted.signatureUnexpected &+= 1
        return
      }
    }
    switch current {
    case .closed, .listen, .timeWait: break
    case .synSent: receivedInSynSent(segment, bytes, now)
    default: receivedSynchronized(&segment, bytes, now)
    }
  }

  // MARK: Header prediction

  /// The common case (Van Jacobson, 1990): in order, nothing unusual, either an acknowledgement of new data or data.
  /// False: nothing was done.
  @inline(__always) private func predicted(_ segment: ArrivedSegment, _ bytes: RawSpan, _ now: Instant) -> Bool {
    guard segment.flags.rawValue & ~TCPFlags.psh.rawValue == TCPFlags.ack.rawValue,
      segment.sequence == receiveNext, !segment.hasOtherOptions, segment.hasTimestamps == usesTimestamps,
      reassembly.isEmpty, phase == .open, urgentState != .announced, records.sackedLength == 0,
      // A FIN that overtook this segment comes into its own with it.
      finSequence == nil
    else { return false }
    if usesTimestamps, Int32(bitPattern: segment.timestampValue &- recentTimestamp) < 0 { return false }
    let progress = segment.acknowledgement - sendUnacknowledged
    guard progress >= 0, segment.acknowledgement <= sendNext else { return false }
    if segment.payloadLength == 0 {
      guard progress > 0 else { return false }
      layer.counted.headerPredictionAcks &+= 1
    } else {
      guard segment.payloadLength <= receiveEdge - receiveNext, !isOrphan, !isReceiveShut else { return false }
      layer.counted.headerPredictionHits &+= 1
    }
    noteTimestamp(segment, now)
    updateSendWindow(segment)
    if progress > 0 {
      duplicateAcknowledgements = 0
      advance(to: segment.acknowledgement, segment, now)
    }
    if segment.payloadLength > 0 {
      takeInOrder(bytes.extracting(segment.headerLength..<bytes.byteCount), now)
    }
    layer.markDirty(self)
    return true
  }

  // MARK: The general case

  private func receivedSynchronized(_ segment: inout ArrivedSegment, _ bytes: RawSpan, _ now: Instant) {
    if current == .synReceived {
      if answersRepeatedSyn(segment, now) { return }
      if completesSimultaneousOpen(segment) {
        segment.sequence += 1
        segment.flags.remove(.syn)
      }
    }
    // First: timestamps, then sequence number (RFC 7323 5.3 R1-R3).
    guard isTimely(segment, now), isAcceptable(&segment, now) else { return }
    // Second: RST.
    if segment.flags.contains(.rst) { return receivedReset(segment, now) }
    // Fourth: SYN (third is security, which IPv4 no longer has).
    if segment.flags.contains(.syn) {
      layer.counted.synChallenges &+= 1
      return sendChallenge(at: now)
    }
    // Fifth: ACK.
    guard segment.flags.contains(.ack) else { return }
    if current == .synReceived {
      guard handshakeAcknowledged(segment, now) else { return }
    } else {
      guard isAcknowledgementAcceptable(segment, now) else { return }
    }
    noteTimestamp(segment, now)
    receivedAcknowledgement(segment, bytes, now)
    guard current != .closed, current != .timeWait else { return }
    // Sixth: the urgent pointer.
    if segment.flags.contains(.urg) || urgentState == .announced { receivedUrgent(segment, bytes) }
    // Seventh and eighth: text and FIN.
    receivedText(segment, bytes, now)
  }

  /// Notes TS.Recent (RFC 7323 4.3).
  @inline(__always) func noteTimestamp(_ segment: ArrivedSegment, _ now: Instant) {
    guard usesTimestamps, segment.hasTimestamps, segment.sequence <= lastAckSent,
      Int32(bitPattern: segment.timestampValue &- recentTimestamp) >= 0
    else { return }
    recentTimestamp = segment.timestampValue
    recentTimestampAt = now
  }

  /// After so long without a segment TS.Recent means nothing any more (RFC 7323 5.5).
  static var timestampAge: TimeSpan { .seconds(24 * 86_400) }

  /// PAWS (RFC 7323 5): an old duplicate is answered and dropped; a reset is not subject to it.
  private func isTimely(_ segment: ArrivedSegment, _ now: Instant) -> Bool {
    guard usesTimestamps, segment.hasTimestamps, !segment.flags.contains(.rst),
      Int32(bitPattern: segment.timestampValue &- recentTimestamp) < 0
    else { return true }
    if now - recentTimestampAt >= Self.timestampAge {
      // The one that follows it may lie anywhere.
      if segment.sequence <= lastAckSent { recentTimestamp = segment.timestampValue }
      return true
    }
    layer.counted.pawsEstablished &+= 1
    sendDuplicateAck(segment, at: now)
    return false
  }

  /// The test of RFC 9293 3.10.7.4, first step. Cuts the segment to the window on the right.
  private func isAcceptable(_ segment: inout ArrivedSegment, _ now: Instant) -> Bool {
    let window = max(0, receiveEdge - receiveNext)
    let offset = segment.sequence - receiveNext
    let length = segment.length
    let isInside: Bool
    if length == 0 {
      isInside = window == 0 ? offset == 0 : offset >= 0 && offset < window
    } else {
      // A segment that starts exactly at a closed window brings no data, but its acknowledgement counts.
      isInside = window == 0 ? offset == 0 : offset < window && offset + length > 0
    }
    if isInside { return true }
    if segment.flags.contains(.rst) {
      layer.counted.outOfWindow &+= 1
      return false
    }
    layer.counted.outOfWindow &+= 1
    if segment.flags.contains(.syn), current != .synReceived {
      layer.counted.synChallenges &+= 1
      sendChallenge(at: now)
    } else {
      sendDuplicateAck(segment, at: now)
    }
    return false
  }

  /// RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT, else a challenge.
  private func isAcknowledgementAcceptable(_ segment: ArrivedSegment, _ now: Instant) -> Bool {
    if segment.acknowledgement > sendNext {
      sendChallenge(at: now)
      return false
    }
    if sendUnacknowledged - segment.acknowledgement > largestSendWindow {
      layer.counted.oldAcks &+= 1
      sendChallenge(at: now)
      return false
    }
    return true
  }

  // MARK: Resets

  /// RFC 5961 3.2: only a reset at exactly RCV.NXT counts; one elsewhere in the window is challenged.
  private func receivedReset(_ segment: ArrivedSegment, _ now: Instant) {
    var isExact = segment.sequence == receiveNext
    if !isExact, let newest = reassembly.intervals.last, segment.sequence == newest.end {
      // The peer may not know of the hole: a reset right behind what it sent last counts too (Linux).
      isExact = true
    }
    guard isExact else { return sendChallenge(at: now) }
    switch current {
    case .synReceived:
      layer.counted.attemptFails &+= 1
      if listener != nil { layer.counted.embryonicResets &+= 1 }
      end(with: .connectionRefused, now)
    case .closeWait: end(with: .brokenPipe, now)
    default: end(with: .connectionReset, now)
    }
  }

  // MARK: Challenges

  /// A challenge ACK (RFC 5961 7), as far as the limits of the connection and of the stack allow (Linux
  /// `tcp_send_challenge_ack`).
  func sendChallenge(at now: Instant) {
    guard mayAnswerInvalid(at: now) else { return }
    guard layer.mayChallenge(at: now) else {
      layer.counted.skippedAcks &+= 1
      return
    }
    layer.counted.challengeAcks &+= 1
    sendAck(at: now)
  }

  /// Takes the answer that the connection may give to invalid segments every half second, so that two ends out of step
  /// do not fill the network with each other's (Linux `__tcp_oow_rate_limited`). False: it was given.
  func mayAnswerInvalid(at now: Instant) -> Bool {
    if let last = lastInvalidAckAt, now - last < layer.configuration.invalidAckInterval {
      layer.counted.skippedAcks &+= 1
      return false
    }
    lastInvalidAckAt = now
    return true
  }

  /// Answers a segment that is not acceptable; data or FIN at once, as they are hardly part of a loop of answers (Linux
  /// `tcp_oow_rate_limited`).
  private func sendDuplicateAck(_ segment: ArrivedSegment, at now: Instant) {
    if segment.length == 0 || segment.flags.contains(.syn) {
      guard mayAnswerInvalid(at: now) else { return }
    }
    if usesSelectiveAcknowledgement, segment.payloadLength > 0, segment.sequence < receiveNext {
      reportDuplicate(segment.sequence, SequenceNumber.earlier(segment.sequence + segment.payloadLength, receiveNext))
    }
    quickAcks = max(quickAcks, 1)
    sendAck(at: now)
  }
}
