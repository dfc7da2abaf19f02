import EventLoop
import NetStack
import Sockets

extension SystemCalls {
  /// setsockopt(2) with the option's bytes.
  ///
  /// - Throws: ENOPROTOOPT for an unknown option, EINVAL for a value that is too short or out of range, EDOM for a
  ///   `timeval` whose microseconds are out of range.
  public func setsockopt(
    _ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) {
    let socket = try socketFor(.setsockopt, descriptor)
    try traced(.setsockopt, "\(descriptor), \(level), \(name), {\(value.count) bytes}", { 0 }) { () throws(Errno) in
      if level == OptionName.SOL_SOCKET {
        try setSocketOption(socket, name, value)
      } else {
        guard let option = Self.option(level, name, of: socket) else { throw .ENOPROTOOPT }
        if option == .congestionControl {
          guard !value.isEmpty else { throw .EINVAL }
          let text = String(decoding: value.prefix(16).prefix { $0 != 0 }, as: UTF8.self)
          try errnoOf { () throws(SocketError) in try socket.set(option, to: .text(text)) }
        } else {
          let number = level == Protocol.IPPROTO_IP ? try Self.shortInteger(value, option) : try Self.integer(value)
          try errnoOf { () throws(SocketError) in try socket.set(option, to: .integer(number)) }
        }
      }
    }
  }

