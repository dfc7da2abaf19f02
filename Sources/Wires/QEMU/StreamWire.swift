import EventLoop
import Events
import Glibc
import Link

/// A cable that ends in a stream socket, with a QEMU's `-netdev stream` (or `-netdev socket`) at the other end: each
/// frame behind its length as a 4-byte big-endian number, without FCS.
///
/// It connects (and tries again until somebody is there) or listens. There is one peer at a time, and a carrier as long
/// as there is one; when it goes, the wire waits for the next. A peer that is gone without having said so is replaced
/// by the next one as soon as the kernel knows; one that is there keeps others away.
///
/// Flow control is exact: frames for a peer that does not read stay with the port once ``SocketWireSettings/sendLimit``
/// bytes wait; while the port refuses, the socket is not read. A length of zero or beyond the limit means that the
/// stream is not one of frames: it is counted, and ends the connection.
public final class StreamWire: SocketWire {
  public weak var port: (any WirePort)?
  public let address: WireAddress
  public var tap: EventTap?
  public private(set) var lastError: Int32?
  private let loop: EpollLoop
  private let settings: SocketWireSettings
  private var count = SocketWireCounters()
  private var connection: StreamConnection?
  private var listener: HostSocket?
  private var attempt: HostSocket?
  /// Watches the listening socket, or the attempt.
  private var watch: DescriptorWatch?
  private var retry: LoopTimer!
  private var isClosed = false

  /// - Parameter address: ``WireAddress/connect(_:)`` or ``WireAddress/listen(_:)``.
  public init(
    _ address: WireAddress, on loop: EpollLoop, settings: SocketWireSettings = SocketWireSettings()
  ) throws(SocketWireError) {
    self.address = address
    self.loop = loop
    self.settings = settings
    retry = LoopTimer(on: loop) { [unowned self] in tryAgain() }
    switch address {
    case .listen(let place): try listen(at: place)
    case .connect(let place): connect(to: place)
    case .datagram: throw .system(address, operation: "stream", code: EINVAL)
    }
  }

  deinit {
    connection?.close()
    watch?.cancel()
  }

  public var hasCarrier: Bool { connection != nil }

  public var counters: SocketWireCounters {
    guard let connection else { return count }
    var total = count
    total.add(connection.count)
    return total
  }

  public func send(_ frame: RawSpan) -> Bool {
    guard let connection else {
      count.lostWithoutCarrier &+= 1
      return true
    }
    return connection.send(frame)
  }

  public func portIsReady() { connection?.portIsReady() }

  public func close() {
    guard !isClosed else { return }
    isClosed = true
    retry.cancel()
    watch?.cancel()
    watch = nil
    attempt = nil
    listener = nil
    leave()
  }

  // MARK: Peers

  private func adopt(_ socket: HostSocket) {
    if case .connect(.internet) = address { socket.sendWithoutDelay() }
    if case .listen(.internet) = address { socket.sendWithoutDelay() }
    do throws(LoopError) {
      let connection = try StreamConnection(socket, on: loop, settings: settings)
      connection.deliver = { [unowned self] frame in port?.receive(frame) ?? true }
      connection.onRoom = { [unowned self] in port?.wireIsReady() }
      connection.onEnd = { [unowned self] in ended($0) }
      self.connection = connection
      count.connections &+= 1
    } catch {
      count.systemErrors &+= 1
      return planRetry()
    }
    report(isUp: true)
    port?.carrierChanged()
  }

  private func ended(_ reason: StreamConnection.End) {
    if case .system(let code) = reason, code != EPIPE, code != ECONNRESET { count.systemErrors &+= 1 }
    if case .hostileLength = reason { tap?.emit(.wire, .dropped(reason: "\(address): hostile length", length: 4)) }
    leave()
    planRetry()
  }

  /// The peer is gone: nothing that waits for it has a fate here any more.
  private func leave() {
    guard let old = connection else { return }
    old.close()
    connection = nil
    count.add(old.count)
    count.disconnections &+= 1
    report(isUp: false)
    port?.carrierChanged()
    port?.wireIsReady()
  }

