/// What ICMP did, with the names of `/proc/net/snmp` (RFC 4293).
public struct ICMPCounters: Sendable, Equatable {
  public var inMsgs: UInt64 = 0
  public var inErrors: UInt64 = 0
  public var inCsumErrors: UInt64 = 0
  public var inDestUnreachs: UInt64 = 0
  public var inTimeExcds: UInt64 = 0
  public var inParmProbs: UInt64 = 0
  public var inSrcQuenchs: UInt64 = 0
  public var inRedirects: UInt64 = 0
  public var inEchos: UInt64 = 0
  public var inEchoReps: UInt64 = 0
  public var inTimestamps: UInt64 = 0
  public var inTimestampReps: UInt64 = 0
  public var outMsgs: UInt64 = 0
  /// Messages that found no route or no buffer.
  public var outErrors: UInt64 = 0
  public var outDestUnreachs: UInt64 = 0
  public var outTimeExcds: UInt64 = 0
  public var outParmProbs: UInt64 = 0
  public var outEchos: UInt64 = 0
  public var outEchoReps: UInt64 = 0
  public var outTimestampReps: UInt64 = 0
  public var outRateLimitGlobal: UInt64 = 0
  public var outRateLimitHost: UInt64 = 0
  /// Errors that quote a datagram which this host cannot have sent.
  public var inUnmatchedErrors: UInt64 = 0
  /// Messages of types that a host does not handle, and echo requests to groups.
  public var inIgnored: UInt64 = 0

  public init() {}
}
