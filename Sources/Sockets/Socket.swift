import EventLoop
import NetStack
import Packets

/// A socket object: what a descriptor of the system-call layer stands for. TCP, UDP, ICMP and raw sockets conform.
///
/// Calls that may block are `async`: they suspend the task until the event itself wakes it, unless the socket is
/// non-blocking or the call says so, in which case they throw ``SocketError/wouldBlock``.
public protocol Socket: AnyObject {
  var kind: SocketKind { get }
  var isNonBlocking: Bool { get set }
  /// The SOL_SOCKET options.
  var options: SocketOptions { get set }
  /// The tasks that wait for this socket.
  var waiters: WaitQueue { get }
  /// What poll(2) would say now.
  var readiness: Readiness { get }

  var localEndpoint: Endpoint { get }
  /// Nil while there is no peer.
  var remoteEndpoint: Endpoint? { get }
  /// The groups that it has joined.
  var memberships: GroupMemberships { get }
  /// What it hears about datagrams that it has sent, and notices (MSG_ERRQUEUE).
  var errors: ErrorQueue { get }
  /// The oldest entry of ``errors``; nil if there is none.
  func takeQueuedError() -> QueuedError?

  func bind(to local: Endpoint) throws(SocketError)
  /// Connects to `remote`; nil dissolves an association (datagram sockets).
  func connect(to remote: Endpoint?) async throws(SocketError)
  func listen(backlog: Int) throws(SocketError)
  func accept(isNonBlocking: Bool) async throws(SocketError) -> any Socket
  func shutdown(_ directions: ShutdownDirections) throws(SocketError)

  /// Sends; returns how many bytes were taken. Streams take no `control`, and a `destination` only with
  /// ``TransferFlags/connects``.
  func send(
    _ memory: TransferMemory, to destination: Endpoint?, flags: TransferFlags, control: DatagramControl?
  ) async throws(SocketError) -> Int
  func receive(into memory: TransferMemory, flags: TransferFlags) async throws(SocketError) -> ReceiveResult

  /// True for a TCP socket that listens (SO_ACCEPTCONN).
  var isListening: Bool { get }

  /// The pending error, which is thereby cleared (SO_ERROR).
  func takeError() -> SocketError?
  /// Bytes that can be read without blocking (FIONREAD); the size of the next datagram for datagram sockets.
  func unreadByteCount() throws(SocketError) -> Int
  /// The reader stands at an urgent byte (SIOCATMARK); nil for sockets without urgent data.
  var isAtMark: Bool? { get }
  /// Bytes not yet sent or acknowledged (SIOCOUTQ).
  func unsentByteCount() throws(SocketError) -> Int

  func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value
  func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError)

  /// Sets the program that chooses among those who share the port by SO_REUSEPORT, or (nil) takes it away: false if
  /// there was none.
  ///
  /// - Throws: EINVAL if the socket shares no port.
  func exchangeSharingProgram(_ program: PacketFilter?) throws(SocketError) -> Bool

  /// Closes the socket. Suspends only for SO_LINGER with a time.
  func close() async
}

extension Socket {
  public func send(
    _ bytes: UnsafeRawBufferPointer, to destination: Endpoint?, flags: TransferFlags
  ) async throws(SocketError) -> Int {
    try await send(TransferMemory(bytes), to: destination, flags: flags, control: nil)
  }

  public func receive(
    into buffer: UnsafeMutableRawBufferPointer, flags: TransferFlags
  ) async throws(SocketError) -> ReceiveResult {
    try await receive(into: TransferMemory(buffer), flags: flags)
  }
}

public struct SocketKind: Sendable, Equatable {
  public enum Transport: Sendable, Equatable {
    case stream
    case datagram
    /// An ICMP echo ("ping") socket.
    case ping
    case raw
  }
  public let transport: Transport
  /// The IP protocol number.
  public let protocolNumber: Int

  public init(transport: Transport, protocolNumber: Int) {
    self.transport = transport
    self.protocolNumber = protocolNumber
  }
}

public struct ShutdownDirections: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  public static let receive = ShutdownDirections(rawValue: 1)
  public static let send = ShutdownDirections(rawValue: 2)
}

