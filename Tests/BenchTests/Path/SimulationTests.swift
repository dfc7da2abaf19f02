import Bench
import EventLoop
import Foundation
import Testing
import Wires

@Suite("Simulations") struct SimulationTests {
  private static func run(_ seed: UInt64, bytes: Int = 200_000, impairment: ImpairmentSettings? = nil) throws
    -> SimulationResult
  {
    var plan = SimulationPlan(seed: seed)
    plan.byteCount = bytes
    plan.impairment = impairment
    return try Simulation(plan).run()
  }

  @Test("a run repeats bit for bit by its seed, and others differ")
  func determinism() async throws {
    let results = try await onThread { try [5, 5, 6, 7].map { try Self.run($0) } }
    #expect(results[0] == results[1])
    #expect(Set(results.map(\.fingerprint)).count == 3)
    #expect(Set(results.map(\.impairment)).count == 3)
  }

  @Test("the wire's faults are a function of the seed even where the settings are given")
  func faultsFollowTheSeed() async throws {
    let settings = try ImpairmentSettings("loss=2%,delay=3ms±1ms")
    let results = try await onThread { try [1, 1, 2].map { try Self.run($0, impairment: settings) } }
    #expect(results[0] == results[1])
    #expect(results[0].fingerprint != results[2].fingerprint)
    #expect(results[0].retransmissions > 0)
  }

  @Test("a clean wire loses nothing")
  func clean() async throws {
    let result = try await onThread { try Self.run(1, impairment: ImpairmentSettings()) }
    #expect(result.retransmissions == 0)
    #expect(result.bytesEachWay == 200_000)
  }

  @Test("thirty seeds with faults of their own exchange a megabyte each way and leave nothing behind")
  func seeds() async throws {
    let results = try await onThread { try (1...30).map { try Self.run($0, bytes: 1_000_000) } }
    #expect(Set(results.map(\.fingerprint)).count == 30)
    #expect(results.contains { $0.retransmissions > 0 })
  }

  @Test("a run that does not end in time fails with the command that shows it again, and the command does")
  func limit() async throws {
    let failure = try await onThread { () -> String? in
      var plan = SimulationPlan(seed: 9)
      plan.byteCount = 100_000
      plan.limit = .milliseconds(1)
      do {
        _ = try Simulation(plan).run()
        return nil
      } catch { return String(describing: error) }
    }
    let text = try #require(failure)
    #expect(text.hasPrefix("seed 9: "))
    let command = try #require(text.components(separatedBy: "with: workbench ").last).split(separator: " ").map(
      String.init)
    #expect(command.first == "simulate" && command.contains("--seed") && command.contains("--bytes"))
    // With the day of virtual time that the command allows, the same run succeeds.
    let outcome = try await WorkbenchProgram.succeed(command.filter { $0 != "--verbose" })
    #expect(outcome.output.hasPrefix("seed 9: "))
    let again = try await onThread { try Self.run(9, bytes: 100_000) }
    #expect(outcome.output.contains(again.fingerprint))
  }

  @Test("the wire of a run can be captured, and tshark finds nothing wrong on a clean one")
  func capture() async throws {
    let folder = try TemporaryFolder()
    _ = try await WorkbenchProgram.succeed(
      ["simulate", "--seeds", "1", "--bytes", "500kB", "--impair", "delay=1ms", "--twice", "--capture", "run.pcapng"],
      in: folder)
    try await Tshark.expectClean(folder.file("run.pcapng"), least: 690)
  }
}
