import ArgumentParser
import Bench
import Foundation

/// The end of a command that failed: one clear line, and the exit code.
struct CommandFailure: Error {
  let message: String
  let code: Int32

  /// The work failed.
  init(_ message: String, code: Int32 = 1) {
    self.message = message
    self.code = code
  }

  /// The command line was wrong.
  static func usage(_ message: String) -> CommandFailure { CommandFailure(message, code: 2) }

  private struct Document: Encodable {
    let error: String
    let status: Int32
  }

  /// Tells what happened, on standard error, and with --json on standard output too unless a result stands there
  /// already; then ends the program.
  func end() -> Never {
    if !message.isEmpty { Diagnostics.print("workbench: " + message) }
    // The command line may be what is wrong, so it is not parsed for this.
    let isForMachines = CommandLine.arguments.dropFirst().prefix { $0 != "--" }.contains("--json")
    if isForMachines && !Output.isTaken { try? Output.json(Document(error: message, status: code)) }
    fflush(nil)
    Foundation.exit(code)
  }
}

/// Standard error.
enum Diagnostics {
  static func print(_ line: String) { write(line + "\n") }

  /// Writes `text` as it is.
  static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
