import EventLoop

// Three timers, as Linux has them: retransmission or window probe, delayed acknowledgement, and one for what idles
// (keep-alive, FIN-WAIT-2 of an orphan). A deadline that moves later does not touch the wheel: the timer fires at the
// old one, sees that it is early, and arms itself again.
extension TCPConnection {
  // MARK: Retransmission and probes

  @inline(__always) func armRetransmit(_ purpose: RetransmitPurpose, at deadline: Instant) {
    retransmitPurpose = purpose
    retransmitDeadline = deadline
    if retransmitFiresAt > deadline { armRetransmitTimer() }
  }

  @inline(never) private func armRetransmitTimer() {
    if retransmitTimer == nil {
      retransmitTimer = LoopTimer(on: layer.loop) { [unowned self] in retransmitTimerFired() }
    }
    retransmitTimer?.arm(at: retransmitDeadline)
    retransmitFiresAt = retransmitDeadline
  }

  func retransmitTimerFired() {
    let now = layer.loop.now
    retransmitFiresAt = .distantFuture
    guard retransmitPurpose != .none else { return }
    if retransmitDeadline > now { return armRetransmitTimer() }
    isWaitingForBuffer = false
    switch retransmitPurpose {
    case .none: break
    case .retransmit: retransmissionTimedOut(now)
    case .probe: probe(now)
    }
    flushReadiness()
  }

  private func retransmissionTimedOut(_ now: Instant) {
    guard outstanding > 0 else {
      retransmitPurpose = .none
      return output(at: now)
    }
    if hasGivenUp(now) {
      layer.counted.abortsOnTimeout &+= 1
      if current == .synSent || current == .synReceived { layer.counted.attemptFails &+= 1 }
      return end(with: softError ?? .timedOut, now)
    }
    if current == .synReceived, isAcceptDeferred, backoff < chosen.deferredAccept - 1 {
      // The peer is there and has nothing to say yet: it is not disturbed before the last try.
      backoff += 1
      return armRetransmit(.retransmit, at: now + estimator.timeout(backedOff: backoff))
    }
    timeoutLoss(now)
  }

  /// `tcp_syn_retries`, `tcp_synack_retries`, TCP_USER_TIMEOUT, `tcp_retries2` or `tcp_orphan_retries` are used up.
  private func hasGivenUp(_ now: Instant) -> Bool {
    let configuration = layer.configuration
    if let limit = chosen.userTimeout, let since = records.count > 0 ? troubleSince ?? records[0].sentAt : nil,
      now - since >= limit
    {
      return true
    }
    switch current {
    case .synSent: return backoff >= chosen.synRetries ?? configuration.synRetries
    case .synReceived:
      guard let listener else { return backoff >= chosen.synRetries ?? configuration.synRetries }
      // A connection whose acceptance is deferred lives as long as that (Linux `syn_ack_recalc`).
      return backoff >= listener.parameters.synRetries ?? configuration.synAckRetries
        && (!isAcceptDeferred || backoff >= chosen.deferredAccept)
    default:
      // A peer that answers with a closed window lives (RFC 9293 3.8.6.1).
      if sendWindow == 0, now - lastReceivedAt < estimator.ceiling { return false }
      guard let troubleSince, chosen.userTimeout == nil || isOrphan else { return false }
      let retries = isOrphan ? configuration.orphanRetries : configuration.retries
      return now - troubleSince >= Self.patience(retries, configuration, longest: estimator.ceiling)
    }
  }

  /// How long `retries` retransmissions take with the smallest timeout as base (Linux `tcp_model_timeout`).
  static func patience(_ retries: Int, _ configuration: TCPConfiguration, longest: TimeSpan) -> TimeSpan {
    let base = configuration.minimumRetransmitTimeout
    var doublings = 0
    while doublings < 30, base.nanoseconds << Int64(doublings + 1) <= longest.nanoseconds { doublings += 1 }
    if retries <= doublings { return base * ((2 << retries) - 1) }
    return base * ((2 << doublings) - 1) + longest * (retries - doublings)
  }

