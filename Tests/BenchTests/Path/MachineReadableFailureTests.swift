import Foundation
import Testing

extension RealThings {
  @Suite("Failures with --json") struct MachineReadableFailureTests {
    @Test(
      "are one document with the error and the exit code",
      arguments: [
        ("fetch not-a-url", 2, "malformed URL"), ("fetch --frobnicate", 2, "--frobnicate"),
        ("fetch http://[::1]/", 1, "IPv6 is not supported yet"), ("ping ::1", 1, "IPv6 is not supported yet"),
        ("ping 10.0.2.2 --count 0", 2, "--count 0"), ("resolve a..b", 2, "cannot resolve a..b"),
        ("bogus", 2, "no command 'bogus'"),
        ("scenario /nonexistent/file", 66, "/nonexistent/file"), ("lspci --of 999999999", 66, "no process 999999999"),
        ("registers --of /dev/null", 66, "/dev/null does not hold a machine"), ("simulate --seeds 0", 2, "--seeds 0"),
        ("device --socket a --socket a", 2, "the same path twice"),
      ])
    func document(_ command: String, _ code: Int, _ message: String) async throws {
      let arguments = command.split(separator: " ").map(String.init)
      let outcome = try await WorkbenchProgram.run(arguments + ["--json"])
      let document = try WorkbenchProgram.object(outcome)
      #expect(Set(document.keys) == ["error", "status"])
      #expect(document["status"] as? Int == code && outcome.code == Int32(code))
      #expect((document["error"] as? String)?.contains(message) == true, "\(document)")
      #expect(outcome.diagnostics == ["workbench: \(document["error"] as? String ?? "")"])
    }

    @Test("a scenario that is none is one of them")
    func scenario() async throws {
      let folder = try TemporaryFolder()
      try folder.write("a: [", to: "x.yaml")
      let outcome = try await WorkbenchProgram.run(["scenario", "x.yaml", "--json"], in: folder)
      #expect(try WorkbenchProgram.object(outcome)["status"] as? Int == 65 && outcome.code == 65)
    }

    @Test("keep the results of a list, as \"results\"")
    func results() async throws {
      let missing = try await WorkbenchProgram.run(["replay", "nosuch.pcap", "--json"])
      let document = try WorkbenchProgram.object(missing)
      #expect(document["status"] as? Int == 66 && missing.code == 66)
      #expect((document["error"] as? String)?.contains("such as those of fixtures/captures") == true)
      #expect((document["results"] as? [[String: Any]])?.first?["result"] as? String == "failed")
      #expect(missing.diagnostics.count == 1)
    }

    @Test("follow no result, and are not mixed into a body on standard output")
    func onlyOne() async throws {
      let silence = try await WorkbenchProgram.run(["ping", "10.0.2.77", "-c", "1", "-W", "0.1", "--json"])
      let report = try WorkbenchProgram.object(silence)
      #expect(report["received"] as? Int == 0 && report["status"] as? Int == 1 && silence.code == 1)
      #expect((report["error"] as? String)?.hasPrefix("10.0.2.77 did not answer the request; ") == true)
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
      }
      defer { service.stop() }
      let body = try await WorkbenchProgram.run(["fetch", service.url(), "-O", "-", "--json"])
      #expect(body.output == "half" && body.code == 1)
      let document = try JSONSerialization.jsonObject(with: Data(body.diagnostics.joined().utf8)) as? [String: Any]
      #expect((document?["error"] as? String)?.contains("4 of 10 bytes") == true && document?["status"] as? Int == 1)
    }
  }
}
