import EventLoop
import NetStack
import Packets
import Sockets

extension SystemCalls {
  /// close(2). The number is free at once; with SO_LINGER and a time the call waits for the peer.
  public func close(_ descriptor: Int32) async throws(Errno) {
    try await traced(.close, "\(descriptor)", { 0 }) { () async throws(Errno) in
      if let last = try table.remove(descriptor) { await last.socket.close() }
    }
  }

  /// Closes every descriptor, as the end of a process does.
  public func closeAll() async {
    for descriptor in table.descriptors {
      if let last = try? table.remove(descriptor) { await last.socket.close() }
    }
  }

  /// dup(2): the lowest free number for the same socket.
  public func dup(_ descriptor: Int32) throws(Errno) -> Int32 {
    try traced(.dup, "\(descriptor)", { Int($0) }) { () throws(Errno) in
      try table.insert(try file(descriptor), closesOnExec: false)
    }
  }

  /// dup3(2), and dup2(2) where `allowsSame`: `target` becomes a second number of the socket, closed first if open.
  public func dup3(
    _ descriptor: Int32, _ target: Int32, flags: Int32, allowsSame: Bool = false
  ) async throws(Errno) -> Int32 {
    try await traced(
      allowsSame ? .dup2 : .dup3, "\(descriptor), \(target), \(flags)", { Int($0) }
    ) { () async throws(Errno) in
      guard flags & ~SocketType.SOCK_CLOEXEC == 0 else { throw .EINVAL }
      if descriptor == target {
        guard allowsSame else { throw .EINVAL }
        _ = try file(descriptor)
        return target
      }
      guard target >= 0, Int(target) < table.limit else { throw .EBADF }
      let source = try file(descriptor)
      if table[target] != nil, let last = try table.remove(target) { await last.socket.close() }
      table.place(source, at: target, closesOnExec: flags != 0)
      return target
    }
  }

  /// fcntl(2): descriptor flags, O_NONBLOCK, and duplication from a least number on.
  public func fcntl(_ descriptor: Int32, _ command: Int32, _ argument: Int = 0) throws(Errno) -> Int {
    try traced(.fcntl, "\(descriptor), \(command), \(argument)", { $0 }) { () throws(Errno) in
      let file = try file(descriptor)
      switch command {
      case FileControl.F_DUPFD, FileControl.F_DUPFD_CLOEXEC:
        guard argument >= 0, argument < table.limit else { throw .EINVAL }
        return Int(
          try table.insert(file, closesOnExec: command == FileControl.F_DUPFD_CLOEXEC, minimum: argument))
      case FileControl.F_GETFD: return table.closesOnExec(descriptor) ? FileControl.FD_CLOEXEC : 0
      case FileControl.F_SETFD:
        table.setClosesOnExec(descriptor, argument & FileControl.FD_CLOEXEC != 0)
        return 0
      case FileControl.F_GETFL:
        return FileControl.O_RDWR | file.statusFlags | (file.socket.isNonBlocking ? FileControl.O_NONBLOCK : 0)
      case FileControl.F_SETFL:
        // Sockets know no direct I/O.
        guard argument & FileControl.O_DIRECT == 0 else { throw .EINVAL }
        file.statusFlags = argument & (FileControl.O_APPEND | FileControl.O_ASYNC | FileControl.O_NOATIME)
        file.socket.isNonBlocking = argument & FileControl.O_NONBLOCK != 0
        return 0
      default: throw .EINVAL
      }
    }
  }

