import Foundation
import Testing

extension RealThings {
  @Suite("A running bench, looked at from another process") struct InspectionTests {
    /// Starts a ping of two seconds or so and waits until replies come.
    private func startPing(_ options: [String] = []) async throws -> ChildProcess {
      let arguments = ["ping", "10.0.2.2", "-c", "100", "-i", "0.02", "--json", "--verbose"]
      let program = try WorkbenchProgram.start(arguments + options)
      let isRunning = try await onThread { waitUntil { program.diagnostics.count > 200 } }
      try #require(isRunning, "\(program.diagnostics.suffix(3))")
      return program
    }

    private func expectNothingLost(_ program: ChildProcess) async throws {
      let outcome = try await program.end(limit: 30)
      let report = try WorkbenchProgram.object(outcome)
      #expect(outcome.code == 0)
      #expect(report["sent"] as? Int == 100)
      #expect(report["received"] as? Int == 100)
    }

    /// Looks at `target` through both commands.
    private func inspect(_ target: String) async throws {
      let devices = try WorkbenchProgram.list(try await WorkbenchProgram.succeed(["lspci", "--of", target, "--json"]))
      let nic = try #require(devices.first { $0["address"] as? String == "00:03.0" })
      #expect(nic["vendorID"] as? Int == 0x8086)
      #expect(nic["deviceID"] as? Int == 0x100E)
      #expect(nic["command"] as? Int == 7)
      let listing = try await WorkbenchProgram.succeed(["lspci", "--of", target])
      #expect(listing.output.contains("00:03.0") && listing.output.contains("[8086:100e]"))

      let dump = try await WorkbenchProgram.succeed(["registers", "--of", target, "--all", "--json"])
      let function = try #require(try WorkbenchProgram.list(dump).first)
      #expect(function["controller"] as? String == "82540EM")
      let registers = try #require(function["registers"] as? [[String: Any]])
      func value(_ register: String, _ field: String) -> Int? {
        let fields = registers.first { $0["name"] as? String == register }?["fields"] as? [[String: Any]]
        return fields?.first { $0["name"] as? String == field }?["value"] as? Int
      }
      #expect(value("STATUS", "LU") == 1)
      #expect(value("RCTL", "EN") == 1)
      #expect(value("TCTL", "EN") == 1)
      let text = try await WorkbenchProgram.succeed(["registers", "CTRL", "STATUS", "--of", target])
      #expect(text.output.contains("STATUS") && text.output.contains("LU"))
    }

    @Test("its bus and registers are decoded by process id, and it notices nothing")
    func byProcess() async throws {
      let program = try await startPing()
      try await inspect("\(program.pid)")
      try await expectNothingLost(program)
    }

    @Test("its bus and registers are decoded by the file of --machine, and it notices nothing")
    func byFile() async throws {
      let folder = try TemporaryFolder()
      let program = try await startPing(["--machine", folder.file("machine")])
      try await inspect(folder.file("machine"))
      try await expectNothingLost(program)
    }

    @Test("--reference describes the registers without a bench, as Markdown and as JSON")
    func reference() async throws {
      let page = try await WorkbenchProgram.succeed(["registers", "--reference"])
      #expect(page.output.contains("| 05404...0547C step 8 | RAH[16] | Receive Address High | 13.5.3 |"))
      let rows = try WorkbenchProgram.list(
        try await WorkbenchProgram.succeed(["registers", "--reference", "icr", "--json"]))
      #expect(rows.count == 1 && rows.first?["offset"] as? Int == 0xC0)
      #expect(rows.first?["clearOnRead"] as? Int == 0x1_FFFF)
    }

    @Test("what is no bench cannot be read", arguments: ["lspci", "registers"])
    func wrongTarget(_ command: String) async throws {
      let folder = try TemporaryFolder()
      try folder.write("no machine", to: "text")
      try folder.write("", to: "empty")
      try folder.write(String(repeating: "\u{0}", count: 1 << 20), to: "zeros")
      let targets = ["999999999", "0", "-1", "1", folder.file("text"), folder.file("empty"), folder.file("zeros")]
      for target in targets + [folder.file("missing"), folder.path] {
        try await WorkbenchProgram.fail([command, "--of=" + target], code: 66, "--of \(target)")
      }
    }
  }
}
