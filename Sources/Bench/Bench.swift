import EventLoop
import Events
import Glibc
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
  /// How long the peer of a socket wire may take to come.
  public var peerPatience = TimeSpan.seconds(60)
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
    try await waitForLink()
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
  static let silence = TimeSpan.seconds(3)

  /// A peer behind a socket may have to be started first: that takes a user's time.
  private func waitForLink() async throws(BenchError) {
    guard let socket = cable?.socket else { return try await station.waitForLink() }
    let first = min(options.peerPatience, .seconds(1))
    if (try? await station.waitForLink(first)) != nil { return }
    func reason() -> String? { socket.lastError.map { String(cString: strerror($0)) } }
    if !socket.hasCarrier, !Task.isCancelled {
      let reason = reason().map { " (\($0))" } ?? ""
      options.notice?("waiting for \(socket.address)\(reason), \(Int(options.peerPatience.seconds)) s at most")
    }
    do throws(BenchError) { try await station.waitForLink(options.peerPatience - first) } catch .noLink {
      throw .noPeer(socket.address, reason: reason(), seconds: options.peerPatience.seconds)
    }
  }

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

  /// What every layer has counted.
  public var report: PathReport {
    var report = PathReport(of: station)
    remote?.add(to: &report)
    cable?.add(to: &report)
    report.add("loop", loop.counters)
    return report
  }
}
