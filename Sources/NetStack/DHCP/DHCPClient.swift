import EventLoop
import Events
import Packets

/// A DHCP client for one interface (RFC 2131): asks for a lease, sets the interface up with it, renews it in time, and
/// takes everything back when it ends.
///
///     let client = DHCPClient(interface, resolver: resolver)
///     let lease = try await client.acquire(timeout: .seconds(10))
public final class DHCPClient {
  public let interface: NetworkInterface
  /// Gets the lease's name servers and domain.
  public let resolver: Resolver?
  /// Sent as option 12.
  public let hostName: String?
  public private(set) var state = DHCPState.stopped
  public private(set) var lease: DHCPLease?
  /// Called with each new or renewed lease, and with nil when it is lost.
  public var onLease: ((DHCPLease?) -> Void)?

  private let stack: NetworkStack
  private let loop: any EventLoop
  private var endpoint: UDPEndpoint?
  private var timer: LoopTimer!
  private var transaction: UInt32 = 0
  private var started = Instant.zero
  private var requestedAt = Instant.zero
  private var attempt = 0
  private var refusals = 0
  private var offer: (address: IPv4Address, server: IPv4Address)?
  private var waiters: [Waiter] = []
  private var counts = DHCPCounters()

  public init(_ interface: NetworkInterface, resolver: Resolver? = nil, hostName: String? = nil) {
    self.interface = interface
    self.resolver = resolver
    self.hostName = hostName
    stack = interface.stack
    loop = stack.loop
    timer = LoopTimer(on: loop) { [unowned self] in timerFired() }
  }

  deinit { endpoint?.close() }

  public var counters: DHCPCounters { counts }

  // MARK: From outside

  /// Starts to look for a lease; nothing happens if the client is under way.
  ///
  /// - Throws: ``NetworkError/addressInUse`` if another client has port 68 of the interface.
  public func start() throws(NetworkError) {
    guard state == .stopped else { return }
    let endpoint = stack.udp.open()
    endpoint.boundInterface = interface
    endpoint.allowsBroadcast = true
    do {
      try endpoint.bind(to: Endpoint(.any, DHCPClient.clientPort))
    } catch {
      endpoint.close()
      throw error
    }
    endpoint.onReadiness = { [unowned self] ready in
      if ready.contains(.readable) { receive() }
    }
    self.endpoint = endpoint
    refusals = 0
    discover()
  }

  /// Gives the lease back to its server (RFC 2131 4.4.6) and stops.
  public func release() {
    if let lease {
      var message = message(.release)
      message.clientAddress = lease.address.address
      message.options.append(DHCPOption(.serverIdentifier, lease.server))
      counts.releasesSent &+= 1
      send(message, to: lease.server, from: lease.address.address)
    }
    stop()
  }

  /// Stops without a word; the lease's address and routes are taken back.
  public func stop() {
    timer.cancel()
    endpoint?.close()
    endpoint = nil
    move(to: .stopped)
    dropLease()
    interface.acceptsUnconfigured = false
    wakeWaiters()
  }

  /// Starts if need be, and waits for a lease.
  public func acquire(timeout: TimeSpan) async throws(DHCPError) -> DHCPLease {
    do { try start() } catch { throw .network(error) }
    let deadline = loop.now + timeout
    let waiter = Waiter(on: loop)
    waiters.append(waiter)
    defer { waiters.removeAll { $0 === waiter } }
    while lease == nil {
      switch await waiter.wait(until: deadline) {
      case .woken: if state == .stopped { throw .cancelled }
      case .timedOut: throw .timedOut
      case .cancelled: throw .cancelled
      }
    }
    guard let lease else { throw .cancelled }
    return lease
  }

  private func wakeWaiters() {
    for waiter in waiters { waiter.wake() }
  }

  // MARK: States

  private func move(to new: DHCPState) {
    guard new != state else { return }
    if stack.tap.isOn {
      stack.tap.emit(
        .udp, .stateChange(object: "DHCP on \(interface.name)", from: state.rawValue, to: new.rawValue))
    }
    state = new
  }

  private func discover() {
    move(to: .selecting)
    interface.acceptsUnconfigured = true
    offer = nil
    attempt = 0
    started = loop.now
    transaction = UInt32(truncatingIfNeeded: stack.random.next())
    sendDiscover()
  }