public struct TransferFlags: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  /// Do not wait (MSG_DONTWAIT).
  public static let nonBlocking = TransferFlags(rawValue: 1)
  /// Leave what is read in the queue (MSG_PEEK).
  public static let peek = TransferFlags(rawValue: 2)
  /// Wait until the whole buffer is filled (MSG_WAITALL).
  public static let waitAll = TransferFlags(rawValue: 4)
  /// More will follow at once: hold back a partial segment (MSG_MORE).
  public static let more = TransferFlags(rawValue: 8)
  /// Throw away what is received from a stream instead of storing it (MSG_TRUNC, tcp(7)).
  public static let discard = TransferFlags(rawValue: 16)
  /// Urgent data (MSG_OOB).
  public static let outOfBand = TransferFlags(rawValue: 32)
  /// The whole length of a datagram counts as received (MSG_TRUNC).
  public static let wholeLength = TransferFlags(rawValue: 128)
  /// Tell when the bytes may be reused (MSG_ZEROCOPY); of meaning with SO_ZEROCOPY only.
  public static let zeroCopy = TransferFlags(rawValue: 64)
  /// Find out whether the message could be sent, but do not send it (MSG_PROBE; datagrams only).
  public static let probe = TransferFlags(rawValue: 256)
  /// Connect first (MSG_FASTOPEN; streams only).
  public static let connects = TransferFlags(rawValue: 512)
}

/// What was received: how many bytes went into the buffer, how many the datagram had, and from where.
public struct ReceiveResult: Sendable {
  public var count: Int
  /// Length of the whole datagram.
  public var fullCount: Int
  /// Bytes in the buffer.
  public var storedCount: Int
  /// Some of it did not fit the buffer.
  public var isCut: Bool
  public var source: Endpoint?
  /// What else is known of a datagram.
  public var datagram: ReceivedDatagram?
  /// It is the urgent byte (MSG_OOB).
  public var isOutOfBand: Bool
  /// It is an entry of the error queue (MSG_ERRQUEUE).
  public var queuedError: QueuedError?
  /// The options of the datagram's header, if the socket was to keep them.
  public var headerOptions: [UInt8] = []
  /// When the newest bytes of a stream came.
  public var time: Instant?
  /// Bytes of a stream that could be read behind these.
  public var unread = 0

  public init(
    count: Int, fullCount: Int, source: Endpoint?, datagram: ReceivedDatagram? = nil, isOutOfBand: Bool = false
  ) {
    self.count = count
    self.fullCount = fullCount
    storedCount = count
    isCut = fullCount > count
    self.source = source
    self.datagram = datagram
    self.isOutOfBand = isOutOfBand
  }
}

/// Options below SOL_SOCKET that a protocol may know.
public enum ProtocolOption: Sendable, Hashable {
  case typeOfService, timeToLive, headerIncluded, pathMTU
  /// IP_MTU_DISCOVER, IP_RECVERR, IP_MULTICAST_TTL, IP_MULTICAST_LOOP
  case pathMTUDiscovery, receiveErrors, multicastTimeToLive, multicastLoop
  /// UDP_CORK
  case datagramCork
  case noDelay, maximumSegment, cork, keepAliveIdle, keepAliveInterval, keepAliveCount, quickAcknowledge
  case congestionControl, userTimeout, information
  /// TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT, TCP_WINDOW_CLAMP, TCP_NOTSENT_LOWAT
  case synRetries, finWait2Timeout, deferredAccept, windowClamp, notSentLowWater
  /// TCP_THIN_LINEAR_TIMEOUTS, TCP_THIN_DUPACK
  case linearTimeouts, thinDuplicates

  public enum Value: Sendable, Equatable {
    case integer(Int)
    case text(String)
    /// TCP_INFO; nil while there is no connection.
    case information(TCPInformation?)
  }
}

/// What a socket call can fail with. Each case is one errno of Linux.
public enum SocketError: Error, Equatable, Sendable {
  /// An error of the protocols below, or one they share with sockets.
  case network(NetworkError)
  /// EINTR: the waiting task was cancelled.
  case interrupted
  /// EINPROGRESS: a non-blocking connect(2) has begun.
  case connectionStarted
  /// ENOPROTOOPT: the socket does not know the option.
  case unknownOption
  /// ENOENT: no congestion control algorithm has that name.
  case unknownAlgorithm
  /// EPERM: the socket is in no state for it.
  case notPermitted
  /// ENOMEM: there is no room for what a stream in repair is given.
  case noMemory
  /// EFAULT: the program does not have the memory that it named.
  case badMemory

  public static var wouldBlock: SocketError { .network(.wouldBlock) }
  public static var invalidArgument: SocketError { .network(.invalidArgument) }
  public static var notConnected: SocketError { .network(.notConnected) }
  public static var operationNotSupported: SocketError { .network(.operationNotSupported) }
}
