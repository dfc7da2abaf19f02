import EventLoop
import Packets

/// What endpoints for datagrams have in common: a bounded receive queue, a pending error, the options of the IPv4 header
/// and the path of the last destination. UDP, ICMP and raw endpoints are its kinds.
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
  var groups: [(group: IPv4Address, interface: NetworkInterface)] = []
  /// IP_TOS, IP_TTL, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_MTU_DISCOVER.
  public var tos: UInt8 = 0
  public var ttl: UInt8
  public var multicastTTL: UInt8 = 1
  public var loopsMulticast = true
  public var pathMTUDiscovery = PathMTUDiscovery.want
  /// IP_RECVERR: also errors that are not fatal, and those of unconnected endpoints, are reported.
  public var receivesErrors = false
  /// Received datagrams that found the queue full.
  public private(set) var drops: UInt64 = 0
  public private(set) var isClosed = false
  public private(set) var isReceiveShutDown = false
  public private(set) var isSendShutDown = false

  private var queue: DatagramQueue
  private var error: NetworkError?
  private var path: Path?
  /// A send found the device busy; told when it is not.
  private var waitsForDevice = false

  init(stack: NetworkStack) {
    self.stack = stack
    ttl = stack.configuration.defaultTTL
    queue = DatagramQueue(limit: stack.configuration.receiveQueueBytes)
  }

  /// SO_RCVBUF: bytes that the receive queue holds, each datagram with its record.
  public var receiveQueueLimit: Int {
    get { queue.limit }
    set { queue.limit = max(newValue, 2048) }
  }

  /// What holds now.
  public var readiness: Readiness {
    var result: Readiness = waitsForDevice ? [] : .writable
    if !queue.isEmpty || isReceiveShutDown { result.insert(.readable) }
    if error != nil { result.insert(.error) }
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

  /// Takes the pending error.
  public func takeError() -> NetworkError? {
    defer { error = nil }
    return error
  }

  func deliver(_ record: ReceivedDatagram, _ bytes: RawSpan) -> Bool {
    // As in Linux a queue whose reader has shut it down still fills.
    guard queue.append(record, bytes) else {
      drops &+= 1
      return false
    }
    onReadiness?(.readable)
    return true
  }

  func report(_ problem: NetworkError) {
    error = problem
    onReadiness?(.error)
  }

  // MARK: Sending

  /// The path to `destination`, kept from the last datagram if it is the same.
  func path(to destination: IPAddress) throws(NetworkError) -> Path {
    if let path, path.isValid, path.destination == destination { return path }
    let fresh = try stack.path(
      to: destination, from: local.address.isUnspecified || local.address.v4?.isMulticast == true ? nil : local.address,
      via: boundIndex == 0 && destination.v4?.isMulticast == true ? multicastInterface?.index ?? 0 : boundIndex)
    if fresh.isBroadcast && !allowsBroadcast { throw .permissionDenied }
    path = fresh
    return fresh
  }

  /// The MTU of the path to the connected peer, bytes (IP_MTU); nil if not connected.
  public var pathMTU: Int? { path?.mtu }

  /// A router reported a smaller MTU for the path that is kept.
  func lowerPathMTU(_ mtu: Int) {
    if let path { path.mtu = min(path.mtu, mtu) }
  }

  func options(for destination: IPAddress) -> DatagramOptions {
    DatagramOptions(
      tos: tos, ttl: destination.v4?.isMulticast == true ? multicastTTL : ttl, discovery: pathMTUDiscovery)
  }

  func checkOpen() throws(NetworkError) {
    if isClosed { throw .closed }
  }

  /// Asked when everything else is right, as in Linux: a pending error, then a direction that is shut down.
  func checkSendable() throws(NetworkError) {
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

  func forgetPath() { path = nil }

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
    path = nil
    queue.removeAll()
    leaveGroups()
    unregister()
  }

  func unregister() {}
}
