import EventLoop
import NetStack
import Packets

/// A stream socket over TCP (RFC 9293 3.9.1), with the behaviour of Linux's `inet_stream_ops`.
public final class TCPSocket: Socket {
  private enum Role {
    case unconnected
    case connection(TCPConnection)
    case listener(TCPListener)
  }

  public let kind = SocketKind(transport: .stream, protocolNumber: 6)
  public var isNonBlocking = false
  public let waiters = WaitQueue()

  private let stack: NetworkStack
  private var role = Role.unconnected
  private var binding: TCPBinding?
  private var parameters: TCPParameters
  private var storedOptions: SocketOptions
  /// connect(2) was called and has not yet told how it ended.
  private var isConnectPending = false
  /// TCP_QUICKACK as it was set last.
  private var acknowledgesQuickly = true
  private var isClosed = false
  private var loop: any EventLoop { stack.loop }

  public init(on stack: NetworkStack) {
    self.stack = stack
    parameters = stack.tcp.configuration.defaults
    storedOptions = SocketOptions(
      sendBuffer: parameters.initialSendBuffer, receiveBuffer: parameters.initialReceiveBuffer)
  }

  /// The socket of an accepted connection, which inherits the listener's options.
  private init(accepted connection: TCPConnection, by listener: TCPSocket) {
    stack = listener.stack
    parameters = listener.parameters
    storedOptions = listener.storedOptions
    role = .connection(connection)
    observe(connection)
  }

  deinit {
    // A socket that nobody closed: its connection must not live on unseen.
    switch role {
    case .connection(let connection): if !isClosed { connection.abort() }
    case .listener(let listener): listener.close()
    case .unconnected: binding?.release()
    }
  }

  private func observe(_ connection: TCPConnection) {
    connection.onReadiness = { [unowned self] change in report(change) }
  }

  private func report(_ change: Readiness) {
    if stack.tap.isOn && waiters.count > 0 {
      stack.tap.emit(.sockets, .wake(object: "tcp \(localEndpoint)", reason: change.text))
    }
    waiters.wake(change)
  }

  // MARK: What it is

  public var isListening: Bool { if case .listener = role { true } else { false } }

  /// The connection under the socket, for those who want to look at it.
  public var connection: TCPConnection? { if case .connection(let connection) = role { connection } else { nil } }

  public var options: SocketOptions {
    get { storedOptions }
    set {
      if newValue.sendBuffer != storedOptions.sendBuffer { parameters.sendBuffer = newValue.sendBuffer }
      if newValue.receiveBuffer != storedOptions.receiveBuffer { parameters.receiveBuffer = newValue.receiveBuffer }
      parameters.keepAlive = newValue.keepAlive
      storedOptions = newValue
      connection?.apply(parameters)
    }
  }

  public var localEndpoint: Endpoint {
    switch role {
    case .unconnected: binding?.local ?? Endpoint(.any, 0)
    case .connection(let connection): connection.local
    case .listener(let listener): listener.local
    }
  }

  public var remoteEndpoint: Endpoint? {
    guard let connection, Self.hasPeer(connection.state) else { return nil }
    return connection.remote
  }

  private static func hasPeer(_ state: TCPState) -> Bool { state != .closed && state != .synSent }

  public var readiness: Readiness {
    switch role {
    // Linux: a fresh stream socket polls as writable and hung up.
    case .unconnected: return [.writable, .hangUp]
    case .listener(let listener): return listener.readiness
    case .connection(let connection): return connection.readiness
    }
  }

  // MARK: Opening

  public func bind(to local: Endpoint) throws(SocketError) {
    guard case .unconnected = role, binding == nil else { throw .invalidArgument }
    binding = try networked { () throws(NetworkError) in
      try stack.tcp.bind(local, reuseAddress: storedOptions.reuseAddress, reusePort: storedOptions.reusePort)
    }
  }

  public func connect(to remote: Endpoint?) async throws(SocketError) {
    guard let remote else { return disconnect() }
    switch role {
    case .listener: throw .network(.alreadyConnected)
    case .unconnected:
      let connection = try networked { () throws(NetworkError) in
        try stack.tcp.connect(to: remote, binding: binding, parameters: parameters)
      }
      binding = nil
      role = .connection(connection)
      observe(connection)
      isConnectPending = true
      if isNonBlocking && connection.state != .established { throw .connectionStarted }
    case .connection(let connection):
      guard isConnectPending else {
        if connection.state == .closed { throw takeError() ?? .network(.connectionAborted) }
        throw .network(.alreadyConnected)
      }
      if isNonBlocking && Self.isOpening(connection.state) { throw .network(.connectionInProgress) }
    }
    guard let connection else { throw .notConnected }
    let deadline = storedOptions.sendTimeout.map { loop.now + $0 }
    while Self.isOpening(connection.state) {
      switch await waiters.wait(for: .writable, on: loop, until: deadline) {
      case .woken: continue
      case .timedOut: throw .connectionStarted
      case .cancelled: throw .interrupted
      }
    }
    isConnectPending = false
    if connection.state == .closed {
      let error = connection.takeError() ?? .connectionAborted
      // As in Linux the socket may be used for another attempt.
      role = .unconnected
      throw .network(error)
    }
  }