  private func sendDiscover() {
    counts.discoversSent &+= 1
    send(message(.discover), to: .broadcast, from: .any)
    timer.arm(at: loop.now + backoff())
  }

  /// 4, 8, 16, 32, 64, 64, ... seconds, each a second more or less (RFC 2131 4.1).
  private func backoff() -> TimeSpan {
    let base = TimeSpan.seconds(4 << min(attempt, 4))
    attempt += 1
    return base + TimeSpan(nanoseconds: stack.random.uniform(-1_000_000_000...1_000_000_000))
  }

  private func timerFired() {
    switch state {
    case .stopped: break
    case .selecting: sendDiscover()
    case .requesting: if attempt >= 4 { discover() } else { sendRequest() }
    case .bound: renew()
    case .renewing: renewAgain()
    case .rebinding: rebindAgain()
    }
  }

  private func renew() {
    move(to: .renewing)
    transaction = UInt32(truncatingIfNeeded: stack.random.next())
    started = loop.now
    renewAgain()
  }

  private func renewAgain() {
    guard let lease else { return discover() }
    if loop.now >= lease.rebinding {
      move(to: .rebinding)
      return rebindAgain()
    }
    sendRequest()
    armHalfway(to: lease.rebinding)
  }

  private func rebindAgain() {
    guard let lease else { return discover() }
    if loop.now >= lease.expiry {
      counts.expirations &+= 1
      dropLease()
      return discover()
    }
    sendRequest()
    armHalfway(to: lease.expiry)
  }

  /// Half of what is left, a minute at least (RFC 2131 4.4.5).
  private func armHalfway(to end: Instant) {
    let left = end - loop.now
    timer.arm(at: min(loop.now + max(left / 2, .seconds(60)), end))
  }

  // MARK: Out

  static let clientPort: UInt16 = 68
  static let serverPort: UInt16 = 67

  private func message(_ type: DHCPMessageType) -> DHCPMessage.Fields {
    let hardware = interface.hardwareAddress
    var options = [
      DHCPOption(type), DHCPOption(.clientIdentifier, [1] + hardware.octets),
    ]
    if type == .discover || type == .request {
      options.append(DHCPOption(.maximumMessageSize, number: UInt16(1500)))
      let wanted: [DHCPOptionCode] = [
        .subnetMask, .router, .domainNameServer, .hostName, .domainName, .interfaceMTU, .broadcastAddress,
        .leaseTime, .renewalTime, .rebindingTime,
      ]
      options.append(DHCPOption(.parameterRequestList, wanted.map(\.rawValue)))
      if let hostName { options.append(DHCPOption(.hostName, text: hostName)) }
    }
    return DHCPMessage.Fields(
      isRequest: true, transactionIdentifier: transaction, clientHardwareAddress: hardware,
      seconds: UInt16(clamping: (loop.now - started).nanoseconds / 1_000_000_000), options: options)
  }

  private func sendRequest() {
    counts.requestsSent &+= 1
    var message = message(.request)
    requestedAt = loop.now
    switch state {
    case .requesting:
      guard let offer else { return discover() }
      message.options.append(DHCPOption(.requestedAddress, offer.address))
      message.options.append(DHCPOption(.serverIdentifier, offer.server))
      send(message, to: .broadcast, from: .any)
      timer.arm(at: loop.now + backoff())
    case .renewing, .rebinding:
      guard let lease else { return }
      message.clientAddress = lease.address.address
      send(message, to: state == .renewing ? lease.server : .broadcast, from: lease.address.address)
    default:
      break
    }
  }

  /// Sends past the routing table: before there is a lease, the source is 0.0.0.0. A message that finds no way or no
  /// buffer is lost like one on the wire, and sent again by the timer.
  private func send(_ message: DHCPMessage.Fields, to destination: IPv4Address, from source: IPv4Address) {
    guard interface.isUp else { return }
    let bytes = message.encoded()
    let path: Path
    if destination == .broadcast {
      path = Path(
        stack: stack, interface: interface, source: source, destination: destination, nextHop: destination,
        station: interface.hardwareBroadcast, mtu: interface.mtu, isBroadcast: true)
    } else {
      guard let found = try? stack.path(to: IPAddress(destination), from: IPAddress(source)) else { return }
      path = found
    }
    let header =
      UInt64(DHCPClient.clientPort) << 48 | UInt64(DHCPClient.serverPort) << 32 | UInt64(8 + bytes.count) << 16
    // Low delay, and no Don't Fragment: a relay's way may be narrow.
    let options = DatagramOptions(tos: 0x10, ttl: 64, discovery: .never)
    try? unsafe stack.ip.send(
      on: path, .udp, header: header, bytes.span.bytes, offload: .udp, options: options)
  }

