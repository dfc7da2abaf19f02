import EventLoop
import Packets

// What the application calls: bind, connect, listen.
extension TCPLayer {
  /// Reserves a local address and port. Port 0: an ephemeral one is chosen. The unspecified address: all of the host's.
  ///
  /// - Parameters:
  ///   - reuseAddress: SO_REUSEADDR: shares the port with others that say so too, unless one of them listens, and with
  ///     connections that are left over.
  ///   - reusePort: SO_REUSEPORT: shares it even with listeners that say so too; they take connections in turn.
  ///   - interface: SO_BINDTODEVICE: the port is taken for the interface of this index only; 0: for all.
  ///   - rules: which addresses and ephemeral ports it may take.
  ///   - hasSharers: it has a program of its own to choose among those who share the port, and so joins nobody.
  ///   - isForced: whoever has the port does not matter (Linux SK_FORCE_REUSE).
  /// - Throws: ``NetworkError/addressNotAvailable``, ``NetworkError/addressInUse``.
  public func bind(
    _ local: Endpoint, reuseAddress: Bool = false, reusePort: Bool = false, interface: Int = 0,
    rules: LocalAddressRules = .init(), hasSharers: Bool = false, isForced: Bool = false
  ) throws(NetworkError) -> TCPBinding {
    try stack.checkBindable(local.address, rules)
    let reuse = PortReuse(address: reuseAddress, port: reusePort, interface: interface)
    let wanted = PortUse(address: local.address, reuse: reuse, joinsNobody: hasSharers)
    var endpoint = local
    if endpoint.port == 0 {
      let range = rules.ports(within: stack.configuration.ephemeralPorts)
      let port = ports.ephemeral(in: range, parity: 1, random: random) { port in
        ports.isFreeForAnyone(wanted, port)
      }
      guard let port else { throw .addressInUse }
      endpoint.port = port
    } else if !isForced, !ports.isFree(wanted, endpoint.port) {
      throw .addressInUse
    }
    let binding = TCPBinding(layer: self, local: endpoint, reuse: reuse)
    ports.add(binding)
    return binding
  }

  /// Begins a connection to `remote`: the SYN is sent before this returns. ``TCPConnection/onReadiness`` tells
  /// ``Readiness/writable`` when it is established, ``Readiness/error`` when it failed.
  ///
  /// - Parameters:
  ///   - binding: the local address and port; the connection takes it over. Nil: an ephemeral port.
  ///   - source: without a binding, the address to speak from. Nil: source address selection.
  ///   - initialSequence: nil: as RFC 6528 has it.
  ///   - resumption: what an established connection goes on from: no SYN is sent.
  /// - Throws: ``NetworkError/noRoute``, ``NetworkError/addressNotAvailable`` (if that
  ///   four-tuple exists, or no ephemeral port is left), ``NetworkError/networkUnreachable`` (a broadcast or multicast
  ///   address).
  public func connect(
    to remote: Endpoint, binding: TCPBinding? = nil, source: IPAddress? = nil, parameters: TCPParameters? = nil,
    initialSequence: SequenceNumber? = nil, resumption: TCPResumption? = nil
  ) throws(NetworkError) -> TCPConnection {
    var remote = remote
    let parameters = parameters ?? configuration.defaults
    // Nobody speaks from a group or broadcast address, though one can be bound to it.
    let wanted = (binding?.local.address ?? source).flatMap { stack.isGroup($0) ? nil : $0 }
    let path = try stack.path(
      to: remote.address, from: wanted, via: parameters.interfaceIndex, isTransparent: parameters.rules.isTransparent,
      staysOnLink: parameters.rules.staysOnLink, headerOptions: parameters.headerOptions)
    guard !path.isBroadcast, path.destination.v4?.isMulticast != true else { throw .networkUnreachable }
    remote.address = path.destination
    try parameters.policies?.checkSending(.tcp, from: binding?.local.port ?? 0, to: remote, on: path)
    let now = loop.now
    let range = parameters.rules.ports(within: stack.configuration.ephemeralPorts)
    let local = Endpoint(path.source, try localPort(binding, in: range, path.source, remote, now))
    let key = ConnectionKey(local: local, remote: remote)
    guard !contains(key) else { throw .addressNotAvailable }
    var initialSequence = resumption.map { SequenceNumber($0.sendNext) - 1 } ?? initialSequence
    if let entry = timeWaits[key] {
      guard isReusable(entry, now) else { throw .addressNotAvailable }
      // Above everything that the old connection has sent (RFC 6191; Linux `tcp_twsk_unique`).
      if resumption == nil { initialSequence = entry.sendNext + 65_537 }
      forgetTimeWait(key)
    }
    if resumption == nil { counted.activeOpens &+= 1 }
    let connection = make(key, path, parameters, initialSequence, now)
    if let binding {
      connection.binding = binding
      binding.connectionBegan(from: path.source)
    } else {
      connection.isConnectBound = true
      connection.takePort()
    }
    if let resumption {
      connection.resume(resumption, at: now)
    } else {
      connection.open(at: now)
    }
    return connection
  }

