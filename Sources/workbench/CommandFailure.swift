import ArgumentParser
import Bench
import Foundation

/// The end of a command that failed: one clear line, and the exit code.
struct CommandFailure: Error {
  /// What there is of a result all the same, for the document of --json.
  enum Result: Sendable {
    /// One object: the failure's fields are added to it.
    case object(any Encodable & Sendable)
    /// A list: it becomes the field `results`.
    case list(any Encodable & Sendable)
  }

  let message: String
  let code: Int32
  let result: Result?
  /// The line has been printed already.
  let isTold: Bool

  /// The work failed.
  init(_ message: String, code: Int32 = 1, result: Result? = nil, isTold: Bool = false) {
    self.message = message
    self.code = code
    self.result = result
    self.isTold = isTold
  }

  /// The command line was wrong.
  static func usage(_ message: String) -> CommandFailure { CommandFailure(message, code: 2) }

  private struct Document: Encodable {
    let failure: CommandFailure

    private enum Key: CodingKey { case error, status, results }

    func encode(to encoder: any Encoder) throws {
      if case .object(let object) = failure.result { try object.encode(to: encoder) }
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(failure.message, forKey: .error)
      try container.encode(failure.code, forKey: .status)
      if case .list(let list) = failure.result { try list.encode(to: container.superEncoder(forKey: .results)) }
    }
  }

  /// Tells what happened, on standard error, and with --json as a document where documents go, unless one stands there
  /// already; then ends the program.
  func end() -> Never {
    // The command line may be what is wrong, so it is not parsed for this.
    let isForMachines = CommandLine.arguments.dropFirst().prefix { $0 != "--" }.contains("--json")
    let hasDocument = isForMachines && !Output.isTaken
    if !isTold, !message.isEmpty, !(hasDocument && Output.isDiverted) { Diagnostics.print("workbench: " + message) }
    if hasDocument { try? Output.json(Document(failure: self)) }
    Foundation.exit(code)
  }
}
