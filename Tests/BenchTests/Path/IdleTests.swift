import Bench
import EventLoop
import Foundation
import Glibc
import LinuxABI
import Packets
import Testing

extension RealThings {
  @Suite("An idle bench") struct IdleTests {
    /// What an idle span of real time cost.
    private struct Cost: Sendable {
      let wakesByTimer: UInt64
      let wakesByDescriptor: UInt64
      let wakesByPost: UInt64
      let turns: UInt64
      /// What libslirp asked to be woken for.
      let ticks: UInt64
      let processorSeconds: Double
    }

    private static func processorSeconds() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Builds a bench, opens a connection if asked, and measures `seconds` in which nothing happens.
    private static func idle(_ seconds: Int, connectedTo port: UInt16?) throws -> Cost {
      let bench = try Bench(BenchOptions())
      return try bench.loop.run {
        try await bench.start()
        let system = bench.station.system
        if let port {
          let descriptor = try system.socket(SocketDomain.AF_INET, SocketType.SOCK_STREAM, 0)
          try await system.connect(descriptor, to: Endpoint(IPv4Address(10, 0, 2, 2), port))
        }
        // What starting left behind settles: link, addresses, the last acknowledgement.
        try await bench.loop.sleep(for: .seconds(1))
        let loop = bench.loop.counters
        let ticks = bench.report.value("wire: slirp", "ticks")
        let before = processorSeconds()
        try await bench.loop.sleep(for: .seconds(seconds))
        let after = bench.loop.counters
        let cost = Cost(
          wakesByTimer: after.wakesByTimer - loop.wakesByTimer,
          wakesByDescriptor: after.wakesByDescriptor - loop.wakesByDescriptor,
          wakesByPost: after.wakesByPost - loop.wakesByPost, turns: after.turns - loop.turns,
          ticks: bench.report.value("wire: slirp", "ticks") - ticks, processorSeconds: processorSeconds() - before)
        try await bench.stop()
        return cost
      }
    }

    @Test("with an open connection wakes only for libslirp's own tick, and takes no measurable processor time")
    func connected() async throws {
      let service = try LoopbackService { $0.waitForClose() }
      defer { service.stop() }
      let port = service.port
      let cost = try await onThread { try Self.idle(3, connectedTo: port) }
      #expect(cost.wakesByDescriptor == 0)
      #expect(cost.wakesByPost == 0)
      // libslirp looks after its connections twice a second; the one more is the end of the measured span.
      #expect(cost.ticks <= 7)
      #expect(cost.wakesByTimer <= cost.ticks + 1, "\(cost)")
      // One turn for what was due, one that finds nothing more to do.
      #expect(cost.turns <= 2 * (cost.ticks + 2), "\(cost)")
      #expect(cost.processorSeconds < 0.005 * 3, "\(cost)")
    }

    @Test("without a connection is not woken at all")
    func unconnected() async throws {
      let cost = try await onThread { try Self.idle(2, connectedTo: nil) }
      #expect(cost.wakesByDescriptor == 0 && cost.wakesByPost == 0)
      #expect(cost.ticks == 0)
      #expect(cost.wakesByTimer == 1, "\(cost)")
      #expect(cost.processorSeconds < 0.005 * 2, "\(cost)")
    }
  }
}
