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
      storedOptions = newValue
      endpoint.receiveQueueLimit = newValue.receiveBuffer
      endpoint.allowsBroadcast = newValue.broadcast
      endpoint.receivesAllGroups = newValue.receivesAllGroups
      endpoint.filter = newValue.filter
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

  public var readiness: Readiness { endpoint.readiness }
  public var localEndpoint: Endpoint { endpoint.local }
  /// The port that connect(2) named, which for ICMP and raw sockets has no other meaning.
  private var peerPort: UInt16 = 0

  /// As in Linux a peer with port 0 is none for getpeername(2).
  public var remoteEndpoint: Endpoint? {
    guard let remote = endpoint.remote, peerPort != 0 else { return nil }
    return Endpoint(remote.address, peerPort)
  }

  /// Takes an ephemeral port if it has none (Linux `inet_autobind`).
  func bindIfNeeded() throws(NetworkError) {}

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

  // MARK: Calls

  public func bind(to local: Endpoint) throws(SocketError) {
    try networked { () throws(NetworkError) in try bindEndpoint(to: local) }
  }

  public func connect(to remote: Endpoint?) async throws(SocketError) {
    guard let remote else { return disconnectEndpoint() }
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
    _ bytes: UnsafeRawBufferPointer, to destination: Endpoint?, flags: TransferFlags, control: DatagramControl?
  ) async throws(SocketError) -> Int {
    let deadline = storedOptions.sendTimeout.map { stack.loop.now + $0 }
    while true {
      do throws(NetworkError) {
        // Even a send that fails leaves the socket with a port.
        try bindIfNeeded()
        try sendMessage(bytes.bytes, to: destination, more: flags.contains(.more), control)
        noteSent(bytes.count, flags, control)
        return bytes.count
      } catch .wouldBlock {
        if isNonBlocking || flags.contains(.nonBlocking) { throw .wouldBlock }
        try await wait(for: .writable, until: deadline)
      } catch {
        throw .network(error)
      }
    }
  }

  public func receive(
    into buffer: UnsafeMutableRawBufferPointer, flags: TransferFlags
  ) async throws(SocketError) -> ReceiveResult {
    let deadline = storedOptions.receiveTimeout.map { stack.loop.now + $0 }
    while true {
      if endpoint.isClosed { throw .network(.closed) }
      if let error = endpoint.takeError() { throw .network(error) }
      var span = buffer.mutableBytes
      if flags.contains(.peek), storedOptions.peekOffset >= 0 {
        let offset = Int(storedOptions.peekOffset)
        if let (datagram, left) = endpoint.peek(into: &span, at: offset) {
          let count = min(left, buffer.count)
          movePeekOffset(flags.contains(.wholeLength) ? datagram.length : count)
          var result = ReceiveResult(
            count: count, fullCount: datagram.length, source: datagram.source, datagram: datagram)
          // A datagram whose rest is shown counts as whole (Linux `udp_recvmsg`).
          result.isCut = buffer.count <= left && buffer.count < datagram.length
          return result
        }
      } else if let datagram = endpoint.receive(into: &span, peek: flags.contains(.peek)) {
        if !flags.contains(.peek) {
          movePeekOffset(-(flags.contains(.wholeLength) ? datagram.length : min(datagram.length, buffer.count)))
        }
        var result = ReceiveResult(
          count: min(datagram.length, buffer.count), fullCount: datagram.length, source: datagram.source,
          datagram: datagram)
        if datagram.optionLength > 0 { result.headerOptions = endpoint.receivedOptions }
        return result
      }
      // Only who would wait is told of the end.
      if isNonBlocking || flags.contains(.nonBlocking) { throw .wouldBlock }
      if endpoint.isReceiveShutDown { return ReceiveResult(count: 0, fullCount: 0, source: nil) }
      try await wait(for: .readable, until: deadline)
    }
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
    guard let stamps = control?.transmitStamps ?? storedOptions.transmitStamps, !stamps.isEmpty else { return }
    for stamp in stamps {
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

/// A datagram socket over UDP (udp(7)).
public final class UDPSocket: DatagramSocket {
  private let udp: UDPEndpoint

  public init(on stack: NetworkStack) {
    udp = stack.udp.open()
    super.init(SocketKind(transport: .datagram, protocolNumber: 17), on: stack, endpoint: udp)
  }

  override func optionsChanged(_ options: SocketOptions) {
    udp.reusesAddress = options.reuseAddress
    udp.reusesPort = options.reusePort
    udp.segmentSize = Int(options.segmentSize)
  }

  override func bindIfNeeded() throws(NetworkError) {
    if udp.local.port == 0 { try udp.bind(to: Endpoint(udp.local.address, 0)) }
  }
  override func bindEndpoint(to local: Endpoint) throws(NetworkError) {
    if options.bindsAddressOnly != 0, local.port == 0 { return try udp.bind(toAddress: local.address) }
    try udp.bind(to: local)
  }
  override func connectEndpoint(to remote: Endpoint) throws(NetworkError) {
    try bindIfNeeded()
    try udp.connect(to: remote)
  }
  override func disconnectEndpoint() { udp.disconnect() }

  // MARK: Corking

  /// The bytes that MSG_MORE or UDP_CORK have gathered for one datagram, and where it goes.
  private var gathered: [UInt8]?
  private var gatheredTarget: Endpoint?
  private var gatheredControl: DatagramControl?
  private var isCorked = false

  override func sendMessage(
    _ bytes: RawSpan, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    let isGathering = more || isCorked
    guard isGathering || gathered != nil else { return try udp.send(bytes, to: destination, control: control) }
    if gathered == nil {
      guard let target = destination ?? udp.remote else { throw .destinationRequired }
      guard target.port != 0 || destination == nil else { throw .invalidArgument }
      gatheredTarget = destination
      gatheredControl = control
    }
    // The first call decides where the datagram goes, as in Linux.
    let before = gathered ?? []
    guard before.count + bytes.byteCount <= 65_507 else { throw .messageTooLong }
    gathered = before + bytes.withUnsafeBytes { Array($0) }
    guard !isGathering else { return }
    do { try sendGathered() } catch {
      // Whoever waits for room tries again with the last part.
      if error == .wouldBlock { gathered = before }
      throw error
    }
  }

  private func sendGathered() throws(NetworkError) {
    guard let whole = gathered else { return }
    gathered = nil
    try udp.send(whole.span.bytes, to: gatheredTarget, control: gatheredControl)
  }

  public override func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    option == .datagramCork ? .integer(isCorked ? 1 : 0) : try super.get(option)
  }

  public override func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError) {
    guard option == .datagramCork else { return try super.set(option, to: value) }
    guard case .integer(let number) = value else { throw .invalidArgument }
    isCorked = number != 0
    if !isCorked { try networked { () throws(NetworkError) in try sendGathered() } }
  }
}

