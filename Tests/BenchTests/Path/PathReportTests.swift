import Bench
import EventLoop
import Events
import Foundation
import LinuxABI
import Packets
import Testing

extension RealThings {
  @Suite("The counters of a path") struct PathReportTests {
    /// Fetches a megabyte over a clean wire on a bench of its own.
    private static func fetch() throws -> (before: PathReport, report: PathReport, events: EventCounters.Snapshot) {
      let bench = try Bench(BenchOptions())
      // The driver has looked at its device already, unheard by sinks that come now.
      let before = bench.report
      let events = EventCounters()
      events.attach(to: bench.tap)
      return try bench.loop.run {
        let origin = try await OriginServer.start()
        try await bench.start()
        let sink = FetchSink(.discard, hashing: true)
        let client = HTTPFetch(system: bench.station.system) { (host, limit) async throws(FetchError) in
          try await bench.resolve(host, within: limit)
        }
        let address = try HTTPAddress("http://10.0.2.2:\(origin.port)/bytes/1000000")
        _ = try await client.fetch(address, into: sink, options: FetchOptions())
        #expect(sink.digest == OriginContent(byteCount: 1_000_000).digest)
        await origin.stop()
        try await bench.stop()
        return (before, bench.report, events.counters)
      }
    }

    @Test("agree with each other from the wire up to the system calls")
    func layersAgree() async throws {
      let (_, report, _) = try await onThread { try Self.fetch() }
      let received = report.value("driver", "frames received")
      #expect(received >= 685)
      #expect(report.value("model", "frames received") == received)
      #expect(report.value("wire: slirp", "delivered") == received)
      #expect(report.value("interface", "received frames") == received)
      #expect(report.value("model", "receive descriptors") == received)

      let sent = report.value("driver", "frames sent")
      #expect(sent > 0)
      #expect(report.value("model", "frames sent") == sent)
      #expect(report.value("wire: slirp", "sent") == sent)
      #expect(report.value("interface", "sent frames") == sent)

      #expect(report.value("interrupts", "delivered") == report.value("driver", "interrupts"))
      #expect(report.value("model", "interrupts") == report.value("interrupts", "raised"))
      #expect(report.value("ip", "out requests") <= sent)
      #expect(
        report.value("tcp", "in segments") + report.value("udp", "in datagrams") == report.value("ip", "in delivers"))
      #expect(report.value("tcp", "retransmitted segments") == 0)
      #expect(report.value("system calls", "socket") == 1)
      #expect(report.value("system calls", "close") == 1)
      // It has gone on in the background, which is no failure.
      #expect(report.value("system calls", "connect") == 1)
      #expect(report.value("system calls", "connect failed") == 0)
      #expect(report.value("system calls", "read") > 0)
    }

    @Test("are taken when the last frame has left", arguments: 1...3)
    func reportAddsUp(_ run: Int) async throws {
      let outcome = try await WorkbenchProgram.succeed(["fetch", "--size", "200KiB", "--seed", "\(run)", "--json"])
      let path = try #require(try WorkbenchProgram.object(outcome)["path"] as? [String: Any])
      let report = try JSONDecoder().decode(PathReport.self, from: JSONSerialization.data(withJSONObject: path))
      let sent = report.value("driver", "frames sent")
      #expect(sent > 0)
      #expect(report.value("interface", "sent frames") == sent)
      #expect(report.value("model", "frames sent") == sent)
      #expect(report.value("wire: slirp", "sent") == sent)
    }

    @Test("what the NIC is left to do is told as such, and nothing is called bad that is not")
    func offloadsInEvents() async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      try folder.write(OriginContent(byteCount: 300_000), to: "body")
      let upload = ["fetch", "http://10.0.2.2:\(origin.port)/echo", "--body", "@body", "-O", "echo", "-v"]
      let offloaded = try await WorkbenchProgram.succeed(upload, in: folder).diagnostics
      #expect(offloaded.contains { $0.contains(" tx ") && $0.contains("DHCP") && $0.hasSuffix("[checksum offloaded]") })
      #expect(
        offloaded.contains { $0.contains(" tx ") && $0.contains("TCP [S]") && $0.hasSuffix("[checksum offloaded]") })
      #expect(offloaded.contains { $0.hasSuffix("[segmentation offloaded, 1460 bytes each]") })
      #expect(!offloaded.contains { $0.contains("[bad") || $0.contains(" rx ") && $0.contains("offloaded]") })
      let plain = try await WorkbenchProgram.succeed(
        upload + ["--no-checksum-offload", "--no-segmentation-offload"], in: folder
      ).diagnostics
      #expect(plain.contains { $0.contains(" tx ") && $0.contains("TCP [S]") })
      #expect(!plain.contains { $0.contains("[bad") || $0.contains("offloaded]") })
      await origin.stop()
    }

    @Test("agree with the event stream")
    func eventsAgree() async throws {
      let (before, report, events) = try await onThread { try Self.fetch() }
      #expect(events[.driver, .frame] == report.value("driver", "frames received"))
      #expect(
        events[.model, .frame] == report.value("model", "frames received") + report.value("model", "frames sent"))
      #expect(
        events[.tcp, .segment] == report.value("tcp", "in segments") + report.value("tcp", "out segments"))
      func since(_ layer: String, _ counter: String) -> UInt64 {
        report.value(layer, counter) - before.value(layer, counter)
      }
      #expect(events[.model, .registerWrite] == since("model", "register writes"))
      #expect(events[.model, .registerRead] == since("model", "register reads"))
      // Up and down again.
      #expect(events[.machine, .interrupt] == 2 * report.value("interrupts", "raised"))
      let layer = try #require(report.layers.first { $0.name == "system calls" })
      let calls = layer.counters.filter { !$0.name.hasSuffix(" failed") }.reduce(0) { $0 + $1.value }
      #expect(events[.syscall, .systemCall] == calls)
    }
  }
}
