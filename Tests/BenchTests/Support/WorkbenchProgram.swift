import Foundation
import Testing

/// The `workbench` executable.
enum WorkbenchProgram {
  static let path = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent(".build/release/workbench").path

  static func start(
    _ arguments: [String], in folder: TemporaryFolder? = nil, environment: [String: String] = [:]
  ) throws -> ChildProcess {
    try ChildProcess(path, arguments, in: folder?.path, environment: environment)
  }

  /// Runs the workbench to its end.
  static func run(
    _ arguments: [String], in folder: TemporaryFolder? = nil, environment: [String: String] = [:], limit: Double = 30
  ) async throws -> ChildProcess.Outcome {
    try await start(arguments, in: folder, environment: environment).end(limit: limit)
  }

  /// Runs it and expects success.
  static func succeed(
    _ arguments: [String], in folder: TemporaryFolder? = nil, limit: Double = 30,
    at location: SourceLocation = #_sourceLocation
  ) async throws -> ChildProcess.Outcome {
    let outcome = try await run(arguments, in: folder, limit: limit)
    #expect(outcome.code == 0, "\(arguments): \(outcome.diagnostics)", sourceLocation: location)
    return outcome
  }

  /// Runs it and expects the exit code, one line on standard error with `message` in it, and nothing on standard
  /// output.
  static func fail(
    _ arguments: [String], code: Int32, _ message: String, in folder: TemporaryFolder? = nil,
    environment: [String: String] = [:], limit: Double = 30, at location: SourceLocation = #_sourceLocation
  ) async throws {
    let outcome = try await run(arguments, in: folder, environment: environment, limit: limit)
    #expect(outcome.code == code, "\(arguments): \(outcome.diagnostics)", sourceLocation: location)
    #expect(outcome.output == "", sourceLocation: location)
    #expect(outcome.diagnostics.count == 1, "\(outcome.diagnostics)", sourceLocation: location)
    let line = outcome.diagnostics.first ?? ""
    #expect(line.hasPrefix("workbench: ") && line.contains(message), "\(line)", sourceLocation: location)
  }

  /// The JSON object that a command printed.
  static func object(_ outcome: ChildProcess.Outcome) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// The JSON list that a command printed.
  static func list(_ outcome: ChildProcess.Outcome) throws -> [[String: Any]] {
    try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
  }
}
