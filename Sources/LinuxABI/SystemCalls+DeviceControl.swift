import EventLoop
import NetStack
import Packets
import Sockets

// ioctl(2): what is asked of the descriptor and its socket.
extension SystemCalls {
  /// ioctl(2) with an `int` in or out, or none: FIONREAD, FIONBIO, FIOASYNC, FIOSETOWN, FIOGETOWN, SIOCOUTQ,
  /// SIOCOUTQNSD, SIOCATMARK, FIOCLEX, FIONCLEX. Returns the value it reports (0 where it reports none).
  public func ioctl(_ descriptor: Int32, _ request: UInt, _ argument: Int32 = 0) throws(Errno) -> Int32 {
    try traced(.ioctl, "\(descriptor), 0x\(String(request, radix: 16))", { _ in 0 }) { () throws(Errno) in
      try control(descriptor, try file(descriptor), request, argument)
    }
  }

  /// The same for an open file, not traced.
  func control(
    _ descriptor: Int32, _ file: OpenFile, _ request: UInt, _ argument: Int32 = 0
  ) throws(Errno) -> Int32 {
    switch request {
    case ControlRequest.FIONBIO: file.set(FileControl.O_NONBLOCK, argument != 0)
    case ControlRequest.FIOASYNC:
      guard file.isSocket || argument == 0 else { throw .ENOTTY }
      file.set(FileControl.O_ASYNC, argument != 0)
    case ControlRequest.FIOCLEX, ControlRequest.FIONCLEX:
      table.setClosesOnExec(descriptor, request == ControlRequest.FIOCLEX)
    case ControlRequest.FIOSETOWN, ControlRequest.SIOCSPGRP: try file.owner.set(argument, in: processes)
    case ControlRequest.FIOGETOWN, ControlRequest.SIOCGPGRP: return file.owner.signed(in: processes)
    default: return try count(request, of: try file.socket)
    }
    return 0
  }

  /// What waits in the queues of a socket.
  private func count(_ request: UInt, of socket: any Socket) throws(Errno) -> Int32 {
    switch request {
    case ControlRequest.SIOCATMARK:
      guard let isAtMark = socket.isAtMark else { throw .ENOTTY }
      return isAtMark ? 1 : 0
    case ControlRequest.SIOCOUTQNSD:
      guard let stream = socket as? TCPSocket else { throw .ENOTTY }
      guard !stream.isListening else { throw .EINVAL }
      return Int32(clamping: stream.neverSentByteCount)
    case ControlRequest.FIONREAD, ControlRequest.SIOCOUTQ:
      // Linux's echo sockets know neither.
      guard socket.kind.transport != .ping else { throw .ENOTTY }
      if request == ControlRequest.SIOCOUTQ {
        return Int32(clamping: try errnoOf { () throws(SocketError) in try socket.unsentByteCount() })
      }
      return Int32(clamping: try errnoOf { () throws(SocketError) in try socket.unreadByteCount() })
    default: throw .ENOTTY
    }
  }

  /// ioctl(2) as a program calls it. Requests of the socket kind (0x89) that nobody knows are still read from memory
  /// first (Linux `sock_do_ioctl`).
  func deviceControl(_ a: Arguments) throws(Errno) -> Int {
    let request = UInt(UInt32(truncatingIfNeeded: a.word(1)))
    return try traced(
      .ioctl, "\(a.int(0)), 0x\(String(request, radix: 16)), 0x\(String(a.word(2), radix: 16))", { $0 }
    ) { () throws(Errno) in try deviceControl(request, try file(a.int(0)), a) }
  }

