import EventLoop
import Glibc
import Link
import Memory

/// One connection of a ``StreamWire``: frames behind 4-byte big-endian lengths, both ways, in two buffers of fixed
/// size.
///
/// Frames that are sent are gathered and written once a turn. While the port refuses, the socket is not read, and the
/// kernel makes the peer wait.
final class StreamConnection {
  enum End { case byPeer, hostileLength, system(Int32) }

  /// Gets the frames; nil drops them.
  var deliver: ((RawSpan) -> Bool)?
  var onRoom: (() -> Void)?
  /// Called once, when the connection has ended by itself.
  var onEnd: ((End) -> Void)?
  private(set) var count = SocketWireCounters()

  private let socket: HostSocket
  private let frameLimit: Int
  private let sendLimit: Int
  private var watch: DescriptorWatch!
  private var work: DeferredWork!
  private var isOpen = true

  private let input: UnsafeMutableRawPointer
  private let inputCapacity: Int
  private var inputStart = 0
  private var inputEnd = 0
  private var isDelivering = false
  private var portRefused = false

  /// Frames on their way out lie between `boundary` and `tail`, the first one perhaps written in part: up to `head`.
  private let output: UnsafeMutableRawPointer
  private let outputCapacity: Int
  private var boundary = 0
  private var head = 0
  private var tail = 0
  private var isBlocked = false
  private var senderWaits = false

  static let prefix = 4
  static let shortestFrame = 14

  init(_ socket: HostSocket, on loop: EpollLoop, settings: SocketWireSettings) throws(LoopError) {
    self.socket = socket
    frameLimit = settings.frameLimit
    sendLimit = max(settings.sendLimit, 2 * (settings.frameLimit + Self.prefix))
    inputCapacity = 2 * (settings.frameLimit + Self.prefix)
    outputCapacity = 2 * sendLimit
    input = .allocate(byteCount: inputCapacity, alignment: 64)
    output = .allocate(byteCount: outputCapacity, alignment: 64)
    work = DeferredWork(on: loop) { [unowned self] in run() }
    watch = try DescriptorWatch(on: loop, descriptor: socket.descriptor, interest: .readable) {
      [unowned self] in ready($0)
    }
  }

  deinit {
    watch?.cancel()
    input.deallocate()
    output.deallocate()
  }

  var isLeftByPeer: Bool { socket.isLeftByPeer }

  /// Takes a frame. False: the peer reads too slowly; ``onRoom`` follows.
  func send(_ frame: RawSpan) -> Bool {
    let length = frame.byteCount
    guard length <= frameLimit else {
      count.tooLong &+= 1
      return true
    }
    let need = Self.prefix + length
    guard tail - head + need <= sendLimit else {
      count.refusedSends &+= 1
      senderWaits = true
      return false
    }
    if tail + need > outputCapacity { compactOutput() }
    output.storeBytes(of: UInt32(length).bigEndian, toByteOffset: tail, as: UInt32.self)
    MemoryWindow(output + tail + Self.prefix, count: length).copy(from: frame)
    tail += need
    if !isBlocked { work.schedule() }
    return true
  }

  /// The port has room again.
  func portIsReady() {
    guard portRefused else { return }
    portRefused = false
    work.schedule()
  }

  /// Ends the connection from this side; ``onEnd`` is not called.
  func close() {
    guard isOpen else { return }
    isOpen = false
    watch.cancel()
    work.cancel()
    if inputEnd > inputStart { count.truncated &+= 1 }
    while boundary < tail {
      count.lostWithoutCarrier &+= 1
      boundary += Self.prefix + length(at: boundary)
    }
  }

  private func end(_ reason: End) {
    guard isOpen else { return }
    close()
    onEnd?(reason)
  }

  private func run() {
    if isOpen { flush() }
    if isOpen, !portRefused { deliverFrames() }
    if isOpen { updateInterest() }
  }

  private func ready(_ readiness: DescriptorReadiness) {
    if readiness.contains(.writable) {
      isBlocked = false
      flush()
    }
    if isOpen, !portRefused, !readiness.isDisjoint(with: [.readable, .hangUp, .error]) { read() }
    if isOpen { updateInterest() }
  }

  private func updateInterest() {
    var interest: DescriptorReadiness = []
    if !portRefused { interest.insert(.readable) }
    if isBlocked { interest.insert(.writable) }
    do throws(LoopError) { try watch.setInterest(interest) } catch { end(.system(EBADF)) }
  }

  // MARK: Out

  private func length(at offset: Int) -> Int {
    Int(UInt32(bigEndian: output.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }

  private func flush() {
    while head < tail, !isBlocked {
      switch socket.send(UnsafeRawBufferPointer(start: output + head, count: tail - head)) {
      case .done(let written): head += written
      case .later: isBlocked = true
      case .failed(let code): return end(.system(code))
      }
    }
    while boundary < head, boundary + Self.prefix <= head {
      let size = Self.prefix + length(at: boundary)
      guard boundary + size <= head else { break }
      count.sent &+= 1
      count.sentBytes &+= UInt64(size - Self.prefix)
      boundary += size
    }
    if boundary == tail {
      boundary = 0
      head = 0
      tail = 0
    }
    if senderWaits, tail - head <= sendLimit / 2 {
      senderWaits = false
      onRoom?()
    }
  }

  private func compactOutput() {
    output.copyMemory(from: output + boundary, byteCount: tail - boundary)
    head -= boundary
    tail -= boundary
    boundary = 0
  }

  // MARK: In

  private func read() {
    if inputStart > 0 {
      input.copyMemory(from: input + inputStart, byteCount: inputEnd - inputStart)
      inputEnd -= inputStart
      inputStart = 0
    }
    // There is room: what lies here is less than one frame, or the port would have been asked to take it.
    switch socket.receive(UnsafeMutableRawBufferPointer(start: input + inputEnd, count: inputCapacity - inputEnd)) {
    case .done(0): end(.byPeer)
    case .done(let count):
      inputEnd += count
      deliverFrames()
    case .later: break
    case .failed(let code): end(code == ECONNRESET ? .byPeer : .system(code))
    }
  }

  private func deliverFrames() {
    // A port that says from inside a delivery that it is ready is served by the deferred work.
    guard !isDelivering else { return }
    isDelivering = true
    defer { isDelivering = false }
    while isOpen, inputEnd - inputStart >= Self.prefix {
      let length = UInt32(bigEndian: input.loadUnaligned(fromByteOffset: inputStart, as: UInt32.self))
      guard length > 0, Int(length) <= frameLimit else {
        count.hostileLengths &+= 1
        return end(.hostileLength)
      }
      let size = Self.prefix + Int(length)
      guard inputEnd - inputStart >= size else { break }
      if Int(length) < Self.shortestFrame {
        count.runts &+= 1
      } else if let deliver {
        guard deliver(MemoryWindow(input + inputStart + Self.prefix, count: Int(length)).bytes) else {
          count.refusedByPort &+= 1
          portRefused = true
          return
        }
        count.received &+= 1
        count.receivedBytes &+= UInt64(length)
      }
      inputStart += size
    }
  }
}