  /// The same from a local endpoint, which is bound for this connection; nil: the stack chooses.
  public func connect(
    local: Endpoint?, remote: Endpoint, parameters: TCPParameters? = nil
  ) throws(NetworkError) -> TCPConnection {
    guard let local else { return try connect(to: remote, parameters: parameters) }
    let binding = try bind(local, reuseAddress: true)
    do {
      return try connect(to: remote, binding: binding, parameters: parameters)
    } catch {
      binding.release()
      throw error
    }
  }

  private func localPort(
    _ binding: TCPBinding?, in range: ClosedRange<UInt16>, _ source: IPAddress, _ remote: Endpoint, _ now: Instant
  ) throws(NetworkError) -> UInt16 {
    if let binding { return binding.local.port }
    func isFree(_ port: UInt16, reusing: Bool) -> Bool {
      guard ports.isUnbound(port) else { return false }
      let key = ConnectionKey(local: Endpoint(source, port), remote: remote)
      guard !contains(key) else { return false }
      guard let entry = timeWaits[key] else { return true }
      return reusing && isReusable(entry, now)
    }
    let port =
      ports.ephemeral(in: range, parity: 0, random: random) { isFree($0, reusing: false) }
      ?? ports.ephemeral(in: range, parity: 0, random: random) { isFree($0, reusing: true) }
    guard let port else { throw .addressNotAvailable }
    return port
  }

  /// A new connection may take the place of a TIME-WAIT whose timestamps tell old segments from new ones, a second
  /// after the last of them (RFC 6191; `tcp_tw_reuse`).
  private func isReusable(_ entry: TimeWait, _ now: Instant) -> Bool {
    entry.usesTimestamps && now - entry.recentAt >= .seconds(1)
  }

  /// Listens on a bound port, which the listener takes over.
  ///
  /// - Parameters:
  ///   - backlog: connections that may wait to be accepted, less one; cut to ``TCPConfiguration/maximumBacklog``.
  ///   - sharers: made for a program that chooses among those who will share the port.
  ///   - isForced: whoever else listens there does not matter (Linux SK_FORCE_REUSE).
  /// - Throws: ``NetworkError/addressInUse`` if another listener has the port.
  public func listen(
    on binding: TCPBinding, backlog: Int = 128, parameters: TCPParameters? = nil,
    sharers: PortSharers<TCPListener>? = nil, isForced: Bool = false
  ) throws(NetworkError) -> TCPListener {
    guard ports.listen(binding, joinsNobody: sharers != nil, isForced: isForced) else { throw .addressInUse }
    let listener = TCPListener(
      layer: self, binding: binding, backlog: min(max(backlog, 0), configuration.maximumBacklog),
      parameters: parameters ?? configuration.defaults)
    if listener.parameters.reusePort {
      listener.share(with: listeners[binding.local.port]?.first { listener.sharesPort(with: $0) }, own: sharers)
    }
    add(listener)
    return listener
  }

  /// Binds and listens.
  public func listen(
    on local: Endpoint, backlog: Int = 128, parameters: TCPParameters? = nil, reuseAddress: Bool = true
  ) throws(NetworkError) -> TCPListener {
    let binding = try bind(local, reuseAddress: reuseAddress)
    do {
      return try listen(on: binding, backlog: backlog, parameters: parameters)
    } catch {
      binding.release()
      throw error
    }
  }

  // MARK: What there is

  /// One line of a list of connections (`/proc/net/tcp`).
  public struct ConnectionSummary: Sendable, Equatable {
    public var local: Endpoint
    /// Nil for listeners.
    public var remote: Endpoint?
    public var state: TCPState
    /// Bytes not yet acknowledged; for listeners the backlog.
    public var sendQueue: Int
    /// Bytes not yet read; for listeners the connections that wait.
    public var receiveQueue: Int
  }

  /// Listeners by port, then connections by age, then those in TIME-WAIT.
  public var connections: [ConnectionSummary] {
    let listening = allListeners.map {
      ConnectionSummary(
        local: $0.local, remote: nil, state: .listen, sendQueue: $0.backlog, receiveQueue: $0.acceptableCount)
    }
    let live = sortedConnections.map {
      ConnectionSummary(
        local: $0.local, remote: $0.remote, state: $0.state, sendQueue: $0.unacknowledgedCount,
        receiveQueue: $0.readableCount)
    }
    let waiting = timeWaits.entries.values.sorted { $0.number < $1.number }.map {
      ConnectionSummary(
        local: $0.key.local, remote: $0.key.remote, state: .timeWait, sendQueue: 0, receiveQueue: 0)
    }
    return listening + live + waiting
  }
}
