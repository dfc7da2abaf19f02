import EventLoop
import Packets

extension TCPParameters {
  /// Something of it decides which segments are taken.
  var isSelective: Bool { interfaceIndex != 0 || minimumTTL != 0 || filter != nil }
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
  /// When bytes came last.
  public var lastDataArrival: Instant { lastDataReceivedAt }
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
    if let filter = parameters.filter {
      return filter.run(datagram.clamped(headerLength), datagram: datagram, interface: interface.index) > 0
    }
    return true
  }
}
