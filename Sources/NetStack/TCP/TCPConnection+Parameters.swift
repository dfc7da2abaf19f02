import EventLoop
import Packets

// Options and what can be asked about a connection (TCP_INFO).
extension TCPConnection {
  /// Takes over changed parameters, with the effects that each of them has.
  public func apply(_ parameters: TCPParameters) {
    let old = chosen
    if parameters.noDelay != old.noDelay { noDelay = parameters.noDelay }
    if parameters.isCorked != old.isCorked { isCorked = parameters.isCorked }
    if parameters.congestionControl != old.congestionControl { congestionAlgorithm = parameters.congestionControl }
    if let size = parameters.sendBuffer, size != old.sendBuffer { sendBuffer = size }
    if let size = parameters.receiveBuffer, size != old.receiveBuffer { receiveBuffer = size }
    if let size = parameters.maximumSegment, size != old.maximumSegment { maximumSegment = size }
    if let clamp = parameters.windowClamp, clamp != old.windowClamp { clampWindow(clamp) }
    chosen.windowClamp = parameters.windowClamp
    chosen.userTimeout = parameters.userTimeout
    chosen.isUrgentInline = parameters.isUrgentInline
    chosen.synRetries = parameters.synRetries
    chosen.finWait2Timeout = parameters.finWait2Timeout
    chosen.deferredAccept = parameters.deferredAccept
    chosen.hasLinearTimeouts = parameters.hasLinearTimeouts
    if parameters.notSentLowWater != old.notSentLowWater {
      chosen.notSentLowWater = parameters.notSentLowWater
      if lacksSendSpace, hasSendSpace, !isSendClosed, current.isSynchronized {
        lacksSendSpace = false
        became(.writable)
        layer.markDirty(self)
      }
    }
    if parameters.reuseAddress != old.reuseAddress || parameters.reusePort != old.reusePort
      || parameters.interfaceIndex != old.interfaceIndex
    {
      changeSharing(parameters)
    }
    chosen.typeOfService = parameters.typeOfService
    chosen.timeToLive = parameters.timeToLive
    applyRare(parameters)
    let wasWatched = old.keepAlive
    if parameters.keepAlive != wasWatched || parameters.keepAliveIdle != old.keepAliveIdle
      || parameters.keepAliveInterval != old.keepAliveInterval || parameters.keepAliveCount != old.keepAliveCount
    {
      setKeepAlive(
        parameters.keepAlive, idle: parameters.keepAliveIdle, interval: parameters.keepAliveInterval,
        count: parameters.keepAliveCount)
    }
  }

  /// TCP_NODELAY. Turning it on sends what Nagle's rule held back.
  public var noDelay: Bool {
    get { chosen.noDelay }
    set {
      chosen.noDelay = newValue
      if newValue { release() }
    }
  }

  /// TCP_CORK. Turning it off sends what was held back.
  public var isCorked: Bool {
    get { chosen.isCorked }
    set {
      chosen.isCorked = newValue
      if !newValue { release() }
    }
  }

  private func release() { output(at: layer.loop.now) }

  /// SO_KEEPALIVE with TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
  public func setKeepAlive(
    _ isOn: Bool, idle: TimeSpan? = nil, interval: TimeSpan? = nil, count: Int? = nil
  ) {
    chosen.keepAlive = isOn
    if let idle { chosen.keepAliveIdle = idle }
    if let interval { chosen.keepAliveInterval = interval }
    if let count { chosen.keepAliveCount = count }
    if isOn {
      armKeepAlive(at: layer.loop.now)
    } else if current != .finWait2 || !isOrphan {
      idleTimer?.cancel()
    }
  }

  /// TCP_USER_TIMEOUT; nil: the stack's retries decide.
  public var userTimeout: TimeSpan? {
    get { chosen.userTimeout }
    set { chosen.userTimeout = newValue }
  }

  /// TCP_CONGESTION. The window stays as it is.
  public var congestionAlgorithm: CongestionAlgorithm {
    get { controller.algorithm }
    set {
      guard newValue != controller.algorithm else { return }
      chosen.congestionControl = newValue
      controller = newValue.makeController()
    }
  }

  /// TCP_MAXSEG: the payload of a full segment without options; a new value only makes segments smaller.
  public var maximumSegment: Int {
    get { segmentPayload + optionLength }
    set {
      chosen.maximumSegment = max(48, newValue)
      if current.isSynchronized { adoptSegmentSize() }
    }
  }

  /// SO_SNDBUF in bytes of payload; setting it ends the growth by itself.
  public var sendBuffer: Int {
    get { sendLimit }
    set {
      chosen.sendBuffer = min(max(newValue, 2048), 1 << 28)
      sendLimit = chosen.sendBuffer ?? sendLimit
    }
  }

  /// SO_RCVBUF in bytes of payload; setting it ends the growth by itself. What was promised to the peer stays promised.
  public var receiveBuffer: Int {
    get { receiveLimit }
    set {
      let size = min(max(newValue, 2048), 1 << 28, windowClamp ?? .max)
      chosen.receiveBuffer = size
      // The scale is settled with the handshake.
      receiveLimit = current == .closed || current == .synSent ? size : min(size, 65_535 << receiveScale)
    }
  }

