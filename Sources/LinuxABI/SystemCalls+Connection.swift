import NetStack
import Packets
import Sockets

extension SystemCalls {
  /// socket(2): a TCP, UDP, ICMP echo or raw socket. Returns the lowest free descriptor.
  ///
  /// - Throws: EAFNOSUPPORT, EINVAL (flags, type or protocol out of range), ESOCKTNOSUPPORT, EPROTONOSUPPORT, EMFILE.
  public func socket(_ domain: Int32, _ type: Int32, _ protocolNumber: Int32) throws(Errno) -> Int32 {
    try traced(.socket, "\(domain), \(type), \(protocolNumber)", { Int($0) }) { () throws(Errno) in
      let flags = type & ~SocketType.typeMask
      guard flags & ~(SocketType.SOCK_NONBLOCK | SocketType.SOCK_CLOEXEC) == 0 else { throw .EINVAL }
      guard (0..<SocketDomain.limit).contains(domain) else { throw .EAFNOSUPPORT }
      let kind = type & SocketType.typeMask
      guard kind < SocketType.limit else { throw .EINVAL }
      guard domain == SocketDomain.AF_INET else { throw .EAFNOSUPPORT }
      guard (0..<Protocol.limit).contains(protocolNumber) else { throw .EINVAL }
      let socket = try makeSocket(kind, protocolNumber)
      socket.isNonBlocking = flags & SocketType.SOCK_NONBLOCK != 0
      return try table.insert(
        OpenFile(socket), closesOnExec: flags & SocketType.SOCK_CLOEXEC != 0)
    }
  }

  /// The table `inetsw` of Linux's net/ipv4/af_inet.c.
  private func makeSocket(_ kind: Int32, _ protocolNumber: Int32) throws(Errno) -> any Socket {
    switch (kind, protocolNumber) {
    case (SocketType.SOCK_STREAM, Protocol.IPPROTO_IP), (SocketType.SOCK_STREAM, Protocol.IPPROTO_TCP):
      return TCPSocket(on: stack)
    case (SocketType.SOCK_DGRAM, Protocol.IPPROTO_IP), (SocketType.SOCK_DGRAM, Protocol.IPPROTO_UDP):
      return UDPSocket(on: stack)
    case (SocketType.SOCK_DGRAM, Protocol.IPPROTO_ICMP):
      return ICMPSocket(on: stack)
    case (SocketType.SOCK_RAW, 1..<Protocol.limit):
      return RawSocket(on: stack, protocolNumber: Int(protocolNumber))
    case (SocketType.SOCK_STREAM, _), (SocketType.SOCK_DGRAM, _), (SocketType.SOCK_RAW, _):
      throw .EPROTONOSUPPORT
    default:
      throw .ESOCKTNOSUPPORT
    }
  }

  /// bind(2) with the bytes of a `sockaddr`.
  public func bind(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) throws(Errno) {
    let socket = try socketFor(.bind, descriptor)
    try traced(.bind, "\(descriptor), \(Self.describe(address))", { 0 }) { () throws(Errno) in
      if socket.kind.transport == .raw, address.count >= SocketAddress.byteCountIPv4 {
        // Linux does not look at the family here.
        let endpoint = SocketAddress.endpoint(address)
        return try errnoOf { () throws(SocketError) in try socket.bind(to: endpoint) }
      }
      switch try SocketAddress.decode(address) {
      case .inet(let endpoint): try errnoOf { () throws(SocketError) in try socket.bind(to: endpoint) }
      case .unspecified(let endpoint):
        // Linux takes AF_UNSPEC with the wildcard address for compatibility.
        guard endpoint.address.isUnspecified, address.count >= SocketAddress.byteCountIPv4 else {
          throw address.count < SocketAddress.byteCountIPv4 ? .EINVAL : .EAFNOSUPPORT
        }
        try errnoOf { () throws(SocketError) in try socket.bind(to: endpoint) }
      }
    }
  }

  /// bind(2) to an endpoint.
  public func bind(_ descriptor: Int32, to endpoint: Endpoint) throws(Errno) {
    try Self.withAddress(endpoint) { (bytes) throws(Errno) in try bind(descriptor, bytes) }
  }

  /// connect(2) with the bytes of a `sockaddr`; AF_UNSPEC dissolves an association.
  public func connect(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) async throws(Errno) {
    try await holding(.connect, descriptor, "\(descriptor), \(Self.describe(address))", { 0 }) {
      (socket) async throws(Errno) in
      if let datagram = socket as? DatagramSocket, address.count >= 2,
        address.loadUnaligned(as: UInt16.self) != SocketDomain.AF_UNSPEC
      {
        // A port comes first, even if the address is none.
        try Self.takePort(datagram)
      }
      let decoded: SocketAddress.Decoded
      do throws(Errno) { decoded = try SocketAddress.decode(address) } catch {
        // A stream that has a connection, an attempt at one or a backlog says so first.
        guard let stream = socket as? TCPSocket, !stream.heedsConnectAddress, address.count >= 2 else { throw error }
        decoded = .inet(Endpoint(.any, 0))
      }
      switch decoded {
      case .inet(let endpoint):
        try await errnoOf { () async throws(SocketError) in try await socket.connect(to: endpoint) }
      case .unspecified: try await errnoOf { () async throws(SocketError) in try await socket.connect(to: nil) }
      }
    }
  }

