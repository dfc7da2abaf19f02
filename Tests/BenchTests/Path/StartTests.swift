import Bench
import EventLoop
import Foundation
import Testing
import Wires

extension RealThings {
  @Suite("How a bench gets its address, and finds its neighbours") struct StartTests {
    @Test("DHCP outlasts a lossy wire, and says what it waits for")
    func lossyWire() async throws {
      let outcome = try await WorkbenchProgram.succeed(
        ["resolve", "localhost", "--impair", "loss=25%", "--seed", "18"], limit: 60)
      #expect(outcome.output.contains("127.0.0.1"))
      #expect(outcome.diagnostics.allSatisfy { $0.contains("waiting for an address by DHCP, 60 s at most") })
      #expect(outcome.diagnostics.count == 1)
    }

    @Test("at an MTU below that of a DHCP message the messages go in pieces, and a bench gets its address")
    func smallMTU() async throws {
      let outcome = try await WorkbenchProgram.succeed(["fetch", "--size", "20kB", "--mtu", "100"])
      #expect(outcome.output.contains("SHA-256 verified"))
    }

    @Test("the smallest MTU carries TCP")
    func smallestMTU() async throws {
      let outcome = try await WorkbenchProgram.succeed([
        "fetch", "--size", "20kB", "--mtu", "88", "--address", "10.0.2.15/24", "--gateway", "10.0.2.2",
      ])
      #expect(outcome.output.contains("SHA-256 verified"))
    }

    @Test("a ping of a neighbour that is not there is told so, as ping(8) does")
    func deadNeighbour() async throws {
      let text = try await WorkbenchProgram.run(["ping", "10.0.2.77", "-c", "1"])
      #expect(text.code == 1)
      #expect(text.output.contains("\nFrom 10.0.2.15: seq=1 Destination Host Unreachable\n"), "\(text.output)")
      #expect(text.output.contains("1 sent, 0 received, 1 errors, 100% lost"), "\(text.output)")
      let json = try await WorkbenchProgram.run(["ping", "10.0.2.77", "-c", "1", "--json"])
      let problems = try #require(try WorkbenchProgram.object(json)["problems"] as? [[String: Any]])
      #expect(problems.first?["source"] as? String == "10.0.2.15" && problems.first?["sequence"] as? Int == 1)
    }

    @Test("a ping of a broadcast address needs the user's word")
    func broadcast() async throws {
      let refused = try await WorkbenchProgram.run(["ping", "10.0.2.255", "-c", "1"])
      #expect(refused.code == 1 && refused.diagnostics.first?.contains("--broadcast (-b)") == true)
      let allowed = try await WorkbenchProgram.run(["ping", "10.0.2.255", "-b", "-c", "1", "-W", "0.2", "--json"])
      #expect(try WorkbenchProgram.object(allowed)["sent"] as? Int == 1)
    }
  }
}
