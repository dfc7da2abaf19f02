import EventLoop
import NetStack
import Packets

/// What UDP, ICMP and raw sockets have in common: they send and receive messages through a ``DatagramEndpoint``.
public class DatagramSocket: Socket {
  public let kind: SocketKind
  public var isNonBlocking = false
  public let waiters = WaitQueue()
  public var isListening: Bool { false }

  let stack: NetworkStack
  let endpoint: DatagramEndpoint
  private var storedOptions: SocketOptions
  private var arrival = ArrivalStamp()

  init(_ kind: SocketKind, on stack: NetworkStack, endpoint: DatagramEndpoint) {
    self.kind = kind
    self.stack = stack
    self.endpoint = endpoint
    storedOptions = SocketOptions(sendBuffer: 212_992, receiveBuffer: endpoint.receiveQueueLimit)
    // Linux lets sockets without ports share from the start.
    storedOptions.reuseAddress = kind.transport == .ping || kind.transport == .raw
    endpoint.onReadiness = { [unowned self] change in
      if stack.tap.isOn && waiters.count > 0 {
        stack.tap.emit(.sockets, .wake(object: name, reason: change.text))
      }
      waiters.wake(change)
    }
  }

  deinit { endpoint.close() }

  private var name: String { "\(kind.transport) \(localEndpoint.label)" }

  public var options: SocketOptions {
    get { storedOptions }
    set {
      if newValue.mark != storedOptions.mark { endpoint.forgetPath() }
      storedOptions = newValue
      arrival.adopt(newValue, at: stack.loop.now)
      endpoint.receiveQueueLimit = newValue.receiveBuffer
      endpoint.allowsBroadcast = newValue.broadcast
      endpoint.receivesAllGroups = newValue.receivesAllGroups
      endpoint.filter = newValue.filter
      if endpoint.policies != newValue.policies { endpoint.policies = newValue.policies }
      endpoint.keepsHeaderOptions = newValue.receivesOptions != 0 || newValue.receivesReturnOptions != 0
      if endpoint.rules != newValue.addressRules { endpoint.rules = newValue.addressRules }
      if endpoint.headerOptions != newValue.headerOptions { endpoint.headerOptions = newValue.headerOptions }
      let index = Int(newValue.unicastInterface.byteSwapped)
      if endpoint.unicastIndex != index { endpoint.unicastIndex = index }
      if endpoint.boundIndex != newValue.interfaceIndex { endpoint.boundIndex = newValue.interfaceIndex }
      optionsChanged(newValue)
    }
  }

  func optionsChanged(_ options: SocketOptions) {}

  /// When the datagram came that was received or shown last; nil: there was none. To ask changes what it says of the
  /// next ones (SIOCGSTAMP).
  public func askArrivalTime() -> Instant? { arrival.ask(at: stack.loop.now) }

  public var readiness: Readiness { endpoint.readiness }
  public var localEndpoint: Endpoint { endpoint.local }
  /// The port that connect(2) named, which for ICMP and raw sockets has no other meaning.
  private var peerPort: UInt16 = 0

  /// As in Linux a peer with port 0 is none for getpeername(2).
  public var remoteEndpoint: Endpoint? {
    guard let remote = endpoint.remote, peerPort != 0 else { return nil }
    return Endpoint(remote.address, peerPort)
  }

  /// Takes an ephemeral port if it has none (Linux `inet_autobind`), which every send begins with.
  public func bindIfNeeded() throws(NetworkError) {}

  public func forgetPath() { endpoint.forgetPath() }

  /// connect(2) has chosen a peer, whatever its port.
  public var isConnected: Bool { endpoint.remote != nil }

  // MARK: What the kinds do differently

  func bindEndpoint(to local: Endpoint) throws(NetworkError) { throw .operationNotSupported }
  func connectEndpoint(to remote: Endpoint) throws(NetworkError) { throw .operationNotSupported }
  func disconnectEndpoint() {}
  /// `more`: what follows belongs to the same message (UDP only).
  func sendMessage(
    _ bytes: RawSpan, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    throw .operationNotSupported
  }

  /// Octets of headers that the stack puts before a message.
  var headerLength: Int { kind.transport == .datagram ? 28 : 20 }

  /// Fails as ``sendMessage(_:to:more:_:)`` would, but for what is in the message beyond its `start`. `length`: octets
  /// of the whole message.
  func probe(
    _ start: RawSpan, of length: Int, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    throw .operationNotSupported
  }

  // MARK: Calls

  public func bind(to local: Endpoint) throws(SocketError) {
    try networked { () throws(NetworkError) in try bindEndpoint(to: local) }
  }

  public func connect(to remote: Endpoint?) async throws(SocketError) {
    guard let remote else {
      // The interface is forgotten with the peer (Linux `__udp_disconnect`).
      options.interfaceIndex = 0
      return disconnectEndpoint()
    }
    try networked { () throws(NetworkError) in try connectEndpoint(to: remote) }
    peerPort = remote.port
  }

  public func listen(backlog: Int) throws(SocketError) { throw .operationNotSupported }

