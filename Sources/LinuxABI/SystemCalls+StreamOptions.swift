import EventLoop
import NetStack
import Sockets

// Options of the TCP level with rules of their own (tcp(7); Linux `do_tcp_setsockopt`).
extension SystemCalls {
  /// TCP_REPAIR_QUEUE
  private enum RepairQueue { static let (none, receive, send): (Int32, Int32, Int32) = (0, 1, 2) }

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
      try repair(stream, name, Int32(try Self.integer(value)), value.count)
      return true
    default: return false
    }
  }

  /// Takes a stream apart, or puts it together (TCP_REPAIR, for checkpoints). Here the queues and numbers can be looked
  /// at; a connection that was taken apart elsewhere cannot be put together.
  private func repair(_ stream: TCPSocket, _ name: Int32, _ number: Int32, _ count: Int) throws(Errno) {
    switch name {
    case OptionName.TCP_REPAIR:
      guard !stream.isListening else { throw .EPERM }
      switch number {
      case 1: (stream.repairs, stream.repairQueue, stream.options.reuseAddress) = (true, RepairQueue.none, true)
      case 0, -1: (stream.repairs, stream.options.reuseAddress) = (false, false)
      default: throw .EINVAL
      }
    case OptionName.TCP_REPAIR_QUEUE:
      guard stream.repairs else { throw .EPERM }
      guard (0...2).contains(number) else { throw .EINVAL }
      stream.repairQueue = number
    case OptionName.TCP_QUEUE_SEQ:
      guard stream.connection?.state ?? .closed == .closed, !stream.isListening else { throw .EPERM }
      switch stream.repairQueue {
      case RepairQueue.send: stream.repairedSend = UInt32(bitPattern: number)
      case RepairQueue.receive: stream.repairedReceive = UInt32(bitPattern: number)
      default: throw .EINVAL
      }
    case OptionName.TCP_REPAIR_OPTIONS: throw stream.repairs ? .EPERM : .EINVAL
    case OptionName.TCP_TIMESTAMP: guard stream.repairs else { throw .EPERM }
    default:
      guard stream.repairs else { throw .EPERM }
      throw count == Self.repairWindowSize ? .EPERM : .EINVAL
    }
  }

  /// sizeof(struct tcp_repair_window)
  private static let repairWindowSize = 20

  /// What those options show, and TCP_SAVED_SYN and TCP_CC_INFO; nil for others.
  func streamOption(_ socket: any Socket, _ level: Int32, _ name: Int32, room: Int) throws(Errno) -> [UInt8]? {
    guard level == Protocol.IPPROTO_TCP, let stream = socket as? TCPSocket else { return nil }
    switch name {
    // Neither algorithm of this stack says anything about itself.
    case OptionName.TCP_ULP, OptionName.TCP_CC_INFO: return []
    case OptionName.TCP_FASTOPEN_KEY: return stream.fastOpenKey
    case OptionName.TCP_REPAIR: return Self.bytes(of: Int32(stream.repairs ? 1 : 0))
    case OptionName.TCP_REPAIR_QUEUE:
      guard stream.repairs else { throw .EINVAL }
      return Self.bytes(of: stream.repairQueue)
    case OptionName.TCP_QUEUE_SEQ:
      let numbers = stream.connection?.nextNumbers
      switch stream.repairQueue {
      case RepairQueue.send: return Self.bytes(of: numbers?.send ?? stream.repairedSend)
      case RepairQueue.receive: return Self.bytes(of: numbers?.receive ?? stream.repairedReceive)
      default: throw .EINVAL
      }
    case OptionName.TCP_TIMESTAMP:
      let own = UInt32(truncatingIfNeeded: loop.now.nanoseconds / 1_000_000)
      return Self.bytes(of: stream.connection?.currentTimestamp ?? own)
    case OptionName.TCP_REPAIR_WINDOW:
      guard room == Self.repairWindowSize else { throw .EINVAL }
      guard stream.repairs else { throw .EPERM }
      return stream.connection?.repairWindow.flatMap { Self.bytes(of: $0) } ?? [UInt8](repeating: 0, count: room)
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
