import ArgumentParser
import Bench

struct Resolve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look a name up with the bench's own resolver.",
    discussion: """
      Prints a line for each record: name, time to live in seconds, type (A, AAAA, CNAME) and value.

      EXAMPLES
        workbench resolve localhost
        workbench resolve www.example.test --dns 10.0.2.2:5353
      """)

  @Argument(help: "The name.")
  var name: String

  @OptionGroup var bench: BenchArguments

  private struct Answer: Encodable {
    let name: String
    let addresses: [String]
    let records: [NameRecords.Record]
    let failures: [String]
  }

  func run() throws {
    try BenchRun(bench).run { bench in
      let answer: NameRecords
      do { answer = try await bench.records(of: name) } catch { throw CommandFailure(String(describing: error)) }
      for failure in answer.failures { Diagnostics.print("workbench: \(name): \(failure)") }
      if self.bench.json {
        try Output.json(
          Answer(name: name, addresses: answer.addresses, records: answer.records, failures: answer.failures))
      } else {
        Output.line(answer.text)
      }
    }
  }
}
