import Packets

/// An endpoint for one IP protocol (Linux's `SOCK_RAW`): it receives copies of whole datagrams, IPv4 header included,
/// and sends payloads, or whole datagrams with ``includesHeader``.
public final class RawEndpoint: DatagramEndpoint {
  /// The only protocol that is received and sent.
  public let `protocol`: IPProtocol
  /// IP_HDRINCL: what is sent begins with an IPv4 header, of which total length, checksum and a zero identification or
  /// source are filled in.
  public var includesHeader: Bool
  /// ICMP types that are not received (ICMP_FILTER), one bit each.
  public var filteredICMPTypes: UInt32 = 0

  /// It was disconnected.
  public private(set) var isDeaf = false

  init(stack: NetworkStack, protocol: IPProtocol) {
    self.protocol = `protocol`
    includesHeader = `protocol`.rawValue == 255
    super.init(stack: stack)
  }

  /// Receives only datagrams to `address`, and sends from it.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable``, ``NetworkError/addressFamilyNotSupported``.
  public func bind(to address: IPAddress) throws(NetworkError) {
    guard !isClosed else { throw .closed }
    guard remote == nil else { throw .invalidArgument }
    try stack.checkBindable(address, rules)
    local.address = address
  }

  /// Chooses the only peer.
  public func connect(to peer: IPAddress) throws(NetworkError) {
    guard !isClosed else { throw .closed }
    let path = try connectedPath(to: Endpoint(peer, 0))
    if local.address.isUnspecified { local.address = path.source }
    remote = Endpoint(path.destination, 0)
  }

  /// Forgets the peer, and the address too, even if ``bind(to:)`` chose it, and no longer receives anything: Linux
  /// takes what is not bound to a port out of its tables then (`__udp_disconnect`), and puts a raw socket into them
  /// only once.
  public func disconnect() {
    remote = nil
    local.address = IPAddress(.any)
    isDeaf = true
    forgetPath()
  }

  /// Sends one datagram to `destination`, or to the connected peer.
  ///
  /// - Throws: ``NetworkError/invalidArgument`` for an impossible header, ``NetworkError/packetTooBig(mtu:)`` for one
  ///   beyond the MTU with its header included, ``NetworkError/missingMessageType``, and what
  ///   ``UDPEndpoint/send(_:to:)`` throws.
  public func send(
    _ bytes: RawSpan, to destination: IPAddress? = nil, control: DatagramControl? = nil
  ) throws(NetworkError) {
    let (target, path) = try way(bytes.byteCount, to: destination, control)
    if includesHeader {
      try checkWhole(bytes.byteCount, on: path)
    } else {
      try checkLength(bytes.byteCount, on: path)
    }
    try checkSendable()
    do {
      if includesHeader {
        try sendWhole(bytes, on: path)
      } else {
        try stack.ip.send(
          on: path, `protocol`, header: nil, bytes, offload: .none, options: options(for: target, control))
      }
    } catch {
      throw noteBusy(error)
    }
  }

  /// Fails as ``send(_:to:control:)`` would with `length` octets so far, more of which are to come.
  public func prepare(
    _ start: RawSpan, of length: Int, to destination: IPAddress?, control: DatagramControl?
  ) throws(NetworkError) {
    let (_, path) = try way(start.byteCount, to: destination, control)
    try checkLength(length, on: path)
  }

  /// Fails as ``send(_:to:control:)`` does for reasons that are neither ``checkSendable()``'s nor in the payload beyond
  /// its `start`.
  ///
  /// - Parameter length: octets of the whole datagram.
  public func probe(
    _ start: RawSpan, of length: Int, to destination: IPAddress? = nil, control: DatagramControl? = nil
  ) throws(NetworkError) {
    let (_, path) = try way(start.byteCount, to: destination, control)
    if includesHeader { try checkWhole(length, on: path) }
  }

