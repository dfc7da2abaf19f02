import Packets

/// One end of UDP: what a UDP socket stands on.
///
///     let endpoint = stack.udp.open()
///     endpoint.onReadiness = { ... }
///     try endpoint.connect(to: Endpoint(address, 53))
///     try endpoint.send(bytes)
public final class UDPEndpoint: DatagramEndpoint {
  /// SO_REUSEADDR and SO_REUSEPORT: a port is shared by those who all want to.
  public var reusesAddress = false
  public var reusesPort = false
  /// UDP_SEGMENT: bytes of payload of each datagram that a message is cut into; 0: it is one.
  public var segmentSize = 0
  /// UDP_GRO: datagrams of one flow that come together are received as one.
  public var joinsDatagrams = false
  /// What the next one may be joined to.
  var joint: UDPJoint?
  /// IP_CHECKSUM: the sum of what is received and had to be checked here is kept.
  public var keepsSums = false
  /// Whom the socket's datagrams go to, as Linux remembers it.
  var flow = UDPFlow(source: IPAddress(.any), destination: Endpoint(.any, 0))
  /// SO_NO_CHECK: datagrams go out with a checksum of zero, which is none (RFC 768).
  public var omitsSums = false

  /// Takes a local address and port. An unspecified address stands for all; port 0 asks for an ephemeral one.
  ///
  /// - Throws: ``NetworkError/addressInUse``, ``NetworkError/addressNotAvailable``, ``NetworkError/invalidArgument`` if
  ///   it is bound already, ``NetworkError/addressFamilyNotSupported``.
  public func bind(to wanted: Endpoint) throws(NetworkError) {
    guard !isClosed else { throw .closed }
    try stack.checkBindable(wanted.address, rules)
    guard local.port == 0 else { throw .invalidArgument }
    let address = wanted.address.isUnspecified ? IPAddress(.any) : wanted.address
    local = try stack.udp.bind(self, to: Endpoint(address, wanted.port))
    hasImplicitPort = wanted.port == 0
  }

  /// Takes a local address only (IP_BIND_ADDRESS_NO_PORT); the port follows with the first datagram or
  /// ``connect(to:)``.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable``, ``NetworkError/invalidArgument`` if it has a port already.
  public func bind(toAddress address: IPAddress) throws(NetworkError) {
    guard !isClosed else { throw .closed }
    try stack.checkBindable(address, rules)
    guard local.port == 0 else { throw .invalidArgument }
    local.address = address
  }

  /// Chooses the only peer: datagrams of others are not received, ICMP errors are reported. An endpoint that is not
  /// bound gets an ephemeral port, and the source address of the path.
  ///
  /// - Throws: what ``NetworkStack/path(to:from:via:)`` and ``bind(to:)`` throw, and ``NetworkError/permissionDenied``
  ///   for a broadcast address without ``allowsBroadcast``.
  public func connect(to peer: Endpoint) throws(NetworkError) {
    guard !isClosed else { throw .closed }
    flow = UDPFlow(source: local.address, destination: peer)
    let path = try connectedPath(to: peer)
    if local.port == 0 { try bind(to: Endpoint(local.address, 0)) }
    if local.address.isUnspecified {
      local.address = path.source
      hasImplicitAddress = true
    }
    remote = Endpoint(path.destination, peer.port)
    flow = UDPFlow(source: path.source, destination: Endpoint(path.destination, peer.port))
    leaveSharers()
  }

  /// True if ``connect(to:)`` chose the local address, which ``disconnect()`` then takes back.
  private var hasImplicitAddress = false

  /// True if the port was not asked for: ``disconnect()`` gives it back (Linux `__udp_disconnect`).
  private var hasImplicitPort = false

  /// Forgets the peer, and what was chosen for it.
  public func disconnect() {
    remote = nil
    if hasImplicitPort, local.port != 0 {
      stack.udp.remove(self)
      local.port = 0
    }
    if hasImplicitAddress {
      local.address = IPAddress(.any)
      hasImplicitAddress = false
    }
    forgetPath()
  }

  /// Sends one datagram to `destination`, or to the connected peer.
  ///
  /// - Throws: ``NetworkError/wouldBlock`` if the device is busy (``Readiness/writable`` follows),
  ///   ``NetworkError/messageTooLong``, ``NetworkError/destinationRequired``, a pending error, and what looking up the
  ///   path throws.
  public func send(
    _ payload: RawSpan, to destination: Endpoint? = nil, control: DatagramControl? = nil
  ) throws(NetworkError) {
    guard payload.byteCount <= 65535 else { throw .messageTooLong }
    let way = try way(to: destination, control: control)
    try check(payload.byteCount, on: way)
    try checkSendable()
    try send(payload, on: way)
  }

  /// Sends what ``check(_:on:)`` has found to fit.
  public func send(_ payload: RawSpan, on way: UDPWay) throws(NetworkError) {
    // An interface that went down since the way was found loses it.
    guard way.path.isValid || way.path.interface.isEnabled else { return }
    let size = way.control?.segmentSize ?? segmentSize
    if size > 0 {
      try sendInPieces(payload, of: size, way.target, on: way.path, way.control)
    } else {
      try sendOne(payload, way.target, on: way.path, way.control)
    }
  }