/// An ICMP echo socket (icmp(7)): its messages are echo requests and replies with their ICMP header.
public final class ICMPSocket: DatagramSocket {
  private let icmp: ICMPEndpoint

  public init(on stack: NetworkStack) {
    icmp = stack.icmp.open()
    super.init(SocketKind(transport: .ping, protocolNumber: 1), on: stack, endpoint: icmp)
  }

  override func optionsChanged(_ options: SocketOptions) { icmp.reusesAddress = options.reuseAddress }

  override func bindIfNeeded() throws(NetworkError) {
    if icmp.local.port == 0 { try icmp.bind(to: Endpoint(.any, 0)) }
  }
  override func bindEndpoint(to local: Endpoint) throws(NetworkError) { try icmp.bind(to: local) }
  override func connectEndpoint(to remote: Endpoint) throws(NetworkError) { try icmp.connect(to: remote.address) }
  override func disconnectEndpoint() { icmp.disconnect() }
  override func sendMessage(
    _ bytes: RawSpan, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    try icmp.send(bytes, to: destination?.address, control: control)
  }
}

/// A raw socket of one IP protocol (raw(7)): received messages start with the IP header.
public final class RawSocket: DatagramSocket {
  private let raw: RawEndpoint

  /// Protocol numbers above 255 are Linux's own, of which the IP header carries the low octet.
  public init(on stack: NetworkStack, protocolNumber: Int) {
    raw = stack.raw.open(IPProtocol(rawValue: UInt8(truncatingIfNeeded: protocolNumber)))
    super.init(SocketKind(transport: .raw, protocolNumber: protocolNumber), on: stack, endpoint: raw)
  }

  /// ICMP types that are not received (ICMP_FILTER), one bit each.
  public var filteredICMPTypes: UInt32 {
    get { raw.filteredICMPTypes }
    set { raw.filteredICMPTypes = newValue }
  }

  override func bindEndpoint(to local: Endpoint) throws(NetworkError) { try raw.bind(to: local.address) }
  override func connectEndpoint(to remote: Endpoint) throws(NetworkError) { try raw.connect(to: remote.address) }
  override func disconnectEndpoint() { raw.disconnect() }
  override func sendMessage(
    _ bytes: RawSpan, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    try raw.send(bytes, to: destination?.address, control: control)
  }

  public override func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    option == .headerIncluded ? .integer(raw.includesHeader ? 1 : 0) : try super.get(option)
  }

  public override func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError) {
    guard option == .headerIncluded else { return try super.set(option, to: value) }
    guard case .integer(let number) = value else { throw .invalidArgument }
    raw.includesHeader = number != 0
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

extension PathMTUDiscovery {
  /// The value of IP_MTU_DISCOVER: IP_PMTUDISC_DONT 0, WANT 1, DO 2, PROBE 3.
  init?(number: Int) {
    switch number {
    case 0: self = .never
    case 1: self = .want
    case 2: self = .always
    case 3: self = .probe
    default: return nil
    }
  }

  var number: Int {
    switch self {
    case .never: 0
    case .want: 1
    case .always: 2
    case .probe: 3
    }
  }
}
