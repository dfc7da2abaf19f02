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
      } else if Self.hasLevel(socket, level), let kept = KeptOption.find(level, name) {
        let number = level == Protocol.IPPROTO_IP ? Self.shortInteger(value) : try Self.integer(value)
        guard level != Protocol.IPPROTO_IP || kept.length.contains(value.count) else { throw .EINVAL }
        try keep(kept, socket, level, name, number)
      } else if try !setInternet(socket, level, name, value), try !setMembership(socket, level, name, value),
        try !setStream(socket, level, name, value)
      {
        // TCP and UDP look for a number before they look for the option.
        if level != Protocol.IPPROTO_IP, Self.hasLevel(socket, level), value.count < 4,
          name != OptionName.TCP_CONGESTION || level != Protocol.IPPROTO_TCP
        {
          throw .EINVAL
        }
        guard let option = Self.option(level, name, of: socket) else { throw .ENOPROTOOPT }
        if option == .congestionControl {
          guard !value.isEmpty else { throw .EINVAL }
          let text = String(decoding: value.prefix(16).prefix { $0 != 0 }, as: UTF8.self)
          try errnoOf { () throws(SocketError) in try socket.set(option, to: .text(text)) }
        } else {
          let number = level == Protocol.IPPROTO_IP ? try Self.shortInteger(value, option) : try Self.integer(value)
          let before = option == .typeOfService ? try? socket.get(option) : nil
          try errnoOf { () throws(SocketError) in try socket.set(option, to: .integer(number)) }
          if option == .typeOfService, let after = try? socket.get(option), after != before,
            case .integer(let tos) = after
          {
            socket.options.priority = prioritiesOfService[tos & 0x1E / 2]
          }
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
    try getsockopt(descriptor, level, name, room: Int.max)
  }

  /// The same for a program that has room for so many bytes, which a few options look at.
  func getsockopt(_ descriptor: Int32, _ level: Int32, _ name: Int32, room: Int) throws(Errno) -> [UInt8] {
    let socket = try socketFor(.getsockopt, descriptor)
    return try traced(.getsockopt, "\(descriptor), \(level), \(name)", { _ in 0 }) { () throws(Errno) in
      if level == OptionName.SOL_SOCKET { return try socketOption(socket, name) }
      if Self.hasLevel(socket, level), let option = KeptOption.find(level, name) {
        return try kept(option, socket, level, name)
      }
      if let answer = try internetOption(socket, level, name) { return answer }
      if let answer = try streamOption(socket, level, name, room: room) { return answer }
      if let answer = try membershipOption(socket, level, name) { return answer }
      guard let option = Self.option(level, name, of: socket) else {
        throw Self.hasLevel(socket, level) ? .ENOPROTOOPT : .EOPNOTSUPP
      }
      switch try errnoOf({ () throws(SocketError) in try socket.get(option) }) {
      case .integer(let number): return Self.bytes(of: Int32(clamping: number))
      case .text(let text):
        // TCP_CONGESTION answers in a field of TCP_CA_NAME_MAX bytes.
        let name = Array(text.utf8.prefix(15))
        return name + [UInt8](repeating: 0, count: 16 - name.count)
      case .information(let info):
        let segment = socket.isListening ? 0 : (socket as? TCPSocket)?.segmentSize ?? 0
        var bytes = TCPInfo.encode(info, segment: segment, now: loop.now)
        if socket.isListening { bytes[0] = TCPState.listen.rawValue }
        return bytes
      }
    }
  }

  /// getsockopt(2) of an `int`.
  public func getsockopt(_ descriptor: Int32, _ level: Int32, _ name: Int32) throws(Errno) -> Int32 {
    let bytes: [UInt8] = try getsockopt(descriptor, level, name)
    guard bytes.count >= 4 else { throw .EINVAL }
    return bytes.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
  }

  /// What setsockopt(2) says of an option whose value cannot be read: nil if it would have been looked at (EFAULT).
  static func refusal(_ socket: any Socket, _ level: Int32, _ name: Int32, _ count: Int) -> Errno? {
    // A number is looked for first.
    let isText = level == OptionName.SOL_SOCKET ? [OptionName.SO_BINDTODEVICE] : streamTexts
    if count < 4, level == OptionName.SOL_SOCKET || level != Protocol.IPPROTO_IP && hasLevel(socket, level),
      !isText.contains(name)
    {
      return .EINVAL
    }
    if level == OptionName.SOL_SOCKET { return nil }
    let isStream = socket.kind.transport == .stream
    if level == OptionName.SOL_RAW, socket.kind.transport == .raw {
      if name != OptionName.ICMP_FILTER { return .ENOPROTOOPT }
      return socket.kind.protocolNumber == Int(Protocol.IPPROTO_ICMP) ? nil : .EOPNOTSUPP
    }
    guard hasLevel(socket, level) else { return .ENOPROTOOPT }
    guard level == Protocol.IPPROTO_IP, KeptOption.find(level, name) == nil else { return nil }
    switch name {
    case OptionName.IP_ADD_MEMBERSHIP, OptionName.IP_DROP_MEMBERSHIP:
      return isStream ? .EPROTO : count < 8 ? .EINVAL : nil
    case OptionName.IP_MULTICAST_IF: return isStream ? .EINVAL : nil
    case OptionName.IP_MULTICAST_ALL: return nil
    case OptionName.IP_MTU: return .ENOPROTOOPT
    case OptionName.IP_UNBLOCK_SOURCE...OptionName.IP_MSFILTER, OptionName.MCAST_JOIN_GROUP...OptionName.MCAST_MSFILTER:
      return sourceRefusal(name, count)
    case OptionName.IP_XFRM_POLICY, OptionName.IP_IPSEC_POLICY: return policyRefusal(count)
    case OptionName.IP_OPTIONS where count > IPv4HeaderOptions.limit: return .EINVAL
    case OptionName.IP_OPTIONS, OptionName.IP_ROUTER_ALERT, OptionName.IP_UNICAST_IF: return nil
    default: return option(level, name, of: socket) == nil ? .ENOPROTOOPT : nil
    }
  }

  /// Bytes that setsockopt(2) reads of a value however long it is said to be; `Int.max`: all.
  static func size(of level: Int32, _ name: Int32, _ socket: any Socket) -> Int {
    if level == OptionName.SOL_SOCKET {
      return name == OptionName.SO_LINGER ? 8 : structures.contains(name) ? Int.max : 4
    }
    guard hasLevel(socket, level) else { return Int.max }
    if KeptOption.find(level, name) != nil { return 4 }
    let number = option(level, name, of: socket)
    return number == nil || number == .congestionControl ? Int.max : 4
  }

  /// Options of the socket level whose values are no numbers.
  private static let structures = [
    OptionName.SO_RCVTIMEO, OptionName.SO_SNDTIMEO, OptionName.SO_RCVTIMEO_NEW,
    OptionName.SO_SNDTIMEO_NEW, OptionName.SO_BINDTODEVICE, OptionName.SO_ATTACH_FILTER,
    OptionName.SO_ATTACH_REUSEPORT_CBPF, OptionName.SO_TXTIME, OptionName.SO_TIMESTAMPING,
    OptionName.SO_TIMESTAMPING_NEW, OptionName.SO_MAX_PACING_RATE,
  ]

  /// Options of TCP whose values are names.
  static let streamNames = [OptionName.TCP_CONGESTION, OptionName.TCP_ULP]
  /// Options of TCP whose values are no numbers.
  private static let streamTexts = streamNames + [OptionName.TCP_FASTOPEN_KEY]

  /// What getsockopt(2) says of a level before it looks at any pointer.
  static func levelRefusal(_ socket: any Socket, _ level: Int32, _ name: Int32) -> Errno? {
    if level == OptionName.SOL_SOCKET || hasLevel(socket, level) { return nil }
    guard level == OptionName.SOL_RAW, socket.kind.transport == .raw else { return .EOPNOTSUPP }
    guard name == OptionName.ICMP_FILTER else { return .ENOPROTOOPT }
    return socket.kind.protocolNumber == Int(Protocol.IPPROTO_ICMP) ? nil : .EOPNOTSUPP
  }

  /// Levels whose options a socket can be asked for.
  static func hasLevel(_ socket: any Socket, _ level: Int32) -> Bool {
    level == Protocol.IPPROTO_IP
      || Int(level) == socket.kind.protocolNumber
        && (socket.kind.transport == .stream || socket.kind.transport == .datagram)
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
    case (Protocol.IPPROTO_TCP, OptionName.TCP_SYNCNT): .synRetries
    case (Protocol.IPPROTO_TCP, OptionName.TCP_LINGER2): .finWait2Timeout
    case (Protocol.IPPROTO_TCP, OptionName.TCP_DEFER_ACCEPT): .deferredAccept
    case (Protocol.IPPROTO_TCP, OptionName.TCP_WINDOW_CLAMP): .windowClamp
    case (Protocol.IPPROTO_TCP, OptionName.TCP_NOTSENT_LOWAT): .notSentLowWater
    case (Protocol.IPPROTO_TCP, OptionName.TCP_THIN_LINEAR_TIMEOUTS): .linearTimeouts
    case (Protocol.IPPROTO_TCP, OptionName.TCP_THIN_DUPACK): .thinDuplicates
    case (Protocol.IPPROTO_UDP, OptionName.UDP_CORK): .datagramCork
    default: nil
    }
  }

  /// Linux doubles the size asked for, to count its own overhead, within net.core's limits (socket(7)).
  static func bufferSize(_ asked: Int, minimum: Int) -> Int {
    max(min(max(asked, 0), maximumBuffer) * 2, minimum)
  }

  /// net.core.rmem_max and wmem_max: large enough for a long fat path.
  static let maximumBuffer = 8 << 20

  static func integer(_ value: UnsafeRawBufferPointer) throws(Errno) -> Int {
    guard value.count >= 4 else { throw .EINVAL }
    return Int(value.loadUnaligned(as: Int32.self))
  }

  /// The IP level also takes a single byte, and for some options none, which counts as zero (ip(7)).
  static func shortInteger(_ value: UnsafeRawBufferPointer) -> Int {
    if value.count >= 4 { return Int(value.loadUnaligned(as: Int32.self)) }
    return value.first.map { Int($0) } ?? 0
  }

  private static func shortInteger(_ value: UnsafeRawBufferPointer, _ option: ProtocolOption) throws(Errno) -> Int {
    if value.count >= 4 { return try integer(value) }
    if let first = value.first { return Int(first) }
    switch option {
    case .timeToLive, .multicastTimeToLive, .multicastLoop: throw .EINVAL
    default: return 0
    }
  }

  static func timeout(_ value: UnsafeRawBufferPointer) throws(Errno) -> TimeSpan? {
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

  static func timeval(_ span: TimeSpan?) -> [UInt8] {
    let nanoseconds = span?.nanoseconds ?? 0
    return bytes(of: nanoseconds / 1_000_000_000) + bytes(of: nanoseconds % 1_000_000_000 / 1000)
  }

  static func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
}