  private func deviceControl(_ request: UInt, _ file: OpenFile, _ a: Arguments) throws(Errno) -> Int {
    let address = a.word(2)
    if try answersFileRequest(request, on: file, a) { return 0 }
    if let namespace = file.namespace { return try namespaceControl(namespace, file, request, a) }
    let socket = try file.socket
    switch request {
    case ControlRequest.FIONBIO, ControlRequest.FIOASYNC, ControlRequest.FIOSETOWN, ControlRequest.SIOCSPGRP:
      _ = try control(a.int(0), file, request, try a.memory.load(address, as: Int32.self))
    case ControlRequest.FIONREAD, ControlRequest.SIOCOUTQ, ControlRequest.FIOGETOWN, ControlRequest.SIOCGPGRP:
      try a.memory.store(try control(a.int(0), file, request), at: address)
    case ControlRequest.SIOCATMARK, ControlRequest.SIOCOUTQNSD:
      if socket.kind.transport != .stream { _ = try a.memory.bytes(address, Self.interfaceRequestSize) }
      try a.memory.store(try control(a.int(0), file, request), at: address)
    case ControlRequest.SIOCGSTAMP, ControlRequest.SIOCGSTAMPNS, ControlRequest.SIOCGSTAMP_NEW,
      ControlRequest.SIOCGSTAMPNS_NEW:
      try a.memory.copy(try arrivalTime(socket, isFine: request & 1 == 1), to: address)
    case ControlRequest.SIOCGIFCONF:
      // struct ifconf: int ifc_len; char *ifc_buf.
      let room = try a.memory.load(address, as: Int32.self)
      let target = try a.memory.load(address &+ 8, as: UInt.self)
      let all = interfaceList()
      let size = Self.interfaceRequestSize
      let part = target == 0 ? all[...] : all.prefix(max(0, Int(room)) / size * size)
      if target != 0 { try a.memory.copy(part, to: target) }
      try a.memory.store(Int32(part.count), at: address)
    case ControlRequest.SIOCADDRT, ControlRequest.SIOCDELRT: try routeControl(request, address, a.memory)
    case ControlRequest.SIOCRTMSG: throw .EINVAL
    case ControlRequest.SIOCDARP, ControlRequest.SIOCGARP, ControlRequest.SIOCSARP:
      try neighbourControl(request, address, a.memory)
    // Bridges (SIOCGIFBR, SIOCSIFBR, SIOCBRADDBR, SIOCBRDELBR) and VLANs (SIOCGIFVLAN, SIOCSIFVLAN): there are none.
    case 0x8940, 0x8941, 0x8982, 0x8983, 0x89A0, 0x89A1: throw .ENOPKG
    case ControlRequest.SIOCGSKNS: return try openNamespace(.network)
    case 0x8900...0x89FF: return try interfaceControl(a, request, socket)
    default: _ = try control(a.int(0), file, request)
    }
    return 0
  }

  private func interfaceControl(_ a: Arguments, _ request: UInt, _ socket: any Socket) throws(Errno) -> Int {
    let bytes = Array(try a.memory.bytes(a.word(2), Self.interfaceRequestSize))
    let isRaw = socket.kind.transport == .raw
    // The multicast router, which knows no interface and no group.
    if isRaw, request == ControlRequest.SIOCGETVIFCNT { throw .EINVAL }
    if isRaw, request == ControlRequest.SIOCGETSGCNT { throw .EADDRNOTAVAIL }
    var asked = try InterfaceRequest(bytes)
    switch request {
    case ControlRequest.SIOCETHTOOL: return try ethtool(asked, a.memory)
    case ControlRequest.SIOCSHWTSTAMP:
      _ = try interface(asked)
      try checkStamping(asked.pointer, a.memory)
    default: break
    }
    try answer(request, &asked)
    try a.memory.copy(asked.bytes, to: a.word(2))
    return 0
  }

  /// A `struct hwtstamp_config`: flags, HWTSTAMP_TX_ and HWTSTAMP_FILTER_.
  private func checkStamping(_ address: UInt, _ memory: UserMemory) throws(Errno) {
    _ = try memory.bytes(address, 12)
    guard try memory.load(address, as: UInt32.self) & ~1 == 0 else { throw .EINVAL }
    guard try (0...3).contains(memory.load(address &+ 4, as: Int32.self)) else { throw .ERANGE }
    guard try (0...15).contains(memory.load(address &+ 8, as: Int32.self)) else { throw .ERANGE }
  }

  /// SIOCGSTAMP and its kin: when the last datagram came (Linux `sock_gettstamp`). ENOENT if none did.
  private func arrivalTime(_ socket: any Socket, isFine: Bool) throws(Errno) -> [UInt8] {
    guard let arrival = (socket as? DatagramSocket)?.askArrivalTime() else { throw .ENOENT }
    let time = loop.epochNanoseconds + arrival.nanoseconds
    let (seconds, fraction) = (time / 1_000_000_000, time % 1_000_000_000)
    return Self.bytes(of: Int64(seconds)) + Self.bytes(of: Int64(isFine ? fraction : fraction / 1000))
  }
}
