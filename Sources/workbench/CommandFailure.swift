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

  func report() { if !message.isEmpty { Diagnostics.print("workbench: " + message) } }
}

/// Standard error.
enum Diagnostics {
  static func print(_ line: String) { write(line + "\n") }

  /// Writes `text` as it is.
  static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

extension ParsableCommand {
  static func exit(withCode code: Int32) -> Never {
    fflush(nil)
    Foundation.exit(code)
  }
}
