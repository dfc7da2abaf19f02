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

extension TCPConnection {
  /// The headers of the peer's SYN (TCP_SAVED_SYN), if wanted with that of its frame: which came from whoever the
  /// answers go to, whose address the SYN's handling has learnt.
  public var savedHeaders: [UInt8]? {
    savedSyn.map { (chosen.savesFrameHeader ? path.frameHeaderOfAnswers : []) + $0 }
  }

  /// When bytes came last.
  public var lastDataArrival: Instant { lastDataReceivedAt }
}

extension TCPLayer {
  /// How much of a segment a connection or listener with these parameters takes: IP_MINTTL (RFC 5082; Linux
  /// `tcp_v4_rcv`), then the filter. Zero: it is dropped.
  @inline(never)
  func admitted(
    _ datagram: RawSpan, _ headerLength: Int, _ parameters: TCPParameters, _ interface: NetworkInterface
  ) -> Int {
    guard datagram.octet(IPv4Field.timeToLive) >= parameters.minimumTTL else {
      counted.minimumTTLDrops &+= 1
      return 0
    }
    if let policies = parameters.policies, !policies.admits(datagram, headerLength, interface: interface.index) {
      return 0
    }
    if let keys = parameters.signatureKeys, !isSignedRight(datagram, headerLength, keys) { return 0 }
    let segment = datagram.clamped(headerLength)
    guard let filter = parameters.filter else { return segment.byteCount }
    return min(filter.run(segment, datagram: datagram, interface: interface.index), segment.byteCount)
  }

  /// A segment for a connection that does not take every one. A filter may cut the payload, never the header; flags
  /// stay, so that a FIN follows what is left (Linux `sk_filter_trim_cap`).
  @inline(never)
  func receivedSelectively(
    _ connection: TCPConnection, _ segment: ArrivedSegment, _ datagram: RawSpan, _ headerLength: Int,
    _ interface: NetworkInterface, _ now: Instant
  ) {
    let count = admitted(datagram, headerLength, connection.chosen, interface)
    guard count > 0 else { return }
    var segment = segment
    let length = max(count, segment.headerLength)
    segment.payloadLength = length - segment.headerLength
    connection.received(segment, datagram.extracting(headerLength..<(headerLength + length)), at: now)
  }
}
