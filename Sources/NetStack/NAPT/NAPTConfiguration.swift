import EventLoop

/// Limits and times of a ``NAPT``.
public struct NAPTConfiguration: Sendable {
  /// Sessions at most, of all protocols together.
  public var sessionLimit = 4096
  /// Outer ports that are given out. The stack's own ephemeral ports are left out.
  public var ports: ClosedRange<UInt16> = 1024...65535
  /// An established TCP connection at rest (RFC 5382 REQ-5: not less than 2 h 4 min).
  public var tcpEstablished = TimeSpan.seconds(7440)
  /// A TCP connection that is being opened or has been closed (RFC 5382 REQ-5: not less than 4 min).
  public var tcpTransitory = TimeSpan.seconds(240)
  /// RFC 4787 REQ-5: 5 min recommended.
  public var udp = TimeSpan.seconds(300)
  /// RFC 5508 REQ-2: not less than 60 s.
  public var icmp = TimeSpan.seconds(60)

  public init() {}
}

/// What a ``NAPT`` did.
public struct NAPTCounters: Sendable, Equatable {
  /// Datagrams translated on their way out and in, ICMP errors among them.
  public var outbound: UInt64 = 0
  public var inbound: UInt64 = 0
  public var errorsOutbound: UInt64 = 0
  public var errorsInbound: UInt64 = 0
  public var sessionsOpened: UInt64 = 0
  public var sessionsExpired: UInt64 = 0
  /// Sessions that are not established TCP connections and had to make room.
  public var sessionsEvicted: UInt64 = 0
  /// New flows refused because every session is an established connection.
  public var tableFull: UInt64 = 0
  /// New flows refused because no outer port is free.
  public var portsExhausted: UInt64 = 0
  /// Outer ports that are the inner ones (of those opened).
  public var portsPreserved: UInt64 = 0
  /// Protocols other than TCP, UDP and ICMP echo.
  public var notTranslatable: UInt64 = 0
  /// Too short for their own headers, or ICMP errors with a wrong checksum.
  public var malformed: UInt64 = 0
  /// ICMP errors from inside about nothing that is known.
  public var unknownErrors: UInt64 = 0
  /// Flows refused while the outer interface has no address.
  public var noAddress: UInt64 = 0

  public init() {}
}
