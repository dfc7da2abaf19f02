import EventLoop

/// When the last datagram came, as SIOCGSTAMP tells it (socket(7); Linux `sk_stamp`). Datagrams are stamped from the
/// moment on that somebody has asked; of one that came before it is only known that it came.
struct ArrivalStamp {
  private enum Last {
    case none, unstamped
    case at(Instant)
  }

  private var last = Last.none
  /// SOCK_TIMESTAMP: what is received is noted.
  private var isNoted = false
  /// What has come since then is stamped.
  private var stampedSince: Instant?

  /// SO_TIMESTAMP and SO_TIMESTAMPING have been set: what turns stamping on is never taken back.
  mutating func adopt(_ options: SocketOptions, at now: Instant) {
    if options.timestamp != 0 { isNoted = true }
    if options.timestamp != 0 || options.timestamping & Self.receives != 0 { stampedSince = stampedSince ?? now }
  }

  /// A datagram that came at `time` was received or shown (Linux `sock_recv_cmsgs`, `sock_recv_timestamp`). Those whose
  /// time is told by a control message do not count.
  mutating func received(at time: Instant, _ options: SocketOptions) {
    let isStamped = stampedSince.map { time >= $0 } ?? false
    let wanted = options.timestamping
    let tellsReceived = wanted & Self.receives != 0 && wanted & (Self.software | Self.hardware) != 0
    if options.timestamp != 0 || tellsReceived || wanted & Self.software != 0 && isStamped { return }
    if isNoted {
      last = isStamped ? .at(time) : .unstamped
    } else if case .none = last {
      last = .unstamped
    }
  }

  /// SIOCGSTAMP (Linux `sock_gettstamp`): turns stamping on. Nil if nothing was received; the present time, which is
  /// then kept, for what was not stamped.
  mutating func ask(at now: Instant) -> Instant? {
    isNoted = true
    stampedSince = stampedSince ?? now
    switch last {
    case .none: return nil
    case .at(let time): return time
    case .unstamped:
      last = .at(now)
      return now
    }
  }

  // SOF_TIMESTAMPING_RX_SOFTWARE, _SOFTWARE and _RAW_HARDWARE
  private static let (receives, software, hardware): (UInt32, UInt32, UInt32) = (8, 16, 64)
}