  /// setsockopt(2) with an `int`.
  public func setsockopt(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(Errno) {
    let result = withUnsafeBytes(of: value) { bytes -> Result<Void, Errno> in
      do throws(Errno) { return .success(try setsockopt(descriptor, level, name, bytes)) } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// getsockopt(2): the option's bytes, as many as it has.
  public func getsockopt(_ descriptor: Int32, _ level: Int32, _ name: Int32) throws(Errno) -> [UInt8] {
    let socket = try socketFor(.getsockopt, descriptor)
    return try traced(.getsockopt, "\(descriptor), \(level), \(name)", { _ in 0 }) { () throws(Errno) in
      if level == OptionName.SOL_SOCKET { return try socketOption(socket, name) }
      guard let option = Self.option(level, name, of: socket) else {
        throw Self.hasLevel(socket, level) ? .ENOPROTOOPT : .EOPNOTSUPP
      }
      switch try errnoOf({ () throws(SocketError) in try socket.get(option) }) {
      case .integer(let number): return Self.bytes(of: Int32(clamping: number))
      case .text(let text):
        // TCP_CONGESTION answers in a field of TCP_CA_NAME_MAX bytes.
        let name = Array(text.utf8.prefix(15))
        return name + [UInt8](repeating: 0, count: 16 - name.count)
      case .information(let info): return TCPInfo.encode(info, now: loop.now)
      }
    }
  }

  /// getsockopt(2) of an `int`.
  public func getsockopt(_ descriptor: Int32, _ level: Int32, _ name: Int32) throws(Errno) -> Int32 {
    let bytes: [UInt8] = try getsockopt(descriptor, level, name)
    guard bytes.count >= 4 else { throw .EINVAL }
    return bytes.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
  }

  /// Levels whose options a socket can be asked for.
  private static func hasLevel(_ socket: any Socket, _ level: Int32) -> Bool {
    level == Protocol.IPPROTO_IP || Int(level) == socket.kind.protocolNumber && socket.kind.transport != .raw
  }

  private static func option(_ level: Int32, _ name: Int32, of socket: any Socket) -> ProtocolOption? {
    guard hasLevel(socket, level) else { return nil }
    return switch (level, name) {
    case (Protocol.IPPROTO_IP, OptionName.IP_TOS): .typeOfService
    case (Protocol.IPPROTO_IP, OptionName.IP_TTL): .timeToLive
    case (Protocol.IPPROTO_IP, OptionName.IP_HDRINCL): .headerIncluded
    case (Protocol.IPPROTO_IP, OptionName.IP_MTU): .pathMTU
    case (Protocol.IPPROTO_IP, OptionName.IP_MTU_DISCOVER): .pathMTUDiscovery
    case (Protocol.IPPROTO_IP, OptionName.IP_RECVERR): .receiveErrors
    case (Protocol.IPPROTO_IP, OptionName.IP_MULTICAST_TTL): .multicastTimeToLive
    case (Protocol.IPPROTO_IP, OptionName.IP_MULTICAST_LOOP): .multicastLoop
    case (Protocol.IPPROTO_TCP, OptionName.TCP_NODELAY): .noDelay
    case (Protocol.IPPROTO_TCP, OptionName.TCP_MAXSEG): .maximumSegment
    case (Protocol.IPPROTO_TCP, OptionName.TCP_CORK): .cork
    case (Protocol.IPPROTO_TCP, OptionName.TCP_KEEPIDLE): .keepAliveIdle
    case (Protocol.IPPROTO_TCP, OptionName.TCP_KEEPINTVL): .keepAliveInterval
    case (Protocol.IPPROTO_TCP, OptionName.TCP_KEEPCNT): .keepAliveCount
    case (Protocol.IPPROTO_TCP, OptionName.TCP_INFO): .information
    case (Protocol.IPPROTO_TCP, OptionName.TCP_QUICKACK): .quickAcknowledge
    case (Protocol.IPPROTO_TCP, OptionName.TCP_CONGESTION): .congestionControl
    case (Protocol.IPPROTO_TCP, OptionName.TCP_USER_TIMEOUT): .userTimeout
    case (Protocol.IPPROTO_UDP, OptionName.UDP_CORK): .datagramCork
    default: nil
    }
  }

  private func setSocketOption(
    _ socket: any Socket, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) {
    let number = try Self.integer(value)
    switch name {
    case OptionName.SO_REUSEADDR: socket.options.reuseAddress = number != 0
    case OptionName.SO_REUSEPORT: socket.options.reusePort = number != 0
    case OptionName.SO_BROADCAST: socket.options.broadcast = number != 0
    case OptionName.SO_KEEPALIVE: socket.options.keepAlive = number != 0
    case OptionName.SO_DONTROUTE: socket.options.dontRoute = number != 0
    case OptionName.SO_OOBINLINE: socket.options.outOfBandInline = number != 0
    case OptionName.SO_TIMESTAMP: socket.options.timestamp = number != 0
    case OptionName.SO_PRIORITY: socket.options.priority = Int32(truncatingIfNeeded: number)
    case OptionName.SO_SNDBUF: socket.options.sendBuffer = Self.bufferSize(number, minimum: 4608)
    case OptionName.SO_RCVBUF: socket.options.receiveBuffer = Self.bufferSize(number, minimum: 2304)
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
    case OptionName.SO_RCVTIMEO: socket.options.receiveTimeout = try Self.timeout(value)
    case OptionName.SO_SNDTIMEO: socket.options.sendTimeout = try Self.timeout(value)
    case OptionName.SO_TYPE, OptionName.SO_ERROR, OptionName.SO_PROTOCOL, OptionName.SO_DOMAIN,
      OptionName.SO_ACCEPTCONN, OptionName.SO_SNDLOWAT:
      throw .ENOPROTOOPT
    default: throw .ENOPROTOOPT
    }
  }

  private func socketOption(_ socket: any Socket, _ name: Int32) throws(Errno) -> [UInt8] {
    let options = socket.options
    func flag(_ value: Bool) -> [UInt8] { Self.bytes(of: Int32(value ? 1 : 0)) }
    switch name {
    case OptionName.SO_REUSEADDR: return flag(options.reuseAddress)
    case OptionName.SO_REUSEPORT: return flag(options.reusePort)
    case OptionName.SO_BROADCAST: return flag(options.broadcast)
    case OptionName.SO_KEEPALIVE: return flag(options.keepAlive)
    case OptionName.SO_DONTROUTE: return flag(options.dontRoute)
    case OptionName.SO_OOBINLINE: return flag(options.outOfBandInline)
    case OptionName.SO_TIMESTAMP: return flag(options.timestamp)
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
    case OptionName.SO_RCVTIMEO: return Self.timeval(options.receiveTimeout)
    case OptionName.SO_SNDTIMEO: return Self.timeval(options.sendTimeout)
    default: throw .ENOPROTOOPT
    }
  }

  /// Linux doubles the size asked for, to count its own overhead, within net.core's limits (socket(7)).
  private static func bufferSize(_ asked: Int, minimum: Int) -> Int {
    max(min(max(asked, 0), maximumBuffer) * 2, minimum)
  }

  /// net.core.rmem_max and wmem_max: large enough for a long fat path.
  static let maximumBuffer = 8 << 20

  private static func integer(_ value: UnsafeRawBufferPointer) throws(Errno) -> Int {
    guard value.count >= 4 else { throw .EINVAL }
    return Int(value.loadUnaligned(as: Int32.self))
  }

  /// The IP level also takes a single byte, and for some options none, which counts as zero (ip(7)).
  private static func shortInteger(_ value: UnsafeRawBufferPointer, _ option: ProtocolOption) throws(Errno) -> Int {
    if value.count >= 4 { return try integer(value) }
    if let first = value.first { return Int(first) }
    switch option {
    case .timeToLive, .multicastTimeToLive, .multicastLoop: throw .EINVAL
    default: return 0
    }
  }

  private static func timeout(_ value: UnsafeRawBufferPointer) throws(Errno) -> TimeSpan? {
    guard value.count >= 16 else { throw .EINVAL }
    let seconds = value.loadUnaligned(fromByteOffset: 0, as: Int64.self)
    let microseconds = value.loadUnaligned(fromByteOffset: 8, as: Int64.self)
    guard (0..<1_000_000).contains(microseconds) else { throw .EDOM }
    // Zero means for ever; a negative time means not at all.
    if seconds < 0 { return .zero }
    if seconds == 0 && microseconds == 0 { return nil }
    guard seconds < 1 << 32 else { return nil }
    return TimeSpan(nanoseconds: seconds * 1_000_000_000 + microseconds * 1000)
  }

  private static func timeval(_ span: TimeSpan?) -> [UInt8] {
    let nanoseconds = span?.nanoseconds ?? 0
    return bytes(of: nanoseconds / 1_000_000_000) + bytes(of: nanoseconds % 1_000_000_000 / 1000)
  }

  static func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
}
