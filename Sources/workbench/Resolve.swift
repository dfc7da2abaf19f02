import ArgumentParser
import Bench
import EventLoop

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

  @Option(help: ArgumentHelp("Give up after this time.", valueName: "seconds"))
  var timeout = 15.0

  @OptionGroup var bench: BenchArguments

  private struct Answer: Encodable {
    let name: String
    let addresses: [String]
    let records: [NameRecords.Record]
    let failures: [String]
  }

  func run() throws {
    if let fault = NameRecords.fault(of: name) {
      throw CommandFailure.usage("cannot resolve \(name.isEmpty ? "\"\"" : name.singleLine): \(fault)")
    }
    try Seconds.check(timeout, option: "--timeout")
    try BenchRun(bench).run { bench in
      let answer: NameRecords
      do { answer = try await bench.records(of: name, within: .seconds(timeout)) } catch {
        throw CommandFailure(String(describing: error))
      }
      for failure in answer.failures { Diagnostics.print("workbench: \(name): \(failure)") }
      return {
        if self.bench.json {
          try Output.json(
            Answer(name: name, addresses: answer.addresses, records: answer.records, failures: answer.failures))
        } else {
          try Output.line(answer.text)
        }
      }
    }
  }
}
