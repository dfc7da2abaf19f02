import ArgumentParser
import Bench

struct Resolve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look a name up with the bench's own resolver.",
    discussion: """
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
  }

  func run() throws {
    try BenchRun(bench).run { bench in
      let addresses: [IPAddressText]
      do { addresses = try await bench.resolve(name).map(IPAddressText.init) } catch {
        throw CommandFailure(String(describing: error))
      }
      if self.bench.json {
        try Output.json(Answer(name: name, addresses: addresses.map(\.text)))
      } else {
        for address in addresses { Output.line(address.text) }
      }
    }
  }
}
