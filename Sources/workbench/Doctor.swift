import ArgumentParser
import Bench

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What this machine has and lacks for the bench, and how to get it.",
    discussion: """
      In the end a bench is built with the options given, gets a lease, and pings its gateway. Exit code 1 if \
      something that the main path needs is missing.

      EXAMPLE
        workbench doctor --json
      """)

  @OptionGroup var bench: BenchArguments

  func run() throws {
    var findings = Diagnosis().findings
    findings.append(try path())
    let missing = findings.filter { $0.state == .missing && $0.isRequired }.map(\.subject)
    if bench.json {
      if missing.isEmpty { try Output.json(findings) }
    } else {
      let width = findings.map(\.subject.count).max() ?? 0
      for finding in findings {
        try Output.line(
          "\(finding.state.rawValue.padding(to: 7))  \(finding.subject.padding(to: width))  \(finding.detail)")
        if let advice = finding.advice { try Output.line(String(repeating: " ", count: width + 11) + advice) }
      }
    }
    guard missing.isEmpty else {
      throw CommandFailure("missing: \(missing.joined(separator: ", "))", result: .list(findings))
    }
  }

  /// The main path itself, tried.
  private func path() throws -> Diagnosis.Finding {
    let run = try BenchRun(bench)
    var result: Diagnosis.Finding?
    do {
      try run.run { bench in
        result = try await Diagnosis.tryPath(of: bench)
        return {}
      }
    } catch {
      return Diagnosis.pathIsBroken((error as? CommandFailure)?.message ?? String(describing: error))
    }
    return result ?? Diagnosis.pathIsBroken("the bench ended early")
  }
}
