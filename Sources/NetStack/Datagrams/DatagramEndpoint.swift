import EventLoop
import Packets

/// What endpoints for datagrams have in common: a bounded receive queue, a pending error, the options of the IPv4
/// header and the path of the last destination. UDP, ICMP and raw endpoints are its kinds.
public class DatagramEndpoint {
  public unowned let stack: NetworkStack
  /// Called when something became true: a datagram can be received, there is room to send again, an error waits.
  public var onReadiness: ((Readiness) -> Void)?

  /// The local address (unspecified: all) and port; port 0 while not bound.
  public internal(set) var local = Endpoint(.any, 0)
  /// The only peer, once connected.
  public internal(set) var remote: Endpoint?
  /// The only interface that is used (SO_BINDTODEVICE).
  public var boundInterface: NetworkInterface? {
    get { stack.interface(at: boundIndex) }
    set { boundIndex = newValue?.index ?? 0 }
  }
  /// Its index, which need not be an interface's: then nothing is received or sent. 0: all interfaces.
  public var boundIndex = 0 {
    didSet { forgetPath() }
  }
  /// What it may take for its own address and port.
  public var rules = LocalAddressRules() {
    didSet { path = nil }
  }
  /// IP_UNICAST_IF: index of the interface for datagrams to single hosts; 0: where the route leads.
  public var unicastIndex = 0 {
    didSet { path = nil }
  }
  /// IP_OPTIONS: stand in the header of what is sent.
  public var headerOptions: IPv4HeaderOptions? {
    didSet { path = nil }
  }
  /// SO_BROADCAST: sending to broadcast addresses is allowed.
  public var allowsBroadcast = false
  /// IP_MULTICAST_ALL: groups that other endpoints of this host have joined are received too.
  public var receivesAllGroups = true
  /// IP_MULTICAST_IF: where datagrams to groups go; nil: where the route leads.
  public var multicastInterface: NetworkInterface? {
    didSet { path = nil }
  }
  /// The groups that are joined.
  public let groups = GroupMemberships()
  /// IP_RECVOPTS, IP_RETOPTS: the options of the headers of received datagrams are kept with them.
  public var keepsHeaderOptions = false
  /// Those of the datagram that was received last.
  public private(set) var receivedOptions: [UInt8] = []
  /// SO_ATTACH_FILTER: decides what is received.
  public var filter: PacketFilter? {
    didSet { isSelective = filter != nil || policies != nil }
  }
  /// IP_XFRM_POLICY: decides what is received and sent.
  public var policies: SecurityPolicies? {
    didSet {
      forgetPath()
      isSelective = filter != nil || policies != nil
    }
  }
  /// Not everything that fits the addresses is received.
  private var isSelective = false
  /// Those it shares its port with by SO_REUSEPORT; nil: nobody, and nobody may come.
  var sharers: PortSharers<DatagramEndpoint>?
  /// What is known of datagrams that went wrong (IP_RECVERR, MSG_ERRQUEUE), and notices about others.
  public let errors: ErrorQueue
  /// IP_TOS, IP_TTL, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_MTU_DISCOVER.
  public var tos: UInt8 = 0 {
    didSet { if tos != oldValue { connectedPath = nil } }
  }
  public var ttl: UInt8
  public var multicastTTL: UInt8 = 1
  public var loopsMulticast = true
  public var pathMTUDiscovery = PathMTUDiscovery.want
  /// IP_RECVERR: also errors that are not fatal, and those of unconnected endpoints, are reported.
  public var receivesErrors = false {
    didSet { if !receivesErrors { errors.removeAll() } }
  }
  /// Received datagrams that found the queue full.
  public private(set) var drops: UInt64 = 0
  public private(set) var isClosed = false
  public private(set) var isReceiveShutDown = false
  public private(set) var isSendShutDown = false

