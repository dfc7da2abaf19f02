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

  let stack: NetworkStack
  private var role = Role.unconnected
  /// The port of a socket that has no connection and does not listen.
  private var binding: TCPBinding?
  /// The binding on which the connection or listener stands, or stood.
  private var handedOver: TCPBinding?
  /// The address that bind(2) was asked for: kept when an attempt to connect fails.
  private var wantedAddress = IPAddress(.any)
  /// A stream may join groups, though it never hears them.
  public private(set) lazy var memberships = GroupMemberships()
  public let errors = ErrorQueue(limit: 212_992)
  /// Calls with MSG_ZEROCOPY so far.
  private var zeroCopyCalls: UInt32 = 0
  /// What getsockname(2) shows of a connection that is gone (Linux leaves `inet_sport` as it is).
  private var staleLocal: Endpoint?
  /// The error of a connection that is gone.
  private var leftError: NetworkError?
  var parameters: TCPParameters
  var storedOptions: SocketOptions
  /// Options of the IP level that a stream keeps without using them.
  var unusedOptions = UnusedOptions()
  /// connect(2) was called and has not yet told how it ended.
  private var isConnectPending = false
  /// TCP_QUICKACK as it was set last.
  var acknowledgesQuickly = true
  /// TCP_NOTSENT_LOWAT as it was set last.
  var notSentLowWater = 0
  /// TCP_REPAIR, the queue that TCP_QUEUE_SEQ means, and the numbers that were set for a socket without a connection.
  public var repairs = false
  public var repairQueue: Int32 = 0
  public var repairedSend: UInt32 = 0
  public var repairedReceive: UInt32 = 0
  /// TCP_FASTOPEN_KEY, which nothing is encrypted with.
  public var fastOpenKey: [UInt8] = []
  /// shutdown(SHUT_RD): what has arrived, and what still arrives, can be read, but no read waits.
  private(set) var isReceiveShut = false
  /// shutdown(SHUT_WR) while there was no connection: nothing can be sent.
  private(set) var isSendShut = false
  private(set) var isClosed = false
  var loop: any EventLoop { stack.loop }

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
    unusedOptions = listener.unusedOptions
    wantedAddress = listener.wantedAddress
    role = .connection(connection)
    observe(connection)
  }

  deinit {
    // A socket that nobody closed: its connection must not live on unseen.
    binding?.letGo()
    handedOver?.letGo()
    switch role {
    case .connection(let connection): if !isClosed { connection.abort() }
    case .listener(let listener): listener.close()
    case .unconnected: break
    }
  }

  private func observe(_ connection: TCPConnection) {
    connection.onReadiness = { [unowned self] change in report(change) }
  }

  private func report(_ change: Readiness) {
    if stack.tap.isOn && waiters.count > 0 {
      stack.tap.emit(.sockets, .wake(object: "tcp \(localEndpoint.label)", reason: change.text))
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
      parameters.isUrgentInline = newValue.outOfBandInline
      parameters.reuseAddress = newValue.reuseAddress
      parameters.reusePort = newValue.reusePort
      parameters.interfaceIndex = newValue.interfaceIndex
      parameters.rules = newValue.addressRules
      parameters.minimumTTL = UInt8(truncatingIfNeeded: newValue.minimumTTL)
      parameters.headerOptions = newValue.headerOptions
      parameters.filter = newValue.filter
      parameters.savesSyn = newValue.savesSyn != 0
      parameters.chooseTimes(newValue)
      for held in [binding, handedOver] {
        held?.share(address: newValue.reuseAddress, port: newValue.reusePort, interface: newValue.interfaceIndex)
      }
      storedOptions = newValue
      applyParameters()
    }
  }

  /// The connection, or those that will be accepted, go by what was chosen.
  func applyParameters() {
    switch role {
    case .unconnected: break
    case .connection(let connection): connection.apply(parameters)
    case .listener(let listener): listener.parameters = parameters
    }
  }

  public var localEndpoint: Endpoint {
    if let binding { return binding.local }
    switch role {
    case .unconnected: return staleLocal ?? Endpoint(.any, 0)
    case .connection(let connection): return connection.local
    case .listener(let listener): return listener.local
    }
  }

  public var remoteEndpoint: Endpoint? {
    guard let connection, connection.state != .synSent, !Self.isOver(connection) else { return nil }
    return connection.remote
  }

  /// Whom the connection is or was with, even if it is over: what accept(2) tells.
  public var acceptedPeer: Endpoint? { connection?.remote }

  /// For an application a connection in TIME-WAIT is as closed as any.
  static func isOver(_ connection: TCPConnection) -> Bool {
    connection.state == .closed || connection.state == .timeWait
  }

  public var readiness: Readiness {
    errors.isEmpty ? plainReadiness : plainReadiness.union(.error)
  }

  private var plainReadiness: Readiness {
    switch role {
    // Linux: a fresh stream socket polls as writable and hung up.
    case .unconnected:
      var readiness: Readiness = [.writable, .hangUp]
      if leftError != nil { readiness.insert(.error) }
      if isReceiveShut { readiness.formUnion([.readable, .readHangUp]) }
      return readiness
    case .listener(let listener): return listener.readiness
    case .connection(let connection):
      var readiness = connection.readiness
      if isReceiveShut {
        readiness.formUnion([.readable, .readHangUp])
        if !connection.state.mayStillSend { readiness.insert(.hangUp) }
      }
      let least = storedOptions.receiveLowWater + (connection.isAtHole ? 1 : 0)
      if !isReceiveShut && !connection.isReceiveClosed && connection.readableCount < least {
        readiness.remove(.readable)
      }
      return readiness
    }
  }

  public func takeQueuedError() -> QueuedError? { errors.removeFirst() }

  /// MSG_ZEROCOPY: the bytes have been copied, so the program may reuse them at once.
  func noteCopied() {
    errors.appendCopied(call: zeroCopyCalls, at: loop.now)
    zeroCopyCalls &+= 1
    waiters.wake(.error)
  }

  // MARK: Opening

  public func bind(to local: Endpoint) throws(SocketError) {
    // Linux looks at the address before it looks at the socket.
    let rules = storedOptions.addressRules
    try networked { () throws(NetworkError) in try stack.checkBindable(local.address, rules) }
    guard binding == nil else { throw .invalidArgument }
    switch role {
    case .unconnected: break
    // The port of a connection that is over is free again, unless bind(2) had asked for it.
    case .connection(let connection):
      guard connection.state == .closed, handedOver?.isKept != true else { throw .invalidArgument }
    case .listener: throw .invalidArgument
    }
    if local.port == 0, storedOptions.bindsAddressOnly != 0, case .unconnected = role {
      staleLocal = local
    } else {
      try takePort(local)
    }
    wantedAddress = local.address
  }

  private func takePort(_ local: Endpoint) throws(SocketError) {
    binding = try networked { () throws(NetworkError) in
      try stack.tcp.bind(
        local, reuseAddress: storedOptions.reuseAddress, reusePort: storedOptions.reusePort,
        interface: storedOptions.interfaceIndex, rules: storedOptions.addressRules)
    }
    binding?.isKept = local.port != 0
    handedOver = nil
  }

  /// connect(2) looks at the address only if there is neither connection nor attempt nor listener.
  public var heedsConnectAddress: Bool { if case .unconnected = role { true } else { false } }

  public func connect(to remote: Endpoint?) async throws(SocketError) {
    guard let remote else { return disconnect() }
    switch role {
    case .listener: throw .network(.alreadyConnected)
    case .unconnected:
      let connection = try networked { () throws(NetworkError) in
        try stack.tcp.connect(to: remote, binding: binding, source: wantedAddress, parameters: parameters)
      }
      handedOver = binding
      binding = nil
      leftError = nil
      role = .connection(connection)
      observe(connection)
      isConnectPending = true
      if isNonBlocking && connection.state != .established { throw .connectionStarted }
    case .connection(let connection):
      guard isConnectPending else { throw .network(.alreadyConnected) }
      if isNonBlocking && Self.isOpening(connection.state) { throw .network(.connectionInProgress) }
    }
    guard let connection else { throw .notConnected }
    let deadline = storedOptions.sendTimeout.map { loop.now + $0 }
    while Self.isOpening(connection.state) {
      switch await waiters.wait(for: .writable, on: loop, until: deadline) {
      case .woken: if isClosed { throw .network(.closed) }
      case .timedOut: throw .connectionStarted
      case .cancelled: throw .interrupted
      }
    }
    guard self.connection === connection, isConnectPending else {
      // Another task has told the end already.
      if connection.state == .closed { throw .network(.connectionAborted) }
      return
    }
    isConnectPending = false
    if connection.state == .closed {
      let error = connection.takeError() ?? .connectionAborted
      // As in Linux the socket may be used for another attempt.
      leave(connection)
      throw .network(error)
    }
  }

  static func isOpening(_ state: TCPState) -> Bool { state == .synSent || state == .synReceived }

  /// Back to the beginning: the connection is over, or about to be.
  private func leave(_ connection: TCPConnection) {
    connection.onReadiness = nil
    role = .unconnected
    isConnectPending = false
    isReceiveShut = false
    isSendShut = false
    staleLocal = Endpoint(wantedAddress, connection.local.port)
    rebind()
  }

  /// A port that bind(2) asked for outlives connections and listeners.
  private func rebind() {
    if let handedOver, handedOver.isKept, binding == nil { binding = handedOver }
    handedOver = nil
  }

  /// connect(2) with AF_UNSPEC.
  private func disconnect() {
    switch role {
    case .unconnected: return
    case .connection(let connection):
      leftError = Self.isOver(connection) ? connection.takeError() : .connectionReset
      connection.abort()
      leave(connection)
    case .listener(let listener): stopListening(listener)
    }
    waiters.wake(.hangUp)
  }

  private func stopListening(_ listener: TCPListener) {
    staleLocal = listener.local
    listener.close()
    role = .unconnected
    rebind()
  }

  public func listen(backlog: Int) throws(SocketError) {
    // Linux compares without sign: a negative backlog is a large one.
    let backlog = backlog < 0 ? stack.tcp.configuration.maximumBacklog : backlog
    switch role {
    case .connection: throw .invalidArgument
    case .listener(let listener): listener.backlog = min(backlog, stack.tcp.configuration.maximumBacklog)
    case .unconnected:
      // An unbound socket gets an ephemeral port (Linux `inet_autobind`).
      if binding == nil { try takePort(Endpoint(wantedAddress, 0)) }
      guard let binding else { return }
      let listener = try networked { () throws(NetworkError) in
        try stack.tcp.listen(on: binding, backlog: backlog, parameters: parameters)
      }
      handedOver = binding
      self.binding = nil
      role = .listener(listener)
      listener.onReadiness = { [unowned self] change in report(change) }
    }
  }

  public func accept(isNonBlocking: Bool) async throws(SocketError) -> any Socket {
    let deadline = storedOptions.receiveTimeout.map { loop.now + $0 }
    while true {
      guard case .listener(let listener) = role, !isClosed else {
        throw isClosed ? .network(.closed) : .invalidArgument
      }
      if let connection = listener.accept() {
        return TCPSocket(accepted: connection, by: self)
      }
      if isNonBlocking { throw .wouldBlock }
      try await wait(for: .readable, until: deadline)
    }
  }

  public func takeError() -> SocketError? {
    let error = leftError ?? connection?.takeError()
    leftError = nil
    return error.map { .network($0) }
  }

  // MARK: Closing

  public func shutdown(_ directions: ShutdownDirections) throws(SocketError) {
    switch role {
    case .unconnected:
      noteShut(directions)
      throw .notConnected
    case .listener(let listener):
      guard directions.contains(.receive) else { return }
      stopListening(listener)
      waiters.wake(.hangUp)
    case .connection(let connection):
      guard !Self.isOver(connection) else {
        noteShut(directions)
        throw .notConnected
      }
      if connection.state == .synSent {
        // Nothing to shut down yet: the attempt ends (Linux `inet_shutdown`, `tcp_disconnect`).
        leftError = .connectionReset
        connection.abort()
        leave(connection)
        waiters.wake(.hangUp)
        return
      }
      if directions.contains(.receive) {
        isReceiveShut = true
        connection.refusesData = true
      }
      if directions.contains(.send) { connection.shutdownSend() }
      waiters.wake([.readable, .writable, .readHangUp])
    }
  }

  /// Without a connection it is an error, and done all the same, as in Linux, for the sake of those who wait.
  private func noteShut(_ directions: ShutdownDirections) {
    if directions.contains(.receive) { isReceiveShut = true }
    if directions.contains(.send) { isSendShut = true }
    waiters.wake([.readable, .readHangUp, .hangUp])
  }

  public func close() async {
    guard !isClosed else { return }
    isClosed = true
    defer { waiters.wake(.hangUp) }
    binding?.letGo()
    binding = nil
    handedOver?.letGo()
    switch role {
    case .unconnected: break
    case .listener(let listener): listener.close()
    case .connection(let connection):
      if repairs { return connection.vanish() }
      guard storedOptions.linger != .zero else { return connection.abort() }
      // Unread bytes make it a reset, for which nobody waits.
      if let span = storedOptions.linger, connection.readableCount == 0 { await linger(connection, for: span) }
      connection.close()
    }
  }

  /// SO_LINGER, for sockets that do not block too: waits until everything is acknowledged, or the time is over.
  private func linger(_ connection: TCPConnection, for span: TimeSpan) async {
    connection.shutdownSend()
    let deadline = loop.now + span
    while connection.state == .finWait1 || connection.state == .closing || connection.state == .lastAck {
      guard await waiters.wait(for: [.writable, .readHangUp], on: loop, until: deadline) == .woken else { return }
    }
  }
}
