import Packets

/// An endpoint for echo requests and their replies: Linux's ping socket (`socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)`).
/// Its identifier is its "port"; received datagrams begin with the ICMP header.
public final class ICMPEndpoint: DatagramEndpoint {
  /// The identifier of its messages; 0 while not bound.
  public var identifier: UInt16 { local.port }

  /// Takes a local address, and `wanted.port` as identifier (0: a free one).
  ///
  /// - Throws: ``NetworkError/addressInUse``, ``NetworkError/addressNotAvailable``, ``NetworkError/invalidArgument``.
  public func bind(to wanted: Endpoint) throws(NetworkError) {
    guard !isClosed else { throw .closed }
    try stack.checkBindable(wanted.address, rules)
    // Nobody answers echo requests from a group (Linux `ping_check_bind_addr`).
    guard !stack.isGroup(wanted.address) else { throw .addressNotAvailable }
    guard local.port == 0 else { throw .invalidArgument }
    local.port = try stack.icmp.bind(self, identifier: wanted.port)
    if !wanted.address.isUnspecified { local.address = wanted.address }
    hasImplicitPort = wanted.port == 0
  }

  /// Chooses the only peer.
  public func connect(to peer: IPAddress) throws(NetworkError) {
    guard !isClosed else { throw .closed }
    let path = try connectedPath(to: Endpoint(peer, 0))
    if local.port == 0 { try bind(to: Endpoint(IPAddress(.any), 0)) }
    if local.address.isUnspecified {
      local.address = path.source
      hasImplicitAddress = true
    }
    remote = Endpoint(path.destination, 0)
  }

  /// SO_REUSEADDR: an identifier is shared by those who all want to.
  public var reusesAddress = true
  /// What ``disconnect()`` gives back: an identifier that was not asked for, an address that ``connect(to:)`` chose.
  private var hasImplicitPort = false
  private var hasImplicitAddress = false

  /// Forgets the peer, and what was chosen for it.
  public func disconnect() {
    remote = nil
    if hasImplicitPort, local.port != 0 {
      stack.icmp.remove(self)
      local.port = 0
    }
    if hasImplicitAddress {
      local.address = IPAddress(.any)
      hasImplicitAddress = false
    }
    forgetPath()
  }

  /// Sends an echo request: `message` begins with an ICMP header of type 8 (or 42, RFC 8335 2) and code 0, whose
  /// identifier and checksum are filled in here.
  ///
  /// - Throws: ``NetworkError/invalidArgument`` for other messages, and what ``UDPEndpoint/send(_:to:)`` throws.
  public func send(
    _ message: RawSpan, to destination: IPAddress? = nil, control: DatagramControl? = nil
  ) throws(NetworkError) {
    let (target, path) = try way(message, to: destination, control)
    try checkLength(message.byteCount, on: path)
    try checkSendable()
    let sequence = UInt64(message.loadBigEndian(ICMPField.sequenceNumber, as: UInt16.self))
    let payload = message.clamped(ICMPField.headerLength)
    let plain = UInt64(message.octet(0)) << 56 | UInt64(identifier) << 16 | sequence
    var sum = InternetChecksum()
    sum.add(plain)
    sum.add(payload)
    do {
      try stack.ip.send(
        on: path, .icmp, header: plain | UInt64(sum.checksum) << 32, payload, offload: .none,
        options: options(for: target, control))
    } catch {
      throw noteBusy(error)
    }
    stack.icmp.count {
      $0.outMsgs &+= 1
      $0.outEchos &+= 1
    }
  }

  /// Fails as ``send(_:to:control:)`` does for reasons that are neither the payload's nor ``checkSendable()``'s;
  /// `message` begins with the header (MSG_PROBE).
  public func probe(
    _ message: RawSpan, to destination: IPAddress? = nil, control: DatagramControl? = nil
  ) throws(NetworkError) {
    _ = try way(message, to: destination, control)
  }

  /// Whom a message goes to, and how.
  private func way(
    _ message: RawSpan, to destination: IPAddress?, _ control: DatagramControl?
  ) throws(NetworkError) -> (IPAddress, Path) {
    try checkOpen()
    guard message.byteCount >= ICMPField.headerLength, [8, 42].contains(message.octet(0)),
      message.octet(1) == 0
    else {
      throw .invalidArgument
    }
    guard let target = destination ?? remote?.address else { throw .destinationRequired }
    if local.port == 0 { try bind(to: Endpoint(IPAddress(.any), 0)) }
    return (target, try path(to: Endpoint(target, 0), control))
  }

  func accepts(_ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface) -> Bool {
    if boundIndex != 0 && boundIndex != interface.index { return false }
    // Whom it is connected to does not matter (Linux `ping_lookup`).
    return local.address.isUnspecified || local.address == IPAddress(arrival.destination)
  }

  func pathError(_ problem: ICMPProblem, from destination: IPv4Address, _ message: RawSpan) {
    if case .packetTooBig(let mtu) = problem.error { lowerPathMTU(mtu) }
    report(problem, to: Endpoint(destination, 0), message)
  }

  override var policyProtocol: IPProtocol { .icmp }
  override func admitsByPolicy(_ record: ReceivedDatagram) -> Bool { true }

  override func unregister() {
    if local.port != 0 { stack.icmp.remove(self) }
  }
}