  private func report(isUp: Bool) {
    guard let tap, tap.isOn else { return }
    tap.emit(
      .wire,
      .stateChange(object: "\(address)", from: isUp ? "waiting" : "connected", to: isUp ? "connected" : "waiting"))
  }

  private func planRetry() {
    guard !isClosed, case .connect = address else { return }
    retry.arm(at: loop.now + settings.retryInterval)
  }

  private func tryAgain() {
    switch address {
    case .connect(let place): if connection == nil { connect(to: place) }
    case .listen: watchListener()
    case .datagram: break
    }
  }

  // MARK: Connecting

  private func connect(to place: WireAddress.Place) {
    watch?.cancel()
    watch = nil
    attempt = nil
    guard let socket = HostSocket.make(for: place, isStream: true) else {
      count.systemErrors &+= 1
      return planRetry()
    }
    switch socket.connect(to: place) {
    case .done: adopt(socket)
    case .failed(let code):
      lastError = code
      planRetry()
    case .later:
      // A path's queue of connections is full: there is nothing to wait for. TCP is under way.
      guard !place.isUnix else { return planRetry() }
      attempt = socket
      watch = try? DescriptorWatch(on: loop, descriptor: socket.descriptor, interest: .writable) {
        [unowned self] _ in finishAttempt()
      }
      if watch == nil { planRetry() }
    }
  }

  private func finishAttempt() {
    guard let socket = attempt else { return }
    watch?.cancel()
    watch = nil
    attempt = nil
    // A port of the range that connections are given may be met by the attempt itself.
    let code = socket.pendingError
    guard code == 0, !socket.isConnectedToItself else {
      if code != 0 { lastError = code }
      return planRetry()
    }
    adopt(socket)
  }

  // MARK: Listening

  private func listen(at place: WireAddress.Place) throws(SocketWireError) {
    guard let socket = HostSocket.make(for: place, isStream: true) else {
      throw .system(address, operation: "socket", code: errno)
    }
    switch socket.bind(to: place, isStream: true) {
    case .done: break
    case .failed(EADDRINUSE): throw .inUse(address)
    case .failed(ENOTSOCK): throw .notASocket(address)
    case .failed(let code): throw .system(address, operation: "bind", code: code)
    case .later: throw .system(address, operation: "bind", code: EAGAIN)
    }
    guard case .done = socket.listen() else { throw .system(address, operation: "listen", code: errno) }
    listener = socket
    watchListener()
    guard watch != nil else { throw .system(address, operation: "epoll_ctl", code: ENOMEM) }
  }

  private func watchListener() {
    guard let listener, !isClosed else { return }
    watch = try? DescriptorWatch(on: loop, descriptor: listener.descriptor, interest: .readable) {
      [unowned self] _ in acceptPeers()
    }
  }

  private func acceptPeers() {
    while let (socket, code) = listener?.accept() {
      guard let socket else {
        // Without descriptors the peer that waits would wake the loop for ever.
        if code == EMFILE || code == ENFILE { pauseListening() }
        return
      }
      // The end of the last peer and the call of the next may be told in either order.
      if let connection, connection.isLeftByPeer { leave() }
      if connection == nil { adopt(socket) } else { count.refusedPeers &+= 1 }
    }
  }

  private func pauseListening() {
    count.systemErrors &+= 1
    watch?.cancel()
    watch = nil
    retry.arm(at: loop.now + settings.retryInterval)
  }
}

extension SocketWireCounters {
  mutating func add(_ other: SocketWireCounters) {
    sent &+= other.sent
    sentBytes &+= other.sentBytes
    received &+= other.received
    receivedBytes &+= other.receivedBytes
    refusedSends &+= other.refusedSends
    refusedByPort &+= other.refusedByPort
    connections &+= other.connections
    disconnections &+= other.disconnections
    refusedPeers &+= other.refusedPeers
    hostileLengths &+= other.hostileLengths
    runts &+= other.runts
    oversize &+= other.oversize
    tooLong &+= other.tooLong
    truncated &+= other.truncated
    lostWithoutCarrier &+= other.lostWithoutCarrier
    systemErrors &+= other.systemErrors
  }
}
