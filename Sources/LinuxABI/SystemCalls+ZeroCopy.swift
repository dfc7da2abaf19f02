import NetStack
import Sockets

// TCP_ZEROCOPY_RECEIVE (Linux `tcp_zerocopy_receive`). No memory of a program is mapped from a socket here, so pages
// never change hands; everything else is told and copied as in Linux.
extension SystemCalls {
  /// Offsets in `struct tcp_zerocopy_receive`, which has grown with the kernels: the program's length says how much of
  /// it is known.
  private enum Field {
    static let (address, length, hint, inq, error, copyAddress) = (0, 8, 12, 16, 20, 24)
    static let (copyLength, flags, control, controlLength, messageFlags, reserved) = (32, 36, 40, 48, 56, 60)
    static let end = 64
  }
  /// TCP_CMSG_TS
  private static let wantsTime: UInt32 = 2

  /// getsockopt(2) with that option.
  func receiveByPages(_ stream: TCPSocket, _ a: Arguments, room: Int) throws(Errno) {
    guard room >= Field.hint else { throw .EINVAL }
    if room > Field.end {
      let rest = try a.memory.bytes(a.word(3) &+ UInt(Field.end), room - Field.end)
      guard rest.allSatisfy({ $0 == 0 }) else { throw .EINVAL }
      try a.memory.store(Int32(Field.end), at: a.word(4))
    }
    let count = min(room, Field.end)
    let user = try a.memory.bytes(a.word(3), count)
    var bytes = [UInt8](repeating: 0, count: Field.end)
    bytes.replaceSubrange(0..<count, with: user)
    func get<T: BitwiseCopyable>(_ offset: Int, _ type: T.Type) -> T {
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }
    guard get(Field.reserved, UInt32.self) == 0, get(Field.messageFlags, UInt32.self) & ~Self.wantsTime == 0 else {
      throw .EINVAL
    }
    let (address, most) = (get(Field.address, UInt.self), Int(get(Field.copyLength, Int32.self)))
    let control = (get(Field.control, UInt.self), get(Field.controlLength, UInt.self))
    func put<T: BitwiseCopyable>(_ value: T, _ offset: Int) {
      bytes.replaceSubrange(offset..<(offset + MemoryLayout<T>.size), with: Self.bytes(of: value))
    }
    put(Int32(0), Field.copyLength)
    put(UInt32(0), Field.messageFlags)
    guard address % UInt(Self.pageSize) == 0 else { throw .EINVAL }
    guard !stream.isListening else { throw .ENOTCONN }
    let unread = (try? stream.unreadByteCount()) ?? 0
    if unread > 0, unread <= most {
      try copy(unread, from: stream, to: get(Field.copyAddress, UInt.self), a.memory)
      put(UInt32(0), Field.length)
      // What an urgent byte keeps from being read with the rest.
      put(UInt32(clamping: stream.connection?.readableCount ?? 0), Field.hint)
      put(Int32(unread), Field.copyLength)
      if count >= Field.reserved, let time = stream.connection?.lastDataArrival {
        var messages = ControlMessages(room: Int(clamping: control.1))
        messages.stamp(time, isOwn: false, for: stream, on: loop)
        if !messages.bytes.isEmpty {
          try a.memory.copy(messages.bytes, to: control.0)
          put(control.0 &+ UInt(messages.bytes.count), Field.control)
          put(control.1 &- UInt(messages.bytes.count), Field.controlLength)
        }
      }
    } else {
      // Of a whole page Linux looks for the mapping of the socket, and there is none.
      guard unread < Self.pageSize else { throw .EINVAL }
      put(UInt32(0), Field.length)
      put(UInt32(unread), Field.hint)
      guard unread > 0 || stream.connection?.hasReceivedEnd != true else { throw .EIO }
    }
    // A length that ends within a field gets no more than the fields before it.
    let ends = [
      Field.copyAddress, Field.copyLength, Field.flags, Field.control, Field.controlLength, Field.messageFlags,
    ]
    if count >= Field.reserved || ends.contains(count) { put(-(stream.takeError()?.errno.rawValue ?? 0), Field.error) }
    if count >= Field.reserved || ends.contains(count) || count == Field.error {
      let left = stream.connection.map { $0.readableCount + ($0.hasReceivedEnd ? 1 : 0) } ?? 0
      put(Int32(clamping: left), Field.inq)
    }
    user.copyBytes(from: bytes.prefix(count))
  }

  /// Less than a page is copied.
  private func copy(
    _ count: Int, from stream: TCPSocket, to address: UInt, _ memory: UserMemory
  ) throws(Errno) {
    guard let connection = stream.connection else { return }
    _ = connection.receive(into: try memory.bytes(address, count))
  }
}
