import Bench
import EventLoop
import Events
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
        let client = HTTPFetch(system: bench.station.system) { (host) async throws(FetchError) in
          try await bench.resolve(host)
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
      #expect(report.value("system calls", "read") > 0)
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
