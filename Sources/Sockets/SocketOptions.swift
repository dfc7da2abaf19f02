import EventLoop
import NetStack

/// Options of the SOL_SOCKET level, as plain values.
public struct SocketOptions: Sendable, Equatable {
  public var reuseAddress = false
  /// A stream's bind takes any port, whoever has it (Linux SK_FORCE_REUSE).
  public var forcesAddressReuse = false
  public var reusePort = false
  public var broadcast = false
  public var keepAlive = false
  public var dontRoute = false
  public var outOfBandInline = false
  /// The option that asked for time stamps of what is received (SO_TIMESTAMP and its kin), by number; 0: none.
  public var timestamp: Int32 = 0
  /// IP_MULTICAST_ALL: datagrams of groups that others on this host have joined are received too.
  public var receivesAllGroups = true
  /// Options without a meaning for the socket itself, by a key of whoever keeps them.
  public var kept: [Int64: Int32] = [:]
  public var priority: Int32 = 0
  /// IP_FREEBIND and IP_TRANSPARENT: bind takes addresses that are not this host's; the latter also sends from them.
  public var bindsForeignAddresses: Int32 = 0
  public var isTransparent: Int32 = 0
  /// IP_BIND_ADDRESS_NO_PORT: bind with port 0 chooses the address only, connect the port.
  public var bindsAddressOnly: Int32 = 0
  /// IP_LOCAL_PORT_RANGE: lowest ephemeral port in the lower half, highest in the upper one; 0 in either: no bound.
  public var portRange: Int32 = 0
  /// IP_RECVOPTS and IP_RETOPTS: the options of received headers are told, as they came and as an answer would have
  /// them.
  public var receivesOptions: Int32 = 0
  public var receivesReturnOptions: Int32 = 0
  /// UDP_GRO: datagrams of one flow that come together are received as one.
  public var joinsDatagrams: Int32 = 0
  /// IP_CHECKSUM: the sums of received datagrams are told.
  public var tellsSums: Int32 = 0
  /// SO_NO_CHECK: UDP goes out without checksums.
  public var omitsSums: Int32 = 0
  /// IP_OPTIONS
  public var headerOptions: IPv4HeaderOptions?
  /// TCP_SAVE_SYN
  public var savesSyn: Int32 = 0
  /// UDP_SEGMENT: bytes of each datagram that a message is cut into; 0: it is one.
  public var segmentSize: Int32 = 0
  /// SO_ATTACH_FILTER
  public var filter: PacketFilter?
  /// IP_XFRM_POLICY
  public var policies: SecurityPolicies?
  /// TCP_MD5SIG
  public var signatureKeys: TCPSignatureKeys?
  /// SO_PEEK_OFF: how far into what waits MSG_PEEK looks; negative: at its beginning, always.
  public var peekOffset: Int32 = -1
  /// SO_ZEROCOPY: MSG_ZEROCOPY has a meaning.
  public var reportsZeroCopy: Int32 = 0
  /// SO_TIMESTAMPING, and which of its names it was set by.
  public var timestamping: UInt32 = 0
  public var timestampingName: Int32 = 0
  /// SO_TXTIME: the clock and flags of departure times, which no queueing discipline here heeds.
  public var sendsAtTimes = false
  public var transmitClock: Int32 = 0
  public var transmitTimeFlags: Int32 = 0
  /// SO_BUF_LOCK: which buffer sizes were chosen (1: to send, 2: to receive).
  public var lockedBuffers: Int32 = 0
  /// IP_MINTTL: segments of a stream with a smaller TTL are dropped.
  public var minimumTTL: Int32 = 0
  /// TCP_RTO_MAX_MS in milliseconds; TCP_RTO_MIN_US and TCP_DELACK_MAX_US in microseconds.
  public var maximumRetransmitTimeout: Int32 = 120_000
  public var minimumRetransmitTimeout: Int32 = 200_000
  public var maximumAckDelay: Int32 = 200_000
  /// IP_UNICAST_IF: where datagrams to single hosts go, an index in network order; 0: where the route leads.
  public var unicastInterface: Int32 = 0
  /// SO_MARK: may lead another way in Linux, so that the path is looked up again.
  public var mark: Int32 = 0
  /// SO_BINDTODEVICE, as index; 0: all interfaces.
  public var interfaceIndex = 0
  /// SO_LINGER is on, and its time, which stays when it is turned off.
  public var lingers = false
  public var lingerTime = TimeSpan.zero
  /// Bytes, as getsockopt shows them (twice what was asked for, as Linux counts overhead).
  public var sendBuffer: Int
  public var receiveBuffer: Int
  public var receiveLowWater = 1
  /// Nil: wait without end.
  public var receiveTimeout: TimeSpan?
  public var sendTimeout: TimeSpan?

  /// What the options say about the socket's own address and port.
  var addressRules: LocalAddressRules {
    var rules = LocalAddressRules()
    rules.takesForeignAddresses = bindsForeignAddresses != 0
    rules.isTransparent = isTransparent != 0
    rules.staysOnLink = dontRoute
    rules.lowestPort = UInt16(truncatingIfNeeded: portRange)
    rules.highestPort = UInt16(truncatingIfNeeded: portRange >> 16)
    return rules
  }

  /// SOF_TIMESTAMPING_TX_SCHED, TX_SOFTWARE and TX_ACK as SCM_TSTAMP_SCHED, SCM_TSTAMP_SND and SCM_TSTAMP_ACK; nil:
  /// none.
  var transmitStamps: [UInt32]? { timestamping & 0x302 == 0 ? nil : Self.stamps(timestamping) }

  /// The SCM_TSTAMP_* of SOF_TIMESTAMPING_TX_*.
  public static func stamps(_ flags: UInt32) -> [UInt32] {
    (flags & 0x100 != 0 ? [1] : []) + (flags & 2 != 0 ? [0] : []) + (flags & 0x200 != 0 ? [2] : [])
  }
  /// SOF_TIMESTAMPING_OPT_ID
  var countsStamps: Bool { timestamping & 0x80 != 0 }

  /// Nil: close in the background. Zero: reset. Otherwise close waits for so long.
  public var linger: TimeSpan? { lingers ? lingerTime : nil }

  public init(sendBuffer: Int, receiveBuffer: Int) {
    self.sendBuffer = sendBuffer
    self.receiveBuffer = receiveBuffer
  }
}