  public func accept(isNonBlocking: Bool) async throws(SocketError) -> any Socket { throw .operationNotSupported }

  public func shutdown(_ directions: ShutdownDirections) throws(SocketError) {
    if directions.contains(.receive) { endpoint.shutdownReceive() }
    if directions.contains(.send) { endpoint.shutdownSend() }
    // Done even so, as Linux does, for the sake of those who wait.
    guard endpoint.remote != nil else { throw .notConnected }
  }

  public func send(
    _ memory: TransferMemory, to destination: Endpoint?, flags: TransferFlags, control: DatagramControl?
  ) async throws(SocketError) -> Int {
    // Even a send that fails leaves the socket with a port.
    try networked { () throws(NetworkError) in try bindIfNeeded() }
    guard memory.count <= 65_535 else { throw .network(.messageTooLong) }
    if flags.contains(.probe) || !memory.isComplete { return try probe(memory, to: destination, flags, control) }
    let deadline = storedOptions.sendTimeout.map { stack.loop.now + $0 }
    while true {
      do throws(NetworkError) {
        try memory.withBytes(memory.count) { (bytes) throws(NetworkError) in
          try sendMessage(bytes.bytes, to: destination, more: flags.contains(.more), control)
        }
        noteSent(memory.count, flags, control)
        return memory.count
      } catch .wouldBlock {
        if isNonBlocking || flags.contains(.nonBlocking) { throw .wouldBlock }
        try await wait(for: .writable, until: deadline)
      } catch {
        throw .network(error)
      }
    }
  }

  /// A message that is not sent: because it is not to be, or because its bytes do not exist, which is found out last.
  private func probe(
    _ memory: TransferMemory, to destination: Endpoint?, _ flags: TransferFlags, _ control: DatagramControl?
  ) throws(SocketError) -> Int {
    try networked { () throws(NetworkError) in
      try memory.withBytes(memory.presentCount) { (bytes) throws(NetworkError) in
        try probe(
          bytes.bytes, of: memory.count, to: destination, more: flags.contains(.more), control)
      }
      guard !flags.contains(.probe) else { return }
      // With its headers it would be more than a datagram can be.
      guard memory.count + headerLength <= 65_535 else { throw .messageTooLong }
      try endpoint.checkSendable()
    }
    guard flags.contains(.probe) else { throw .badMemory }
    return memory.count
  }

  public func receive(
    into memory: TransferMemory, flags: TransferFlags
  ) async throws(SocketError) -> ReceiveResult {
    let deadline = storedOptions.receiveTimeout.map { stack.loop.now + $0 }
    while true {
      if endpoint.isClosed { throw .network(.closed) }
      if let error = endpoint.takeError() { throw .network(error) }
      // No datagram is longer.
      let result = memory.withRoom(min(memory.count, 65_535)) { buffer in
        let result = take(into: buffer, flags)
        return (result, result?.storedCount ?? 0)
      }
      if let result {
        // It is lost with the bytes that could not be stored, as in Linux.
        guard result.storedCount <= memory.presentCount else { throw .badMemory }
        if let datagram = result.datagram { arrival.received(at: datagram.time, storedOptions) }
        return result
      }
      // Only who would wait is told of the end.
      if isNonBlocking || flags.contains(.nonBlocking) { throw .wouldBlock }
      if endpoint.isReceiveShutDown { return ReceiveResult(count: 0, fullCount: 0, source: nil) }
      try await wait(for: .readable, until: deadline)
    }
  }

  /// The datagram that is next, or is to be shown; nil: there is none.
  private func take(into buffer: UnsafeMutableRawBufferPointer, _ flags: TransferFlags) -> ReceiveResult? {
    var span = buffer.mutableBytes
    if flags.contains(.peek), storedOptions.peekOffset >= 0 {
      let offset = Int(storedOptions.peekOffset)
      guard let (datagram, left) = endpoint.peek(into: &span, at: offset) else { return nil }
      let count = min(left, buffer.count)
      movePeekOffset(flags.contains(.wholeLength) ? datagram.length : count)
      var result = ReceiveResult(
        count: count, fullCount: datagram.length, source: datagram.source, datagram: datagram)
      // A datagram whose rest is shown counts as whole (Linux `udp_recvmsg`).
      result.isCut = buffer.count <= left && buffer.count < datagram.length
      return result
    }
    guard let datagram = endpoint.receive(into: &span, peek: flags.contains(.peek)) else { return nil }
    if !flags.contains(.peek) {
      movePeekOffset(-(flags.contains(.wholeLength) ? datagram.length : min(datagram.length, buffer.count)))
    }
    var result = ReceiveResult(
      count: min(datagram.length, buffer.count), fullCount: datagram.length, source: datagram.source,
      datagram: datagram)
    if datagram.optionLength > 0 { result.headerOptions = endpoint.receivedOptions }
    return result
  }

  /// SO_PEEK_OFF follows what is looked at and what is taken.
  private func movePeekOffset(_ count: Int) {
    guard storedOptions.peekOffset >= 0 else { return }
    storedOptions.peekOffset = Int32(clamping: max(0, Int(storedOptions.peekOffset) + count))
  }

