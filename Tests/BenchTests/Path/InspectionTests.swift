import Foundation
import Machine
import Testing

extension RealThings {
  @Suite("A running bench, looked at from another process") struct InspectionTests {
    /// Starts a ping of two seconds or so and waits until replies come.
    private func startPing(_ options: [String] = [], count: Int = 100) async throws -> ChildProcess {
      let arguments = ["ping", "10.0.2.2", "-c", "\(count)", "-i", "0.02", "--json", "--verbose"]
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

    @Test("its descriptor rings are decoded, and it notices nothing")
    func rings() async throws {
      let program = try await startPing()
      let arguments = ["registers", "--rings", "--of", "\(program.pid)"]
      let function = try #require(
        try WorkbenchProgram.list(try await WorkbenchProgram.succeed(arguments + ["--json"])).first)
      let rings = try #require(function["rings"] as? [[String: Any]])
      #expect(rings.map { $0["direction"] as? String } == ["receive", "transmit"])
      for ring in rings {
        let count = try #require(ring["count"] as? Int)
        #expect(count > 0 && ring["byteCount"] as? Int == 16 * count && ring["problem"] == nil)
        for pointer in ["head", "tail"] { #expect((0..<count).contains(try #require(ring[pointer] as? Int))) }
        let descriptors = try #require(ring["descriptors"] as? [[String: Any]])
        #expect(descriptors.count == min(count, 16))
        // What lies before the head is not the device's; of the transmitted ones it is the end of a frame.
        let head = try #require(ring["head"] as? Int)
        let last = descriptors.first { $0["index"] as? Int == (head + count - 1) % count }
        #expect(last?["isDevices"] as? Bool == false)
        let flags = try #require(last?["flags"] as? [String])
        #expect(ring["direction"] as? String == "receive" || flags.contains("EOP"), "\(flags)")
      }
      let text = try await WorkbenchProgram.succeed(arguments + ["TDH"]).output
      #expect(text.contains("receive ring at 0x") && text.contains("transmit ring at 0x") && text.contains(" TDH "))
      let all = try await WorkbenchProgram.succeed(arguments + ["--all", "--json"])
      let full = try #require(try WorkbenchProgram.list(all).first?["rings"] as? [[String: Any]])
      for ring in full { #expect((ring["descriptors"] as? [Any])?.count == ring["count"] as? Int) }
      try await expectNothingLost(program)
    }

    @Test(
      "registers that describe no ring are told, and read nothing that is not there",
      arguments: [
        (["TDH": 0xFFFF], "head or tail lies outside the ring"),
        (["TDT": 0x8000], "head or tail lies outside the ring"),
        (["TDLEN": 0], "not set up"), (["TDBAL": 0xFFFF_FFF0, "TDBAH": 0xFFFF_FFFF], "are not all guest memory"),
        (["TDBAL": 0xFEB0_0000, "TDBAH": 0], "are not all guest memory"),
        (["TDLEN": 0xFFFF_FFFF, "TDBAL": 0xFFFF_0000], "are not all guest memory"),
      ] as [([String: UInt32], String)])
    func hostileRings(_ registers: [String: UInt32], _ problem: String) async throws {
      let folder = try TemporaryFolder()
      // It does not end before it is looked at, however slow this machine is.
      let program = try await startPing(["--machine", folder.file("machine")], count: 100_000)
      try FileManager.default.copyItem(atPath: folder.file("machine"), toPath: folder.file("copy"))
      program.terminate()
      let offsets: [String: UInt64] = ["TDBAL": 0x3800, "TDBAH": 0x3804, "TDLEN": 0x3808, "TDH": 0x3810, "TDT": 0x3818]
      let region = try #require(
        try MachineImage(path: folder.file("copy")).regions.first { $0.kind == .registers && $0.bar == 0 })
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: folder.file("copy")))
      for (name, value) in registers {
        try file.seek(toOffset: region.offset + offsets[name]!)
        try file.write(contentsOf: withUnsafeBytes(of: value.littleEndian) { Data($0) })
      }
      try file.close()
      let outcome = try await WorkbenchProgram.succeed(["registers", "--rings", "--of", folder.file("copy")])
      let transmit = try #require(outcome.output.components(separatedBy: "transmit ring at").last)
      #expect(transmit.contains(problem) && !transmit.contains("["), "\(transmit)")
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
