import EventLoop
import Events
import Glibc
import Link
import Memory

/// A cable that ends in a datagram socket, with a QEMU's `-netdev dgram` at the other end: one frame, one datagram.
///
/// Datagrams know no connection: the carrier is always there. Frames for a peer that is not there are counted as
/// ``SocketWireCounters/lostWithoutCarrier``. While the peer's queue is full, frames stay with the port; while the port
/// refuses, the socket is not read, and the kernel drops what it has no room for (UDP) or makes the peer wait (paths).
public final class DatagramWire: SocketWire {
  public weak var port: (any WirePort)?
  public let address: WireAddress
  public var tap: EventTap?
  public private(set) var hasCarrier = true
  private let loop: EpollLoop
  private let settings: SocketWireSettings
  private let remote: WireAddress.Place
  private var count = SocketWireCounters()
  /// Bound, and read from. Between paths it is not connected: the kernel would refuse a peer that has come back.
  private var inlet: HostSocket?
  private var inletWatch: DescriptorWatch?
  /// Connected, and written to; nil while there is nobody at the other path.
  private var outlet: HostSocket?
  private var outletWatch: DescriptorWatch?
  private let room: UnsafeMutableRawBufferPointer
  /// The frame that the port refused: bytes at the start of `room`.
  private var refusedLength: Int?
  private var work: DeferredWork!
  private var senderWaits = false

  /// Datagrams that are read before others on the loop have their turn.
  private static let batch = 64

  /// - Parameter address: ``WireAddress/datagram(local:remote:)``.
  public init(
    _ address: WireAddress, on loop: EpollLoop, settings: SocketWireSettings = SocketWireSettings()
  ) throws(SocketWireError) {
    guard case .datagram(let local, let remote) = address, local.isUnix == remote.isUnix else {
      throw .system(address, operation: "dgram", code: EINVAL)
    }
    self.address = address
    self.loop = loop
    self.settings = settings
    self.remote = remote
    guard let socket = HostSocket.make(for: local, isStream: false) else {
      throw .system(address, operation: "socket", code: errno)
    }
    switch socket.bind(to: local, isStream: false) {
    case .done: break
    case .failed(EADDRINUSE): throw .inUse(address)
    case .failed(ENOTSOCK): throw .notASocket(address)
    case .failed(let code): throw .system(address, operation: "bind", code: code)
    case .later: throw .system(address, operation: "bind", code: EAGAIN)
    }
    inlet = socket
    if !remote.isUnix {
      // The kernel then drops what comes from elsewhere.
      guard case .done = socket.connect(to: remote), let copy = socket.duplicate() else {
        throw .system(address, operation: "connect", code: errno)
      }
      outlet = copy
    }
    room = .allocate(byteCount: settings.frameLimit, alignment: 64)
    work = DeferredWork(on: loop) { [unowned self] in run() }
    do throws(LoopError) {
      inletWatch = try DescriptorWatch(on: loop, descriptor: socket.descriptor, interest: .readable) {
        [unowned self] _ in read()
      }
    } catch {
      throw .system(address, operation: "epoll_ctl", code: ENOMEM)
    }
  }

  deinit {
    inletWatch?.cancel()
    outletWatch?.cancel()
    room.deallocate()
  }

  public var counters: SocketWireCounters { count }

  public func close() {
    guard hasCarrier else { return }
    hasCarrier = false
    work.cancel()
    inletWatch?.cancel()
    inlet = nil
    dropOutlet()
    port?.carrierChanged()
  }

  // MARK: Out

  public func send(_ frame: RawSpan) -> Bool {
    guard frame.byteCount <= settings.frameLimit else {
      count.tooLong &+= 1
      return true
    }
    // A peer that has come back since the last frame has another socket: the second attempt finds it.
    for _ in 0..<2 {
      guard hasCarrier, let socket = outlet ?? connect() else { break }
      switch frame.withUnsafeBytes({ socket.send($0) }) {
      case .done:
        count.sent &+= 1
        count.sentBytes &+= UInt64(frame.byteCount)
        return true
      case .later:
        guard waitForRoom(on: socket) else { break }
        count.refusedSends &+= 1
        senderWaits = true
        return false
      case .failed(EMSGSIZE):
        count.tooLong &+= 1
        return true
      case .failed(let code):
        // UDP tells here what an earlier datagram met; the socket stays good.
        if remote.isUnix { dropOutlet() } else if code != ECONNREFUSED { count.systemErrors &+= 1 }
      }
    }
    count.lostWithoutCarrier &+= 1
    return true
  }

  private func connect() -> HostSocket? {
    guard let socket = HostSocket.make(for: remote, isStream: false), case .done = socket.connect(to: remote) else {
      return nil
    }
    outlet = socket
    return socket
  }

  private func dropOutlet() {
    outletWatch?.cancel()
    outletWatch = nil
    outlet = nil
    wakeSender()
  }

  private func waitForRoom(on socket: HostSocket) -> Bool {
    do throws(LoopError) {
      if let outletWatch {
        try outletWatch.setInterest(.writable)
      } else {
        outletWatch = try DescriptorWatch(on: loop, descriptor: socket.descriptor, interest: .writable) {
          [unowned self] _ in outletReady()
        }
      }
      return true
    } catch {
      count.systemErrors &+= 1
      return false
    }
  }

  private func outletReady() {
    try? outletWatch?.setInterest([])
    wakeSender()
  }

  private func wakeSender() {
    guard senderWaits else { return }
    senderWaits = false
    // From the loop: the port may be in the middle of a send.
    work.schedule()
    isSenderDue = true
  }

  private var isSenderDue = false

  private func run() {
    if isSenderDue {
      isSenderDue = false
      port?.wireIsReady()
    }
    guard hasCarrier, let length = refusedLength, !portRefuses else { return }
    refusedLength = nil
    guard deliver(length) else { return }
    try? inletWatch?.setInterest(.readable)
  }

  // MARK: In

  private var portRefuses = false

  public func portIsReady() {
    guard portRefuses else { return }
    portRefuses = false
    work.schedule()
  }

  private func read() {
    var budget = Self.batch
    while budget > 0, refusedLength == nil, let inlet {
      budget -= 1
      switch inlet.receive(room, isDatagram: true) {
      case .done(let length):
        if length > room.count {
          count.oversize &+= 1
        } else if length < StreamConnection.shortestFrame {
          count.runts &+= 1
        } else if !deliver(length) {
          try? inletWatch?.setInterest([])
        }
      case .later: return
      case .failed(let code):
        // The answer to a datagram that nobody took; it stands for one of those counted as sent.
        if code != ECONNREFUSED { count.systemErrors &+= 1 }
      }
    }
  }

  private func deliver(_ length: Int) -> Bool {
    guard let start = room.baseAddress, let port else { return true }
    guard port.receive(MemoryWindow(start, count: length).bytes) else {
      count.refusedByPort &+= 1
      refusedLength = length
      portRefuses = true
      return false
    }
    count.received &+= 1
    count.receivedBytes &+= UInt64(length)
    return true
  }
}
