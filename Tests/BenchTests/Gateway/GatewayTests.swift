import Bench
import EventLoop
import Events
import LinuxABI
import NetStack
import Packets
import Testing
import Wires

extension RealThings {
  @Suite("A gateway for guests") struct GatewayTests {
    /// What a guest saw.
    private struct Visit: Sendable {
      var lease: DHCPLease?
      var originDigest: String?
      var hostDigest: String?
      var pings = 0
      var translated: UInt64 = 0
      var report = PathReport()
    }

    /// Builds a gateway on a socket and a station of ours at the other end, which does everything that a guest does.
    private static func visit(
      _ address: (TemporaryFolder) throws -> (gateway: WireAddress, guest: WireAddress), hostPort: UInt16?,
      routes: Bool = true, capture: String? = nil
    ) throws -> Visit {
      let folder = try TemporaryFolder()
      let addresses = try address(folder)
      var options = GatewayOptions(wire: addresses.gateway)
      options.originPort = 8080
      options.routes = routes
      options.capturePath = capture
      let gateway = try Gateway(options)
      let loop = gateway.loop
      let guest = try Station(name: "guest", on: loop, tap: EventTap(on: loop))
      return try loop.run {
        try await gateway.start()
        let wire = try addresses.guest.open(on: loop)
        try guest.start(on: wire)
        try await guest.waitForLink()
        var visit = Visit()
        let client = DHCPClient(guest.interface)
        visit.lease = try await client.acquire(timeout: .seconds(15))
        visit.originDigest = try await fetch("http://192.168.76.1:8080/bytes/3000000?seed=4", guest)
        if let hostPort {
          visit.hostDigest = try await fetch("http://10.0.2.2:\(hostPort)/bytes/3000000?seed=5", guest)
          var plan = PingPlan(to: IPAddress(IPv4Address(10, 0, 2, 2)))
          plan.count = 2
          plan.interval = .milliseconds(50)
          visit.pings = try await guest.ping(plan) { _ in }.received
        }
        visit.translated = gateway.translationCounters?.inbound ?? 0
        client.stop()
        await guest.stop()
        wire.close()
        visit.report = gateway.report
        try await gateway.stop()
        return visit
      }
    }

    private static func fetch(_ url: String, _ guest: Station) async throws -> String? {
      let sink = FetchSink(.discard, hashing: true)
      let fetch = HTTPFetch(system: guest.system) { host, _ throws(FetchError) in
        IPv4Address(host).map { [IPAddress($0)] } ?? []
      }
      _ = try await fetch.fetch(try HTTPAddress(url), into: sink, options: FetchOptions())
      return sink.digest
    }

    private static func stream(_ folder: TemporaryFolder) -> (gateway: WireAddress, guest: WireAddress) {
      (.listen(.unix(folder.file("guest"))), .connect(.unix(folder.file("guest"))))
    }

    @Test("gives a guest an address, serves it over HTTP, and takes it to the host's network and back")
    func everything() async throws {
      let origin = try await OriginServer.start()
      let port = origin.port
      let folder = try TemporaryFolder()
      let capture = folder.file("frames.pcapng")
      let visit = try await onThread { try Self.visit(Self.stream, hostPort: port, capture: capture) }
      await origin.stop()
      #expect(visit.lease?.address.description == "192.168.76.15/24")
      #expect(visit.lease?.routers == [IPv4Address(192, 168, 76, 1)])
      #expect(visit.lease?.domainNameServers == [IPv4Address(10, 0, 2, 3)])
      #expect(visit.originDigest == OriginContent(byteCount: 3_000_000, seed: 4).digest)
      #expect(visit.hostDigest == OriginContent(byteCount: 3_000_000, seed: 5).digest)
      #expect(visit.pings == 2 && visit.translated > 1000)
      #expect(visit.report.value("http origin", "requests") == 1)
      // Both sides are in it, translated without a spoilt checksum.
      #expect(try await Tshark.frames(capture).count > 4000)
      #expect(try await Tshark.frames(capture, Tshark.damaged).isEmpty)
    }

    @Test("works over datagrams between two paths too")
    func datagrams() async throws {
      let visit = try await onThread {
        try Self.visit(
          { folder in
            (
              .datagram(local: .unix(folder.file("a")), remote: .unix(folder.file("b"))),
              .datagram(local: .unix(folder.file("b")), remote: .unix(folder.file("a")))
            )
          }, hostPort: nil)
      }
      #expect(visit.originDigest == OriginContent(byteCount: 3_000_000, seed: 4).digest)
    }

    @Test("without routing a guest gets neither a router nor a name server")
    func island() async throws {
      let visit = try await onThread { try Self.visit(Self.stream, hostPort: nil, routes: false) }
      #expect(visit.lease?.routers == [] && visit.lease?.domainNameServers == [])
      #expect(visit.originDigest != nil)
    }

    @Test("`workbench gateway` says what it offers, and prints its counters when it is interrupted")
    func command() async throws {
      let folder = try TemporaryFolder()
      let program = try WorkbenchProgram.start(
        ["gateway", "--wire", "stream:listen:unix:guest", "--origin", "8080", "--json"], in: folder)
      let isReady = try await onThread { waitUntil { program.diagnostics.contains { $0.contains("Ctrl-C") } } }
      try #require(isReady, "\(program.diagnostics)")
      #expect(
        program.diagnostics.contains { $0.contains("-netdev stream,id=net0,server=off,addr.type=unix,addr.path=guest") }
      )
      #expect(program.diagnostics.contains { $0.contains("192.168.76.15 to 192.168.76.254") })
      program.send(2)
      let outcome = try await program.end(limit: 10)
      #expect(outcome.code == 0 && outcome.output.contains("wire: guest"))
      #expect(folder.entries == [])
    }

    @Test(
      "wrong options are refused with what would be right",
      arguments: [
        ["--wire", "slirp"], ["--wire", "stream:unix:x", "--subnet", "10.0.2.1/24"],
        ["--wire", "stream:unix:x", "--subnet", "1.2.3.0/24"], ["--wire", "stream:unix:x", "--origin", "0"],
      ])
    func usage(_ arguments: [String]) async throws {
      let outcome = try await WorkbenchProgram.run(["gateway"] + arguments)
      #expect(outcome.code == 2 && outcome.diagnostics.count == 1)
    }
  }
}
