import EventLoop
import NetStack
import Packets

// bind(2), connect(2), listen(2), accept(2) as in Linux.
extension TCPSocket {
  public func bind(to local: Endpoint) throws(SocketError) {
    // Linux looks at the address before it looks at the socket.
    let rules = storedOptions.addressRules
    try networked { () throws(NetworkError) in try stack.checkBindable(local.address, rules) }
    guard binding == nil else { throw .invalidArgument }
    switch role {
    case .unconnected: break
    // The port of a connection that is over is free again, unless bind(2) had asked for it.
    case .connection(let connection):
      guard Self.isOver(connection), handedOver?.isKept != true else { throw .invalidArgument }
    case .listener: throw .invalidArgument
    }
    if local.port == 0, storedOptions.bindsAddressOnly != 0, case .unconnected = role {
      staleLocal = local
    } else {
      do throws(SocketError) { try takePort(local) } catch {
        // The address is lost, the port still shown (Linux `__inet_bind`).
        staleLocal = Endpoint(.any, localEndpoint.port)
        wantedAddress = IPAddress(.any)
        throw error
      }
    }
    wantedAddress = local.address
  }

  private func takePort(_ local: Endpoint) throws(SocketError) {
    binding = try networked { () throws(NetworkError) in
      try stack.tcp.bind(
        local, reuseAddress: storedOptions.reuseAddress, reusePort: storedOptions.reusePort,
        interface: storedOptions.interfaceIndex, rules: storedOptions.addressRules,
        hasSharers: sharers != nil, isForced: storedOptions.forcesAddressReuse)
    }
    binding?.isKept = local.port != 0
    handedOver = nil
  }

  /// connect(2) looks at the address only if there is neither connection nor attempt nor listener.
  public var heedsConnectAddress: Bool { if case .unconnected = role { true } else { false } }

  public func connect(to remote: Endpoint?) async throws(SocketError) {
    guard let remote else { return disconnect() }
    try await connect(to: remote, isNonBlocking: isNonBlocking)
  }

  /// MSG_FASTOPEN. Nobody here has a cookie of a server, so the first segment carries no bytes: they follow when the
  /// connection stands (RFC 7413 4.1).
  func connectToSend(_ remote: Endpoint?, _ flags: TransferFlags) async throws(SocketError) {
    guard remote != nil || !heedsConnectAddress else { throw .invalidArgument }
    try await connect(
      to: remote ?? Endpoint(.any, 0), isNonBlocking: isNonBlocking || flags.contains(.nonBlocking))
  }

  private func connect(to remote: Endpoint, isNonBlocking: Bool) async throws(SocketError) {
    guard !isDisconnecting else { throw .invalidArgument }
    switch role {
    case .listener: throw .network(.alreadyConnected)
    case .unconnected:
      let connection = try networked { () throws(NetworkError) in
        try stack.tcp.connect(
          to: remote, binding: binding, source: wantedAddress, parameters: parameters,
          initialSequence: repair.start.sendNext == 0 ? nil : SequenceNumber(repair.start.sendNext),
          resumption: repair.isOn ? repair.start : nil)
      }
      handedOver = binding
      binding = nil
      leftError = nil
      staleLocal = nil
      connection.closesIfSimultaneous = isSendShut
      role = .connection(connection)
      observe(connection)
      holdSending()
      // Nobody shall guess the number of the next attempt.
      if !repair.isOn { repair.start.sendNext = 0 }
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
    if Self.isOver(connection) {
      let error = connection.takeError() ?? .connectionAborted
      // As in Linux the socket may be used for another attempt.
      leave(connection)
      throw .network(error)
    }
  }

  static func isOpening(_ state: TCPState) -> Bool { state == .synSent || state == .synReceived }

  /// Back to the beginning: the connection is over, or about to be.
  func leave(_ connection: TCPConnection) {
    connection.onReadiness = nil
    // Linux forgets what was asked for, not what came of it (`tcp_disconnect` clears `rx_opt`).
    lastSegment = connection.info.sendMSS
    parameters.maximumSegment = nil
    role = .unconnected
    isConnectPending = false
    isDisconnecting = false
    isReceiveShut = false
    isSendShut = false
    leftOver = (connection.unacknowledgedCount, connection.unsentCount)
    leaveGap(connection.sequenceGap)
    staleLocal = Endpoint(wantedAddress, connection.local.port)
    rebind()
  }

  private func leaveGap(_ count: Int) {
    leftOver.unacknowledged += count
    leftOver.unsent += count
  }

  /// A port that bind(2) asked for outlives connections and listeners.
  private func rebind() {
    if let handedOver, handedOver.isKept, binding == nil { binding = handedOver }
    handedOver = nil
  }

  /// connect(2) with AF_UNSPEC.
  private func disconnect() {
    switch role {
    case .unconnected:
      isReceiveShut = false
      isSendShut = false
      leaveGap(2)
      return
    case .connection(let connection):
      if repair.isOn, connection.state != .closed {
        leftError = .connectionAborted
        connection.vanish()
      } else {
        leftError = Self.isOver(connection) ? connection.takeError() : .connectionReset
        connection.abort()
      }
      leave(connection)
    case .listener(let listener): stopListening(listener)
    }
    waiters.wake(.hangUp)
  }

  func stopListening(_ listener: TCPListener) {
    staleLocal = listener.local
    listener.close()
    role = .unconnected
    isReceiveShut = false
    isSendShut = false
    leaveGap(2)
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
        try stack.tcp.listen(
          on: binding, backlog: backlog, parameters: parameters, sharers: sharers,
          isForced: storedOptions.forcesAddressReuse)
      }
      sharers = nil
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
        // One connection wakes one of those who wait: the next is for the next.
        if listener.readiness.contains(.readable) { waiters.wake(.readable) }
        return TCPSocket(accepted: connection, by: self)
      }
      if isNonBlocking { throw .wouldBlock }
      try await wait(for: .readable, until: deadline, isExclusive: true)
    }
  }

  public func takeError() -> SocketError? {
    let error = leftError ?? connection?.takeError() ?? connection?.takeSoftError()
    leftError = nil
    return error.map { .network($0) }
  }
}