  private static func isOpening(_ state: TCPState) -> Bool { state == .synSent || state == .synReceived }

  /// connect(2) with AF_UNSPEC: back to the beginning.
  private func disconnect() {
    if let connection { connection.abort() }
    if case .listener(let listener) = role { listener.close() }
    role = .unconnected
    isConnectPending = false
    waiters.wake(.hangUp)
  }

  public func listen(backlog: Int) throws(SocketError) {
    switch role {
    case .connection: throw .invalidArgument
    case .listener(let listener): listener.backlog = backlog
    case .unconnected:
      // An unbound socket gets an ephemeral port (Linux `inet_autobind`).
      if binding == nil { try bind(to: Endpoint(.any, 0)) }
      guard let binding else { return }
      let listener = try networked { () throws(NetworkError) in
        try stack.tcp.listen(on: binding, backlog: backlog, parameters: parameters)
      }
      self.binding = nil
      role = .listener(listener)
      listener.onReadiness = { [unowned self] change in report(change) }
    }
  }

  public func accept(isNonBlocking: Bool) async throws(SocketError) -> any Socket {
    let deadline = storedOptions.receiveTimeout.map { loop.now + $0 }
    while true {
      guard case .listener(let listener) = role else { throw .invalidArgument }
      if let connection = listener.accept() {
        return TCPSocket(accepted: connection, by: self)
      }
      if isNonBlocking { throw .wouldBlock }
      try await wait(for: .readable, until: deadline)
    }
  }

  // MARK: Transfer

