import EventLoop
import Events
import Packets

/// A DHCP server for the network of one interface (RFC 2131, options of RFC 2132).
///
///     let server = DHCPServer(interface, DHCPServerConfiguration(serving: interface.addresses[0].subnet))
///     try server.start()
///
/// Grants addresses of a bounded pool; knows leases for as long as it exists. Where it deviates: it does not probe an
/// address before it offers it (4.3.1; a client that finds it in use declines it), answers no BOOTP clients and no
/// relay agents, and is authoritative unless told otherwise.
public final class DHCPServer {
  public let interface: NetworkInterface
  public let configuration: DHCPServerConfiguration
  /// Called when a lease was granted or renewed.
  public var onLease: ((DHCPServerLease) -> Void)?

  private let stack: NetworkStack
  private let loop: any EventLoop
  private let subnet: IPv4Subnet
  private var endpoint: UDPEndpoint?
  private var table: DHCPLeaseTable
  private var counts = DHCPServerCounters()

  /// A server on the interface's primary address.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable`` if the interface has none, ``NetworkError/invalidArgument`` if the
  ///   pool does not lie in its network.
  public init(_ interface: NetworkInterface, _ configuration: DHCPServerConfiguration) throws(NetworkError) {
    guard let subnet = interface.addresses.first?.subnet else { throw .addressNotAvailable }
    guard subnet.contains(configuration.firstAddress), subnet.contains(configuration.lastAddress),
      configuration.firstAddress.rawValue <= configuration.lastAddress.rawValue
    else { throw .invalidArgument }
    self.interface = interface
    self.configuration = configuration
    self.subnet = subnet
    stack = interface.stack
    loop = stack.loop
    var excluded: Set<IPv4Address> = [subnet.address]
    if subnet.hasBroadcast { excluded.formUnion([subnet.network, subnet.broadcast]) }
    table = DHCPLeaseTable(
      first: configuration.firstAddress, last: configuration.lastAddress, limit: configuration.leaseLimit,
      excluded: excluded)
  }

  deinit { endpoint?.close() }

  public var counters: DHCPServerCounters { counts }
  /// What is offered, bound or declined now, in order of address.
  public var leases: [DHCPServerLease] { table.leases(now: loop.now) }
  private var server: IPv4Address { subnet.address }

  /// Starts to answer.
  ///
  /// - Throws: ``NetworkError/addressInUse`` if port 67 of the interface is taken.
  public func start() throws(NetworkError) {
    guard endpoint == nil else { return }
    let endpoint = stack.udp.open()
    endpoint.boundInterface = interface
    endpoint.allowsBroadcast = true
    do {
      try endpoint.bind(to: Endpoint(.any, DHCPClient.serverPort))
    } catch {
      endpoint.close()
      throw error
    }
    endpoint.onReadiness = { [unowned self] in if $0.contains(.readable) { receive() } }
    self.endpoint = endpoint
  }

  /// Answers no longer; what is granted stays known.
  public func stop() {
    endpoint?.close()
    endpoint = nil
  }

  // MARK: In

  private func receive() {
    while let (record, bytes) = endpoint?.receive() {
      guard let message = unsafe DHCPMessage(bytes.span.bytes), message.isRequest, let type = message.messageType,
        let hardware = message.clientHardwareAddress, hardware.rawValue & 0x0100_0000_0000 == 0
      else {
        counts.malformed &+= 1
        continue
      }
      guard message.relayAddress == .any else {
        counts.relayed &+= 1
        continue
      }
      let client = Client(
        key: DHCPClientKey(identifier: message.joinedOption(.clientIdentifier), hardwareAddress: hardware),
        hardwareAddress: hardware,
        hostName: message.hostName.flatMap { DHCPServer.isHostName($0) ? $0 : nil })
      switch type {
      case .discover: discovered(message, client)
      case .request: requested(message, client, isUnicast: record.destination == IPAddress(server))
      case .decline: declined(message, client)
      case .release: released(message, client)
      case .inform: informed(message, client)
      default: counts.malformed &+= 1
      }
    }
  }

