/// What TCP has counted, by the names of Linux (`/proc/net/snmp` Tcp and `/proc/net/netstat` TcpExt) in our spelling;
/// the Linux name is in the comment where it does not follow from ours.
public struct TCPCounters: Sendable, Equatable {
  // MARK: RFC 4022 (Tcp)
  public var activeOpens: UInt64 = 0
  public var passiveOpens: UInt64 = 0
  /// Connections that went from SYN-SENT or SYN-RECEIVED to CLOSED, or back to LISTEN.
  public var attemptFails: UInt64 = 0
  /// Connections that went from ESTABLISHED or CLOSE-WAIT to CLOSED.
  public var establishedResets: UInt64 = 0
  /// InSegs, with damaged ones.
  public var inSegments: UInt64 = 0
  /// OutSegs, without retransmissions. A segment that the device cuts up counts as many times as frames go out.
  public var outSegments: UInt64 = 0
  /// RetransSegs
  public var retransmittedSegments: UInt64 = 0
  /// InErrs: too short, a data offset that does not fit, or a wrong checksum.
  public var inErrors: UInt64 = 0
  /// InCsumErrors: those of ``inErrors`` with a wrong checksum.
  public var inChecksumErrors: UInt64 = 0
  /// OutRsts
  public var outResets: UInt64 = 0

  // MARK: Listening (TcpExt)
  /// ListenOverflows: a SYN or the last ACK of a handshake met a full accept queue.
  public var listenOverflows: UInt64 = 0
  /// ListenDrops: SYNs thrown away for any reason.
  public var listenDrops: UInt64 = 0
  /// TCPReqQFullDrop: a SYN met a full queue of half-open connections.
  public var requestQueueFullDrops: UInt64 = 0
  /// TCPDeferAcceptDrop: the last ACK of a handshake that brought no data to a listener which waits for some.
  public var deferredAccepts: UInt64 = 0
  /// EmbryonicRsts: resets received for half-open connections.
  public var embryonicResets: UInt64 = 0
  /// TCPAcceptQueue... connections that waited in an accept queue when its listener was closed.
  public var unacceptedCloses: UInt64 = 0

  // MARK: Acceptability
  /// PAWSActive: a SYN-ACK that echoes no timestamp of ours.
  public var pawsActive: UInt64 = 0
  /// PAWSEstab
  public var pawsEstablished: UInt64 = 0
  /// OutOfWindowIcmps
  public var outOfWindowICMPs: UInt64 = 0
  /// TCPChallengeACK
  public var challengeAcks: UInt64 = 0
  /// TCPACKSkippedChallenge and kin: challenge and duplicate ACKs held back by the rate limit.
  public var skippedAcks: UInt64 = 0
  /// TCPSYNChallenge
  public var synChallenges: UInt64 = 0
  /// OldAcks: acknowledgements below the acceptable range (RFC 5961 5.2).
  public var oldAcks: UInt64 = 0
  /// TcpExt TCPOutOfWindow: segments outside of the receive window.
  public var outOfWindow: UInt64 = 0
  /// BeyondWindow: bytes beyond the right edge of the window, cut off.
  public var beyondWindow: UInt64 = 0
  /// TCPZeroWindowDrop: data that arrived at a closed window.
  public var zeroWindowDrops: UInt64 = 0
  /// Options whose length does not fit.
  public var malformedOptions: UInt64 = 0

  // MARK: Receiving
  /// TCPHPHits: data segments taken by header prediction.
  public var headerPredictionHits: UInt64 = 0
  /// TCPHPAcks: pure acknowledgements taken by header prediction.
  public var headerPredictionAcks: UInt64 = 0
  /// DelayedACKs
  public var delayedAcks: UInt64 = 0
  /// TCPOFOQueue: segments that arrived above a hole.
  public var outOfOrderQueued: UInt64 = 0
  /// TCPOFODrop: segments above a hole that the interval list had no room for.
  public var outOfOrderDrops: UInt64 = 0
  /// TCPDSACKOldSent
  public var duplicateSacksSent: UInt64 = 0
  /// TCPToZeroWindowAdv
  public var toZeroWindow: UInt64 = 0
  /// TCPFromZeroWindowAdv
  public var fromZeroWindow: UInt64 = 0
  /// TCPAbortOnData: data for a connection whose application has gone.
  public var abortsOnData: UInt64 = 0
  /// TCPAbortOnClose: closed with unread bytes.
  public var abortsOnClose: UInt64 = 0

  /// TCPAbortOnLinger: orphans whose FIN-WAIT-2 was not to be waited for (TCP_LINGER2).
  public var abortsOnLinger: UInt64 = 0
  /// TCPMD5NotFound, TCPMD5Unexpected, TCPMD5Failure: segments without the signature that a key asks for, with one
  /// though there is no key, and with a wrong one.
  public var signatureMissing: UInt64 = 0
  public var signatureUnexpected: UInt64 = 0
  public var signatureFailures: UInt64 = 0
  /// TCPMinTTLDrop: segments with a smaller TTL than IP_MINTTL asks for.
  public var minimumTTLDrops: UInt64 = 0

  // MARK: Loss
  /// TCPTimeouts
  public var timeouts: UInt64 = 0
  /// TCPSackRecovery
  public var sackRecoveries: UInt64 = 0
  /// TCPRenoRecovery
  public var renoRecoveries: UInt64 = 0
  /// TCPFastRetrans
  public var fastRetransmits: UInt64 = 0
  /// TCPSlowStartRetrans: retransmissions after a timeout but the first.
  public var slowStartRetransmits: UInt64 = 0
  /// TCPSACKReorder: an acknowledged segment that lay below SACKed ones had never been retransmitted.
  public var sackReorderings: UInt64 = 0
  /// TCPSACKDiscard: SACK blocks outside of what was sent.
  public var sackDiscards: UInt64 = 0
  /// TCPSACKReneging
  public var sackReneges: UInt64 = 0
  /// TCPDSACKRecv
  public var duplicateSacksReceived: UInt64 = 0
  /// TCPAbortOnTimeout
  public var abortsOnTimeout: UInt64 = 0
  /// TCPKeepAlive: probes sent.
  public var keepAliveProbes: UInt64 = 0
  /// TCPWinProbe: probes of a closed window.
  public var windowProbes: UInt64 = 0

  // MARK: TIME-WAIT
  /// TW: connections that went to TIME-WAIT.
  public var timeWaits: UInt64 = 0
  /// TWRecycled: a new SYN took a TIME-WAIT's place.
  public var timeWaitsRecycled: UInt64 = 0
  /// TCPTimeWaitOverflow
  public var timeWaitOverflows: UInt64 = 0

  // MARK: Own
  /// Segments that found no transmit buffer; they are sent later.
  public var transmitStalls: UInt64 = 0
  /// Resets and acknowledgements without a connection that found no buffer or route; they are not sent.
  public var unsentReplies: UInt64 = 0

  public init() {}
}