  private var queue: DatagramQueue
  var error: NetworkError?
  /// The path of the last datagram, which the next one may have too.
  var path: Path?
  /// The path that is kept for the connected peer, until an option that may lead elsewhere drops it (Linux's
  /// `sk_dst_get`). Some kinds only find it when they connect.
  var connectedPath: Path?
  /// A send found the device busy; told when it is not.
  private var waitsForDevice = false

  init(stack: NetworkStack) {
    self.stack = stack
    ttl = stack.configuration.defaultTTL
    queue = DatagramQueue(limit: stack.configuration.receiveQueueBytes)
    errors = ErrorQueue(limit: stack.configuration.receiveQueueBytes)
  }

  /// SO_RCVBUF: bytes that the receive queue holds, each datagram with its record.
  public var receiveQueueLimit: Int {
    get { queue.limit }
    set {
      queue.limit = max(newValue, 2048)
      errors.limit = queue.limit
    }
  }

  /// What holds now.
  public var readiness: Readiness {
    var result: Readiness = waitsForDevice ? [] : .writable
    if !queue.isEmpty || isReceiveShutDown { result.insert(.readable) }
    if error != nil || !errors.isEmpty { result.insert(.error) }
    if isReceiveShutDown { result.insert(.readHangUp) }
    if isReceiveShutDown && isSendShutDown { result.insert(.hangUp) }
    return result
  }

  /// Datagrams that wait, and the length of the first one in bytes (0 if there is none).
  public var queuedCount: Int { queue.count }
  public var nextLength: Int { queue.first?.length ?? 0 }

  // MARK: Receiving

  /// Copies the oldest datagram into `buffer`, as much of it as fits, and takes it out of the queue unless `peek`.
  /// Nil: there is none.
  public func receive(into buffer: inout MutableRawSpan, peek: Bool = false) -> ReceivedDatagram? {
    guard let record = queue.first else { return nil }
    buffer.copy(queue.firstBytes.clamped(0, buffer.byteCount), to: 0)
    if keepsHeaderOptions { receivedOptions = queue.firstOptions }
    if !peek { queue.removeFirst() }
    return record
  }

  /// The oldest datagram with its bytes as an array, for cold paths. Nil: there is none.
  public func receive() -> (ReceivedDatagram, [UInt8])? {
    guard let record = queue.first else { return nil }
    let bytes = queue.firstBytes.array
    queue.removeFirst()
    return (record, bytes)
  }

  /// As ``receive(into:peek:)`` with `peek`, but `offset` bytes into what waits: over as many datagrams as that takes
  /// (SO_PEEK_OFF). The record is that of the datagram that is shown, `left` the rest of it from there on.
  public func peek(into buffer: inout MutableRawSpan, at offset: Int) -> (record: ReceivedDatagram, left: Int)? {
    guard let found = queue.locate(offset) else { return nil }
    let bytes = queue.bytes(of: found.record, at: found.place).clamped(found.rest)
    buffer.copy(bytes.clamped(0, buffer.byteCount), to: 0)
    return (found.record, bytes.byteCount)
  }

  /// Takes the pending error.
  public func takeError() -> NetworkError? {
    defer { error = nil }
    return error
  }

  /// Delivers a datagram as the filter allows: whole, cut, or not at all.
  ///
  /// - Parameters:
  ///   - packet: what the filter sees: from the transport header on, or all of the datagram for raw endpoints.
  ///   - headerLength: octets of the packet that are not the endpoint's.
  func deliver(
    _ record: ReceivedDatagram, _ packet: RawSpan, headerLength: Int, of datagram: RawSpan
  ) -> Bool {
    let options = keepsHeaderOptions ? Self.options(of: datagram) : RawSpan()
    guard isSelective else { return deliver(record, packet.clamped(headerLength), options: options) }
    guard admitsByPolicy(record) else {
      drops &+= 1
      return false
    }
    guard let filter else { return deliver(record, packet.clamped(headerLength), options: options) }
    let passed = filter.run(packet, datagram: datagram, interface: record.interfaceIndex)
    guard passed > 0 else {
      drops &+= 1
      return false
    }
    var record = record
    record.length = min(record.length, max(passed, headerLength) - headerLength)
    return deliver(record, packet.clamped(headerLength, record.length), options: options)
  }