  /// TCP_WINDOW_CLAMP: what was promised to the peer stays promised.
  private func clampWindow(_ clamp: Int) { receiveLimit = min(receiveLimit, clamp) }

  /// IP_TOS and IP_TTL
  public var typeOfService: UInt8 {
    get { chosen.typeOfService }
    set { chosen.typeOfService = newValue }
  }
  public var timeToLive: UInt8 {
    get { chosen.timeToLive ?? layer.defaultTTL }
    set { chosen.timeToLive = newValue }
  }

  public var keepAlive: (isOn: Bool, idle: TimeSpan, interval: TimeSpan, count: Int) {
    (chosen.keepAlive, chosen.keepAliveIdle, chosen.keepAliveInterval, chosen.keepAliveCount)
  }

  /// A snapshot of the connection.
  public var info: TCPInformation {
    TCPInformation(
      state: current, recovery: phase == .open ? (records.sackedLength > 0 ? 1 : 0) : phase == .recovery ? 3 : 4,
      retransmitTimeouts: backoff, probes: probesSent, usesTimestamps: usesTimestamps,
      usesSelectiveAcknowledgement: usesSelectiveAcknowledgement, usesWindowScale: hasPeerScale, sendScale: sendScale,
      receiveScale: receiveScale, retransmitTimeout: estimator.timeout(backedOff: backoff), ackDelay: ackDelay,
      sendMSS: segmentPayload + (signingKey == nil ? 0 : TCPSignatureKey.optionLength),
      receiveMSS: peerSegment, outstandingBytes: current == .closed ? 0 : outstanding,
      outstandingSegments: records.count, sackedBytes: records.sackedLength, lostBytes: records.lostLength,
      roundTrip: estimator.smoothed, roundTripVariation: estimator.variation,
      minimumRoundTrip: estimator.hasSample ? estimator.minimum : .zero, congestionWindow: congestion.size,
      slowStartThreshold: congestion.threshold, sendWindow: sendWindow,
      receiveWindow: max(0, receiveEdge - receiveNext), receiveBuffer: receiveLimit, sendBuffer: sendLimit,
      pathMTU: path.mtu, bytesSent: statistics.bytesSent, bytesAcknowledged: statistics.bytesAcknowledged,
      bytesReceived: statistics.bytesReceived, bytesRetransmitted: statistics.bytesRetransmitted,
      segmentsIn: statistics.segmentsIn, segmentsOut: statistics.segmentsOut,
      retransmittedSegments: statistics.retransmitted, duplicateSacks: statistics.duplicateSacks,
      outOfOrderSegments: statistics.outOfOrder, receiverRoundTrip: tuning.roundTrip,
      lastReceivedAt: lastReceivedAt, lastSentAt: lastSentAt)
  }
}

/// The fields of Linux's `struct tcp_info`, in our units: bytes and time spans.
public struct TCPInformation: Sendable, Equatable {
  public var state: TCPState
  /// tcpi_ca_state: 0 open, 1 disorder, 3 recovery, 4 loss.
  public var recovery: Int
  /// tcpi_backoff and tcpi_retransmits: timeouts in a row.
  public var retransmitTimeouts: Int
  public var probes: Int
  public var usesTimestamps: Bool
  public var usesSelectiveAcknowledgement: Bool
  public var usesWindowScale: Bool
  public var sendScale: Int
  public var receiveScale: Int
  /// tcpi_rto, tcpi_ato
  public var retransmitTimeout: TimeSpan
  public var ackDelay: TimeSpan
  /// tcpi_snd_mss (of which signatures take nothing away, as in Linux), tcpi_rcv_mss
  public var sendMSS: Int
  public var receiveMSS: Int
  /// tcpi_unacked, in bytes and in segments; tcpi_sacked, tcpi_lost in bytes.
  public var outstandingBytes: Int
  public var outstandingSegments: Int
  public var sackedBytes: Int
  public var lostBytes: Int
  /// tcpi_rtt, tcpi_rttvar, tcpi_min_rtt; zero before the first sample.
  public var roundTrip: TimeSpan
  public var roundTripVariation: TimeSpan
  public var minimumRoundTrip: TimeSpan
  /// tcpi_snd_cwnd, tcpi_snd_ssthresh (`Int.max`: not set yet), tcpi_snd_wnd, tcpi_rcv_wnd; bytes.
  public var congestionWindow: Int
  public var slowStartThreshold: Int
  public var sendWindow: Int
  public var receiveWindow: Int
  public var receiveBuffer: Int
  public var sendBuffer: Int
  public var pathMTU: Int
  public var bytesSent: UInt64
  public var bytesAcknowledged: UInt64
  public var bytesReceived: UInt64
  public var bytesRetransmitted: UInt64
  public var segmentsIn: UInt64
  public var segmentsOut: UInt64
  /// tcpi_total_retrans
  public var retransmittedSegments: UInt64
  /// tcpi_dsack_dups
  public var duplicateSacks: UInt64
  /// tcpi_rcv_ooopack
  public var outOfOrderSegments: UInt64
  /// tcpi_rcv_rtt
  public var receiverRoundTrip: TimeSpan
  /// For tcpi_last_data_recv and kin.
  public var lastReceivedAt: Instant
  public var lastSentAt: Instant
}
