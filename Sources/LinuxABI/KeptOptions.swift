import Sockets

/// An option of one number that Linux keeps for a socket: which values it takes, and what it shows before any was set.
///
/// These are the options whose effect lies outside of this stack (there are no queueing disciplines, packet filters,
/// firewall marks or busy polling here), or in what recvmsg(2) reports beside the bytes: there a call reads what was kept.
struct KeptOption {
  enum Rule {
    /// Zero or not.
    case flag
    /// EINVAL for anything but these.
    case range(ClosedRange<Int32>)
    case any
    /// As ``range(_:)``, but no more than that is remembered.
    case limited(ClosedRange<Int32>, most: Int32)
    /// Taken, and not remembered.
    case ignored
    /// What was said once cannot be taken back (EPERM).
    case lock
  }

  let rule: Rule
  var initial: Int32 = 0
  /// Sockets that do not know it: what they answer.
  var unknown: (transports: [SocketKind.Transport], errno: Errno)?

  /// The value to keep.
  func accept(_ value: Int32, before: Int32) throws(Errno) -> Int32 {
    switch rule {
    case .flag: return value != 0 ? 1 : 0
    case .any: return value
    case .ignored: return initial
    case .range(let range):
      guard range.contains(value) else { throw .EINVAL }
      return value
    case .limited(let range, let most):
      guard range.contains(value) else { throw .EINVAL }
      return min(value, most)
    case .lock:
      guard value != 0 || before == 0 else { throw .EPERM }
      return value != 0 ? 1 : 0
    }
  }

  /// The key under which ``SocketOptions/kept`` has it.
  static func key(_ level: Int32, _ name: Int32) -> Int64 { Int64(level) << 32 | Int64(name) }

  static func find(_ level: Int32, _ name: Int32) -> KeptOption? { table[key(level, name)] }

  /// The value of an option of a socket.
  static func value(_ level: Int32, _ name: Int32, of socket: any Socket) -> Int32 {
    socket.options.kept[key(level, name)] ?? table[key(level, name)]?.initial ?? 0
  }

  private static let table: [Int64: KeptOption] = {
    var table: [Int64: KeptOption] = [:]
    func add(_ level: Int32, _ names: [Int32], _ option: KeptOption) {
      for name in names { table[key(level, name)] = option }
    }
    add(
      OptionName.SOL_SOCKET,
      [
        OptionName.SO_DEBUG, OptionName.SO_NO_CHECK, OptionName.SO_RXQ_OVFL, OptionName.SO_WIFI_STATUS,
        OptionName.SO_NOFCS, OptionName.SO_SELECT_ERR_QUEUE, OptionName.SO_PREFER_BUSY_POLL, OptionName.SO_RCVMARK,
        OptionName.SO_RCVPRIORITY,
      ], KeptOption(rule: .flag))
    add(OptionName.SOL_SOCKET, [OptionName.SO_LOCK_FILTER], KeptOption(rule: .lock))
    add(OptionName.SOL_SOCKET, [OptionName.SO_BSDCOMPAT], KeptOption(rule: .ignored))
    add(OptionName.SOL_SOCKET, [OptionName.SO_MARK], KeptOption(rule: .any))
    add(OptionName.SOL_SOCKET, [OptionName.SO_BUSY_POLL], KeptOption(rule: .range(0...Int32.max)))
    add(
      OptionName.SOL_SOCKET, [OptionName.SO_MAX_PACING_RATE, OptionName.SO_INCOMING_CPU],
      KeptOption(rule: .any, initial: -1))
    add(
      Protocol.IPPROTO_IP,
      [
        OptionName.IP_RECVOPTS, OptionName.IP_RETOPTS, OptionName.IP_PKTINFO, OptionName.IP_RECVTTL,
        OptionName.IP_RECVTOS, OptionName.IP_PASSSEC, OptionName.IP_RECVORIGDSTADDR, OptionName.IP_CHECKSUM,
      ], KeptOption(rule: .flag))
    add(
      Protocol.IPPROTO_IP, [OptionName.IP_RECVFRAGSIZE], KeptOption(rule: .flag, unknown: ([.stream], .EINVAL)))
    add(
      Protocol.IPPROTO_IP, [OptionName.IP_NODEFRAG],
      KeptOption(rule: .flag, unknown: ([.stream, .datagram, .ping], .ENOPROTOOPT)))
    add(Protocol.IPPROTO_IP, [OptionName.IP_RECVERR_RFC4884], KeptOption(rule: .range(0...1)))
    add(Protocol.IPPROTO_TCP, [OptionName.TCP_SAVE_SYN], KeptOption(rule: .range(0...2)))
    // Without cookies of earlier connections every connection opens the ordinary way (RFC 7413 4.1).
    add(Protocol.IPPROTO_TCP, [OptionName.TCP_FASTOPEN], KeptOption(rule: .limited(0...Int32.max, most: 4096)))
    add(Protocol.IPPROTO_TCP, [OptionName.TCP_FASTOPEN_CONNECT], KeptOption(rule: .range(0...1)))
    return table
  }()
}

/// Priorities that IP_TOS brings with it (Linux `ip_tos2prio`), by bits 1 to 4 of the octet.
let prioritiesOfService: [Int32] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4]
