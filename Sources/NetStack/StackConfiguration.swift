import EventLoop

/// What can be set about a stack before it exists. The defaults are Linux's.
public struct StackConfiguration: Sendable {
  /// TTL of datagrams whose sender does not choose (`net.ipv4.ip_default_ttl`).
  public var defaultTTL: UInt8 = 64
  /// Ephemeral ports (`net.ipv4.ip_local_port_range`).
  public var ephemeralPorts: ClosedRange<UInt16> = 32768...60999
  /// `net.ipv4.icmp_echo_ignore_broadcasts`.
  public var ignoresBroadcastEcho = true
  /// ICMP errors a second, of the whole stack, and the burst (`net.ipv4.icmp_msgs_per_sec`, `icmp_msgs_burst`).
  public var icmpErrorsPerSecond = 1000
  public var icmpErrorBurst = 50
  /// ICMP errors to one destination: one in this time after a burst of six (`net.ipv4.icmp_ratelimit`).
  public var icmpErrorInterval = TimeSpan.milliseconds(1000)
  /// Default receive queue of UDP, ICMP and raw endpoints, bytes (`net.core.rmem_default`).
  public var receiveQueueBytes = 212_992
  public var neighbours = NeighbourConfiguration()
  public var reassembly = ReassemblyConfiguration()

  public init() {}
}

/// The neighbour cache's times and limits (`net.ipv4.neigh.*`).
public struct NeighbourConfiguration: Sendable {
  /// Base of the reachable time; each entry draws from half to one and a half of it.
  public var baseReachableTime = TimeSpan.seconds(30)
  /// From the first use of a stale entry to its first probe.
  public var delayBeforeProbe = TimeSpan.seconds(5)
  public var retransmitTime = TimeSpan.seconds(1)
  public var unicastProbes = 3
  public var broadcastProbes = 3
  /// A new hardware address is not believed sooner than this after the last change.
  public var lockTime = TimeSpan.seconds(1)
  /// Frames that wait for one neighbour (`unres_qlen`), and for all of an interface: each holds a transmit buffer.
  public var queueLength = 101
  public var totalQueueLength = 128
  /// Entries up to this number are never collected.
  public var softLimit = 128
  /// Stale entries older than this are collected above the soft limit.
  public var staleTime = TimeSpan.seconds(60)
  /// Above the soft limit stale entries are looked for no more often than this.
  public var collectionInterval = TimeSpan.seconds(5)
  /// Entries of an interface at most, without those that were set by hand.
  public var hardLimit = 1024

  public init() {}
}

/// Limits of IPv4 reassembly (`net.ipv4.ipfrag_*`).
public struct ReassemblyConfiguration: Sendable {
  public var timeout = TimeSpan.seconds(30)
  /// Bytes held by all incomplete datagrams.
  public var memoryLimit = 4 << 20
  /// Incomplete datagrams of one source.
  public var datagramsPerSource = 64
  /// Fragments of one datagram: more than any honest sender makes at the smallest MTU of 68 bytes (65,535 / 48).
  public var fragmentsPerDatagram = 1400

  public init() {}
}
