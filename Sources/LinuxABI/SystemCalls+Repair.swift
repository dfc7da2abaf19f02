import NetStack
import Sockets

// The TCP_REPAIR family of options (Linux `do_tcp_setsockopt`, `do_tcp_getsockopt`). Programs of this layer have every
// capability, CAP_NET_ADMIN too.
extension SystemCalls {
  /// Takes a stream apart, or puts it together. `number`: the first `int` of `value`.
  func setRepair(
    _ stream: TCPSocket, _ name: Int32, _ number: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) {
    if name == OptionName.TCP_REPAIR_OPTIONS { return try adoptOptions(stream, value) }
    try errnoOf { () throws(SocketError) in
      switch name {
      case OptionName.TCP_REPAIR:
        guard !stream.isListening else { throw .notPermitted }
        switch number {
        case 1: try stream.setRepair(true)
        case 0: try stream.setRepair(false)
        case -1: try stream.setRepair(nil)
        default: throw .invalidArgument
        }
      case OptionName.TCP_REPAIR_QUEUE: try stream.setRepairQueue(number)
      case OptionName.TCP_QUEUE_SEQ: try stream.setQueueSequence(UInt32(bitPattern: number))
      case OptionName.TCP_TIMESTAMP: try stream.setTimestampClock(UInt32(bitPattern: number))
      default:
        guard stream.isInRepair else { throw .notPermitted }
        guard value.count == Self.repairWindowSize else { throw .invalidArgument }
        try stream.setRepairWindow(Self.repairWindow(value))
      }
    }
  }

  func repairOption(_ stream: TCPSocket, _ name: Int32, room: Int) throws(Errno) -> [UInt8] {
    try errnoOf { () throws(SocketError) in
      switch name {
      case OptionName.TCP_REPAIR: return Self.bytes(of: Int32(stream.isInRepair ? 1 : 0))
      case OptionName.TCP_REPAIR_QUEUE:
        guard stream.isInRepair else { throw .invalidArgument }
        return Self.bytes(of: stream.repairQueue.rawValue)
      case OptionName.TCP_QUEUE_SEQ: return Self.bytes(of: try stream.queueSequence())
      case OptionName.TCP_TIMESTAMP: return Self.bytes(of: stream.timestampClock)
      default:
        guard room == Self.repairWindowSize else { throw .invalidArgument }
        let window = try stream.repairWindow()
        return [window.updateSequence, window.send, window.largestSend, window.receive, window.receiveStart]
          .flatMap { Self.bytes(of: $0) }
      }
    }
  }

  /// sizeof(struct tcp_repair_window)
  private static let repairWindowSize = 20

  private static func repairWindow(_ value: UnsafeRawBufferPointer) -> TCPRepairWindow {
    func word(_ i: Int) -> UInt32 { value.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self) }
    var window = TCPRepairWindow()
    window.updateSequence = word(0)
    window.send = word(1)
    window.largestSend = word(2)
    window.receive = word(3)
    window.receiveStart = word(4)
    return window
  }

  /// Kinds of options (RFC 9293 3.1, RFC 7323 2.2 and 3.2, RFC 2018 2).
  private enum OptionKind {
    static let (maximumSegment, windowScale, selective, timestamps): (UInt32, UInt32, UInt32, UInt32) = (2, 3, 4, 8)
  }

  /// TCP_REPAIR_OPTIONS: an array of `struct tcp_repair_opt` (Linux `tcp_repair_options_est`). Those before one that is
  /// refused count; unknown ones mean nothing.
  private func adoptOptions(_ stream: TCPSocket, _ value: UnsafeRawBufferPointer) throws(Errno) {
    let connection = try errnoOf { () throws(SocketError) in try stream.connectionToRepair() }
    var offset = 0
    while offset + 8 <= value.count {
      let kind = value.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      let number = value.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
      offset += 8
      switch kind {
      case OptionKind.maximumSegment: connection.adopt(.maximumSegment(Int(number & 0xFFFF)))
      case OptionKind.windowScale:
        guard number & 0xFFFF <= 14, number >> 16 <= 14 else { throw .EFBIG }
        connection.adopt(.windowScale(send: Int(number & 0xFFFF), receive: Int(number >> 16)))
      case OptionKind.selective, OptionKind.timestamps:
        guard number == 0 else { throw .EINVAL }
        connection.adopt(kind == OptionKind.selective ? .selectiveAcknowledgement : .timestamps)
      default: break
      }
    }
  }
}
