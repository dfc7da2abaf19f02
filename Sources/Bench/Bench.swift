import EventLoop
import Events
import Link
import Machine
import NetStack
import Packets
import Wires

/// What a bench is put together from.
public struct BenchOptions: Sendable {
  public var attachment = Attachment.inProcess
  public var station = Station.Options()
  /// For a NIC in process; of a NIC in QEMU the port forwards count.
  public var cable = Cable.Options()
  public var seed: UInt64 = 0
  /// Fixed address; nil asks DHCP.
  public var address: IPv4Subnet?
  public var gateway: IPv4Address?
  /// Name servers; empty takes those of DHCP.
  public var nameServers: [Endpoint] = []
  /// How long DHCP may take: a lossy wire may cost it several attempts, 4, 8, 16 and 32 s apart (RFC 2131 4.1).
  public var leasePatience = TimeSpan.seconds(60)
  /// Gets a line where a start takes long, to say what it waits for.
  public var notice: (@Sendable (String) -> Void)?
  /// Gets a line an event.
  public var eventSink: (@Sendable (String) -> Void)?

  public init() {}
}

/// The whole path in one process, a ``Station`` and its cable, on a loop of its own; or the upper half of it, with the
/// NIC in another process.
public final class Bench {
  public let options: BenchOptions
  public let loop: EpollLoop
  public let tap: EventTap
  public let station: Station
  /// Nil for a NIC in another process.
  private let cable: Cable?
  private let remote: RemoteFunction?
  private var dhcp: DHCPClient?
  public let resolver: Resolver

  /// Builds everything; nothing moves before ``start()``.
  public init(_ options: BenchOptions) throws(BenchError) {
    self.options = options
    do throws(LoopError) { loop = try EpollLoop(seed: options.seed) } catch {
      throw .badOption(name: "event loop", reason: error.description)
    }
    tap = EventTap(on: loop)
    if let sink = options.eventSink {
      EventPrinter(write: sink).attach(to: tap)
    }
    remote = try RemoteFunction(options, on: loop, tap: tap)
    if let remote {
      cable = nil
      station = try Station(name: "bench", on: loop, tap: tap, options: options.station, driving: remote.function)
    } else {
      cable = try Cable(options.cable, mtu: options.station.mtu, name: "enp0s3f0", on: loop, tap: tap)
      station = try Station(name: "bench", on: loop, tap: tap, options: options.station)
    }
    resolver = Resolver(station.stack)
    resolver.configuration.servers = options.nameServers
  }

  /// Starts the driver and gives the interface its address.
  public func start() async throws(BenchError) {
    if let cable { try station.start(on: cable.wire) } else { try station.start() }
    try await station.waitForLink(options.cable.end.patience)
    if let address = options.address {
      try station.configure(address, gateway: options.gateway)
      if options.nameServers.isEmpty {
        resolver.configuration.servers = [Endpoint(options.cable.slirp.nameServer, ResolverConfiguration.port)]
      }
      return
    }
    // Name servers from the command line stand before those of the lease.
    let client = DHCPClient(station.interface, resolver: options.nameServers.isEmpty ? resolver : nil)
    dhcp = client
    do throws(DHCPError) { try await acquire(client) } catch { throw .noAddress(error.description) }
  }

  /// When a user wonders what goes on.
  private static let silence = TimeSpan.seconds(3)

  private func acquire(_ client: DHCPClient) async throws(DHCPError) {
    let patience = options.leasePatience
    guard patience > Self.silence else { return _ = try await client.acquire(timeout: patience) }
    do throws(DHCPError) { _ = try await client.acquire(timeout: Self.silence) } catch .timedOut {
      options.notice?(
        "waiting for an address by DHCP, \(Int(patience.seconds)) s at most; --address gives one without")
      _ = try await client.acquire(timeout: patience - Self.silence)
    }
  }

  /// Waits until no frame has been sent for a moment, a tenth of a second at most: in the middle of a turn of the loop
  /// frames are under way from layer to layer, and a ``report`` would not add up.
  public func settle() async {
    var before: UInt64?
    for _ in 0..<20 {
      let sent = station.driver.counters.framesSent
      if before == sent { return }
      before = sent
      do { try await loop.sleep(for: .milliseconds(5)) } catch { return }
    }
  }

  /// Closes sockets, stops the driver, flushes the capture.
  public func stop() async throws(BenchError) {
    dhcp?.stop()
    await station.stop()
    await remote?.close()
    try cable?.close()
  }

  /// The host as the bench sees it.
  public var host: IPv4Address { options.cable.slirp.host }

  /// Why the NIC in another process is gone; nil while it is there.
  public var failure: BenchError? { remote?.failure }

  /// Lets connections to a port of the host's loopback reach the bench.
  public func forward(_ forward: PortForward) throws(BenchError) {
    guard let cable else {
      throw .badOption(name: "port forward \(forward.hostPort)", reason: "the NIC's cable is in another process")
    }
    try cable.forward(forward)
  }

  /// The addresses of a host name or literal.
  public func resolve(_ host: String) async throws(FetchError) -> [IPAddress] {
    if let literal = IPv4Address(host) { return [IPAddress(literal)] }
    if IPv6Address(host) != nil { throw .noIPv6(host) }
    do throws(ResolveError) {
      return try await resolver.resolve(host, family: .ipv4)
    } catch .cancelled {
      throw .interrupted
    } catch {
      throw .unknownHost(host, reason: Self.reason(error))
    }
  }

  static func reason(_ error: ResolveError) -> String {
    switch error {
    case .notFound: "there is no such name"
    case .noAddress: "it has no IPv4 address"
    case .timedOut: "no name server answered in time; try another with --dns"
    case .serverFailure: "the name servers could not answer; try another with --dns"
    case .noServers: "no name server is known or reachable; give one with --dns"
    case .malformed: "it is not a name, or the answers were damaged"
    case .cancelled: "interrupted"
    }
  }

  /// What every layer has counted.
  public var report: PathReport {
    var report = PathReport(of: station)
    remote?.add(to: &report)
    cable?.add(to: &report)
    report.add("loop", loop.counters)
    return report
  }
}
