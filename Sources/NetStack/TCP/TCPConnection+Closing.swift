import EventLoop
import Packets

// The ends of a connection: FIN, RST, giving up (RFC 9293 3.6, 3.10.4, 3.10.5; Linux `tcp_close`).
extension TCPConnection {
  /// The application sends no more: a FIN follows the bytes that are queued. Nothing happens if there is no connection,
  /// or the direction is closed already.
  public func shutdownSend() {
    guard current.canSendData, !isSendClosed else { return }
    isSendClosed = true
    move(to: current.afterSendClosed)
    output(at: layer.loop.now)
  }

  /// The application reads no more: unread bytes are thrown away, and so are those that still arrive (they are
  /// acknowledged, as Linux does).
  public func shutdownReceive() {
    guard !isReceiveShut else { return }
    _ = discard(readableCount)
    isReceiveShut = true
    if !reassembly.isEmpty { reassembly.removeAll() }
  }

  /// The application is done with the connection. Queued bytes and a FIN are still delivered, in the background; unread
  /// bytes, or bytes that arrive from now on, reset the connection (RFC 1122 4.2.2.13). No readiness is reported any
  /// more.
  public func close() {
    guard !isOrphan else { return }
    let now = layer.loop.now
    let hasUnread = readableCount > 0
    isOrphan = true
    onReadiness = nil
    pendingReadiness = []
    switch current {
    case .closed, .listen, .timeWait:
      receiveRing.release()
      receivedNothingMore()
    case .synSent:
      layer.counted.attemptFails &+= 1
      end(with: nil, now)
    case .synReceived:
      isSendClosed = true
    default:
      if hasUnread {
        layer.counted.abortsOnClose &+= 1
        sendReset(at: now)
        return end(with: nil, now)
      }
      if !isSendClosed {
        isSendClosed = true
        move(to: current.afterSendClosed)
        output(at: now)
      }
      if current == .finWait2 { awaitFin(now) }
    }
  }

  /// Ends the connection with a reset; queued bytes are lost.
  public func abort() {
    let now = layer.loop.now
    isOrphan = true
    onReadiness = nil
    pendingReadiness = []
    switch current {
    case .closed, .listen, .timeWait:
      receiveRing.release()
      receivedNothingMore()
      return
    case .synSent:
      layer.counted.attemptFails &+= 1
    default:
      sendReset(at: now)
    }
    end(with: nil, now)
  }

  /// No byte lies in the ring any more.
  private func receivedNothingMore() { readNext = receivedEnd }

  /// The connection is over. Bytes that arrived before stay readable.
  ///
  /// - Parameter error: what the application is told; nil if it knows.
  func end(with error: NetworkError?, _ now: Instant) {
    guard current != .closed else { return }
    if error != nil, current == .established || current == .closeWait { layer.counted.establishedResets &+= 1 }
    let wasHalfOpen = current == .synReceived
    move(to: .closed)
    cancelTimers()
    ackUrgency = .none
    if !isOrphan { failure = error }
    sendRing.release()
    records.release()
    reassembly.removeAll()
    if isOrphan {
      receiveRing.release()
      receivedNothingMore()
    }
    if wasHalfOpen { listener?.handshakeFailed(self) }
    releaseBinding()
    layer.remove(self)
    guard !isOrphan else { return }
    became([.readable, .writable, .hangUp, .readHangUp])
    if error != nil { became(.error) }
    layer.markDirty(self)
  }

  private func releaseBinding() {
    binding?.useEnded()
    binding = nil
  }

  // MARK: FIN

  /// Our FIN has been acknowledged (RFC 9293 3.10.7.4, fifth).
  func finAcknowledged(_ now: Instant) {
    if outputHold.contains(.stamps) { stampAcknowledged(at: now) }
    // Who lingers waits for this.
    became(.writable)
    switch current {
    case .finWait1:
      move(to: .finWait2)
      if isOrphan { awaitFin(now) }
    case .closing: enterTimeWait(now)
    case .lastAck: end(with: nil, now)
    default: break
    }
  }

  /// FIN-WAIT-2 without an application must not last for ever (Linux `tcp_fin_timeout`).
  private func awaitFin(_ now: Instant) {
    let wanted = chosen.finWait2Timeout ?? layer.configuration.finWait2Timeout
    if wanted < .zero {
      // TCP_LINGER2 below zero: nothing is waited for.
      layer.counted.abortsOnLinger &+= 1
      sendReset(at: now)
      return end(with: nil, now)
    }
    // Not before a lost FIN of the peer could have come again (Linux `tcp_fin_time`).
    let least = TimeSpan(nanoseconds: estimator.timeout.nanoseconds / 2 * 7)
    finWait2Deadline = now + max(wanted, least)
    armIdle(at: finWait2Deadline)
  }

  /// Both directions are closed: what remains is the memory of it, which the layer keeps. As in Linux, the connection's
  /// own resources are free at once.
  func enterTimeWait(_ now: Instant) {
    if ackUrgency != .none { sendAck(at: now) }
    move(to: .timeWait)
    cancelTimers()
    ackUrgency = .none
    sendRing.release()
    records.release()
    reassembly.removeAll()
    if isOrphan {
      receiveRing.release()
      receivedNothingMore()
    }
    // The port stays in use by the TIME-WAIT entry.
    layer.enterTimeWait(self, at: now)
    releaseBinding()
    guard !isOrphan else { return }
    became([.readable, .writable, .hangUp, .readHangUp])
    layer.markDirty(self)
  }

  // MARK: ICMP

  /// An ICMP error that quotes a segment of this connection (RFC 1122 4.2.3.9, RFC 5927; Linux `tcp_v4_err`): it ends
  /// an attempt to connect, and is only remembered by a connection that exists.
  func pathFailed(_ problem: ICMPProblem, _ quote: RawSpan, at now: Instant) {
    let error = problem.error
    if case .packetTooBig = error { return pathNarrowed(at: now) }
    switch current {
    case .synSent, .synReceived:
      layer.counted.attemptFails &+= 1
      errorQueue?.append(QueuedError(problem, to: remote, quote, at: now))
      end(with: error, now)
    default:
      guard hearsErrors else { return softError = error }
      failure = error
      became(.error)
      layer.markDirty(self)
    }
  }
}