  /// Names are shown to people: what is no name (RFC 1123 2.1) is not kept.
  private static func isHostName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte & 0xDF) || byte == 45 || byte == 46
      }
  }

  private struct Client {
    let key: DHCPClientKey
    let hardwareAddress: MACAddress
    let hostName: String?
  }

  private func discovered(_ message: borrowing DHCPMessage, _ client: Client) {
    counts.discovers &+= 1
    guard let address = table.choose(for: client.key, wish: message.requestedAddress, now: loop.now) else {
      counts.exhausted &+= 1
      return
    }
    // A client that looks for a lease anew keeps the one that it holds until it takes the offer.
    let isHeld = table.holds(client.key, address, now: loop.now)
    if !isHeld || table.entry(for: address)?.state == .offered {
      table.set(address, entry(client, .offered, until: loop.now + configuration.offerTime))
    }
    counts.offersSent &+= 1
    reply(.offer, to: message, client, address: address, leaseTime: grantedTime(message))
  }

  /// The states of the client are told apart as in table 4 of RFC 2131 4.3.6.
  private func requested(_ message: borrowing DHCPMessage, _ client: Client, isUnicast: Bool) {
    counts.requests &+= 1
    let isRenewal = message.clientAddress != .any
    if let chosen = message.serverIdentifier, !isRenewal {
      guard chosen == server else {
        // The offer was not taken: its address is free.
        counts.forOthers &+= 1
        if let address = table.address(of: client.key), table.entry(for: address)?.state == .offered {
          table.release(address, now: loop.now)
        }
        return
      }
    }
    guard let address = isRenewal ? message.clientAddress : message.requestedAddress else {
      counts.malformed &+= 1
      return
    }
    let isKnown = table.holds(client.key, address, now: loop.now)
    // A lease that has run out, but whose address nobody has taken, is as good as it was.
    let isOld = table.address(of: client.key) == address && table.isFree(address, for: client.key, now: loop.now)
    if isKnown || isOld { return bind(address, message, client) }
    let isForeign = !subnet.contains(address)
    let isSelecting = message.serverIdentifier == server
    let isContradicted = table.address(of: client.key) != nil
    guard configuration.isAuthoritative || isSelecting || (!isRenewal && (isForeign || isContradicted)) else {
      counts.unknown &+= 1
      return
    }
    counts.naksSent &+= 1
    refuse(message, client)
  }

  private func bind(_ address: IPv4Address, _ message: borrowing DHCPMessage, _ client: Client) {
    let seconds = grantedTime(message)
    let end = seconds == .max ? Instant.distantFuture : loop.now + .seconds(Int(seconds))
    table.set(address, entry(client, .bound, until: end))
    counts.acksSent &+= 1
    if stack.tap.isOn {
      stack.tap.emit(
        .udp,
        .stateChange(
          object: "DHCP lease \(address) of \(client.hardwareAddress)", from: "offered", to: "bound for \(seconds) s"))
    }
    reply(.acknowledge, to: message, client, address: address, leaseTime: seconds)
    onLease?(
      DHCPServerLease(
        address: address, hardwareAddress: client.hardwareAddress, hostName: client.hostName, state: .bound, expiry: end
      ))
  }

  private func declined(_ message: borrowing DHCPMessage, _ client: Client) {
    counts.declines &+= 1
    guard let address = message.requestedAddress, message.serverIdentifier == server,
      table.holds(client.key, address, now: loop.now)
    else { return }
    table.decline(address, until: loop.now + configuration.declineTime)
  }

  private func released(_ message: borrowing DHCPMessage, _ client: Client) {
    counts.releases &+= 1
    guard message.serverIdentifier ?? server == server, table.holds(client.key, message.clientAddress, now: loop.now)
    else { return }
    table.release(message.clientAddress, now: loop.now)
  }

  private func informed(_ message: borrowing DHCPMessage, _ client: Client) {
    counts.informs &+= 1
    // The answer goes to ciaddr, so it must be an address of this network.
    guard subnet.contains(message.clientAddress), DHCPLease.isHost(message.clientAddress),
      message.clientAddress != server, !stack.isBroadcast(message.clientAddress)
    else { return }
    counts.acksSent &+= 1
    reply(.acknowledge, to: message, client, address: .any, leaseTime: nil)
  }

  private func entry(_ client: Client, _ state: DHCPServerLease.State, until end: Instant) -> DHCPLeaseTable.Entry {
    DHCPLeaseTable.Entry(
      key: client.key, hardwareAddress: client.hardwareAddress, hostName: client.hostName, state: state, expiry: end)
  }

  /// Seconds: what the client wishes, within the configuration's limits.
  private func grantedTime(_ message: borrowing DHCPMessage) -> UInt32 {
    let most = DHCPServer.seconds(configuration.maximumLeaseTime)
    guard let wish = message.leaseTime else { return min(DHCPServer.seconds(configuration.leaseTime), most) }
    return min(max(wish, DHCPLease.minimumTime), most)
  }

  private static func seconds(_ span: TimeSpan) -> UInt32 {
    UInt32(clamping: max(span.nanoseconds / 1_000_000_000, Int64(DHCPLease.minimumTime)))
  }

  // MARK: Out

  private func reply(
    _ type: DHCPMessageType, to message: borrowing DHCPMessage, _ client: Client, address: IPv4Address,
    leaseTime: UInt32?
  ) {
    var options = [DHCPOption(type), DHCPOption(.serverIdentifier, server)]
    if let leaseTime {
      options.append(DHCPOption(.leaseTime, number: leaseTime))
      if leaseTime != .max {
        options.append(DHCPOption(.renewalTime, number: leaseTime / 2))
        options.append(DHCPOption(.rebindingTime, number: UInt32(UInt64(leaseTime) * 7 / 8)))
      }
    }
    let wanted = message.joinedOption(.parameterRequestList)
    options += offered.filter { wanted?.contains($0.code.rawValue) ?? true }
    let fields = DHCPMessage.Fields(
      isRequest: false, transactionIdentifier: message.transactionIdentifier,
      clientHardwareAddress: client.hardwareAddress, wantsBroadcast: message.wantsBroadcast,
      clientAddress: type == .acknowledge ? message.clientAddress : .any, yourAddress: address,
      serverAddress: configuration.bootServer ?? (configuration.bootFile == nil ? .any : server),
      bootFile: configuration.bootFile ?? "", options: options)
    // RFC 2131 4.1: to an address that the client has already, else to everybody or to its hardware address.
    if message.clientAddress != .any {
      send(fields, to: message.clientAddress, client.hardwareAddress)
    } else if message.wantsBroadcast {
      send(fields, to: .broadcast, .broadcast)
    } else {
      send(fields, to: address, client.hardwareAddress)
    }
  }

  private func refuse(_ message: borrowing DHCPMessage, _ client: Client) {
    let fields = DHCPMessage.Fields(
      isRequest: false, transactionIdentifier: message.transactionIdentifier,
      clientHardwareAddress: client.hardwareAddress, wantsBroadcast: message.wantsBroadcast,
      options: [DHCPOption(.negativeAcknowledge), DHCPOption(.serverIdentifier, server)])
    send(fields, to: .broadcast, .broadcast)
  }

  /// Everything that a client may ask for, the mask before the routers (RFC 2132 3.3). With all of it a message is
  /// shorter than the 576 bytes that every client takes.
  private var offered: [DHCPOption] {
    func list(_ code: DHCPOptionCode, _ addresses: [IPv4Address]) -> [DHCPOption] {
      addresses.isEmpty ? [] : [DHCPOption(code, addresses.prefix(4).flatMap(DHCPServer.octets))]
    }
    var options = [DHCPOption(.subnetMask, subnet.mask)]
    options += list(.router, configuration.routers) + list(.domainNameServer, configuration.domainNameServers)
    if let name = configuration.domainName, !name.isEmpty {
      options.append(DHCPOption(.domainName, [UInt8](name.utf8.prefix(64))))
    }
    if let mtu = configuration.mtu { options.append(DHCPOption(.interfaceMTU, number: mtu)) }
    if subnet.hasBroadcast { options.append(DHCPOption(.broadcastAddress, subnet.broadcast)) }
    if let file = configuration.bootFile { options.append(DHCPOption(.bootFile, [UInt8](file.utf8.prefix(127)))) }
    return options
  }

  private static func octets(_ address: IPv4Address) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: address.rawValue >> UInt32(24 - 8 * $0)) }
  }

  /// Sends past routing table and neighbour cache: the client cannot answer ARP yet. What finds no buffer is lost like
  /// on the wire, and the client asks again.
  private func send(_ message: DHCPMessage.Fields, to destination: IPv4Address, _ station: MACAddress) {
    let bytes = message.encoded()
    let path = Path(
      stack: stack, interface: interface, source: server, destination: destination, nextHop: destination,
      station: station, mtu: interface.mtu, isBroadcast: destination == .broadcast)
    let header =
      UInt64(DHCPClient.serverPort) << 48 | UInt64(DHCPClient.clientPort) << 32 | UInt64(8 + bytes.count) << 16
    do throws(NetworkError) {
      try unsafe stack.ip.send(
        on: path, .udp, header: header, bytes.span.bytes, offload: .udp,
        options: DatagramOptions(tos: 0x10, ttl: 64, discovery: .never))
    } catch {
      counts.lostReplies &+= 1
    }
  }
}
