import EventLoop
import NetStack
import Packets
import Testing

/// A stack whose peer is a script: the test writes the peer's segments by hand and reads the stack's answers.
///
/// Numbers are relative: `sequence` counts from the peer's initial sequence number, `acknowledgement` from the stack's,
/// so that the first byte of each direction is 1.
final class ScriptedPeer {
  /// A segment of the stack.
  struct Seen: Equatable, CustomStringConvertible {
    var flags: TCPFlags
    var sequence: Int
    var acknowledgement: Int
    var count: Int
    var window: Int
    var time: Instant

    var description: String {
      "\(flags.rawValue) seq \(sequence) ack \(acknowledgement) len \(count) win \(window) at \(time.nanoseconds)"
    }
  }

  let network: TestNetwork
  let host: TestHost
  let station: Station
  /// ISS of the script and of the stack.
  let start: UInt32
  private(set) var hostStart: UInt32 = 0
  let port: UInt16 = 4000
  var hostPort: UInt16 = 80
  private(set) var listener: TCPListener?
  var connection: TCPConnection!
  private(set) var lastOptions = TCPOptions()
  private(set) var lastPayload: [UInt8] = []

  init(start: UInt32 = 1000, seed: UInt64 = 1, configure: (TCPLayer) -> Void = { _ in }) {
    network = TestNetwork(seed: seed)
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.2")
    self.start = start
    configure(host.stack.tcp)
  }

  var tcp: TCPLayer { host.stack.tcp }
  var remote: Endpoint { Endpoint(IPAddress(station.address), port) }

  /// Sends one segment of the script and lets it arrive. `acknowledgement` nil: no ACK bit.
  func send(
    _ flags: TCPFlags, _ sequence: Int, ack acknowledgement: Int? = nil, count: Int = 0, window: UInt16 = 65_535,
    options: TCPOptions = TCPOptions(), payload: [UInt8]? = nil, from port: UInt16? = nil, damage: Bool = false
  ) {
    inject(
      flags, sequence, ack: acknowledgement, count: count, window: window, options: options, payload: payload,
      from: port, damage: damage)
    network.advance(.microseconds(200))
  }

  /// As ``send``, but time stands still: for use on the loop.
  func inject(
    _ flags: TCPFlags, _ sequence: Int, ack acknowledgement: Int? = nil, count: Int = 0, window: UInt16 = 65_535,
    options: TCPOptions = TCPOptions(), payload: [UInt8]? = nil, from port: UInt16? = nil, damage: Bool = false
  ) {
    var flags = flags
    if acknowledgement != nil { flags.insert(.ack) }
    let fields = TCPHeader.Fields(
      sourcePort: port ?? self.port, destinationPort: hostPort,
      sequenceNumber: start &+ UInt32(truncatingIfNeeded: sequence),
      acknowledgmentNumber: acknowledgement.map { hostStart &+ UInt32(truncatingIfNeeded: $0) } ?? 0, flags: flags,
      window: window)
    var frame = station.wire(to: host).tcp(
      from: station.address, to: host.interface.addresses[0].address, fields, options: options,
      payload: payload ?? pattern(count, seed: sequence - 1))
    if damage { frame[frame.count - 1] ^= 0x10 }
    station.send(frame)
  }

  /// What the stack has sent since the last call.
  func take() -> [Seen] {
    station.takeDatagrams().compactMap { datagram in
      guard let header = IPv4Header(datagram.span.bytes), header.protocol == .tcp,
        let segment = TCPHeader(header.payload), segment.destinationPort == port
      else { return nil }
      let isValid = segment.isChecksumValid(header.pseudoHeader(length: segment.bytes.byteCount))
      #expect(isValid)
      hostPort = segment.sourcePort
      if segment.flags.contains(.syn) { hostStart = segment.sequenceNumber }
      lastOptions = segment.options
      if segment.payload.byteCount > 0 { lastPayload = segment.payload.array }
      return Seen(
        flags: segment.flags, sequence: Int(Int32(bitPattern: segment.sequenceNumber &- hostStart)),
        acknowledgement: Int(Int32(bitPattern: segment.acknowledgmentNumber &- start)),
        count: segment.payload.byteCount, window: Int(segment.window), time: network.loop.now)
    }
  }

  /// Lets time pass.
  func wait(_ span: TimeSpan) { network.advance(span) }

  // MARK: Ways into the states

  func listen(backlog: Int = 8, parameters: TCPParameters? = nil) throws {
    listener = try tcp.listen(on: Endpoint(host.address, 80), backlog: backlog, parameters: parameters)
  }

  /// SYN-SENT
  func connect(_ parameters: TCPParameters? = nil) throws {
    connection = try tcp.connect(to: remote, parameters: parameters)
    wait(.milliseconds(1))
  }

  /// ESTABLISHED by passive open; the peer's SYN carries `options`.
  func establish(
    options: TCPOptions = TCPOptions(), window: UInt16 = 65_535, parameters: TCPParameters? = nil
  ) throws {
    try listen(parameters: parameters)
    send(.syn, 0, window: window, options: options)
    _ = take()
    var reply = TCPOptions()
    if options.hasTimestamps {
      reply.hasTimestamps = true
      reply.timestampValue = options.timestampValue
      reply.timestampEcho = lastOptions.timestampValue
    }
    send(.ack, 1, ack: 1, window: window, options: reply)
    guard let accepted = listener?.accept() else { throw NetworkError.notConnected }
    connection = accepted
    _ = take()
  }

  /// Brings the connection into `state`. Afterwards the stack expects the byte `expected`, and what it sent last ends
  /// before `sent`.
  func reach(_ state: TCPState) throws {
    switch state {
    case .listen: try listen()
    case .synSent:
      try connect()
      _ = take()
      expected = 0
      sent = 1
    case .synReceived:
      try listen()
      send(.syn, 0)
      _ = take()
    default:
      try establish()
      if [.closeWait, .lastAck].contains(state) {
        send(.fin, 1, ack: 1)
        expected = 2
      }
      if state != .established, state != .closeWait {
        connection.shutdownSend()
        wait(.milliseconds(1))
        sent = 2
      }
      if state == .finWait2 || state == .timeWait { send([], 1, ack: 2) }
      if state == .closing { send(.fin, 1, ack: 1) }
      if state == .timeWait { send(.fin, 1, ack: 2) }
      if state == .closing || state == .timeWait { expected = 2 }
      _ = take()
    }
  }

  /// RCV.NXT and SND.NXT of the stack after ``reach(_:)``.
  private(set) var expected = 1
  private(set) var sent = 1

  /// The state of the connection with the script, as the stack lists it; closed if there is none, listen if only the
  /// listener is left.
  var state: TCPState {
    let mine = tcp.connections.first { $0.remote == remote }
    if let mine { return mine.state }
    return listener == nil || connection != nil ? .closed : .listen
  }
}