  /// ``NetworkError/messageTooLong`` or ``NetworkError/packetTooBig(mtu:)`` for a payload of `length` octets.
  public func check(_ length: Int, on way: UDPWay) throws(NetworkError) {
    // Of what is cut up the pieces have to fit, not the whole.
    let isCut = (way.control?.segmentSize ?? segmentSize) > 0
    try checkLength(UDPField.headerLength + length, on: way.path, isCut: isCut)
  }

  /// UDP_SEGMENT: cuts what one call sends into datagrams of `size` bytes, the last of which may be shorter (Linux
  /// `udp_send_skb`).
  private func sendInPieces(
    _ payload: RawSpan, of size: Int, _ target: Endpoint, on path: Path, _ control: DatagramControl?
  ) throws(NetworkError) {
    let header = path.networkHeaderLength + UDPField.headerLength
    guard min(payload.byteCount, size) + header <= path.mtu else { throw .messageTooLong }
    // Whoever cuts them up sums them too (Linux `udp_send_skb`).
    guard payload.byteCount <= size * Self.segmentLimit, !omitsSums else { throw .invalidArgument }
    if path.interface.isLoopback, payload.byteCount > size {
      try sendOne(payload, target, on: path, control)
      stack.udp.sent(
        UDPTrain(
          source: Endpoint(path.source, local.port), port: target.port, length: payload.byteCount, size: size))
      return
    }
    var offset = 0
    repeat {
      let count = min(size, payload.byteCount - offset)
      try sendOne(payload.clamped(offset, count), target, on: path, control)
      offset += count
    } while offset < payload.byteCount
  }

  /// Datagrams that one call may be cut into (UDP_MAX_SEGMENTS).
  private static let segmentLimit = 128

  private func sendOne(
    _ payload: RawSpan, _ target: Endpoint, on path: Path, _ control: DatagramControl?
  ) throws(NetworkError) {
    let header =
      UInt64(local.port) << 48 | UInt64(target.port) << 32
      | UInt64(UDPField.headerLength + payload.byteCount) << 16
    do {
      try stack.ip.send(
        on: path, .udp, header: header, payload, offload: omitsSums ? .none : .udp,
        options: options(for: target.address, control))
    } catch {
      stack.udp.count { $0.sndbufErrors &+= error == .wouldBlock || error == .noBuffers ? 1 : 0 }
      throw noteBusy(error)
    }
    stack.udp.count { $0.outDatagrams &+= 1 }
    guard !path.interface.isLoopback, let group = target.address.v4 else { return }
    // Everybody is this host too, and the members of a group who are here, unless they are not to (IP_MULTICAST_LOOP).
    // What goes to the loopback interface comes back by itself.
    guard path.isBroadcast || group.isMulticast && loopsMulticast && path.interface.isMember(of: group) else { return }
    stack.udp.deliverCopy(
      payload, from: Endpoint(path.source, local.port), to: target, on: path.interface, tos: tos,
      ttl: path.isBroadcast ? ttl : multicastTTL)
  }

  // MARK: Matching

  /// True if a bind to `other` would get the same datagrams.
  func overlaps(_ other: Endpoint, _ interface: Int) -> Bool {
    guard local.port == other.port else { return false }
    if boundIndex != 0 && interface != 0 && boundIndex != interface { return false }
    return local.address.isUnspecified || other.address.isUnspecified || local.address == other.address
  }

  /// True for the connected peer; one with port 0 has all ports.
  func isPeer(_ other: Endpoint) -> Bool {
    guard let remote else { return true }
    return remote.address == other.address && (remote.port == 0 || remote.port == other.port)
  }

  /// How well the endpoint fits a datagram (Linux's `compute_score`); nil: not at all.
  func score(_ record: ReceivedDatagram, _ interface: NetworkInterface) -> Int? {
    var score = 0
    if !local.address.isUnspecified {
      guard local.address == record.destination else { return nil }
      score += 4
    }
    if remote != nil {
      guard isPeer(record.source) else { return nil }
      score += 8
    }
    if boundIndex != 0 {
      guard boundIndex == interface.index else { return nil }
      score += 4
    }
    return score
  }

  override func unregister() {
    if local.port != 0 { stack.udp.remove(self) }
  }
}

extension UDPLayer {
  /// Delivers a multicast datagram of this host to its own members.
  func deliverCopy(
    _ payload: RawSpan, from source: Endpoint, to destination: Endpoint, on interface: NetworkInterface, tos: UInt8,
    ttl: UInt8
  ) {
    guard let group = destination.address.v4 else { return }
    let record = ReceivedDatagram(
      source: source, destination: destination.address, interfaceIndex: interface.index, length: payload.byteCount,
      tos: tos, ttl: ttl, time: stack.loop.now)
    for endpoint in endpoints
    where endpoint.local.port == destination.port && endpoint.score(record, interface) != nil
      && endpoint.accepts(group: group, from: source.address.v4 ?? .any, on: interface)
    {
      let wasTaken = endpoint.deliver(record, payload)
      count { counters in
        if wasTaken { counters.inDatagrams &+= 1 } else { counters.rcvbufErrors &+= 1 }
      }
    }
  }
}
