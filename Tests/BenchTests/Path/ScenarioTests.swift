import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Scenarios") struct ScenarioTests {
    @Test(
      "a scenario that does not say what it should is refused, with its line",
      arguments: [
        ("fetches:\n  - size: 1KiB\n    colour: red\n", 3, "unknown key \"colour\""),
        ("name: x\nspeed: 9\nfetches:\n  - size: 1\n", 2, "unknown key \"speed\""),
        ("fetches:\n  - size: 1KiB\n    retries: often\n", 3, "whole number"),
        ("fetches:\n  - size: 1KiB\n    retries: -1\n", 3, "whole number"),
        ("fetches:\n  - size: 1KiB\n    timeout: soon\n", 3, "positive number"),
        ("fetches:\n  - size: 1KiB\n\n    segmentation_offload: 7\n", 4, "true or false"),
        ("fetches:\n  - size: lots\n", 2, "expected a size"),
        ("fetches:\n  - size: 1KiB\n    impair: loss=200%\n", 3, "200"),
        ("fetches:\n  - size: 1KiB\n    headers: [a]\n", 3, "mapping"),
        ("fetches:\n  - size: 1KiB\n    expect: {status: 99}\n", 3, "100...999"),
        ("fetches:\n  - size: 1KiB\n    expect: {sha256: 12}\n", 3, "64 hexadecimal digits"),
        ("fetches:\n  - size: 1KiB\n    expect: {mood: good}\n", 3, "unknown key \"mood\""),
        ("fetches:\n  - size: 1KiB\n  - name: nothing\n", 3, "exactly one of url, origin and size"),
        ("fetches:\n  - size: 1KiB\n    url: http://10.0.2.2/\n", 2, "exactly one of url, origin and size"),
        ("name: x\nfetches: none\n", 1, "must be a list"), ("name: x\nfetches: []\n", 1, "must be a list"),
        ("- size: 1\n", 1, "expected a mapping"), ("name: x\nfetches: [\n", 3, "not YAML"),
        ("fetches:\n  - size: 1KiB\n    seed: 1\n    seed: 2\n", 3, "given twice: \"seed\""),
      ])
    func reading(_ yaml: String, _ line: Int, _ message: String) {
      let error = #expect(throws: ScenarioError.self) { try ScenarioFile(yaml: yaml, path: "x.yaml") }
      #expect(error?.line == line, "\(error?.description ?? "")")
      #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
      #expect(error?.description.hasPrefix("x.yaml:\(line): ") == true)
    }

    @Test("text that is no YAML, and no text at all, is refused", arguments: ["", "a: [", "\t- x: {"])
    func notYAML(_ yaml: String) async throws {
      #expect(throws: ScenarioError.self) { try ScenarioFile(yaml: yaml, path: "x.yaml") }
      let folder = try TemporaryFolder()
      try folder.write(yaml, to: "x.yaml")
      try await WorkbenchProgram.fail(["scenario", "x.yaml"], code: 65, "x.yaml", in: folder)
    }

    @Test("a file that cannot be read is named with the reason and what to do")
    func unreadable() async throws {
      let folder = try TemporaryFolder()
      for (path, reason) in [
        ("missing.yaml", "No such file or directory"), (".", "Is a directory"), ("\(#filePath)/x", "Not a directory"),
      ] {
        try await WorkbenchProgram.fail(
          ["scenario", path], code: 66,
          "\(path): cannot be read: \(reason); name a YAML file such as those of fixtures/scenarios", in: folder)
      }
    }

    @Test("fetches that go as expected are success; one that does not is named, with what differs")
    func run() async throws {
      let folder = try TemporaryFolder()
      try folder.write(
        """
        name: small
        fetches:
          - {name: good, size: 10kB, expect: {status: 200, size: 10000, attempts: 1}}
          - {name: gone, origin: /status/404, expect: {failure: answered 404}}
        """, to: "good.yaml")
      try folder.write(
        """
        fetches:
          - {name: too long, size: 10kB, expect: {size: 9999}}
          - {name: not there, origin: /status/404}
          - {name: fine, size: 1kB}
        """, to: "bad.yaml")
      let good = try await WorkbenchProgram.succeed(["scenario", "good.yaml"], in: folder)
      #expect(good.output.contains("2 fetches in 1 scenarios went as expected"))
      let bad = try await WorkbenchProgram.run(["scenario", "bad.yaml", "good.yaml"], in: folder)
      #expect(bad.code == 1)
      #expect(bad.diagnostics == ["workbench: 2 of 5 fetches did not go as expected"])
      #expect(bad.output.contains("FAIL  too long"))
      #expect(bad.output.contains("size is 10000, expected 9999"))
      #expect(bad.output.contains("FAIL  not there"))
      #expect(bad.output.contains("the server answered 404"))
      #expect(bad.output.contains("ok    fine"))
    }

    @Test("--json tells the same with names")
    func json() async throws {
      let folder = try TemporaryFolder()
      try folder.write("fetches: [{size: 10kB, expect: {status: 404}}]", to: "x.yaml")
      let outcome = try await WorkbenchProgram.run(["scenario", "x.yaml", "--json"], in: folder)
      #expect(outcome.code == 1)
      let document = try WorkbenchProgram.object(outcome)
      #expect(
        document["status"] as? Int == 1 && document["error"] as? String == "1 of 1 fetches did not go as expected")
      let report = try #require((document["results"] as? [[String: Any]])?.first)
      let fetch = try #require((report["outcomes"] as? [[String: Any]])?.first)
      #expect(fetch["bytes"] as? Int == 10000)
      #expect(fetch["mismatches"] as? [String] == ["status is 200, expected 404"])
    }
  }
}
