import EventLoop
import NetStack
import Sockets

// The SOL_SOCKET level (socket(7); Linux `sk_setsockopt`, `sk_getsockopt`).
extension SystemCalls {
  func setSocketOption(
    _ socket: any Socket, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) {
    if name == OptionName.SO_BINDTODEVICE {
      let text = String(octets: value.prefix(15).prefix { $0 != 0 })
      guard text.isEmpty || stack.interface(named: text) != nil else { throw .ENODEV }
      socket.options.interfaceIndex = stack.interface(named: text)?.index ?? 0
      return
    }
    if try setStructured(socket, name, value) { return }
    let number = try Self.integer(value)
    if let kept = KeptOption.find(OptionName.SOL_SOCKET, name) {
      return try keep(kept, socket, OptionName.SOL_SOCKET, name, number)
    }
    switch name {
    case OptionName.SO_REUSEADDR:
      socket.options.reuseAddress = number != 0
      socket.options.forcesAddressReuse = false
    case OptionName.SO_REUSEPORT: socket.options.reusePort = number != 0
    case OptionName.SO_BROADCAST: socket.options.broadcast = number != 0
    case OptionName.SO_KEEPALIVE: socket.options.keepAlive = number != 0
    case OptionName.SO_DONTROUTE:
      socket.options.dontRoute = number != 0
      // Even if nothing changes.
      (socket as? DatagramSocket)?.forgetPath()
    case OptionName.SO_OOBINLINE: socket.options.outOfBandInline = number != 0
    case OptionName.SO_TIMESTAMP, OptionName.SO_TIMESTAMPNS, OptionName.SO_TIMESTAMP_NEW,
      OptionName.SO_TIMESTAMPNS_NEW:
      // There is one kind of time stamp at a time; turning any of them off turns it off.
      socket.options.timestamp = number != 0 ? name : 0
      if number != 0 { useTimestampNames(of: socket, newer: name >= OptionName.SO_TIMESTAMP_NEW) }
    case OptionName.SO_PRIORITY: socket.options.priority = Int32(truncatingIfNeeded: number)
    case OptionName.SO_SNDBUF, OptionName.SO_SNDBUFFORCE:
      let isForced = name == OptionName.SO_SNDBUFFORCE
      socket.options.sendBuffer =
        isForced ? Self.forcedBufferSize(number, minimum: 4608) : Self.bufferSize(number, minimum: 4608)
      socket.options.lockedBuffers |= 1
    case OptionName.SO_RCVBUF, OptionName.SO_RCVBUFFORCE:
      let isForced = name == OptionName.SO_RCVBUFFORCE
      socket.options.receiveBuffer =
        isForced ? Self.forcedBufferSize(number, minimum: 2304) : Self.bufferSize(number, minimum: 2304)
      socket.options.lockedBuffers |= 2
    case OptionName.SO_BINDTOIFINDEX:
      guard number >= 0 else { throw .EINVAL }
      socket.options.interfaceIndex = number
    case OptionName.SO_PASSCRED, OptionName.SO_PASSSEC, OptionName.SO_PASSPIDFD, OptionName.SO_PASSRIGHTS:
      throw .EOPNOTSUPP
    case OptionName.SO_RCVLOWAT:
      let asked = number < 0 ? Int(Int32.max) : max(number, 1)
      // A stream never holds more than its buffer, so it could wait for ever (Linux `tcp_set_rcvlowat`).
      let most = socket.kind.transport == .stream ? stack.tcp.configuration.defaults.maximumReceiveBuffer / 2 : asked
      socket.options.receiveLowWater = min(asked, most)
    case OptionName.SO_LINGER:
      guard value.count >= 8 else { throw .EINVAL }
      let seconds = value.loadUnaligned(fromByteOffset: 4, as: Int32.self)
      socket.options.lingers = number != 0
      // A negative time is a large number without sign.
      if number != 0 { socket.options.lingerTime = .seconds(Int(seconds < 0 ? Int32.max : seconds)) }
    case OptionName.SO_RCVTIMEO, OptionName.SO_RCVTIMEO_NEW: socket.options.receiveTimeout = try Self.timeout(value)
    case OptionName.SO_SNDTIMEO, OptionName.SO_SNDTIMEO_NEW: socket.options.sendTimeout = try Self.timeout(value)
    // Also those that can only be read.
    default: throw .ENOPROTOOPT
    }
  }