  /// The peer's window is closed, or too small: asks for it, or sends what had waited for a larger one
  /// (RFC 9293 3.8.6.1 and 3.8.6.2.1; Linux `tcp_probe_timer` and `tcp_write_wakeup`).
  private func probe(_ now: Instant) {
    retransmitPurpose = .none
    guard current.isSynchronized, sendNext <= writeEnd, writeEnd > sendNext || isSendClosed else { return }
    guard outstanding == 0 else { return output(at: now) }
    let configuration = layer.configuration
    if let limit = chosen.userTimeout, let since = troubleSince, now - since >= limit {
      layer.counted.abortsOnTimeout &+= 1
      return end(with: softError ?? .timedOut, now)
    }
    if probesSent >= (isOrphan ? configuration.orphanRetries : configuration.retries) {
      layer.counted.abortsOnTimeout &+= 1
      return end(with: softError ?? .timedOut, now)
    }
    if sendWindow > 0 {
      sendPartial(now)
      if outstanding > 0 { return }
    } else {
      layer.counted.windowProbes &+= 1
      if troubleSince == nil { troubleSince = now }
      sendProbe(at: now)
    }
    probesSent += 1
    backoff = min(backoff + 1, 16)
    armRetransmit(.probe, at: now + estimator.timeout(backedOff: backoff))
  }

  /// The override timeout of silly window avoidance: sends what fits.
  private func sendPartial(_ now: Instant) {
    let count = min(writeEnd - sendNext, min(sendWindow, segmentPayload))
    guard refreshPath() else { return }
    if count == 0 {
      output(at: now)
      return
    }
    guard transmit(path, from: sendNext, count: count, flags: [.ack, .psh], at: now) else {
      layer.waitForBuffer(self)
      return
    }
    records.append(sendNext, length: count, at: now, marks: [])
    sendNext += count
    lastSmallEnd = sendNext
    lastSentAt = now
    layer.counted.outSegments &+= 1
    statistics.bytesSent &+= UInt64(count)
    armRetransmit(.retransmit, at: now + estimator.timeout)
    output(at: now)
  }

  // MARK: Delayed acknowledgement

  @inline(__always) func armAckTimer() {
    if ackFiresAt > ackDeadline { startAckTimer() }
  }

  @inline(never) private func startAckTimer() {
    if ackTimer == nil { ackTimer = LoopTimer(on: layer.loop) { [unowned self] in ackTimerFired() } }
    ackTimer?.arm(at: ackDeadline)
    ackFiresAt = ackDeadline
  }

  func ackTimerFired() {
    ackFiresAt = .distantFuture
    guard ackUrgency == .delayed else { return }
    let now = layer.loop.now
    if ackDeadline > now { return startAckTimer() }
    // The delay was in vain: no answer of the application carried the acknowledgement (Linux
    // `tcp_delack_timer_handler`).
    if isInteractive {
      isInteractive = false
      ackDelay = smallestAckDelay
    } else {
      ackDelay = min(ackDelay * 2, min(estimator.timeout, chosen.maximumAckDelay ?? Self.largestAckDelay))
    }
    layer.counted.delayedAcks &+= 1
    sendAck(at: now)
  }

  // MARK: Keep-alive and FIN-WAIT-2

  func armKeepAlive(at now: Instant) {
    guard chosen.keepAlive, current.isSynchronized, current != .timeWait else { return }
    keepAliveProbesSent = 0
    armIdle(at: lastReceivedAt + chosen.keepAliveIdle)
  }

  func armIdle(at deadline: Instant) {
    if idleTimer == nil { idleTimer = LoopTimer(on: layer.loop) { [unowned self] in idleTimerFired() } }
    idleTimer?.arm(at: deadline)
  }

  func idleTimerFired() {
    let now = layer.loop.now
    if current == .finWait2, isOrphan {
      if now >= finWait2Deadline { return end(with: nil, now) }
      return armIdle(at: finWait2Deadline)
    }
    guard chosen.keepAlive, current.isSynchronized else { return }
    let idle = now - lastReceivedAt
    // While data is under way its own timer watches the peer.
    if outstanding > 0 || sendNext < writeEnd { return armIdle(at: now + chosen.keepAliveIdle) }
    if idle < chosen.keepAliveIdle {
      keepAliveProbesSent = 0
      return armIdle(at: lastReceivedAt + chosen.keepAliveIdle)
    }
    let isUseless =
      chosen.userTimeout.map { idle >= $0 && keepAliveProbesSent > 0 }
      ?? (keepAliveProbesSent >= chosen.keepAliveCount)
    if isUseless {
      layer.counted.abortsOnTimeout &+= 1
      sendReset(at: now)
      end(with: softError ?? .timedOut, now)
      return flushReadiness()
    }
    keepAliveProbesSent += 1
    layer.counted.keepAliveProbes &+= 1
    sendProbe(at: now)
    armIdle(at: now + chosen.keepAliveInterval)
  }

  /// Nothing of this connection will ever fire again.
  func cancelTimers() {
    retransmitPurpose = .none
    retransmitTimer?.cancel()
    retransmitFiresAt = .distantFuture
    ackTimer?.cancel()
    ackFiresAt = .distantFuture
    idleTimer?.cancel()
  }
}
