import EventLoop
import NetStack
import Packets

/// A stream socket over TCP (RFC 9293 3.9.1), with the behaviour of Linux's `inet_stream_ops`.
public final class TCPSocket: Socket {
  enum Role {
    case unconnected
    case connection(TCPConnection)
    case listener(TCPListener)
  }

  public let kind = SocketKind(transport: .stream, protocolNumber: 6)
  public var isNonBlocking = false
  public let waiters = WaitQueue()

  let stack: NetworkStack
  var role = Role.unconnected
  /// The port of a socket that has no connection and does not listen.
  var binding: TCPBinding?
  /// The binding on which the connection or listener stands, or stood.
  var handedOver: TCPBinding?
  /// What was made for a program that chooses among those who share the port, before the socket listens.
  var sharers: PortSharers<TCPListener>?
  /// The address that bind(2) was asked for: kept when an attempt to connect fails.
  var wantedAddress = IPAddress(.any)
  /// A stream may join groups, though it never hears them.
  public private(set) lazy var memberships = GroupMemberships()
  public let errors = ErrorQueue(limit: 212_992)
  /// Calls with MSG_ZEROCOPY so far.
  private var zeroCopyCalls: UInt32 = 0
  lazy var stamps = StreamStamps(errors: errors)
  /// What getsockname(2) shows of a connection that is gone (Linux leaves `inet_sport` as it is).
  var staleLocal: Endpoint?
  /// The error of a connection that is gone.
  var leftError: NetworkError?
  var parameters: TCPParameters
  var storedOptions: SocketOptions
  /// Options of the IP level that a stream keeps without using them.
  var unusedOptions = UnusedOptions()
  /// connect(2) was called and has not yet told how it ended.
  public internal(set) var isConnectPending = false
  /// shutdown(2) came between the failure of an attempt to connect and its being told: until connect(2) with AF_UNSPEC
  /// there is no other attempt (Linux `SS_DISCONNECTING`).
  var isDisconnecting = false
  /// What SIOCOUTQ and SIOCOUTQNSD show without a connection: of the last one, and the gap in the sequence numbers that
  /// Linux leaves behind it (`tcp_disconnect`).
  var leftOver = (unacknowledged: 0, unsent: 0)
  /// TCP_QUICKACK as it was set last.
  var acknowledgesQuickly = true
  /// TCP_NOTSENT_LOWAT as it was set last.
  var notSentLowWater = 0
  var repair = StreamRepair()
  /// TCP_FASTOPEN_KEY, which nothing is encrypted with.
  public var fastOpenKey: [UInt8] = []
  /// shutdown(SHUT_RD): what has arrived, and what still arrives, can be read, but no read waits.
  var isReceiveShut = false
  /// shutdown(SHUT_WR) while there was no connection: nothing can be sent.
  var isSendShut = false
  var isClosed = false
  var loop: any EventLoop { stack.loop }

  public init(on stack: NetworkStack) {
    self.stack = stack
    parameters = stack.tcp.configuration.defaults
    storedOptions = SocketOptions(
      sendBuffer: parameters.initialSendBuffer, receiveBuffer: parameters.initialReceiveBuffer)
  }

  /// The socket of an accepted connection, which inherits the listener's options.
  init(accepted connection: TCPConnection, by listener: TCPSocket) {
    stack = listener.stack
    parameters = listener.parameters
    storedOptions = listener.storedOptions
    unusedOptions = listener.unusedOptions
    // As Linux has it from the segment that completed the handshake.
    unusedOptions.multicastTTL = Int(stack.configuration.defaultTTL)
    wantedAddress = listener.wantedAddress
    parameters.signatureKeys = connection.parameters.signatureKeys
    storedOptions.signatureKeys = parameters.signatureKeys
    role = .connection(connection)
    observe(connection)
    if storedOptions.timestamping != 0 { chooseStamps(storedOptions.timestamping, before: 0x80) }
    repair = listener.repair
    holdSending()
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

  /// Of the connection that it had last; before the first what everybody takes (RFC 9293 3.7.1).
  var lastSegment = 536

  func observe(_ connection: TCPConnection) {
    connection.onReadiness = { [unowned self] change in report(change) }
    connection.errorQueue = errors
    connection.hearsErrors = unusedOptions.receivesErrors
  }

  func report(_ change: Readiness) {
    if stack.tap.isOn && waiters.count > 0 {
      stack.tap.emit(.sockets, .wake(object: "tcp \(localEndpoint.label)", reason: change.text))
    }
    waiters.wake(change)
  }

  // MARK: What it is

  /// Payload of a full segment of its connection, of the one that it had last, or of any (tcpi_snd_mss).
  public var segmentSize: Int { connection?.info.sendMSS ?? lastSegment }

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
      parameters.policies = newValue.policies
      parameters.signatureKeys = newValue.signatureKeys
      parameters.savesSyn = newValue.savesSyn != 0
      parameters.savesFrameHeader = newValue.savesSyn == 2
      parameters.chooseTimes(newValue)
      if newValue.timestamping != storedOptions.timestamping {
        chooseStamps(newValue.timestamping, before: storedOptions.timestamping)
      }
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
    case .connection(let connection): return staleLocal ?? connection.local
    case .listener(let listener): return listener.local
    }
  }

  public var remoteEndpoint: Endpoint? {
    guard let connection, connection.state != .synSent, !Self.isOver(connection) else { return nil }
    return connection.remote
  }

  /// Whom the connection is or was with, even if it is over: what accept(2) tells.
  public var acceptedPeer: Endpoint? { connection?.remote }

  /// There is no connection, no attempt at one and no backlog (Linux `TCP_CLOSE`).
  public var isIdle: Bool {
    switch role {
    case .unconnected: true
    case .connection(let connection): Self.isOver(connection)
    case .listener: false
    }
  }

  /// The port as its owner: 0 for one that only the last connection had (Linux `inet_num`).
  public var ownPort: UInt16 {
    isIdle && binding == nil && handedOver?.isKept != true ? 0 : localEndpoint.port
  }

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
        if isSendShut || !connection.state.mayStillSend { readiness.insert(.hangUp) }
      }
      let least = storedOptions.receiveLowWater + (connection.isAtHole ? 1 : 0)
      if !isReceiveShut && !connection.isReceiveClosed && connection.readableCount < least {
        readiness.remove(.readable)
      }
      return readiness
    }
  }

  /// With an ICMP error the pending one is told; the next one's is pending then (Linux `sock_dequeue_err_skb`).
  public func takeQueuedError() -> QueuedError? {
    let entry = errors.removeFirst()
    if entry?.origin == .icmp {
      leftError = nil
      _ = connection?.takeError()
    }
    if entry != nil, let next = errors.first, next.origin == .icmp { leftError = next.error }
    return entry
  }

  /// MSG_ZEROCOPY: the bytes have been copied, so the program may reuse them at once.
  func noteCopied() {
    errors.appendCopied(call: zeroCopyCalls, at: loop.now)
    zeroCopyCalls &+= 1
    waiters.wake(.error)
  }
}
