import ArgumentParser
import Bench

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What this machine has and lacks for the bench, and how to get it.",
    discussion: """
      Exit code 1 if something that the main path needs is missing.

      EXAMPLE
        workbench doctor --json
      """)

  @Flag(help: "Print the findings as JSON.")
  var json = false

  func run() throws {
    let findings = Diagnosis().findings
    if json {
      try Output.json(findings)
    } else {
      let width = findings.map(\.subject.count).max() ?? 0
      for finding in findings {
        Output.line(
          "\(finding.state.rawValue.padding(to: 7))  \(finding.subject.padding(to: width))  \(finding.detail)")
        if let advice = finding.advice { Output.line(String(repeating: " ", count: width + 11) + advice) }
      }
    }
    let missing = findings.filter { $0.state == .missing && $0.isRequired }.map(\.subject)
    guard missing.isEmpty else { throw CommandFailure("missing: \(missing.joined(separator: ", "))") }
  }
}
