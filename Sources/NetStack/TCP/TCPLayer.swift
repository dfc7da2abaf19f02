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

  private var table: [ConnectionKey: TCPConnection] = [:]
  private var listeners: [UInt16: [TCPListener]] = [:]
  private var nextNumber: UInt64 = 1
  /// The connection of the last segment: mostly the next one is for it too.
  private var recent: TCPConnection?

  /// Connections to be served when the receive batch is over, and listeners to be reported.
  private var dirty: [TCPConnection] = []
  private var acceptable: [TCPListener] = []
  private var isServing = false
  private var service: DeferredWork!
  /// Connections that wait for a transmit buffer, in order.
  private var waiting: [TCPConnection] = []

  private var timeWaitTimer: LoopTimer!
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

  // MARK: From IP

  /// A segment arrived for one of this host's addresses, behind the first `headerLength` octets of `datagram`.
  func received(
    _ datagram: RawSpan, headerLength: Int, source: IPAddress, destination: IPAddress, interface: NetworkInterface,
    checksumVerified: Bool
  ) {
    counted.inSegments &+= 1
    let segment = datagram.clamped(headerLength)
    guard let header = TCPHeader(segment) else {
      counted.inErrors &+= 1
      return
    }
    if !checksumVerified, !isChecksumValid(header, source, destination) {
      counted.inErrors &+= 1
      counted.inChecksumErrors &+= 1
      return
    }
    let arrived = ArrivedSegment(header)
    let key = ConnectionKey(
      local: Endpoint(destination, header.destinationPort), remote: Endpoint(source, header.sourcePort))
    if tap.isOn { tapReceived(key, arrived, segment) }
    let now = loop.now
    if let recent, recent.key == key, recent.accepts(interface) {
      if recent.isSelective, !admits(datagram, headerLength, recent.chosen, interface) { return }
      recent.received(arrived, segment, at: now)
    } else if let connection = table[key], connection.accepts(interface) {
      recent = connection
      if connection.isSelective, !admits(datagram, headerLength, connection.chosen, interface) { return }
      connection.received(arrived, segment, at: now)
    } else {
      receivedByNoConnection(arrived, datagram, headerLength, key, interface, now)
    }
  }

  private func isChecksumValid(
    _ header: borrowing TCPHeader, _ source: IPAddress, _ destination: IPAddress
  ) -> Bool {
    guard let from = source.v4, let to = destination.v4 else { return false }
    return header.isChecksumValid(
      InternetChecksum(source: from, destination: to, protocol: .tcp, length: header.bytes.byteCount))
  }

  private func receivedByNoConnection(
    _ segment: ArrivedSegment, _ datagram: RawSpan, _ headerLength: Int, _ key: ConnectionKey,
    _ device: NetworkInterface, _ now: Instant
  ) {
    let interface = device.index
    let bytes = datagram.clamped(headerLength)
    if let entry = timeWaits[key], entry.portUse.reuse.interface == 0 || entry.portUse.reuse.interface == interface {
      switch receivedInTimeWait(segment, bytes, entry, now) {
      case .done: return
      case .reopen(let first):
        if let listener = listener(for: key.local, interface) {
          counted.timeWaitsRecycled &+= 1
          forgetTimeWait(key)
          return receivedByListener(listener, segment, bytes, key, first, now)
        }
      }
    }
    guard let listener = listener(for: key.local, interface) else {
      if !segment.flags.contains(.rst) { sendReset(answering: segment, key) }
      return
    }
    if listener.parameters.isSelective, !admits(datagram, headerLength, listener.parameters, device) { return }
    receivedByListener(listener, segment, bytes, key, nil, now)
    if listener.parameters.savesSyn, let connection = table[key], connection.state == .synReceived {
      connection.savedSyn = datagram.clamped(0, headerLength + segment.headerLength).array
    }
  }

  // MARK: LISTEN (RFC 9293 3.10.7.2)

  private func receivedByListener(
    _ listener: TCPListener, _ segment: ArrivedSegment, _ bytes: RawSpan, _ key: ConnectionKey,
    _ initialSequence: SequenceNumber?, _ now: Instant
  ) {
    if segment.flags.contains(.rst) { return }
    if segment.flags.contains(.ack) { return sendReset(answering: segment, key) }
    // A SYN with FIN is a probe or worse (Linux drops it too).
    guard segment.flags.contains(.syn), !segment.flags.contains(.fin), let header = TCPHeader(bytes) else { return }
    guard listener.hasRoom else {
      counted.listenOverflows &+= 1
      counted.listenDrops &+= 1
      return
    }
    guard listener.takesSyns else {
      counted.requestQueueFullDrops &+= 1
      counted.listenDrops &+= 1
      return
    }
    let path: Path
    do {
      path = try stack.path(
        to: key.remoteAddress, from: key.localAddress, via: listener.parameters.interfaceIndex,
        isTransparent: listener.parameters.rules.isTransparent, headerOptions: listener.parameters.headerOptions)
    } catch {
      counted.listenDrops &+= 1
      return
    }
    counted.passiveOpens &+= 1
    let connection = make(key, path, listener.parameters, initialSequence, now)
    listener.handshakeBegan()
    connection.open(answering: segment, header.options, of: listener, at: now)
  }

  private func listener(for local: Endpoint, _ interface: Int) -> TCPListener? {
    guard var candidates = listeners[local.port] else { return nil }
    candidates.removeAll { $0.parameters.interfaceIndex != 0 && $0.parameters.interfaceIndex != interface }
    // The more specific address wins, then who is bound to the interface; among equals (SO_REUSEPORT) the one with the
    // shortest queue.
    let exact = candidates.filter { $0.local.address == local.address }
    var fitting = exact.isEmpty ? candidates.filter { $0.local.address.isUnspecified } : exact
    if fitting.contains(where: { $0.parameters.interfaceIndex != 0 }) {
      fitting.removeAll { $0.parameters.interfaceIndex == 0 }
    }
    return fitting.min { $0.acceptableCount + $0.halfOpenCount < $1.acceptableCount + $1.halfOpenCount }
  }

  func halfOpenConnections(of listener: TCPListener) -> [TCPConnection] {
    table.values.filter { $0.listener === listener }.sorted { $0.number < $1.number }
  }

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

  /// An ICMP error quotes a segment that `local` sent to `remote`.
  func pathError(_ error: NetworkError, local: Endpoint, remote: Endpoint, sequence: SequenceNumber) {
    guard let connection = table[ConnectionKey(local: local, remote: remote)] else { return }
    // Who quotes a sequence number that is not outstanding has not seen the segment (RFC 5927 4.1).
    guard sequence >= connection.sendUnacknowledged, sequence <= connection.sendNext else {
      counted.outOfWindowICMPs &+= 1
      return
    }
    connection.pathFailed(error, at: loop.now)
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

  // MARK: TIME-WAIT

  /// The connection's place is taken by a TIME-WAIT entry.
  func enterTimeWait(_ connection: TCPConnection, at now: Instant) {
    let use = connection.portUse
    remove(connection)
    guard timeWaits.count < configuration.maximumTimeWaits else {
      counted.timeWaitOverflows &+= 1
      return
    }
    counted.timeWaits &+= 1
    timeWaits.insert(connection.timeWait(until: now + configuration.timeWait, use))
    ports.add(use, connection.key.localPort)
    armTimeWaitTimer()
  }

  func forgetTimeWait(_ key: ConnectionKey) {
    if let entry = timeWaits[key] { ports.remove(entry.portUse, key.localPort) }
    timeWaits.remove(key)
    if timeWaits.isEmpty { timeWaitTimer.cancel() }
  }

  private func armTimeWaitTimer() {
    guard !timeWaits.isEmpty, let deadline = timeWaits.nextDeadline else { return timeWaitTimer.cancel() }
    if !timeWaitTimer.isArmed || timeWaitTimer.deadline > deadline { timeWaitTimer.arm(at: deadline) }
  }

  private func timeWaitTimerFired() {
    for entry in timeWaits.expire(at: loop.now) { ports.remove(entry.portUse, entry.key.localPort) }
    armTimeWaitTimer()
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