  @_lifetime(copy datagram)
  private static func options(of datagram: RawSpan) -> RawSpan {
    datagram.clamped(IPv4Field.minimumLength, Int(datagram.octet(0) & 15) * 4 - IPv4Field.minimumLength)
  }

  func deliver(_ record: ReceivedDatagram, _ bytes: RawSpan, options: RawSpan = RawSpan()) -> Bool {
    var record = record
    record.optionLength = UInt8(truncatingIfNeeded: options.byteCount)
    record.drops = UInt32(truncatingIfNeeded: drops)
    // As in Linux a queue whose reader has shut it down still fills.
    guard queue.append(record, bytes, options: options) else {
      drops &+= 1
      return false
    }
    onReadiness?(.readable)
    return true
  }

  /// Appends bytes to the datagram that came last (UDP_GRO).
  func extendNewest(_ bytes: RawSpan, segmentSize: Int) -> Bool {
    !isSelective && queue.extendNewest(bytes, segmentSize: segmentSize)
  }

  func report(_ problem: NetworkError) {
    error = problem
    onReadiness?(.error)
  }

  // MARK: Sending

  /// The MTU of the path that is kept for the connected peer, bytes (IP_MTU); nil: there is none.
  public var pathMTU: Int? { connectedPath?.mtu }

  /// A router reported a smaller MTU for the paths that are kept.
  func lowerPathMTU(_ mtu: Int) {
    for path in [path, connectedPath] { if let path { path.mtu = min(path.mtu, mtu) } }
  }

  func checkOpen() throws(NetworkError) {
    if isClosed { throw .closed }
  }

  /// Asked when everything else is right, as in Linux: a pending error, then a direction that is shut down.
  public func checkSendable() throws(NetworkError) {
    if let pending = takeError() { throw pending }
    if isSendShutDown { throw .brokenPipe }
  }

  /// Notes that a send found the device busy, and passes the error on.
  func noteBusy(_ problem: NetworkError) -> NetworkError {
    if problem == .wouldBlock { waitsForDevice = true }
    return problem
  }

  func transmitReady() {
    guard waitsForDevice else { return }
    waitsForDevice = false
    onReadiness?(.writable)
  }

  /// True if it may speak from an address that is not this host's.
  var takesAnySource: Bool { rules.isTransparent }

  /// The path is looked up again with the next datagram.
  public func forgetPath() {
    path = nil
    connectedPath = nil
  }

  // MARK: Ending

  /// Nobody waits for datagrams any more; those that are there, or still arrive, can be read.
  public func shutdownReceive() {
    isReceiveShutDown = true
    onReadiness?([.readable, .readHangUp])
  }

  /// No more datagrams are sent.
  public func shutdownSend() {
    isSendShutDown = true
    if isReceiveShutDown { onReadiness?(.hangUp) }
  }

  /// Ends the endpoint and frees its port. Idempotent.
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    onReadiness = nil
    forgetPath()
    queue.removeAll()
    errors.removeAll()
    groups.leaveAll()
    unregister()
  }

  func unregister() {}

  /// It is found by what arrives, and can no longer choose with whom it shares.
  var hasPlace: Bool { local.port != 0 }

  // MARK: Policies

  /// The protocol of its datagrams, as policies name them.
  var policyProtocol: IPProtocol { .udp }

  /// Linux asks the policy of a socket in UDP and for raw sockets.
  func admitsByPolicy(_ record: ReceivedDatagram) -> Bool {
    policies?.admits(
      policyProtocol, from: record.source, to: Endpoint(record.destination, local.port),
      interface: record.interfaceIndex) ?? true
  }
}