  private func wait(for interest: Readiness, until deadline: Instant?) async throws(SocketError) {
    switch await waiters.wait(for: interest, on: stack.loop, until: deadline) {
    case .woken: return
    case .timedOut: throw .wouldBlock
    case .cancelled: throw .interrupted
    }
  }

  public func takeError() -> SocketError? { endpoint.takeError().map { .network($0) } }
  public func unreadByteCount() -> Int { endpoint.nextLength }
  public func unsentByteCount() -> Int { 0 }
  public var isAtMark: Bool? { nil }

  public func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    switch option {
    case .typeOfService: return .integer(Int(endpoint.tos))
    case .timeToLive: return .integer(Int(endpoint.ttl))
    case .pathMTU:
      guard endpoint.remote != nil, let mtu = endpoint.pathMTU else { throw .notConnected }
      return .integer(min(mtu, 65_535))
    case .headerIncluded: return .integer(0)
    case .pathMTUDiscovery: return .integer(endpoint.pathMTUDiscovery.number)
    case .receiveErrors: return .integer(endpoint.receivesErrors ? 1 : 0)
    case .multicastTimeToLive: return .integer(Int(endpoint.multicastTTL))
    case .multicastLoop: return .integer(endpoint.loopsMulticast ? 1 : 0)
    default: throw .unknownOption
    }
  }

  public func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError) {
    guard case .integer(let number) = value else { throw .invalidArgument }
    switch option {
    case .typeOfService: endpoint.tos = UInt8(truncatingIfNeeded: number)
    case .timeToLive:
      // -1 asks for the default (ip(7)).
      guard number == -1 || (1...255).contains(number) else { throw .invalidArgument }
      endpoint.ttl = number == -1 ? stack.configuration.defaultTTL : UInt8(number)
    case .pathMTUDiscovery:
      guard let discovery = PathMTUDiscovery(number: number) else { throw .invalidArgument }
      endpoint.pathMTUDiscovery = discovery
    case .receiveErrors: endpoint.receivesErrors = number != 0
    case .multicastTimeToLive:
      guard (-1...255).contains(number) else { throw .invalidArgument }
      endpoint.multicastTTL = number == -1 ? 1 : UInt8(number)
    case .multicastLoop: endpoint.loopsMulticast = number != 0
    default: throw .unknownOption
    }
  }

  // MARK: Groups

  /// The address that IP_MULTICAST_IF named.
  public private(set) var multicastAddress = IPv4Address.any

  /// IP_MULTICAST_IF: where datagrams to groups go; nil: where the route leads.
  public func setMulticastInterface(_ interface: NetworkInterface?, address: IPv4Address) {
    endpoint.multicastInterface = interface
    multicastAddress = address
  }

  public var memberships: GroupMemberships { endpoint.groups }

  // MARK: Errors and notices

  /// Calls with MSG_ZEROCOPY, and datagrams with a time stamp, so far.
  private var zeroCopyCalls: UInt32 = 0
  private var stampedDatagrams: UInt32 = 0

  /// Queues what the program wants to hear about a datagram that was sent.
  private func noteSent(_ count: Int, _ flags: TransferFlags, _ control: DatagramControl?) {
    if flags.contains(.zeroCopy), storedOptions.reportsZeroCopy != 0, count > 0 {
      errors.appendCopied(call: zeroCopyCalls, at: stack.loop.now)
      zeroCopyCalls &+= 1
      waiters.wake(.error)
    }
    // Nobody acknowledges a datagram.
    guard let stamps = control?.transmitStamps ?? storedOptions.transmitStamps, stamps.contains(where: { $0 != 2 })
    else { return }
    for stamp in stamps where stamp != 2 {
      var entry = QueuedError(.transmitTime, at: stack.loop.now)
      entry.info = stamp
      if storedOptions.countsStamps { entry.data = stampedDatagrams }
      errors.append(entry)
    }
    stampedDatagrams &+= 1
    waiters.wake(.error)
  }

  public var errors: ErrorQueue { endpoint.errors }
  public func takeQueuedError() -> QueuedError? { endpoint.takeQueuedError() }

  public func close() async {
    endpoint.close()
    waiters.wake(.hangUp)
  }
}

/// Runs a call on the stack and passes its error on as the socket's.
func networked<T>(_ body: () throws(NetworkError) -> T) throws(SocketError) -> T {
  do throws(NetworkError) { return try body() } catch { throw .network(error) }
}

extension Endpoint {
  /// `address:port`, for events.
  var label: String { "\(address.v4.map(\.description) ?? "?"):\(port)" }
}

extension Readiness {
  /// The names of what is set, for events.
  var text: String {
    let names: [(Readiness, String)] = [
      (.readable, "readable"), (.writable, "writable"), (.error, "error"), (.hangUp, "hang-up"),
      (.readHangUp, "read hang-up"), (.priority, "urgent"),
    ]
    return names.filter { contains($0.0) }.map(\.1).joined(separator: ", ")
  }
}
