import EventLoop
import Link
import Packets

/// Why ``TCPConnection/output(at:)`` does not simply send.
struct OutputHold: OptionSet, BitwiseCopyable {
  let rawValue: UInt8
  /// The device has no buffer.
  static let buffer = OutputHold(rawValue: 1)
  /// What is handed over counts as sent already (TCP_REPAIR).
  static let repair = OutputHold(rawValue: 2)
  /// It is looked at what has left and what is acknowledged (``StreamStamps``).
  static let stamps = OutputHold(rawValue: 4)
}

// What may leave now: retransmissions first, then new data, then the FIN (RFC 9293 3.8.6, 3.7.4; RFC 5681; RFC 6675 5).
extension TCPConnection {
  /// Listed by the layer as waiting for a transmit buffer.
  var isWaitingForBuffer: Bool {
    get { outputHold.contains(.buffer) }
    set { if newValue { outputHold.insert(.buffer) } else { outputHold.remove(.buffer) } }
  }

  /// True if the FIN is out.
  @inline(__always) var hasSentFin: Bool { isSendClosed && sendNext > writeEnd }

  /// Sends everything that windows and rules allow, and leaves the timers right.
  func output(at now: Instant) {
    guard outputHold.isEmpty else { return outputHeld(at: now) }
    guard current.isSynchronized, current != .timeWait else { return }
    guard refreshPath() else {
      armRetransmitIfNeeded(at: now)
      return
    }
    if records.hasUnsentLoss, !resendLost(at: now, atLeastOne: false) { return }
    guard sendNext <= writeEnd else { return }
    let unsent = writeEnd - sendNext
    guard unsent > 0 || isSendClosed else { return }
    if outstanding == 0 { restartAfterIdle(at: now) }
    sendNew(at: now)
    armRetransmitIfNeeded(at: now)
  }

  /// Something is outstanding or waits: the right timer runs.
  private func armRetransmitIfNeeded(at now: Instant) {
    if outstanding > 0 {
      if retransmitPurpose != .retransmit {
        armRetransmit(.retransmit, at: now + estimator.timeout(backedOff: backoff))
      }
    } else if writeEnd - sendNext > 0 || isSendClosed && !hasSentFin, retransmitPurpose == .none {
      armRetransmit(.probe, at: now + estimator.timeout(backedOff: backoff))
    }
  }

  private func sendNew(at now: Instant) {
    let path = self.path
    let payload = fittingPayload
    let canCutUp =
      payload == segmentPayload && path.features.contains(.segmentationIPv4) && !isUrgentMode && signingKey == nil
    let windowEdge = sendUnacknowledged + sendWindow
    let end = writeEnd
    var next = sendNext
    var inNetwork = pipe
    let allowed = congestion.size
    var frames = 0
    defer {
      layer.counted.outSegments &+= UInt64(frames)
      sendNext = next
      if frames > 0 {
        lastSentAt = now
        // An answer soon after a question: acknowledgements will ride on answers (Linux pingpong mode).
        if ackDelay > .zero, now - lastDataReceivedAt < ackDelay { isInteractive = true }
        if chosen.notSentLowWater != nil { noteSent() }
      }
    }
    while !records.isFull {
      let unsent = end - next
      let usable = windowEdge - next
      let closes = isSendClosed
      guard unsent > 0 || closes && unsent == 0 else { return }
      guard usable > 0 else { return }
      var count = min(unsent, min(payload, usable))
      let quota = allowed &- inNetwork
      if quota < count, inNetwork > 0 {
        limitedUntil = next
        return
      }
      if canCutUp, count == payload, unsent > payload {
        // Whole segments only, unless it is the end of what there is.
        let most = min(min(unsent, usable), min(quota, 65_535 &- 120))
        let whole = most / payload &* payload
        count = max(count, most == unsent && (closes || !holdsBack(unsent &- whole, next + whole)) ? most : whole)
      } else if count < payload {
        // A partial segment: not one that only the window makes small (RFC 9293 3.8.6.2.1), nor one for Nagle.
        if count < unsent {
          if count < largestSendWindow / 2 { return }
        } else if !closes, holdsBack(count, next) {
          return
        }
      }
      let isLast = count == unsent
      let carriesFin = isLast && closes && usable > count
      if isLast, closes, !carriesFin, count == 0 { return }
      var flags: TCPFlags = .ack
      if isLast, count > 0 { flags.insert(.psh) }
      if carriesFin { flags.insert(.fin) }
      let isLarge = count > payload
      guard transmit(path, from: next, count: count, flags: flags, segmentSize: isLarge ? payload : 0, at: now) else {
        layer.waitForBuffer(self)
        return
      }
      if isLarge {
        frames &+= note(next, count, payload, carriesFin, now)
      } else {
        records.append(next, length: count &+ (carriesFin ? 1 : 0), at: now, marks: carriesFin ? .fin : [])
        frames &+= 1
      }
      if count % payload != 0 { lastSmallEnd = next + count }
      next += count
      inNetwork &+= count
      statistics.bytesSent &+= UInt64(truncatingIfNeeded: count)
      if carriesFin {
        next += 1
        return
      }
    }
  }

