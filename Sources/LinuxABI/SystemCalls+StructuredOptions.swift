import NetStack
import Sockets

// Options of the SOL_SOCKET level that are more than a number, or whose number says more than what is kept (socket(7);
// Linux `sk_setsockopt`, `sock_set_timestamping`).
extension SystemCalls {
  /// Sets one of them; false for others.
  func setStructured(_ socket: any Socket, _ name: Int32, _ value: UnsafeRawBufferPointer) throws(Errno) -> Bool {
    switch name {
    case OptionName.SO_TIMESTAMPING, OptionName.SO_TIMESTAMPING_NEW: try setTimestamping(socket, name, value)
    case OptionName.SO_TXTIME:
      _ = try Self.integer(value)
      guard value.count == 8 else { throw .EINVAL }
      let clock = value.loadUnaligned(as: Int32.self)
      let flags = value.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
      // CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI; SOF_TXTIME_DEADLINE_MODE and SOF_TXTIME_REPORT_ERRORS.
      guard flags & ~3 == 0, [0, 1, 11].contains(clock) else { throw .EINVAL }
      socket.options.transmitClock = clock
      socket.options.transmitTimeFlags = Int32(flags)
      socket.options.sendsAtTimes = true
    case OptionName.SO_ATTACH_BPF, OptionName.SO_ATTACH_REUSEPORT_EBPF:
      let number = Int32(try Self.integer(value))
      guard value.count == 4 else { throw .EINVAL }
      // No descriptor here is a program.
      throw table[number] != nil || (0..<3).contains(number) ? .EINVAL : .EBADF
    case OptionName.SO_DETACH_FILTER:
      _ = try Self.integer(value)
      try detachFilter(socket)
    // Its program is behind a pointer, which only the numbered call can follow.
    case OptionName.SO_ATTACH_FILTER, OptionName.SO_ATTACH_REUSEPORT_CBPF: throw value.count == 16 ? .EFAULT : .EINVAL
    case OptionName.SO_DETACH_REUSEPORT_BPF:
      _ = try Self.integer(value)
      guard try errnoOf({ () throws(SocketError) in try socket.exchangeSharingProgram(nil) }) else { throw .ENOENT }
    case OptionName.SO_RESERVE_MEM: throw try Self.integer(value) < 0 ? .EINVAL : .EOPNOTSUPP
    default: return false
    }
    return true
  }

  /// What those options show; nil for others.
  func structuredOption(_ socket: any Socket, _ name: Int32) throws(Errno) -> [UInt8]? {
    let options = socket.options
    switch name {
    case OptionName.SO_TIMESTAMPING, OptionName.SO_TIMESTAMPING_NEW:
      // The newer name shows only what was set by it.
      let shows = name == OptionName.SO_TIMESTAMPING || options.timestampingName == name
      return Self.bytes(of: shows ? options.timestamping : 0) + Self.bytes(of: Int32(0))
    case OptionName.SO_TXTIME:
      return Self.bytes(of: options.transmitClock) + Self.bytes(of: options.transmitTimeFlags)
    case OptionName.SO_MEMINFO:
      // SK_MEMINFO_*: of the nine only the limits and what waits mean something here.
      let unread = UInt32(clamping: (try? socket.unreadByteCount()) ?? 0)
      let words = [unread, UInt32(clamping: options.receiveBuffer), 0, UInt32(clamping: options.sendBuffer)]
      return (words + [0, 0, 0, 0, 0]).flatMap { Self.bytes(of: $0) }
    case OptionName.SO_RESERVE_MEM: return Self.bytes(of: Int32(0))
    case OptionName.SO_PEERGROUPS, OptionName.SO_PEERPIDFD: throw .ENODATA
    case OptionName.SO_NETNS_COOKIE: return Self.bytes(of: UInt64(1))
    default: return nil
    }
  }

  private func setTimestamping(
    _ socket: any Socket, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) {
    let flags = UInt32(truncatingIfNeeded: try Self.integer(value))
    guard flags & ~TimestampingFlags.all == 0 else { throw .EINVAL }
    if flags & TimestampingFlags.OPT_ID_TCP != 0, flags & TimestampingFlags.OPT_ID == 0 { throw .EINVAL }
    let before = socket.options.timestamping
    let counts = flags & TimestampingFlags.OPT_ID != 0 && before & TimestampingFlags.OPT_ID == 0
    // Bytes of a stream can only be counted from a connection's beginning on.
    if counts, let stream = socket as? TCPSocket, stream.isListening || stream.connection == nil { throw .EINVAL }
    if flags & TimestampingFlags.OPT_STATS != 0, flags & TimestampingFlags.OPT_TSONLY == 0 { throw .EINVAL }
    // No clock of a device can be bound to.
    if flags & TimestampingFlags.BIND_PHC != 0 { throw .EOPNOTSUPP }
    socket.options.timestamping = flags
    useTimestampNames(of: socket, newer: name == OptionName.SO_TIMESTAMPING_NEW)
  }

  /// Whether time stamps go by the newer names is one flag for all kinds (Linux SOCK_TSTAMP_NEW): the last that was set
  /// decides.
  func useTimestampNames(of socket: any Socket, newer: Bool) {
    socket.options.timestampingName = newer ? OptionName.SO_TIMESTAMPING_NEW : OptionName.SO_TIMESTAMPING
    switch socket.options.timestamp {
    case OptionName.SO_TIMESTAMP, OptionName.SO_TIMESTAMP_NEW:
      socket.options.timestamp = newer ? OptionName.SO_TIMESTAMP_NEW : OptionName.SO_TIMESTAMP
    case OptionName.SO_TIMESTAMPNS, OptionName.SO_TIMESTAMPNS_NEW:
      socket.options.timestamp = newer ? OptionName.SO_TIMESTAMPNS_NEW : OptionName.SO_TIMESTAMPNS
    default: break
    }
  }
}

/// SOF_TIMESTAMPING_* of linux/net_tstamp.h.
enum TimestampingFlags {
  static let TX_HARDWARE: UInt32 = 1 << 0
  static let TX_SOFTWARE: UInt32 = 1 << 1
  static let RX_SOFTWARE: UInt32 = 1 << 3
  static let SOFTWARE: UInt32 = 1 << 4
  static let OPT_ID: UInt32 = 1 << 7
  static let TX_SCHED: UInt32 = 1 << 8
  static let TX_ACK: UInt32 = 1 << 9
  static let OPT_CMSG: UInt32 = 1 << 10
  static let OPT_TSONLY: UInt32 = 1 << 11
  static let OPT_STATS: UInt32 = 1 << 12
  static let BIND_PHC: UInt32 = 1 << 15
  static let OPT_ID_TCP: UInt32 = 1 << 16
  static let TX_COMPLETION: UInt32 = 1 << 18
  /// Those that can be asked for one message.
  static let perMessage = TX_HARDWARE | TX_SOFTWARE | TX_SCHED | TX_ACK | TX_COMPLETION
  static let all: UInt32 = 1 << 19 - 1
}
