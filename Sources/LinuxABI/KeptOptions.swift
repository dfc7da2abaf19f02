import Sockets

/// An option of one number that Linux keeps for a socket: which values it takes, what it shows before any was set, and
/// where the socket has it, if it has an effect.
///
/// Options without a ``field`` are those whose effect lies outside of this stack (there are no queueing disciplines,
/// firewall marks or busy polling here), or in what recvmsg(2) reports beside the bytes: there a call reads what was
/// kept.
struct KeptOption {
  enum Rule {
    /// Zero or not.
    case flag
    /// EINVAL for anything but these.
    case range(ClosedRange<Int32>)
    case any
    /// As ``range(_:)``, but no more than that is remembered.
    case limited(ClosedRange<Int32>, most: Int32)
    /// The error for anything but these.
    case choice([Int32], Errno)
    /// Taken, and not remembered.
    case ignored
    /// As ``range(_:)``, but not remembered.
    case forgotten(ClosedRange<Int32>)
    /// What was said once cannot be taken back (EPERM).
    case lock
    /// A number that stands for another.
    case replaced(ClosedRange<Int32>, Int32, by: Int32)
    /// Microseconds, in whole milliseconds (Linux's `jiffies`), at least two.
    case milliseconds(most: Int32)
    /// A lower port in the lower half and an upper one in the upper half; 0 in either: none.
    case ports
    /// Can only be read.
    case readOnly
  }

  typealias Field = any WritableKeyPath<SocketOptions, Int32> & Sendable

  let rule: Rule
  var initial: Int32 = 0
  /// Sockets that do not know it: what they answer to setsockopt(2), and whether to getsockopt(2) too.
  var unknown: (transports: [SocketKind.Transport], errno: Errno)?
  var isUnknownToGet = false
  var field: Field?
  /// Bytes that the IP level wants at least, or exactly.
  var length: ClosedRange<Int> = 0...Int.max
  var isWriteOnly = false
  /// What a stream must not have begun when it is set (EINVAL).
  var stage = Stage.any

  enum Stage {
    case any
    /// No connection, and no attempt at one.
    case unconnected
    /// No backlog either.
    case idle

    func includes(_ socket: any Socket) -> Bool {
      guard self != .any, let stream = socket as? TCPSocket else { return true }
      return stream.isIdle || self == .unconnected && stream.isListening
    }
  }

  /// The value to keep.
  func accept(_ value: Int32, before: Int32) throws(Errno) -> Int32 {
    switch rule {
    case .flag: return value != 0 ? 1 : 0
    case .any: return value
    case .ignored: return initial
    case .range(let range), .forgotten(let range):
      guard range.contains(value) else { throw .EINVAL }
      return value
    case .limited(let range, let most):
      guard range.contains(value) else { throw .EINVAL }
      return min(value, most)
    case .choice(let values, let errno):
      guard values.contains(value) else { throw errno }
      return value
    case .replaced(let range, let number, let other):
      guard range.contains(value) else { throw .EINVAL }
      return value == number ? other : value
    case .milliseconds(let most):
      guard value > 1000, value <= most else { throw .EINVAL }
      return (value + 999) / 1000 * 1000
    case .ports:
      let (low, high) = (UInt16(truncatingIfNeeded: value), UInt16(truncatingIfNeeded: value >> 16))
      guard low == 0 || high == 0 || low <= high else { throw .EINVAL }
      return value
    case .lock:
      guard value != 0 || before == 0 else { throw .EPERM }
      return value != 0 ? 1 : 0
    case .readOnly: throw .ENOPROTOOPT
    }
  }

  /// The key under which ``SocketOptions/kept`` has it.
  static func key(_ level: Int32, _ name: Int32) -> Int64 { Int64(level) << 32 | Int64(name) }

  static func find(_ level: Int32, _ name: Int32) -> KeptOption? { table[key(level, name)] }

  /// The value of an option of a socket.
  static func value(_ level: Int32, _ name: Int32, of socket: any Socket) -> Int32 {
    guard let option = table[key(level, name)] else { return 0 }
    if let field = option.field { return socket.options[keyPath: field] }
    return socket.options.kept[key(level, name)] ?? option.initial
  }
}

extension SystemCalls {
  /// Keeps an option's number.
  func keep(
    _ option: KeptOption, _ socket: any Socket, _ level: Int32, _ name: Int32, _ number: Int
  ) throws(Errno) {
    if let unknown = option.unknown, unknown.transports.contains(socket.kind.transport) { throw unknown.errno }
    guard option.stage.includes(socket) else { throw .EINVAL }
    let before = KeptOption.value(level, name, of: socket)
    let value = try option.accept(Int32(truncatingIfNeeded: number), before: before)
    if let field = option.field {
      socket.options[keyPath: field] = value
    } else {
      socket.options.kept[KeptOption.key(level, name)] = value
    }
  }

  /// What getsockopt(2) shows of an option.
  func kept(_ option: KeptOption, _ socket: any Socket, _ level: Int32, _ name: Int32) throws(Errno) -> [UInt8] {
    if option.isUnknownToGet, let unknown = option.unknown, unknown.transports.contains(socket.kind.transport) {
      throw unknown.errno
    }
    guard !option.isWriteOnly else { throw .ENOPROTOOPT }
    return Self.bytes(of: KeptOption.value(level, name, of: socket))
  }
}

/// Priorities that IP_TOS brings with it (Linux `ip_tos2prio`), by bits 1 to 4 of the octet.
let prioritiesOfService: [Int32] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4]