  public func send(
    _ bytes: UnsafeRawBufferPointer, to destination: Endpoint?, flags: TransferFlags
  ) async throws(SocketError) -> Int {
    let deadline = storedOptions.sendTimeout.map { loop.now + $0 }
    let mayWait = !isNonBlocking && !flags.contains(.nonBlocking)
    var sent = 0
    while true {
      guard let connection else { throw .network(.brokenPipe) }
      if connection.pendingError != nil || !Self.maySend(connection) {
        if Self.isOpening(connection.state) && connection.pendingError == nil {
          // As in Linux a write waits for the handshake.
          guard mayWait else { throw .wouldBlock }
        } else {
          if sent > 0 { return sent }
          throw .network(connection.takeError() ?? .brokenPipe)
        }
      } else {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...]).bytes
        sent += flags.contains(.more) ? connection.sendMore(rest) : connection.send(rest)
        if sent == bytes.count { return sent }
      }
      guard mayWait else {
        if sent > 0 { return sent }
        throw .wouldBlock
      }
      do throws(SocketError) { try await wait(for: .writable, until: deadline) } catch {
        if sent > 0 { return sent }
        throw error
      }
    }
  }

  private static func maySend(_ connection: TCPConnection) -> Bool {
    connection.state == .established || connection.state == .closeWait
  }

  public func receive(
    into buffer: UnsafeMutableRawBufferPointer, flags: TransferFlags
  ) async throws(SocketError) -> ReceiveResult {
    let deadline = storedOptions.receiveTimeout.map { loop.now + $0 }
    let peeks = flags.contains(.peek)
    let wanted = flags.contains(.waitAll) ? buffer.count : min(storedOptions.receiveLowWater, buffer.count)
    var received = 0
    while true {
      guard let connection else { throw .notConnected }
      if peeks {
        received = connection.peek(into: buffer)
      } else {
        received += connection.receive(into: UnsafeMutableRawBufferPointer(rebasing: buffer[received...]))
      }
      if received >= wanted && received > 0 { break }
      if connection.isReceiveClosed || connection.pendingError != nil {
        // Bytes come before the error, the error before the end of the stream.
        if received == 0, let error = connection.takeError() { throw .network(error) }
        break
      }
      if isNonBlocking || flags.contains(.nonBlocking) {
        if received > 0 { break }
        throw .wouldBlock
      }
      do throws(SocketError) { try await wait(for: [.readable, .readHangUp], until: deadline) } catch {
        if received > 0 { break }
        throw error
      }
    }
    return ReceiveResult(count: received, fullCount: received, source: nil)
  }

  private func wait(for interest: Readiness, until deadline: Instant?) async throws(SocketError) {
    switch await waiters.wait(for: interest, on: loop, until: deadline) {
    case .woken: return
    case .timedOut: throw .wouldBlock
    case .cancelled: throw .interrupted
    }
  }

  public func takeError() -> SocketError? {
    guard let error = connection?.takeError() else { return nil }
    return .network(error)
  }

  public func unreadByteCount() throws(SocketError) -> Int {
    guard !isListening else { throw .invalidArgument }
    return connection?.readableCount ?? 0
  }

  public func unsentByteCount() throws(SocketError) -> Int {
    guard !isListening else { throw .invalidArgument }
    return connection?.unacknowledgedCount ?? 0
  }

  // MARK: Closing

  public func shutdown(_ directions: ShutdownDirections) throws(SocketError) {
    switch role {
    case .unconnected: throw .notConnected
    case .listener(let listener):
      guard directions.contains(.receive) else { return }
      listener.close()
      role = .unconnected
      waiters.wake(.hangUp)
    case .connection(let connection):
      guard connection.state != .closed else { throw .notConnected }
      if directions.contains(.receive) { connection.shutdownReceive() }
      if directions.contains(.send) { connection.shutdownSend() }
      waiters.wake([.readable, .writable])
    }
  }

  public func close() async {
    guard !isClosed else { return }
    isClosed = true
    defer { waiters.wake(.hangUp) }
    switch role {
    case .unconnected:
      binding?.release()
      binding = nil
    case .listener(let listener): listener.close()
    case .connection(let connection):
      guard storedOptions.linger != .zero else { return connection.abort() }
      if let span = storedOptions.linger, !isNonBlocking { await linger(connection, for: span) }
      connection.close()
    }
  }

  /// SO_LINGER: waits until everything is acknowledged, or the time is over.
  private func linger(_ connection: TCPConnection, for span: TimeSpan) async {
    connection.shutdownSend()
    let deadline = loop.now + span
    while connection.state == .finWait1 || connection.state == .closing || connection.state == .lastAck {
      guard await waiters.wait(for: [.writable, .readHangUp], on: loop, until: deadline) == .woken else { return }
    }
  }

  // MARK: Options

  public func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    switch option {
    case .typeOfService: return .integer(Int(parameters.typeOfService))
    case .timeToLive: return .integer(Int(parameters.timeToLive ?? stack.configuration.defaultTTL))
    case .pathMTU:
      guard let connection else { throw .notConnected }
      return .integer(connection.info.pathMTU)
    case .noDelay: return .integer(parameters.noDelay ? 1 : 0)
    case .cork: return .integer(parameters.isCorked ? 1 : 0)
    case .maximumSegment: return .integer(connection?.info.sendMSS ?? parameters.maximumSegment ?? 536)
    case .keepAliveIdle: return .integer(Int(parameters.keepAliveIdle.seconds))
    case .keepAliveInterval: return .integer(Int(parameters.keepAliveInterval.seconds))
    case .keepAliveCount: return .integer(parameters.keepAliveCount)
    case .quickAcknowledge: return .integer(acknowledgesQuickly ? 1 : 0)
    case .congestionControl: return .text(parameters.congestionControl.rawValue)
    case .userTimeout:
      return .integer(parameters.userTimeout.map { Int(clamping: $0.nanoseconds / 1_000_000) } ?? 0)
    case .information: return .information(connection?.info)
    case .headerIncluded: throw .unknownOption
    }
  }

  public func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError) {
    var changed = parameters
    switch (option, value) {
    case (.typeOfService, .integer(let number)): changed.typeOfService = UInt8(truncatingIfNeeded: number)
    case (.timeToLive, .integer(let number)):
      guard number == -1 || (1...255).contains(number) else { throw .invalidArgument }
      changed.timeToLive = number == -1 ? nil : UInt8(number)
    case (.noDelay, .integer(let number)): changed.noDelay = number != 0
    case (.cork, .integer(let number)): changed.isCorked = number != 0
    case (.maximumSegment, .integer(let number)):
      guard number == 0 || (88...32767).contains(number) else { throw .invalidArgument }
      changed.maximumSegment = number == 0 ? nil : number
    case (.keepAliveIdle, .integer(let number)):
      guard (1...32767).contains(number) else { throw .invalidArgument }
      changed.keepAliveIdle = .seconds(number)
    case (.keepAliveInterval, .integer(let number)):
      guard (1...32767).contains(number) else { throw .invalidArgument }
      changed.keepAliveInterval = .seconds(number)
    case (.keepAliveCount, .integer(let number)):
      guard (1...127).contains(number) else { throw .invalidArgument }
      changed.keepAliveCount = number
    case (.userTimeout, .integer(let number)):
      guard number >= 0 else { throw .invalidArgument }
      changed.userTimeout = number == 0 ? nil : .milliseconds(number)
    case (.congestionControl, .text(let name)):
      guard let algorithm = CongestionAlgorithm(rawValue: name) else {
        throw .unknownAlgorithm
      }
      changed.congestionControl = algorithm
    case (.quickAcknowledge, .integer(let number)):
      acknowledgesQuickly = number != 0
      connection?.setQuickAcknowledge(number != 0)
      return
    case (.pathMTU, _), (.headerIncluded, _), (.information, _): throw .unknownOption
    default: throw .invalidArgument
    }
    parameters = changed
    connection?.apply(changed)
  }
}