  // MARK: In

  private func receive() {
    while let endpoint, let (record, bytes) = endpoint.receive() {
      guard record.source.port == DHCPClient.serverPort else {
        counts.unexpected &+= 1
        continue
      }
      guard let message = unsafe DHCPMessage(bytes.span.bytes), message.isReply, let type = message.messageType,
        message.clientHardwareAddress != nil
      else {
        counts.malformed &+= 1
        continue
      }
      guard message.transactionIdentifier == transaction,
        message.clientHardwareAddress == interface.hardwareAddress
      else {
        counts.unexpected &+= 1
        continue
      }
      received(message, type)
    }
  }

  private func received(_ message: borrowing DHCPMessage, _ type: DHCPMessageType) {
    switch (type, state) {
    case (.offer, .selecting):
      guard let server = message.serverIdentifier, DHCPLease.isHost(message.yourAddress) else {
        counts.malformed &+= 1
        return
      }
      counts.offersReceived &+= 1
      offer = (message.yourAddress, server)
      move(to: .requesting)
      attempt = 0
      sendRequest()
    case (.acknowledge, .requesting), (.acknowledge, .renewing), (.acknowledge, .rebinding):
      guard let granted = DHCPLease(message, requested: requestedAt), isExpected(granted) else {
        counts.malformed &+= 1
        return
      }
      counts.acksReceived &+= 1
      bind(granted)
    case (.negativeAcknowledge, .requesting), (.negativeAcknowledge, .renewing), (.negativeAcknowledge, .rebinding):
      // Only the server that was asked may say no, where one was asked.
      guard state == .rebinding || message.serverIdentifier == offer?.server else {
        counts.unexpected &+= 1
        return
      }
      counts.naksReceived &+= 1
      refused()
    default:
      counts.unexpected &+= 1
    }
  }

  private func isExpected(_ granted: DHCPLease) -> Bool {
    if state == .requesting { return granted.address.address == offer?.address && granted.server == offer?.server }
    return granted.address.address == lease?.address.address
  }

  /// Back to the beginning, later with every refusal, so that a server that always refuses is not asked at wire speed.
  private func refused() {
    dropLease()
    move(to: .selecting)
    interface.acceptsUnconfigured = true
    offer = nil
    attempt = 0
    transaction = UInt32(truncatingIfNeeded: stack.random.next())
    started = loop.now
    let delay = TimeSpan.seconds(1 << min(refusals, 6))
    refusals += 1
    timer.arm(at: loop.now + delay + TimeSpan(nanoseconds: stack.random.uniform(0...500_000_000)))
  }

  // MARK: The lease

  private func bind(_ granted: DHCPLease) {
    let old = lease
    if let old, old.address != granted.address || old.routers != granted.routers { unconfigure(old) }
    lease = granted
    offer = (granted.address.address, granted.server)
    refusals = 0
    move(to: .bound)
    interface.acceptsUnconfigured = false
    if let mtu = granted.mtu { interface.setMTU(mtu) }
    interface.add(granted.address)
    // It may have gone with the interface in between.
    if let router = granted.routers.first(where: { granted.address.contains($0) }),
      !stack.routes.entries.contains(where: {
        $0.prefix.prefixLength == 0 && $0.gateway == router && $0.interface === interface
      })
    {
      try? stack.routes.addDefault(gateway: router, interface: interface)
    }
    resolver?.configure(
      servers: granted.domainNameServers.map { IPAddress($0) }, searchDomains: granted.domainName.map { [$0] } ?? [])
    if granted.renewal == .distantFuture { timer.cancel() } else { timer.arm(at: granted.renewal) }
    onLease?(granted)
    wakeWaiters()
  }

  private func dropLease() {
    guard let old = lease else { return }
    lease = nil
    unconfigure(old)
    resolver?.configure(servers: [], searchDomains: [])
    onLease?(nil)
  }

  private func unconfigure(_ old: DHCPLease) {
    stack.routes.remove { [interface] route in
      route.interface === interface && route.prefix.prefixLength == 0
        && route.gateway.map { old.routers.contains($0) } ?? false
    }
    interface.remove(old.address.address)
  }
}