  /// connect(2) to an endpoint.
  public func connect(_ descriptor: Int32, to endpoint: Endpoint) async throws(Errno) {
    try await holding(.connect, descriptor, "\(descriptor), \(endpoint.text)", { 0 }) { (socket) async throws(Errno) in
      try await errnoOf { () async throws(SocketError) in try await socket.connect(to: endpoint) }
    }
  }

  /// listen(2).
  public func listen(_ descriptor: Int32, backlog: Int) throws(Errno) {
    let socket = try socketFor(.listen, descriptor)
    try traced(.listen, "\(descriptor), \(backlog)", { 0 }) { () throws(Errno) in
      try errnoOf { () throws(SocketError) in try socket.listen(backlog: backlog) }
    }
  }

  /// accept4(2): the descriptor of the new connection, and its peer.
  ///
  /// - Throws: EINVAL for other flags, EMFILE without a free number, and only then what the socket has to say.
  public func accept4(_ descriptor: Int32, flags: Int32 = 0) async throws(Errno) -> (descriptor: Int32, peer: Endpoint)
  {
    try await holding(.accept4, descriptor, "\(descriptor), \(flags)", { Int($0.descriptor) }) {
      (socket) async throws(Errno) in
      guard flags & ~(SocketType.SOCK_NONBLOCK | SocketType.SOCK_CLOEXEC) == 0 else { throw .EINVAL }
      // The number comes first, as in Linux: without one the connection stays where it is.
      let number = try table.reserve(closesOnExec: flags & SocketType.SOCK_CLOEXEC != 0)
      let accepted: any Socket
      do throws(SocketError) { accepted = try await socket.accept(isNonBlocking: socket.isNonBlocking) } catch {
        table.release(number)
        throw error.errno
      }
      accepted.isNonBlocking = flags & SocketType.SOCK_NONBLOCK != 0
      table.fill(number, with: OpenFile(accepted))
      // The peer is told even if its reset came first.
      return (number, (accepted as? TCPSocket)?.acceptedPeer ?? Endpoint(.any, 0))
    }
  }

  /// getsockname(2).
  public func getsockname(_ descriptor: Int32) throws(Errno) -> Endpoint {
    let socket = try socketFor(.getsockname, descriptor)
    return try traced(.getsockname, "\(descriptor)", { _ in 0 }) { () throws(Errno) in socket.localEndpoint }
  }

  /// getpeername(2): ENOTCONN while there is no peer.
  public func getpeername(_ descriptor: Int32) throws(Errno) -> Endpoint {
    let socket = try socketFor(.getpeername, descriptor)
    return try traced(.getpeername, "\(descriptor)", { _ in 0 }) { () throws(Errno) in
      guard let peer = socket.remoteEndpoint else { throw .ENOTCONN }
      return peer
    }
  }

  /// shutdown(2).
  public func shutdown(_ descriptor: Int32, _ how: Int32) throws(Errno) {
    let socket = try socketFor(.shutdown, descriptor)
    try traced(.shutdown, "\(descriptor), \(how)", { 0 }) { () throws(Errno) in
      let directions: ShutdownDirections =
        switch how {
        case ShutdownHow.SHUT_RD: .receive
        case ShutdownHow.SHUT_WR: .send
        case ShutdownHow.SHUT_RDWR: [.receive, .send]
        default: throw .EINVAL
        }
      try errnoOf { () throws(SocketError) in try socket.shutdown(directions) }
    }
  }

  /// The file of a call, whose failure to exist is traced like every other result.
  func fileFor(_ number: SystemCallNumber, _ descriptor: Int32) throws(Errno) -> OpenFile {
    if let file = table[descriptor] { return file }
    return try traced(number, "\(descriptor)", { _ in 0 }) { () throws(Errno) in throw .EBADF }
  }

  /// The socket of a call; that it is none is traced too.
  func socketFor(_ number: SystemCallNumber, _ descriptor: Int32) throws(Errno) -> any Socket {
    let file = try fileFor(number, descriptor)
    if case .socket(let socket) = file.content { return socket }
    return try traced(number, "\(descriptor)", { _ in 0 }) { () throws(Errno) in try file.socket(for: number) }
  }

  static func withAddress<T>(
    _ endpoint: Endpoint, _ body: (UnsafeRawBufferPointer) throws(Errno) -> T
  ) throws(Errno) -> T {
    let bytes = SocketAddress.encode(endpoint)
    // withUnsafeBytes does not carry typed errors through; the result does.
    let result = bytes.withUnsafeBytes { buffer -> Result<T, Errno> in
      do throws(Errno) { return .success(try body(buffer)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private static func describe(_ address: UnsafeRawBufferPointer) -> String {
    guard let decoded = try? SocketAddress.decode(address) else { return "{\(address.count) bytes}" }
    switch decoded {
    case .inet(let endpoint): return endpoint.text
    case .unspecified: return "AF_UNSPEC"
    }
  }
}

extension Endpoint {
  /// `address:port`, for traces and messages.
  public var text: String { "\(address.v4.map(\.description) ?? "?"):\(port)" }
}
