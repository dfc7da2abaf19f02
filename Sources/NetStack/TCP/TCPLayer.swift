import EventLoop
import Events
import Packets

/// TCP of one stack: all connections and listeners, the demultiplexer between IP and them, and what belongs to none of
/// them (resets for strangers, TIME-WAIT, ports, limits).
///
///     let listener = try stack.tcp.listen(on: Endpoint(.any, 80), backlog: 16)
///     listener.onReadiness = { _ in while let connection = listener.accept() { ... } }
///     let connection = try stack.tcp.connect(to: Endpoint(IPv4Address(10, 0, 2, 2), 80))
///     connection.onReadiness = { what in ... }
public final class TCPLayer {
  unowned let stack: NetworkStack
  let loop: any EventLoop
  let tap: EventTap
  let random: SeededRandom
  let numbers: InitialNumbers
  let defaultTTL: UInt8
  /// The constants; connections that exist keep what they took from it.
  public var configuration = TCPConfiguration()
  var counted = TCPCounters()
  var ports = PortTable()
  var timeWaits = TimeWaitTable()

  var table: [ConnectionKey: TCPConnection] = [:]
  var listeners: [UInt16: [TCPListener]] = [:]
  private var nextNumber: UInt64 = 1
  /// The connection of the last segment: mostly the next one is for it too.
  var recent: TCPConnection?

  /// Connections to be served when the receive batch is over, and listeners to be reported.
  private var dirty: [TCPConnection] = []
  private var acceptable: [TCPListener] = []
  private var isServing = false
  private var service: DeferredWork!
  /// Connections that wait for a transmit buffer, in order.
  private var waiting: [TCPConnection] = []

  var timeWaitTimer: LoopTimer!
  private var challengeWindowStart = Instant.zero
  private var challengesLeft = 0
  /// The path of the last answer without a connection.
  private var replyPath: Path?

  init(stack: NetworkStack) {
    self.stack = stack
    loop = stack.loop
    tap = stack.tap
    random = stack.random
    defaultTTL = stack.configuration.defaultTTL
    numbers = InitialNumbers(random: stack.random)
    // For what becomes ready outside of a receive batch: timers, errors from below.
    service = DeferredWork(on: stack.loop) { [unowned self] in serveDirty() }
    timeWaitTimer = LoopTimer(on: stack.loop) { [unowned self] in timeWaitTimerFired() }
  }

  /// What has been counted so far.
  public var counters: TCPCounters { counted }

  // MARK: The end of a batch

  /// The current batch of received frames is over: reports what became true, and sends what the batch has caused.
  func receiveBatchEnded() {
    if !dirty.isEmpty || !acceptable.isEmpty { serveDirty() }
  }

  @inline(__always) func markDirty(_ connection: TCPConnection) {
    if connection.isDirty { return }
    addDirty(connection)
  }

  private func addDirty(_ connection: TCPConnection) {
    connection.isDirty = true
    dirty.append(connection)
    service.schedule()
  }

  func becameAcceptable(_ listener: TCPListener) {
    acceptable.append(listener)
    service.schedule()
  }

  private func serveDirty() {
    // A handler that lets a batch arrive meanwhile only adds to the lists.
    guard !isServing else { return }
    isServing = true
    var index = 0
    while index < dirty.count {
      let connection = dirty[index]
      index += 1
      connection.isDirty = false
      connection.flushReadiness()
      serve(connection)
    }
    dirty.removeAll(keepingCapacity: true)
    var reported = 0
    while reported < acceptable.count {
      let listener = acceptable[reported]
      reported += 1
      if listener.acceptableCount > 0 { listener.onReadiness?(.readable) }
    }
    acceptable.removeAll(keepingCapacity: true)
    isServing = false
    if !dirty.isEmpty { service.schedule() }
  }

  @inline(__always) private func serve(_ connection: TCPConnection) {
    guard connection.isRegistered else { return }
    let now = loop.now
    connection.output(at: now)
    if connection.ackUrgency == .now { connection.sendAck(at: now) }
  }

  // MARK: Buffers

  /// The connection goes on when the device has buffers again.
  func waitForBuffer(_ connection: TCPConnection) {
    counted.transmitStalls &+= 1
    guard !connection.isWaitingForBuffer else { return }
    connection.isWaitingForBuffer = true
    waiting.append(connection)
  }