  /// What was not sent has become less (TCP_NOTSENT_LOWAT).
  private func noteSent() {
    guard lacksSendSpace, hasSendSpace, !isSendClosed else { return }
    lacksSendSpace = false
    became(.writable)
    layer.markDirty(self)
  }

  /// Notes the frames of a segment that the device cuts up; returns how many there are.
  private func note(_ start: SequenceNumber, _ count: Int, _ payload: Int, _ fin: Bool, _ now: Instant) -> Int {
    var frames = 0
    var done = 0
    while done < count {
      let part = min(payload, count - done)
      let isLast = done + part == count
      records.append(start + done, length: part + (isLast && fin ? 1 : 0), at: now, marks: isLast && fin ? .fin : [])
      done += part
      frames += 1
    }
    return frames
  }

  /// Nagle's rule as Minshall changed it (Linux): a partial segment waits while another partial one is unacknowledged;
  /// with TCP_CORK always.
  @inline(__always) private func holdsBack(_ count: Int, _ next: SequenceNumber) -> Bool {
    guard count > 0, !hasUrgentData else { return false }
    if chosen.isCorked { return true }
    if chosen.noDelay { return false }
    return next > sendUnacknowledged && lastSmallEnd > sendUnacknowledged && lastSmallEnd <= next
  }

  /// Sends lost segments again as the congestion window allows; false if buffers ran out.
  func resendLost(at now: Instant, atLeastOne: Bool) -> Bool {
    var isFirst = atLeastOne
    while let index = records.nextUnsentLoss() {
      if !isFirst, congestion.size - pipe < Int(records[index].length), pipe > 0 { return true }
      guard resend(index, at: now) else { return false }
      if phase == .loss, !isFirst {
        layer.counted.slowStartRetransmits &+= 1
      } else if phase == .recovery {
        layer.counted.fastRetransmits &+= 1
      }
      isFirst = false
    }
    return true
  }

  /// Sends segment `index` again; false if there is no buffer.
  func resend(_ index: Int, at now: Instant) -> Bool {
    guard refreshPath() else { return false }
    let payload = fittingPayload
    let extra = records[index].marks.isDisjoint(with: [.syn, .fin]) ? 0 : 1
    if Int(records[index].length) > payload + extra { records.split(index, at: payload) }
    let segment = records[index]
    let sent: Bool
    if segment.marks.contains(.syn) {
      sent = transmitSyn(at: now)
    } else {
      let hasFin = segment.marks.contains(.fin)
      let count = Int(segment.length) - (hasFin ? 1 : 0)
      var flags: TCPFlags = hasFin ? [.ack, .fin] : .ack
      if count > 0, segment.start + count == writeEnd { flags.insert(.psh) }
      sent = transmit(path, from: segment.start, count: count, flags: flags, at: now)
      if sent { statistics.bytesRetransmitted &+= UInt64(count) }
    }
    guard sent else {
      layer.waitForBuffer(self)
      return false
    }
    if troubleSince == nil { troubleSince = now }
    records.resent(index, at: now)
    statistics.retransmitted &+= 1
    layer.counted.retransmittedSegments &+= 1
    return true
  }

  /// After a pause longer than the timeout the window shrinks back towards the initial one (RFC 5681 4.1; as Linux, by
  /// half for each timeout that went by).
  private func restartAfterIdle(at now: Instant) {
    guard lastSentAt > .zero else { return }
    let idle = now - lastSentAt
    controller.resumed(after: idle)
    guard layer.configuration.slowStartAfterIdle, phase == .open, idle > estimator.timeout else { return }
    let restart = min(initialCongestionWindow, congestion.size)
    congestion.threshold = max(congestion.threshold, congestion.size / 4 * 3)
    var left = idle
    while left > estimator.timeout, congestion.size > restart {
      congestion.size >>= 1
      left = left - estimator.timeout
    }
    congestion.size = max(congestion.size, restart)
  }

  /// IW (RFC 6928)
  var initialCongestionWindow: Int { layer.configuration.initialWindow * segmentPayload }
}
