import Bench
import Foundation
import PacketCapture

/// The committed captures and expectations.
enum FixtureFiles {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../../fixtures/captures").standardizedFileURL

  static func path(_ script: CaptureScript) -> String { folder.appendingPathComponent(script.path).path }

  static func expectation(_ script: CaptureScript) throws -> ReplayExpectation {
    let path = ReplayFile(path: path(script)).expectationPath
    return try ReplayExpectation(String(contentsOfFile: path, encoding: .utf8), path: path)
  }

  /// Replays bytes in memory to the station of `settings`.
  static func replay(
    _ bytes: [UInt8], _ settings: ReplaySettings, isFullSpeed: Bool = false
  ) throws -> ReplayResult {
    var plan = ReplayPlan(settings: settings)
    plan.isFullSpeed = isFullSpeed
    return try ReplayRun(plan, reader: CaptureReader(bytes: bytes)).run()
  }

  /// A folder that goes away with the test.
  static func temporaryFolder() throws -> URL {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("replay-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url
  }
}