  func socketOption(_ socket: any Socket, _ name: Int32) throws(Errno) -> [UInt8] {
    let options = socket.options
    if let option = KeptOption.find(OptionName.SOL_SOCKET, name) {
      return try kept(option, socket, OptionName.SOL_SOCKET, name)
    }
    if let answer = try structuredOption(socket, name) { return answer }
    func flag(_ value: Bool) -> [UInt8] { Self.bytes(of: Int32(value ? 1 : 0)) }
    switch name {
    case OptionName.SO_REUSEADDR:
      return options.forcesAddressReuse ? Self.bytes(of: Int32(2)) : flag(options.reuseAddress)
    case OptionName.SO_REUSEPORT: return flag(options.reusePort)
    case OptionName.SO_BROADCAST: return flag(options.broadcast)
    case OptionName.SO_KEEPALIVE: return flag(options.keepAlive)
    case OptionName.SO_DONTROUTE: return flag(options.dontRoute)
    case OptionName.SO_OOBINLINE: return flag(options.outOfBandInline)
    case OptionName.SO_TIMESTAMP, OptionName.SO_TIMESTAMPNS, OptionName.SO_TIMESTAMP_NEW,
      OptionName.SO_TIMESTAMPNS_NEW:
      // As in Linux the newer kind in nanoseconds shows as the newer one in microseconds too.
      let shows = name == OptionName.SO_TIMESTAMP_NEW && options.timestamp == OptionName.SO_TIMESTAMPNS_NEW
      return flag(options.timestamp == name || shows)
    case OptionName.SO_BINDTODEVICE:
      return stack.interface(at: options.interfaceIndex).map { Array($0.name.octets.prefix(15)) + [0] } ?? []
    case OptionName.SO_BINDTOIFINDEX: return Self.bytes(of: Int32(clamping: options.interfaceIndex))
    // struct ucred of nobody: only local sockets have a peer with one.
    case OptionName.SO_PEERCRED: return Self.bytes(of: Int32(0)) + Self.bytes(of: Int64(-1))
    case OptionName.SO_PEERNAME:
      // Told even of a connection that is over.
      guard let peer = (socket as? TCPSocket)?.acceptedPeer ?? socket.remoteEndpoint else { throw .ENOTCONN }
      return SocketAddress.encode(peer)
    case OptionName.SO_COOKIE:
      return Self.bytes(of: UInt64(UInt(bitPattern: ObjectIdentifier(socket))))
    case OptionName.SO_PASSCRED, OptionName.SO_PASSSEC, OptionName.SO_PASSPIDFD, OptionName.SO_PASSRIGHTS:
      throw .EOPNOTSUPP
    case OptionName.SO_PRIORITY: return Self.bytes(of: options.priority)
    case OptionName.SO_SNDBUF: return Self.bytes(of: Int32(clamping: options.sendBuffer))
    case OptionName.SO_RCVBUF: return Self.bytes(of: Int32(clamping: options.receiveBuffer))
    case OptionName.SO_RCVLOWAT: return Self.bytes(of: Int32(clamping: options.receiveLowWater))
    case OptionName.SO_SNDLOWAT: return Self.bytes(of: Int32(1))
    case OptionName.SO_TYPE:
      switch socket.kind.transport {
      case .stream: return Self.bytes(of: SocketType.SOCK_STREAM)
      case .datagram, .ping: return Self.bytes(of: SocketType.SOCK_DGRAM)
      case .raw: return Self.bytes(of: SocketType.SOCK_RAW)
      }
    case OptionName.SO_DOMAIN: return Self.bytes(of: SocketDomain.AF_INET)
    case OptionName.SO_PROTOCOL: return Self.bytes(of: Int32(socket.kind.protocolNumber))
    case OptionName.SO_ACCEPTCONN: return flag(socket.isListening)
    case OptionName.SO_ERROR: return Self.bytes(of: socket.takeError()?.errno.rawValue ?? 0)
    case OptionName.SO_LINGER:
      return flag(options.lingers) + Self.bytes(of: Int32(clamping: options.lingerTime.nanoseconds / 1_000_000_000))
    case OptionName.SO_RCVTIMEO, OptionName.SO_RCVTIMEO_NEW: return Self.timeval(options.receiveTimeout)
    case OptionName.SO_SNDTIMEO, OptionName.SO_SNDTIMEO_NEW: return Self.timeval(options.sendTimeout)
    default: throw .ENOPROTOOPT
    }
  }

  /// SO_SNDBUFFORCE and SO_RCVBUFFORCE go beyond net.core's limits.
  private static func forcedBufferSize(_ asked: Int, minimum: Int) -> Int {
    max(min(max(asked, 0), Int(Int32.max) / 2) * 2, minimum)
  }
}