  /// ioctl(2) with an `int` in or out, or none: FIONREAD, FIONBIO, SIOCOUTQ, SIOCATMARK, FIOCLEX, FIONCLEX. Returns the
  /// value it reports (0 where it reports none).
  public func ioctl(_ descriptor: Int32, _ request: UInt, _ argument: Int32 = 0) throws(Errno) -> Int32 {
    let socket = try socketFor(.ioctl, descriptor)
    return try traced(.ioctl, "\(descriptor), 0x\(String(request, radix: 16))", { _ in 0 }) { () throws(Errno) in
      switch request {
      case ControlRequest.FIONBIO:
        socket.isNonBlocking = argument != 0
        return 0
      case ControlRequest.FIOCLEX, ControlRequest.FIONCLEX:
        table.setClosesOnExec(descriptor, request == ControlRequest.FIOCLEX)
        return 0
      case ControlRequest.SIOCATMARK:
        guard let isAtMark = socket.isAtMark else { throw .ENOTTY }
        return isAtMark ? 1 : 0
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
  }

  /// ioctl(2) with a `struct ifreq` (netdevice(7)): 40 bytes in, the same with the answer filled in out.
  ///
  /// - Throws: ENODEV for an interface that is not there, EADDRNOTAVAIL for one without the address, ENOTTY for another
  ///   request.
  public func ioctl(_ descriptor: Int32, _ request: UInt, interfaceRequest: [UInt8]) throws(Errno) -> [UInt8] {
    _ = try socketFor(.ioctl, descriptor)
    return try traced(.ioctl, "\(descriptor), 0x\(String(request, radix: 16)), ifreq", { _ in 0 }) {
      () throws(Errno) in
      guard interfaceRequest.count >= Self.interfaceRequestSize else { throw .EFAULT }
      guard Self.knows(request) else { throw .ENOTTY }
      var answer = interfaceRequest
      let index = Int(interfaceRequest[16]) | Int(interfaceRequest[17]) << 8
      let name = String(decoding: interfaceRequest.prefix(16).prefix { $0 != 0 }, as: UTF8.self)
      let interface =
        request == ControlRequest.SIOCGIFNAME
        ? stack.interfaces.first { $0.index == index } : stack.interfaces.first { $0.name == name }
      guard let interface else { throw .ENODEV }
      func put(_ bytes: [UInt8]) { answer.replaceSubrange(16..<(16 + bytes.count), with: bytes) }
      func address(_ pick: (IPv4Address, Int) -> IPv4Address) throws(Errno) {
        guard let own = interface.addresses.first else { throw .EADDRNOTAVAIL }
        put(SocketAddress.encode(Endpoint(pick(own.address, Int(own.prefixLength)), 0)))
      }
      func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : ~0 << UInt32(32 - min(length, 32)) }
      switch request {
      case ControlRequest.SIOCGIFNAME:
        let bytes = Array(interface.name.utf8.prefix(15))
        answer.replaceSubrange(0..<16, with: bytes + [UInt8](repeating: 0, count: 16 - bytes.count))
      case ControlRequest.SIOCGIFINDEX: put(Self.bytes(of: Int32(interface.index)))
      case ControlRequest.SIOCGIFMTU: put(Self.bytes(of: Int32(interface.mtu)))
      case ControlRequest.SIOCGIFFLAGS:
        put(Self.bytes(of: interface.isLoopback ? Self.loopbackFlags : Self.ethernetFlags(interface.isUp)))
      case ControlRequest.SIOCGIFADDR: try address { own, _ in own }
      case ControlRequest.SIOCGIFNETMASK: try address { _, length in IPv4Address(rawValue: mask(length)) }
      case ControlRequest.SIOCGIFBRDADDR:
        try address { own, length in IPv4Address(rawValue: own.rawValue | ~mask(length)) }
      case ControlRequest.SIOCGIFHWADDR:
        // ARPHRD_ETHER 1, ARPHRD_LOOPBACK 772.
        let hardware = interface.device.hardwareAddress
        put(Self.bytes(of: UInt16(interface.isLoopback ? 772 : 1)) + (0..<6).map { hardware[$0] })
      // The requests of SIOCDEVPRIVATE: no device here has any.
      default: throw .EOPNOTSUPP
      }
      return answer
    }
  }

  /// Linux looks for the interface only if it knows the request.
  private static func knows(_ request: UInt) -> Bool {
    switch request {
    case ControlRequest.SIOCGIFNAME, ControlRequest.SIOCGIFINDEX, ControlRequest.SIOCGIFMTU,
      ControlRequest.SIOCGIFFLAGS, ControlRequest.SIOCGIFADDR, ControlRequest.SIOCGIFNETMASK,
      ControlRequest.SIOCGIFBRDADDR, ControlRequest.SIOCGIFHWADDR, 0x89F0...0x89FF:
      true
    default: false
    }
  }

  /// SIOCGIFCONF: a `struct ifreq` for every interface that has an address (netdevice(7)).
  func interfaceList() -> [UInt8] {
    stack.interfaces.flatMap { interface in
      interface.addresses.flatMap { own -> [UInt8] in
        let name = Array(interface.name.utf8.prefix(15))
        let request =
          name + [UInt8](repeating: 0, count: 16 - name.count) + SocketAddress.encode(Endpoint(own.address, 0))
        return request + [UInt8](repeating: 0, count: Self.interfaceRequestSize - request.count)
      }
    }
  }

  /// sizeof(struct ifreq).
  public static let interfaceRequestSize = 40
  /// IFF_UP | IFF_LOOPBACK | IFF_RUNNING.
  private static let loopbackFlags: Int16 = 0x49
  /// IFF_UP | IFF_BROADCAST | IFF_MULTICAST, and IFF_RUNNING with a carrier.
  private static func ethernetFlags(_ isRunning: Bool) -> Int16 { isRunning ? 0x1043 : 0x1003 }
}
