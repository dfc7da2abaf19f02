import EventLoop
import Events
import Link
import NetStack
import Packets
import Wires

/// What a bench is put together from.
public struct BenchOptions: Sendable {
  public var station = Station.Options()
  public var slirp = SlirpSettings()
  public var impairment: ImpairmentSettings?
  /// A pcapng file that gets every frame between NIC and impairment.
  public var capturePath: String?
  public var seed: UInt64 = 0
  /// Fixed address; nil asks DHCP.
  public var address: IPv4Subnet?
  public var gateway: IPv4Address?
  /// Name servers; empty takes those of DHCP.
  public var nameServers: [Endpoint] = []
  /// Gets a line an event.
  public var eventSink: (@Sendable (String) -> Void)?

  public init() {}
}

/// The whole path in one process: a ``Station`` whose cable ends in libslirp, on a loop of its own.
public final class Bench {
  public let options: BenchOptions
  public let loop: EpollLoop
  public let tap: EventTap
  public let station: Station
  private let slirp: SlirpWire
  private let impairment: ImpairmentWire?
  private let capture: CaptureWire?
  private let wire: any Wire
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
    var settings = options.slirp
    settings.mtu = options.station.mtu
    do throws(SlirpError) { slirp = try SlirpWire(on: loop, settings: settings) } catch { throw .slirp(error) }
    slirp.tap = tap
    var wire: any Wire = slirp
    if let settings = options.impairment, !settings.isNone {
      let middle = ImpairmentWire(wire, on: loop, settings: settings)
      middle.tap = tap
      impairment = middle
      wire = middle
    } else {
      impairment = nil
    }
    if let path = options.capturePath {
      do {
        let middle = try CaptureWire(wire, on: loop, path: path, name: "enp0s3f0")
        capture = middle
        wire = middle
      } catch {
        throw .capture(path: path, reason: String(describing: error))
      }
    } else {
      capture = nil
    }
    self.wire = wire
    station = try Station(name: "bench", on: loop, tap: tap, options: options.station)
    resolver = Resolver(station.stack)
    resolver.configuration.servers = options.nameServers
  }

  /// Starts the driver and gives the interface its address.
  public func start() async throws(BenchError) {
    try station.start(on: wire)
    try await station.waitForLink()
    if let address = options.address {
      try station.configure(address, gateway: options.gateway)
      if options.nameServers.isEmpty {
        resolver.configuration.servers = [Endpoint(options.slirp.nameServer, ResolverConfiguration.port)]
      }
      return
    }
    // Name servers from the command line stand before those of the lease.
    let client = DHCPClient(station.interface, resolver: options.nameServers.isEmpty ? resolver : nil)
    dhcp = client
    do throws(DHCPError) { _ = try await client.acquire(timeout: .seconds(10)) } catch {
      throw .noAddress(String(describing: error))
    }
  }

  /// Closes sockets, stops the driver, flushes the capture.
  public func stop() async throws(BenchError) {
    dhcp?.stop()
    await station.stop()
    slirp.close()
    do { try capture?.close() } catch {
      throw .capture(path: options.capturePath ?? "", reason: String(describing: error))
    }
  }

  /// Lets connections to a port of the host's loopback reach the bench.
  public func forward(_ forward: PortForward) throws(BenchError) {
    do throws(SlirpError) { try slirp.add(forward) } catch { throw .slirp(error) }
  }

  /// The addresses of a host name or literal.
  public func resolve(_ host: String) async throws(FetchError) -> [IPAddress] {
    if let literal = IPv4Address(host) { return [IPAddress(literal)] }
    do throws(ResolveError) {
      return try await resolver.resolve(host, family: .ipv4)
    } catch .cancelled {
      throw .interrupted
    } catch {
      throw .unknownHost(host, reason: Self.reason(error))
    }
  }

  private static func reason(_ error: ResolveError) -> String {
    switch error {
    case .notFound: "there is no such name, or it has no IPv4 address"
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
    report.add("wire: slirp", slirp.counters)
    if let impairment { report.add("wire: impairment", impairment.counters) }
    if let capture { report.add("wire: capture", capture.counters) }
    report.add("loop", loop.counters)
    return report
  }
}
