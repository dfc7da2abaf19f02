import EventLoop
import Packets

// Loss: duplicate acknowledgements and SACK reports in, retransmissions and a smaller window out (RFC 5681 3.2, RFC
// 6582, RFC 2018, RFC 2883, RFC 6675). Segments that were sent carry their time, so that detection by time (RFC 8985)
// has what it needs; the reduction is one step, at entry.
extension TCPConnection {
  /// Marks what the SACK blocks report; returns the sequence numbers newly reported.
  func receivedReport(_ options: TCPOptions, _ segment: ArrivedSegment, _ now: Instant) -> Int {
    var fresh = 0
    for index in 0..<options.sackBlockCount {
      let block = options.sackBlock(index)
      let left = SequenceNumber(block.left)
      let right = SequenceNumber(block.right)
      if index == 0, isDuplicateReport(left, right, options, segment) {
        layer.counted.duplicateSacksReceived &+= 1
        statistics.duplicateSacks &+= 1
        continue
      }
      // Below SND.UNA, above SND.NXT, or turned round: old or nonsense (Linux `tcp_is_sackblock_valid`).
      guard left < right, right > segment.acknowledgement else { continue }
      guard left >= sendUnacknowledged, right <= sendNext else {
        layer.counted.sackDiscards &+= 1
        continue
      }
      fresh += records.markSacked(left, right).length
    }
    return fresh
  }

  /// The first block reports a duplicate if it lies below SEG.ACK, or inside of the second block (RFC 2883 4).
  private func isDuplicateReport(
    _ left: SequenceNumber, _ right: SequenceNumber, _ options: TCPOptions, _ segment: ArrivedSegment
  ) -> Bool {
    guard left < right else { return false }
    if right <= segment.acknowledgement { return true }
    guard options.sackBlockCount > 1 else { return false }
    let second = options.sackBlock(1)
    return left >= SequenceNumber(second.left) && right <= SequenceNumber(second.right)
  }

  /// A duplicate acknowledgement, or one that only brings SACK news.
  func duplicateAcknowledged(_ newlySacked: Int, _ now: Instant) {
    duplicateAcknowledgements += 1
    switch phase {
    case .open:
      let isLost: Bool
      if usesSelectiveAcknowledgement {
        isLost = records.markLost(above: 2 * segmentPayload) || duplicateAcknowledgements >= 3
      } else {
        // RFC 6582 3.2 step 1: duplicates that our own retransmissions caused are no second loss.
        isLost = duplicateAcknowledgements == 3 && (!hasRecoveryPoint || sendUnacknowledged > recoveryPoint)
      }
      if isLost { enterRecovery(now) }
    case .recovery, .loss:
      if usesSelectiveAcknowledgement { _ = records.markLost(above: 2 * segmentPayload) }
    }
  }

  private func enterRecovery(_ now: Instant) {
    if usesSelectiveAcknowledgement {
      layer.counted.sackRecoveries &+= 1
    } else {
      layer.counted.renoRecoveries &+= 1
    }
    phase = .recovery
    recoveryPoint = sendNext
    hasRecoveryPoint = true
    congestion.threshold = controller.thresholdAfterLoss(congestion, flight: outstanding)
    congestion.size = congestion.threshold
    records.markHeadLost()
    // The first goes out whatever the window says (RFC 6675 5 step 4.3).
    _ = resendLost(at: now, atLeastOne: true)
    armRetransmit(.retransmit, at: now + estimator.timeout)
  }

  /// Progress while recovering, or while SACKed segments wait below a hole.
  func recovered(_ progress: Int, _ newlySacked: Int, _ now: Instant) {
    switch phase {
    case .open:
      if newlySacked > 0 { duplicateAcknowledged(newlySacked, now) }
    case .recovery, .loss:
      if sendUnacknowledged >= recoveryPoint {
        if phase == .recovery { congestion.size = congestion.threshold }
        phase = .open
        duplicateAcknowledgements = 0
        return
      }
      if usesSelectiveAcknowledgement {
        _ = records.markLost(above: 2 * segmentPayload)
      } else if phase == .recovery {
        // A partial acknowledgement: the next hole (RFC 6582 3.2 step 5). One duplicate stood for each segment it
        // covers, except the one that was missing.
        duplicateAcknowledgements = max(0, duplicateAcknowledgements - max(0, progress / segmentPayload - 1))
        records.markHeadLost()
        _ = resendLost(at: now, atLeastOne: true)
      }
    }
  }

  /// The retransmission timer fired: everything not reported is lost, slow start begins anew (RFC 5681 3.1, RFC 6298
  /// 5.4-5.6).
  func timeoutLoss(_ now: Instant) {
    layer.counted.timeouts &+= 1
    if troubleSince == nil { troubleSince = now }
    guard records.count > 0 else { return }
    // Not again for a segment that timed out before (RFC 5681 3.1).
    if phase != .loss || backoff == 0 {
      congestion.threshold = controller.thresholdAfterLoss(congestion, flight: outstanding)
      controller.timedOut()
    }
    congestion.size = segmentPayload
    phase = .loss
    recoveryPoint = sendNext
    hasRecoveryPoint = true
    duplicateAcknowledgements = 0
    limitedUntil = sendNext
    let isReneging = records[0].marks.contains(.sacked)
    if isReneging { layer.counted.sackReneges &+= 1 }
    records.markAllLost(forgetsSacks: isReneging)
    backoff += 1
    _ = resendLost(at: now, atLeastOne: true)
    armRetransmit(.retransmit, at: now + estimator.timeout(backedOff: isLinear ? 0 : backoff))
  }

  /// TCP_THIN_LINEAR_TIMEOUTS: a stream of less than four segments in flight, the first six times (Linux
  /// `tcp_stream_is_thin`).
  private var isLinear: Bool {
    chosen.hasLinearTimeouts && current == .established && records.count < 4 && backoff <= 6
  }

  /// The path has become narrower: segments that no longer fit are cut and sent again at once (RFC 1191 6.4).
  func pathNarrowed(at now: Instant) {
    path = (try? freshPath()) ?? path
    let before = segmentPayload
    adoptSegmentSize()
    guard segmentPayload < before, current.isSynchronized, records.count > 0 else { return }
    records.markHeadLost()
    _ = resendLost(at: now, atLeastOne: true)
  }
}
