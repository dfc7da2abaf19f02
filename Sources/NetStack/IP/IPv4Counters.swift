/// What IPv4 did, with the names of `/proc/net/snmp` and `netstat` (RFC 4293).
public struct IPv4Counters: Sendable, Equatable {
  public var inReceives: UInt64 = 0
  /// Version, lengths or options were wrong, or the source cannot be one.
  public var inHdrErrors: UInt64 = 0
  /// For an address that is not ours, and not forwarded.
  public var inAddrErrors: UInt64 = 0
  public var forwDatagrams: UInt64 = 0
  public var inUnknownProtos: UInt64 = 0
  public var inDiscards: UInt64 = 0
  public var inDelivers: UInt64 = 0
  public var outRequests: UInt64 = 0
  public var outDiscards: UInt64 = 0
  public var outNoRoutes: UInt64 = 0
  public var reasmTimeout: UInt64 = 0
  public var reasmReqds: UInt64 = 0
  public var reasmOKs: UInt64 = 0
  public var reasmFails: UInt64 = 0
  /// Datagrams thrown away because fragments overlapped.
  public var reasmOverlaps: UInt64 = 0
  public var fragOKs: UInt64 = 0
  public var fragFails: UInt64 = 0
  public var fragCreates: UInt64 = 0
  public var inTruncatedPkts: UInt64 = 0
  public var inMcastPkts: UInt64 = 0
  public var inBcastPkts: UInt64 = 0
  public var inCsumErrors: UInt64 = 0
  /// Source addresses that no datagram from a wire can have (among `inHdrErrors`).
  public var inMartianSources: UInt64 = 0
  /// Datagrams with a source route, which a host refuses (among `inHdrErrors`).
  public var inSourceRoutes: UInt64 = 0

  public init() {}
}
