import EventLoop
import NetStack
import Sockets

// Options of the TCP level with rules of their own (tcp(7); Linux `do_tcp_setsockopt`).
extension SystemCalls {
  /// Sets TCP_ULP, TCP_FASTOPEN_KEY or one of the TCP_REPAIR family; false for others.
  func setStream(
    _ socket: any Socket, _ level: Int32, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) -> Bool {
    guard level == Protocol.IPPROTO_TCP, let stream = socket as? TCPSocket else { return false }
    switch name {
    case OptionName.TCP_MD5SIG, OptionName.TCP_MD5SIG_EXT:
      try setSignatureKey(socket, name, value)
      return true
    case OptionName.TCP_ULP:
      // There is no protocol to put on top.
      throw value.isEmpty ? .EINVAL : .ENOENT
    case OptionName.TCP_FASTOPEN_KEY:
      guard value.count == 16 || value.count == 32 else { throw .EINVAL }
      stream.fastOpenKey = Array(value)
      return true
    case OptionName.TCP_REPAIR, OptionName.TCP_REPAIR_QUEUE, OptionName.TCP_QUEUE_SEQ, OptionName.TCP_REPAIR_OPTIONS,
      OptionName.TCP_TIMESTAMP, OptionName.TCP_REPAIR_WINDOW:
      try setRepair(stream, name, Int32(try Self.integer(value)), value)
      return true
    default: return false
    }
  }

  /// What those options show, and TCP_SAVED_SYN and TCP_CC_INFO; nil for others.
  func streamOption(_ socket: any Socket, _ level: Int32, _ name: Int32, room: Int) throws(Errno) -> [UInt8]? {
    guard level == Protocol.IPPROTO_TCP, let stream = socket as? TCPSocket else { return nil }
    switch name {
    // Neither algorithm of this stack says anything about itself.
    case OptionName.TCP_ULP, OptionName.TCP_CC_INFO: return []
    case OptionName.TCP_FASTOPEN_KEY: return stream.fastOpenKey
    case OptionName.TCP_REPAIR, OptionName.TCP_REPAIR_QUEUE, OptionName.TCP_QUEUE_SEQ, OptionName.TCP_TIMESTAMP,
      OptionName.TCP_REPAIR_WINDOW:
      return try repairOption(stream, name, room: room)
    case OptionName.TCP_SAVED_SYN:
      guard let saved = stream.connection?.savedHeaders else { return [] }
      guard room >= saved.count else { throw .EINVAL }
      // It is told once.
      if room != Int.max { stream.connection?.savedSyn = nil }
      return saved
    default: return nil
    }
  }
}
