import EventLoop
import Packets

// The acknowledgement field of a segment: progress, round trips, the peer's window (RFC 9293 3.10.7.4 fifth; RFC 6298;
// RFC 5681 2).
extension TCPConnection {
  /// Takes SEG.ACK, SEG.WND and SACK blocks of an acceptable segment.
  func receivedAcknowledgement(_ segment: ArrivedSegment, _ bytes: RawSpan, _ now: Instant) {
    let progress = segment.acknowledgement - sendUnacknowledged
    let windowBefore = sendWindow
    updateSendWindow(segment)
    // Any acknowledgement answers a probe.
    probesSent = 0
    if outstanding == 0 { troubleSince = nil }
    var newlySacked = 0
    if usesSelectiveAcknowledgement, segment.hasOtherOptions, let header = TCPHeader(bytes) {
      let options = header.options
      if options.sackBlockCount > 0 { newlySacked = receivedReport(options, segment, now) }
    }
    if progress > 0 {
      let wasOpen = phase == .open
      // What a cumulative acknowledgement covers is no duplicate of anything any more.
      if wasOpen { duplicateAcknowledgements = 0 }
      advance(to: segment.acknowledgement, segment, now)
      guard current != .closed, current != .timeWait else { return }
      if !wasOpen || records.sackedLength > 0 { recovered(progress, newlySacked, now) }
    } else if outstanding > 0 {
      // RFC 5681 2: no data, no SYN or FIN, the same window, something outstanding. With SACK only news count (RFC 6675
      // 2).
      let isDuplicate =
        progress == 0 && segment.length == 0
        && (usesSelectiveAcknowledgement ? newlySacked > 0 : sendWindow == windowBefore)
      if isDuplicate || newlySacked > 0 { duplicateAcknowledged(newlySacked, now) }
    }
    layer.markDirty(self)
  }

  /// SND.WND follows the newest segment (RFC 9293 3.10.7.4).
  @inline(__always) func updateSendWindow(_ segment: ArrivedSegment) {
    guard
      windowUpdateSequence < segment.sequence
        || (windowUpdateSequence == segment.sequence && windowUpdateAcknowledgement <= segment.acknowledgement)
    else { return }
    windowUpdateSequence = segment.sequence
    windowUpdateAcknowledgement = segment.acknowledgement
    let window = segment.window << sendScale
    guard window != sendWindow else { return }
    if window > largestSendWindow {
      largestSendWindow = window
      if isBoundByWindow { largestWindowGrew() }
    }
    if sendWindow == 0, retransmitPurpose == .probe { backoff = 0 }
    sendWindow = window
  }

  /// SND.UNA moves to `acknowledgement`.
  @inline(__always) func advance(to acknowledgement: SequenceNumber, _ segment: ArrivedSegment, _ now: Instant) {
    let flight = outstanding
    let removal = records.removeAcknowledged(acknowledgement)
    sendUnacknowledged = acknowledgement
    if removal.sawReordering { layer.counted.sackReorderings &+= 1 }
    measure(removal, segment, now)
    let progress = flight &- outstanding
    statistics.bytesAcknowledged &+= UInt64(truncatingIfNeeded: progress)
    backoff = 0
    // Duplicates of before the last recovery are over.
    if phase == .open { hasRecoveryPoint = false }
    troubleSince = nil
    probesSent = 0
    softError = nil
    if outstanding == 0 {
      retransmitPurpose = .none
    } else {
      armRetransmit(.retransmit, at: now + estimator.timeout)
    }
    if phase != .recovery, isWindowLimited(flight) {
      var window = congestion
      controller.acknowledged(progress, &window, roundTrip: estimator.smoothed, at: now)
      congestion = window
      growSendBuffer()
    }
    path.confirmReachability()
    if lacksSendSpace, hasSendSpace, !isSendClosed {
      lacksSendSpace = false
      became(.writable)
    }
    if isSendClosed, acknowledgement > writeEnd { finAcknowledged(now) }
  }

  /// A window that was not used up must not grow (RFC 7661; Linux `tcp_is_cwnd_limited`).
  @inline(__always) private func isWindowLimited(_ flight: Int) -> Bool {
    sendUnacknowledged <= limitedUntil || (congestion.isInSlowStart && congestion.size < 2 * flight)
  }

  /// The send buffer holds two congestion windows (Linux `tcp_sndbuf_expand`).
  @inline(__always) private func growSendBuffer() {
    guard chosen.sendBuffer == nil else { return }
    let wanted = min(2 * congestion.size, chosen.maximumSendBuffer)
    if wanted > sendLimit { sendLimit = wanted }
  }

  /// A round trip sample: of segments that were sent once (Karn), or by the echoed timestamp.
  @inline(__always) private func measure(_ removal: SendRecords.Removal, _ segment: ArrivedSegment, _ now: Instant) {
    if let sentAt = removal.oldestSentAt {
      estimator.add(now - sentAt)
    } else if usesTimestamps, segment.hasTimestamps, segment.timestampEcho != 0, removal.removedCount > 0 {
      let ticks = Int32(bitPattern: timestamp(at: now) &- segment.timestampEcho)
      // An echo from the future, or from before the connection, is not ours.
      if ticks >= 0, Int64(ticks) * 1_000_000 <= now.nanoseconds { estimator.add(.milliseconds(max(1, Int(ticks)))) }
    }
  }
}