  /// The length of a datagram that brings its header.
  private func checkWhole(_ length: Int, on path: Path) throws(NetworkError) {
    guard length <= path.interface.mtu else {
      reportTooLong(.packetTooBig(mtu: path.interface.mtu), on: path)
      throw .packetTooBig(mtu: path.interface.mtu)
    }
    guard length >= IPv4Field.minimumLength else { throw .invalidArgument }
  }

  /// Whom a datagram with `count` octets goes to, and how.
  private func way(
    _ count: Int, to destination: IPAddress?, _ control: DatagramControl?
  ) throws(NetworkError) -> (IPAddress, Path) {
    try checkOpen()
    guard let target = destination ?? remote?.address else { throw .destinationRequired }
    // Whoever brings a header brings its options.
    if includesHeader, control?.headerOptions ?? headerOptions != nil { throw .invalidArgument }
    // Type and code belong to the flow that a path is looked up for (Linux `raw_probe_proto_opt`).
    guard `protocol` != .icmp || includesHeader || count >= 2 else { throw .missingMessageType }
    return (target, try path(to: Endpoint(target, 0), control))
  }

  /// Whoever writes the header himself may write any source into it (Linux `inet_sk_flowi_flags`).
  override var takesAnySource: Bool { includesHeader || super.takesAnySource }

  /// What is sent without a header of its own goes out even after shutdown or with an error pending, as in Linux.
  public override func checkSendable() throws(NetworkError) {
    if includesHeader { try super.checkSendable() }
  }

  private func sendWhole(_ bytes: RawSpan, on path: Path) throws(NetworkError) {
    // The version is the reader's affair (Linux `raw_send_hdrinc`).
    let headerLength = Int(bytes.octet(0) & 15) * 4
    guard headerLength >= IPv4Field.minimumLength, headerLength <= bytes.byteCount else { throw .invalidArgument }
    guard let buffer = path.reserveWhole(length: bytes.byteCount) else { throw .wouldBlock }
    let window = buffer.window
    window.copy(from: bytes)
    window.storeBigEndian(UInt16(truncatingIfNeeded: bytes.byteCount), IPv4Field.totalLength)
    if window.load(IPv4Field.identification, as: UInt16.self) == 0 {
      window.storeBigEndian(UInt16(truncatingIfNeeded: stack.random.next()), IPv4Field.identification)
    }
    if window.load(IPv4Field.source, as: UInt32.self) == 0, let source = path.source.v4 {
      window.storeBigEndian(source.rawValue, IPv4Field.source)
    }
    window.store(UInt16(0), IPv4Field.checksum)
    window.storeBigEndian(InternetChecksum.checksum(of: window.bytes(0, headerLength)), IPv4Field.checksum)
    path.submitWhole(buffer, length: bytes.byteCount)
  }

  func accepts(_ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface) -> Bool {
    guard !isDeaf, `protocol` == arrival.protocol else { return false }
    if boundIndex != 0 && boundIndex != interface.index { return false }
    if !local.address.isUnspecified && local.address != IPAddress(arrival.destination) { return false }
    if let remote, remote.address != IPAddress(arrival.source) { return false }
    if arrival.isGroup, !accepts(group: arrival.destination, from: arrival.source, on: interface) { return false }
    if `protocol` == .icmp {
      guard arrival.payload.byteCount >= ICMPField.headerLength else { return false }
      let type = arrival.payload.octet(0)
      return type >= 32 || filteredICMPTypes >> UInt32(type) & 1 == 0
    }
    return true
  }

  func pathError(
    _ problem: ICMPProblem, from source: IPv4Address, to destination: IPv4Address, _ payload: RawSpan
  ) {
    guard !isDeaf, local.address.isUnspecified || local.address == IPAddress(source),
      remote == nil || remote?.address == IPAddress(destination)
    else { return }
    report(problem, to: Endpoint(destination, 0), payload)
  }

  override var hasPlace: Bool { true }
  override var policyProtocol: IPProtocol { `protocol` }

  override func unregister() { stack.raw.remove(self) }
}
