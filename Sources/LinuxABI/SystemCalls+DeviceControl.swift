import EventLoop
import NetStack
import Packets
import Sockets

// ioctl(2): what is asked of the descriptor and its socket.
extension SystemCalls {
  /// ioctl(2) with an `int` in or out, or none: FIONREAD, FIONBIO, FIOASYNC, FIOSETOWN, FIOGETOWN, SIOCOUTQ, SIOCOUTQNSD,
  /// SIOCATMARK, FIOCLEX, FIONCLEX. Returns the value it reports (0 where it reports none).
  public func ioctl(_ descriptor: Int32, _ request: UInt, _ argument: Int32 = 0) throws(Errno) -> Int32 {
    _ = try socketFor(.ioctl, descriptor)
    return try traced(.ioctl, "\(descriptor), 0x\(String(request, radix: 16))", { _ in 0 }) { () throws(Errno) in
      let file = try file(descriptor)
      switch request {
      case ControlRequest.FIONBIO: file.socket.isNonBlocking = argument != 0
      case ControlRequest.FIOASYNC:
        file.statusFlags = file.statusFlags & ~FileControl.O_ASYNC | (argument != 0 ? FileControl.O_ASYNC : 0)
      case ControlRequest.FIOCLEX, ControlRequest.FIONCLEX:
        table.setClosesOnExec(descriptor, request == ControlRequest.FIOCLEX)
      case ControlRequest.FIOSETOWN, ControlRequest.SIOCSPGRP: try setOwner(file, argument)
      case ControlRequest.FIOGETOWN, ControlRequest.SIOCGPGRP: return file.owner
      default: return try count(request, of: file.socket)
      }
      return 0
    }
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
    let address = a.word(2)
    switch request {
    case ControlRequest.FIONBIO, ControlRequest.FIOASYNC, ControlRequest.FIOSETOWN, ControlRequest.SIOCSPGRP:
      _ = try ioctl(a.int(0), request, try a.memory.load(address, as: Int32.self))
    case ControlRequest.FIONREAD, ControlRequest.SIOCOUTQ, ControlRequest.FIOGETOWN, ControlRequest.SIOCGPGRP:
      try a.memory.store(try ioctl(a.int(0), request), at: address)
    case ControlRequest.SIOCATMARK, ControlRequest.SIOCOUTQNSD:
      let isStream = try file(a.int(0)).socket.kind.transport == .stream
      if !isStream { _ = try a.memory.bytes(address, Self.interfaceRequestSize) }
      try a.memory.store(try ioctl(a.int(0), request), at: address)
    case ControlRequest.SIOCGSTAMP, ControlRequest.SIOCGSTAMPNS, ControlRequest.SIOCGSTAMP_NEW,
      ControlRequest.SIOCGSTAMPNS_NEW:
      try a.memory.copy(try arrivalTime(a.int(0), isFine: request & 1 == 1), to: address)
    case ControlRequest.SIOCGIFCONF:
      // struct ifconf: int ifc_len; char *ifc_buf.
      let room = try a.memory.load(address, as: Int32.self)
      let target = try a.memory.load(address &+ 8, as: UInt.self)
      let all = interfaceList()
      let size = Self.interfaceRequestSize
      let part = target == 0 ? all[...] : all.prefix(max(0, Int(room)) / size * size)
      if target != 0 { try a.memory.copy(part, to: target) }
      try a.memory.store(Int32(part.count), at: address)
    case ControlRequest.SIOCADDRT, ControlRequest.SIOCDELRT:
      // struct rtentry, whose destination begins at 8.
      let entry = try a.memory.bytes(address, 120)
      throw entry.loadUnaligned(fromByteOffset: 8, as: UInt16.self) == SocketDomain.AF_INET ? .EPERM : .EAFNOSUPPORT
    case ControlRequest.SIOCRTMSG: throw .EINVAL
    case ControlRequest.SIOCDARP, ControlRequest.SIOCGARP, ControlRequest.SIOCSARP:
      // struct arpreq, whose protocol address is first. What it says of neighbours is the stack's business alone.
      let entry = try a.memory.bytes(address, 68)
      guard entry.loadUnaligned(as: UInt16.self) == SocketDomain.AF_INET else { throw .EPFNOSUPPORT }
      throw request == ControlRequest.SIOCGARP ? .ENXIO : .EPERM
    // SIOCGIFVLAN, SIOCSIFVLAN: there are none.
    case 0x8982, 0x8983: throw .ENOPKG
    case 0x8900...0x89FF: try interfaceControl(a, request)
    default: _ = try ioctl(a.int(0), request)
    }
    return 0
  }

  private func interfaceControl(_ a: Arguments, _ request: UInt) throws(Errno) {
    let bytes = Array(try a.memory.bytes(a.word(2), Self.interfaceRequestSize))
    let isRaw = try file(a.int(0)).socket.kind.transport == .raw
    // The multicast router, which knows no interface and no group.
    if isRaw, request == ControlRequest.SIOCGETVIFCNT { throw .EINVAL }
    if isRaw, request == ControlRequest.SIOCGETSGCNT { throw .EADDRNOTAVAIL }
    // What is behind these pointers is read before the interface is looked for.
    if request == ControlRequest.SIOCETHTOOL {
      let pointer = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 16, as: UInt.self) }
      _ = try a.memory.load(pointer, as: UInt32.self)
    }
    try a.memory.copy(try ioctl(a.int(0), request, interfaceRequest: bytes), to: a.word(2))
  }

  /// SIOCGSTAMP and its kin: when the last datagram came (Linux `sock_gettstamp`).
  private func arrivalTime(_ descriptor: Int32, isFine: Bool) throws(Errno) -> [UInt8] {
    let socket = try socketFor(.ioctl, descriptor)
    guard let arrival = (socket as? DatagramSocket)?.lastArrival else { throw .ENOENT }
    let time = loop.epochNanoseconds + arrival.nanoseconds
    let (seconds, fraction) = (time / 1_000_000_000, time % 1_000_000_000)
    return Self.bytes(of: Int64(seconds)) + Self.bytes(of: Int64(isFine ? fraction : fraction / 1000))
  }
}
