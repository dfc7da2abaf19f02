import NetStack
import Packets
import Sockets

// sendmsg(2) and recvmsg(2).
extension SystemCalls {
  /// Offsets in `struct msghdr` (x86-64): name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48.
  func sendmsg(_ a: Arguments) async throws(Errno) -> Int {
    let header = a.word(1)
    let name = try a.memory.load(header, as: UInt.self)
    let nameLength = try a.memory.load(header &+ 8, as: Int32.self)
    guard name == 0 || nameLength >= 0 else { throw .EINVAL }
    var address: UnsafeRawBufferPointer?
    if name != 0 && nameLength > 0 {
      // More than any address needs is cut, not refused.
      address = UnsafeRawBufferPointer(try a.memory.bytes(name, min(Int(nameLength), 128)))
    }
    let vectors = try a.vectors(
      try a.memory.load(header &+ 16, as: UInt.self), try a.memory.load(header &+ 24, as: UInt.self),
      tooMany: .EMSGSIZE)
    let flags = a.int(2)
    let destination = try Self.destination(address, vectors, flags: flags, of: try file(a.int(0)).socket)
    let control = try sendControl(a, header, to: destination)
    return try await send(.sendmsg, a.int(0), vectors, flags: flags, to: destination, control: control)
  }

  /// The control messages of a `struct msghdr`; nil for none.
  private func sendControl(
    _ a: Arguments, _ header: UInt, to destination: Endpoint?
  ) throws(Errno) -> DatagramControl? {
    let (address, length) = (
      try a.memory.load(header &+ 32, as: UInt.self), try a.memory.load(header &+ 40, as: UInt.self)
    )
    guard length > 0 else { return nil }
    // net.core.optmem_max
    guard length <= 131_072 else { throw .ENOBUFS }
    let bytes = UnsafeRawBufferPointer(try a.memory.bytes(address, Int(length)))
    let socket = try file(a.int(0)).socket
    // Whether there is anybody to send to is asked first.
    if destination == nil, let socket = socket as? DatagramSocket, !socket.isConnected { return nil }
    if let socket = socket as? UDPSocket, socket.isGathering { return nil }
    if let socket = socket as? TCPSocket {
      let flags = a.int(2)
      // MSG_FASTOPEN is in the way where there is a connection already.
      guard flags & MessageFlags.MSG_FASTOPEN == 0 || socket.isConnectPending,
        socket.isReadyToSend(mayWait: flags & MessageFlags.MSG_DONTWAIT == 0)
      else { return nil }
    }
    return try SendControl(bytes, to: socket, self).datagram
  }

  func recvmsg(_ a: Arguments) async throws(Errno) -> Int {
    let header = a.word(1)
    let name = try a.memory.load(header, as: UInt.self)
    let nameRoom = try a.memory.load(header &+ 8, as: Int32.self)
    guard name == 0 || nameRoom >= 0 else { throw .EINVAL }
    let vectors = try a.vectors(
      try a.memory.load(header &+ 16, as: UInt.self), try a.memory.load(header &+ 24, as: UInt.self),
      tooMany: .EMSGSIZE)
    let result = try await receive(.recvmsg, a.int(0), vectors, flags: a.int(2))
    if name != 0, let source = result.source {
      let bytes = SocketAddress.encode(source)
      try a.memory.copy(bytes.prefix(Int(nameRoom)), to: name)
      try a.memory.store(Int32(bytes.count), at: header &+ 8)
    } else if name != 0 {
      try a.memory.store(Int32(0), at: header &+ 8)
    }
    let control = try a.memory.load(header &+ 32, as: UInt.self)
    let room = control == 0 ? 0 : try a.memory.load(header &+ 40, as: UInt.self)
    var messages = ControlMessages(room: Int(min(room, 1 << 16)))
    if case .socket(let socket)? = table[a.int(0)]?.content {
      if let datagram = result.datagram {
        let isPart = result.isCut || a.int(2) & MessageFlags.MSG_PEEK != 0
        messages.describe(datagram, options: result.headerOptions, isPart: isPart, for: socket, on: loop)
      }
      if let time = result.time { messages.stamp(time, isOwn: false, for: socket, on: loop) }
      if let entry = result.queuedError { messages.describe(entry, for: socket, on: loop) }
      let wantsUnread =
        socket.kind.transport == .stream && result.queuedError == nil
        && KeptOption.value(Protocol.IPPROTO_TCP, OptionName.TCP_INQ, of: socket) != 0
      if wantsUnread { messages.describe(unread: result.unread) }
    }
    try a.memory.copy(messages.bytes, to: control)
    try a.memory.store(UInt(messages.bytes.count), at: header &+ 40)
    // The flag comes back, though there is no descriptor to be closed on exec.
    var flags = a.int(2) & MessageFlags.MSG_CMSG_CLOEXEC
    if result.isCut { flags |= MessageFlags.MSG_TRUNC }
    if messages.isTruncated { flags |= MessageFlags.MSG_CTRUNC }
    if result.isOutOfBand { flags |= MessageFlags.MSG_OOB }
    if result.queuedError != nil { flags |= MessageFlags.MSG_ERRQUEUE }
    try a.memory.store(flags, at: header &+ 48)
    return result.count
  }
}
