import ArgumentParser
import Bench
import Foundation

struct Scenario: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Scripted fetches with expectations, from YAML files.",
    discussion: """
      A file lists fetches (a URL, or a size or path on the embedded origin), the faults on the wire and what must \
      come of each: status, size, SHA-256, attempts, redirects, failure. Bodies of the embedded origin are always \
      compared.

      EXAMPLE
        workbench scenario fixtures/scenarios/*.yaml
      """)

  @Argument(help: "Scenario files.")
  var files: [String]

  @Flag(help: "Print the outcomes as JSON.")
  var json = false

  private struct Report: Encodable {
    let file: String
    let name: String
    let outcomes: [ScenarioOutcome]
  }

  func run() throws {
    let scenarios = try files.map { path in
      let data = try Input.file(
        path, limit: 16 << 20, remedy: "name a YAML file such as those of fixtures/scenarios")
      do { return (path, try ScenarioFile(yaml: String(decoding: data, as: UTF8.self), path: path)) } catch {
        throw CommandFailure(String(describing: error), code: 65)
      }
    }
    var reports: [Report] = []
    for (path, scenario) in scenarios {
      do {
        reports.append(Report(file: path, name: scenario.name, outcomes: try ScenarioRun().run(scenario)))
      } catch {
        throw CommandFailure(String(describing: error))
      }
      if !json { try Output.line(Self.table(reports.last!)) }
    }
    let failed = reports.reduce(0) { $0 + $1.outcomes.count { !$0.isAsExpected } }
    let total = reports.reduce(0) { $0 + $1.outcomes.count }
    guard failed == 0 else {
      throw CommandFailure("\(failed) of \(total) fetches did not go as expected", result: .list(reports))
    }
    if json { return try Output.json(reports) }
    try Output.line("\(total) fetches in \(reports.count) scenarios went as expected")
  }

  private static func table(_ report: Report) -> String {
    let width = report.outcomes.map(\.name.count).max() ?? 0
    let rows = report.outcomes.flatMap { outcome -> [String] in
      let columns = [
        outcome.isAsExpected ? "ok  " : "FAIL", outcome.name.padding(to: width),
        (outcome.status.map(String.init) ?? "-").padding(to: 3), "\(outcome.bytes) bytes".padding(to: 15),
        "\(Rate.seconds(outcome.seconds)) s".padding(to: 8), "\(outcome.attempts) attempts",
        "\(outcome.retransmissions) retransmissions",
      ]
      return ["  " + columns.joined(separator: "  ")] + outcome.mismatches.map { "        \($0)" }
    }
    return ([report.name] + rows).joined(separator: "\n")
  }
}
