import EventLoop
import Packets

extension TCPParameters {
  /// Something of it decides which segments are taken.
  var isSelective: Bool {
    interfaceIndex != 0 || minimumTTL != 0 || filter != nil || policies != nil || signatureKeys != nil
  }
}

// Options that few connections use: behind one flag, off the path of every segment.
extension TCPConnection {
  /// Takes over the parameters of this file.
  func applyRare(_ parameters: TCPParameters) {
    chosen.rules = parameters.rules
    if parameters.headerOptions != chosen.headerOptions {
      chosen.headerOptions = parameters.headerOptions
      if current != .closed { _ = findPath() }
    }
    chosen.minimumTTL = parameters.minimumTTL
    chosen.filter = parameters.filter
    if parameters.policies != chosen.policies {
      chosen.policies = parameters.policies
      path.invalidate()
    }
    if parameters.signatureKeys != chosen.signatureKeys { chooseSignatureKeys(parameters.signatureKeys) }
    isSelective = chosen.isSelective
    if parameters.minimumRetransmitTimeout != chosen.minimumRetransmitTimeout
      || parameters.maximumRetransmitTimeout != chosen.maximumRetransmitTimeout
    {
      chosen.minimumRetransmitTimeout = parameters.minimumRetransmitTimeout
      chosen.maximumRetransmitTimeout = parameters.maximumRetransmitTimeout
      let configuration = layer.configuration
      estimator.bound(
        chosen.minimumRetransmitTimeout ?? configuration.minimumRetransmitTimeout,
        chosen.maximumRetransmitTimeout ?? configuration.maximumRetransmitTimeout)
    }
    chosen.maximumAckDelay = parameters.maximumAckDelay
    if let longest = chosen.maximumAckDelay { ackDelay = min(ackDelay, longest) }
  }
}

// What can be looked at, and left without a word (TCP_REPAIR).
extension TCPConnection {
  /// Ends the connection on this side only: the peer hears nothing.
  public func vanish() {
    isOrphan = true
    end(with: nil, layer.loop.now)
  }

  /// The sequence numbers behind the last byte queued, and of the next one to come (TCP_QUEUE_SEQ).
  public var nextNumbers: (send: UInt32, receive: UInt32) { (writeEnd.rawValue, receiveNext.rawValue) }

  /// The headers of the peer's SYN (TCP_SAVED_SYN), if wanted with that of its frame: which came from whoever the answers go
  /// to, whose address the SYN's handling has learnt.
  public var savedHeaders: [UInt8]? {
    savedSyn.map { (chosen.savesFrameHeader ? path.frameHeaderOfAnswers : []) + $0 }
  }

  /// When bytes came last.
  public var lastDataArrival: Instant { lastDataReceivedAt }

  /// What the timestamps option would say now (TCP_TIMESTAMP).
  public var currentTimestamp: UInt32 { timestamp(at: layer.loop.now) }

  /// `struct tcp_repair_window`: SND.WL1, SND.WND, the largest SND.WND, RCV.WND, and where that was measured from.
  public var repairWindow: [UInt32] {
    [
      windowUpdateSequence.rawValue, UInt32(sendWindow), UInt32(largestSendWindow),
      UInt32(max(0, receiveEdge - receiveNext)), receiveNext.rawValue,
    ]
  }
}

extension TCPLayer {
  /// False for a segment that a connection or listener with these parameters does not take: IP_MINTTL (RFC 5082; Linux
  /// `tcp_v4_rcv`), then the filter.
  @inline(never)
  func admits(
    _ datagram: RawSpan, _ headerLength: Int, _ parameters: TCPParameters, _ interface: NetworkInterface
  ) -> Bool {
    guard datagram.octet(IPv4Field.timeToLive) >= parameters.minimumTTL else {
      counted.minimumTTLDrops &+= 1
      return false
    }
    if let policies = parameters.policies,
      !policies.admits(datagram, headerLength, interface: interface.index)
    {
      return false
    }
    if let keys = parameters.signatureKeys, !isSignedRight(datagram, headerLength, keys) { return false }
    if let filter = parameters.filter {
      return filter.run(datagram.clamped(headerLength), datagram: datagram, interface: interface.index) > 0
    }
    return true
  }
}