  /// Transmit buffers are free again.
  func transmitReady(_ interface: NetworkInterface) {
    guard !waiting.isEmpty else { return }
    var batch = waiting
    waiting = []
    for connection in batch where connection.isWaitingForBuffer && connection.isRegistered {
      connection.isWaitingForBuffer = false
      serve(connection)
    }
    batch.removeAll(keepingCapacity: true)
    if waiting.isEmpty { waiting = batch }
  }

  // MARK: Errors from below

  /// An ICMP error quotes a segment that `local` sent to `remote`, or at least eight octets of it.
  func pathError(_ problem: ICMPProblem, local: Endpoint, remote: Endpoint, _ quote: RawSpan) {
    guard let connection = table[ConnectionKey(local: local, remote: remote)] else { return }
    let sequence = SequenceNumber(quote.loadBigEndian(4))
    // Who quotes a sequence number that is not outstanding has not seen the segment (RFC 5927 4.1).
    guard sequence >= connection.sendUnacknowledged, sequence <= connection.sendNext else {
      counted.outOfWindowICMPs &+= 1
      return
    }
    connection.pathFailed(problem, quote, at: loop.now)
  }

  /// A link that comes back does not wait for the timers: what waits goes out now.
  func linkChanged(_ interface: NetworkInterface, isUp: Bool) {
    replyPath = nil
    guard isUp else { return }
    for connection in sortedConnections where connection.isWaitingForBuffer {
      connection.isWaitingForBuffer = false
      markDirty(connection)
    }
  }

  /// An address of this host is gone: its connections cannot go on (Linux lets them time out; nothing can be sent for
  /// them, so they end here).
  func addressRemoved(_ address: IPAddress) {
    replyPath = nil
    for connection in sortedConnections where connection.key.localAddress == address {
      connection.end(with: .networkDown, loop.now)
    }
  }

  // MARK: Table

  func make(
    _ key: ConnectionKey, _ path: Path, _ parameters: TCPParameters, _ initialSequence: SequenceNumber?,
    _ now: Instant
  ) -> TCPConnection {
    let connection = TCPConnection(
      layer: self, key: key, number: nextNumber, path: path, parameters: parameters,
      initialSequence: initialSequence ?? numbers.sequenceNumber(key, at: now))
    nextNumber += 1
    connection.isRegistered = true
    table[key] = connection
    return connection
  }

  func remove(_ connection: TCPConnection) {
    guard connection.isRegistered else { return }
    connection.isRegistered = false
    connection.isWaitingForBuffer = false
    table[connection.key] = nil
    if recent === connection { recent = nil }
    connection.leavePort()
  }

  func contains(_ key: ConnectionKey) -> Bool { table[key] != nil }

  func halfOpenConnections(of listener: TCPListener) -> [TCPConnection] {
    table.values.filter { $0.listener === listener }.sorted { $0.number < $1.number }
  }

  var sortedConnections: [TCPConnection] { table.values.sorted { $0.number < $1.number } }

  func add(_ listener: TCPListener) { listeners[listener.local.port, default: []].append(listener) }

  func remove(_ listener: TCPListener) {
    let port = listener.local.port
    listeners[port]?.removeAll { $0 === listener }
    if listeners[port]?.isEmpty == true { listeners[port] = nil }
  }

  var allListeners: [TCPListener] { listeners.keys.sorted().flatMap { listeners[$0] ?? [] } }

  /// Ends everything without a word to the peers: the stack is going away.
  func shutDown() {
    for connection in sortedConnections {
      connection.isOrphan = true
      connection.end(with: nil, loop.now)
    }
    for listener in allListeners { listener.close() }
    // What is left of connections leads back here by their paths.
    waiting = []
    dirty = []
    acceptable = []
    replyPath = nil
    for key in timeWaits.entries.keys { timeWaits.remove(key) }
    timeWaitTimer.cancel()
    service.cancel()
  }

  // MARK: Limits

  /// Takes one of the challenge ACKs of this second (RFC 5961 7).
  func mayChallenge(at now: Instant) -> Bool {
    if now - challengeWindowStart >= .seconds(1) || challengeWindowStart == .zero {
      challengeWindowStart = now
      challengesLeft = configuration.challengeAckLimit
    }
    guard challengesLeft > 0 else { return false }
    challengesLeft -= 1
    return true
  }

  /// The path for an answer without a connection; nil if there is none.
  func pathForReply(_ key: ConnectionKey) -> Path? {
    if let replyPath, replyPath.isValid, replyPath.destination == key.remoteAddress,
      replyPath.source == key.localAddress
    {
      return replyPath
    }
    replyPath = try? stack.path(to: key.remoteAddress, from: key.localAddress)
    return replyPath
  }
}
