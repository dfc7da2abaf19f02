import EventLoop

/// The constants of a stack's TCP. The defaults are Linux's (`net.ipv4.tcp_*`).
public struct TCPConfiguration: Sendable {
  /// `tcp_syn_retries`: retransmissions of a SYN before the attempt times out.
  public var synRetries = 6
  /// `tcp_synack_retries`
  public var synAckRetries = 5
  /// `tcp_retries2`: how long data is retransmitted, counted in doublings of the smallest timeout (15: 924.6 s).
  public var retries = 15
  /// `tcp_orphan_retries` (0 means 8): the same after the application has gone.
  public var orphanRetries = 8
  /// `tcp_fin_timeout`: FIN-WAIT-2 of an orphan.
  public var finWait2Timeout = TimeSpan.seconds(60)
  /// TCP_TIMEWAIT_LEN
  public var timeWait = TimeSpan.seconds(60)
  /// `tcp_max_tw_buckets`
  public var maximumTimeWaits = 4096
  /// `tcp_max_syn_backlog`: half-open connections of one listener at most.
  public var maximumHalfOpen = 256
  /// `somaxconn`: upper bound of every backlog.
  public var maximumBacklog = 4096
  /// `tcp_challenge_ack_limit`: challenge ACKs a second, of the whole stack (RFC 5961 7).
  public var challengeAckLimit = 1000
  /// `tcp_invalid_ratelimit`: one duplicate ACK in this time for segments that are out of window.
  public var invalidAckInterval = TimeSpan.milliseconds(500)
  /// TCP_RTO_MIN, TCP_RTO_MAX, TCP_TIMEOUT_INIT (RFC 6298 2)
  public var minimumRetransmitTimeout = TimeSpan.milliseconds(200)
  public var maximumRetransmitTimeout = TimeSpan.seconds(120)
  public var initialRetransmitTimeout = TimeSpan.seconds(1)
  /// TCP_INIT_CWND (RFC 6928), segments.
  public var initialWindow = 10
  /// `tcp_slow_start_after_idle` (RFC 5681 4.1)
  public var slowStartAfterIdle = true
  /// `tcp_window_scaling`, `tcp_timestamps`, `tcp_sack`
  public var usesWindowScaling = true
  public var usesTimestamps = true
  public var usesSelectiveAcknowledgement = true
  /// Parameters of connections that choose nothing else.
  public var defaults = TCPParameters()

  public init() {}
}

/// What can be chosen for one connection or listener (whose connections inherit it).
public struct TCPParameters: Sendable, Equatable {
  /// TCP_NODELAY: send partial segments at once.
  public var noDelay = false
  /// TCP_CORK: hold partial segments back.
  public var isCorked = false
  /// SO_KEEPALIVE
  public var keepAlive = false
  /// TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT
  public var keepAliveIdle = TimeSpan.seconds(7200)
  public var keepAliveInterval = TimeSpan.seconds(75)
  public var keepAliveCount = 9
  /// TCP_MAXSEG: upper bound of the MSS, bytes. Nil: what the path's MTU gives.
  public var maximumSegment: Int?
  /// TCP_USER_TIMEOUT: how long sent bytes may stay unacknowledged. Nil: the stack's retries decide.
  public var userTimeout: TimeSpan?
  /// TCP_CONGESTION
  public var congestionControl = CongestionAlgorithm.cubic
  /// Bytes that may wait to be sent and acknowledged. Nil: grows with the congestion window up to
  /// ``maximumSendBuffer``.
  public var sendBuffer: Int?
  /// Bytes of receive window. Nil: grows with what the application reads, from ``initialReceiveBuffer`` up to
  /// ``maximumReceiveBuffer``.
  public var receiveBuffer: Int?
  /// Bounds of the buffers that grow by themselves, bytes.
  public var initialSendBuffer = 87_040
  public var maximumSendBuffer = 4 << 20
  public var initialReceiveBuffer = 65_536
  public var maximumReceiveBuffer = 4 << 20
  /// SO_REUSEADDR and SO_REUSEPORT: whether the connection lets others have its port.
  public var reuseAddress = false
  public var reusePort = false
  /// SO_BINDTODEVICE: segments come and go over this interface only. Nil: over any.
  public var interfaceIndex = 0
  /// Which addresses and ephemeral ports it may take.
  public var rules = LocalAddressRules()
  /// IP_OPTIONS
  public var headerOptions: IPv4HeaderOptions?
  /// SO_ATTACH_FILTER: decides which segments are taken. (One is taken whole or not at all.)
  public var filter: PacketFilter?
  /// IP_XFRM_POLICY
  public var policies: SecurityPolicies?
  /// TCP_MD5SIG
  public var signatureKeys: TCPSignatureKeys?
  /// TCP_SAVE_SYN: the headers of the peer's SYN are kept.
  public var savesSyn = false
  /// The same with the header of the frame (2 instead of 1).
  public var savesFrameHeader = false
  /// IP_MINTTL: segments with a smaller TTL are dropped.
  public var minimumTTL: UInt8 = 0
  /// TCP_RTO_MIN_US, TCP_RTO_MAX_MS, TCP_DELACK_MAX_US. Nil: the stack's.
  public var minimumRetransmitTimeout: TimeSpan?
  public var maximumRetransmitTimeout: TimeSpan?
  public var maximumAckDelay: TimeSpan?
  /// SO_OOBINLINE: an urgent byte is part of the stream.
  public var isUrgentInline = false
  /// TCP_SYNCNT: retransmissions of a SYN. Nil: ``TCPConfiguration/synRetries``.
  public var synRetries: Int?
  /// TCP_LINGER2: FIN-WAIT-2 of an orphan; a negative time: none. Nil: ``TCPConfiguration/finWait2Timeout``.
  public var finWait2Timeout: TimeSpan?
  /// TCP_DEFER_ACCEPT: retransmissions of a SYN-ACK for which a listener waits for data before it offers the
  /// connection; for a connection that is being opened: the last ACK of the handshake waits for data to go with. 0:
  /// off.
  public var deferredAccept = 0
  /// TCP_WINDOW_CLAMP: upper bound of the window that is offered, bytes.
  public var windowClamp: Int?
  /// TCP_NOTSENT_LOWAT: the connection takes no more while so many bytes have not been sent.
  public var notSentLowWater: Int?
  /// TCP_THIN_LINEAR_TIMEOUTS: the first six timeouts of a thin stream do not back off.
  public var hasLinearTimeouts = false
  /// IP_TOS and IP_TTL. Nil: the stack's default.
  public var typeOfService: UInt8 = 0
  public var timeToLive: UInt8?

  public init() {}
}

/// The congestion control algorithms that a connection can choose from (TCP_CONGESTION).
public enum CongestionAlgorithm: String, Sendable, CaseIterable {
  /// RFC 9438
  case cubic
  /// NewReno: RFC 5681 and 6582
  case reno
}
