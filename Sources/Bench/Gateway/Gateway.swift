import EventLoop
import Events
import Link
import LinuxABI
import Machine
import NetStack
import PacketCapture
import Packets
import Wires

/// The network of a guest whose NIC is QEMU's: one machine with two cards and one stack, the guest's socket wire on one
/// side and libslirp on the other; DHCP server, router with address translation and HTTP origin between them.
///
///     guest -- QEMU -- socket -- [card, driver, stack, driver, card] -- libslirp -- the host's network
public final class Gateway {
  public let options: GatewayOptions
  public let loop: EpollLoop
  public let tap: EventTap
  public let stack: NetworkStack
  public let system: SystemCalls
  private let machine: Machine
  private let inner: GatewaySide
  private let innerCable: Cable
  /// Nil without routing.
  private let outer: GatewaySide?
  private let outerCable: Cable?
  private let recorder: PcapngWriter?
  private var client: DHCPClient?
  private var router: IPv4Router?
  private var dhcp: DHCPServer?
  private var origin: GatewayOrigin?

  /// Hardware addresses of the two cards.
  private static let innerAddress = MACAddress(rawValue: 0x5254_004C_0001)
  private static let outerAddress = MACAddress(rawValue: 0x5254_004C_0002)

  /// Builds everything; nothing moves before ``start()``.
  public init(_ options: GatewayOptions) throws(BenchError) {
    self.options = options
    do throws(LoopError) { loop = try EpollLoop(seed: options.seed) } catch {
      throw .badOption(name: "event loop", reason: error.description)
    }
    tap = EventTap(on: loop)
    if let sink = options.eventSink { EventPrinter(write: sink).attach(to: tap) }
    var machineOptions = Machine.Options()
    machineOptions.memoryByteCount = 128 << 20
    do throws(MachineError) { machine = try Machine(on: loop, tap: tap, options: machineOptions) } catch {
      throw .machine(error)
    }
    inner = try GatewaySide(
      in: machine, device: 3, hardwareAddress: Self.innerAddress, loop: loop, tap: tap, options: options)
    outer =
      options.routes
      ? try GatewaySide(
        in: machine, device: 4, hardwareAddress: Self.outerAddress, loop: loop, tap: tap, options: options) : nil
    _ = machine.enumerate()
    var configuration = StackConfiguration()
    // The router's own connections keep out of the ports that it gives to guests, whose systems mostly begin at 32768.
    configuration.ephemeralPorts = 61_000...64_999
    stack = NetworkStack(on: loop, tap: tap, configuration: configuration)
    system = SystemCalls(stack: stack)
    try inner.probe(in: machine, for: stack, loop: loop, tap: tap, mtu: options.mtu)
    try outer?.probe(in: machine, for: stack, loop: loop, tap: tap, mtu: options.mtu)

    do {
      recorder = try options.capturePath.map { try PcapngWriter(CaptureSink(path: $0), application: "wirebench") }
    } catch {
      throw .capture(options.capturePath ?? "", error)
    }
    var cable = Cable.Options()
    cable.end = .socket(options.wire)
    cable.impairment = options.impairment
    innerCable = try Cable(cable, mtu: options.mtu, name: "guest", recorder: recorder, on: loop, tap: tap)
    var uplink = Cable.Options()
    uplink.slirp = options.slirp
    outerCable =
      options.routes
      ? try Cable(uplink, mtu: options.mtu, name: "slirp", recorder: recorder, on: loop, tap: tap) : nil
  }

  /// Brings both sides up: the outer one with an address from libslirp, the guest's one with its services. The guest
  /// may come later.
  public func start() async throws(BenchError) {
    try inner.start(on: innerCable.wire)
    inner.interface.add(options.subnet)
    if let outer, let outerCable {
      try outer.start(on: outerCable.wire)
      try await acquire(outer)
      let router = stack.startForwarding()
      router.translate(behind: outer.interface, options.translation)
      self.router = router
    }
    if options.servesDHCP {
      do throws(NetworkError) {
        let server = try DHCPServer(inner.interface, dhcpConfiguration)
        try server.start()
        dhcp = server
      } catch {
        throw .badOption(name: "--subnet \(options.subnet)", reason: String(describing: error))
      }
    }
    if let port = options.originPort {
      let origin = GatewayOrigin(system: system)
      do throws(Errno) { try origin.start(on: Endpoint(options.subnet.address, port)) } catch {
        throw .badOption(name: "--origin \(port)", reason: error.description)
      }
      self.origin = origin
    }
  }

  private func acquire(_ outer: GatewaySide) async throws(BenchError) {
    try await waitForLink(outer)
    let client = DHCPClient(outer.interface)
    self.client = client
    do throws(DHCPError) { _ = try await client.acquire(timeout: .seconds(20)) } catch {
      throw .noAddress(String(describing: error))
    }
  }

  /// Auto-negotiation takes its time.
  private func waitForLink(_ side: GatewaySide) async throws(BenchError) {
    let waiter = Waiter(on: loop)
    stack.onLinkChange = { _, _ in waiter.wake() }
    defer { stack.onLinkChange = nil }
    let deadline = loop.now + .seconds(5)
    while !side.driver.isLinkUp {
      guard await waiter.wait(until: deadline) == .woken else { throw .noLink(side.driver.name) }
    }
  }

  private var dhcpConfiguration: DHCPServerConfiguration {
    var configuration = DHCPServerConfiguration(serving: options.subnet)
    configuration.domainName = options.slirp.domain
    configuration.bootFile = options.bootFile
    if options.mtu != 1500 { configuration.mtu = UInt16(clamping: options.mtu) }
    if options.routes {
      // The name server's address is libslirp's: questions go there like everything else.
      configuration.domainNameServers = client?.lease?.domainNameServers ?? [options.slirp.nameServer]
      configuration.bootServer = options.slirp.host
    } else {
      configuration.routers = []
    }
    return configuration
  }

  /// Closes sockets and wires, flushes the capture.
  public func stop() async throws(BenchError) {
    dhcp?.stop()
    client?.stop()
    await system.closeAll()
    inner.stop()
    outer?.stop()
    stack.stopForwarding()
    try innerCable.close()
    try outerCable?.close()
    do { try recorder?.close() } catch {
      throw .capture(options.capturePath ?? "", error)
    }
  }

  /// The guest's wire itself.
  public var guestWire: (any SocketWire)? { innerCable.socket }
  /// The gateway's address on libslirp's network, once it has one.
  public var outerAddress: IPv4Address? { outer?.interface.addresses.first?.address }
  /// Addresses that guests have now.
  public var leases: [DHCPServerLease] { dhcp?.leases ?? [] }
  /// What the NAPT knows.
  public var translationCounters: NAPTCounters? { router?.translation?.counters }
  public var originCounters: GatewayOriginCounters? { origin?.counters }

  /// What every layer has counted.
  public var report: PathReport {
    var report = PathReport()
    innerCable.add(to: &report, as: "guest")
    inner.report(&report, "guest")
    if let dhcp { report.add("dhcp server", dhcp.counters) }
    if let origin { report.add("http origin", origin.counters) }
    report.add("ip", stack.ip.counters)
    report.add("icmp", stack.icmp.counters)
    report.add("tcp", stack.tcp.counters)
    report.add("udp", stack.udp.counters)
    if let router {
      report.add("router", router.counters)
      if let translation = router.translation { report.add("napt", translation.counters) }
    }
    if let outer {
      outer.report(&report, "outside")
      outerCable?.add(to: &report, as: "slirp")
    }
    report.add("loop", loop.counters)
    return report
  }
}
