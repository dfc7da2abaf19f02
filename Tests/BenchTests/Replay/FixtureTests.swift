import Bench
import Foundation
import PacketCapture
import Testing

/// The captures under fixtures/captures. With `WIREBENCH_WRITE_FIXTURES=1` in the environment the files are written
/// anew and their expectations updated, to be read through before they are committed.
@Suite("Fixtures of replay", .serialized) struct FixtureTests {
  static let isWriting = ProcessInfo.processInfo.environment["WIREBENCH_WRITE_FIXTURES"] == "1"

  @Test("writes the fixtures anew", .enabled(if: isWriting), arguments: Fixtures.all.map(\.name))
  func write(_ name: String) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    let file = ReplayFile(path: FixtureFiles.path(script))
    try Data(script.bytes()).write(to: URL(fileURLWithPath: file.path))
    if !FileManager.default.fileExists(atPath: file.expectationPath) {
      try script.header.write(toFile: file.expectationPath, atomically: true, encoding: .utf8)
    }
    var options = ReplayFile.Options()
    options.isUpdate = true
    _ = try file.replay(options)
    options.isFullSpeed = true
    _ = try file.replay(options)
  }

  @Test("the generator makes exactly the committed bytes", arguments: Fixtures.all.map(\.name))
  func generatorMatches(_ name: String) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    let committed = try Data(contentsOf: URL(fileURLWithPath: FixtureFiles.path(script)))
    #expect(Data(try script.bytes()) == committed)
    #expect(try FixtureFiles.expectation(script).header == script.header.split(separator: "\n").map(String.init))
  }

  @Test("every capture has an expectation and a generator, and nothing else lies there")
  func folderIsComplete() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: FixtureFiles.folder.path)
    let wanted = Fixtures.all.flatMap { [$0.path, $0.name + ".expect"] }
    #expect(Set(files) == Set(wanted))
    #expect(Fixtures.all.count >= 12)
  }

  @Test("each capture is answered as expected", arguments: Fixtures.all.map(\.name))
  func answersMatch(_ name: String) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    let report = try ReplayFile(path: FixtureFiles.path(script)).replay()
    #expect(report.verdict == .matched, "\(report.text)")
    #expect(report.damage == nil)
    #expect(report.counters.read == UInt64(script.frames.count))
    #expect(report.counters.waitsInVain == 0)
  }

  @Test("each capture is answered as expected at full speed", arguments: Fixtures.all.map(\.name))
  func answersMatchAtFullSpeed(_ name: String) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    var options = ReplayFile.Options()
    options.isFullSpeed = true
    let report = try ReplayFile(path: FixtureFiles.path(script)).replay(options)
    #expect(report.verdict == .matched, "\(report.text)")
    #expect(report.damage == nil)
  }

  @Test(
    "two replays answer with the same bytes at the same times", arguments: Fixtures.all.map(\.name), [false, true])
  func replaysRepeat(_ name: String, isFullSpeed: Bool) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    let settings = try FixtureFiles.expectation(script).settings
    let first = try FixtureFiles.replay(script.bytes(), settings, isFullSpeed: isFullSpeed)
    #expect(try FixtureFiles.replay(script.bytes(), settings, isFullSpeed: isFullSpeed) == first)
  }

  @Test("at full speed every frame arrives, and the action comes to the same", arguments: Fixtures.all.map(\.name))
  func fullSpeed(_ name: String) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    let expectation = try FixtureFiles.expectation(script)
    let result = try FixtureFiles.replay(script.bytes(), expectation.settings, isFullSpeed: true)
    #expect(result.outcome == expectation.outcome)
    let counters = result.counters
    #expect(counters.fed + counters.reference + counters.others == UInt64(script.frames.count))
    #expect(counters.waitsInVain == 0)
  }

  @Test(
    "another seed, and so other ports, numbers and identifiers, comes to the same",
    arguments: ["dns", "fetch", "serve", "dhcp", "refused", "unreachable"], [UInt64(2), 3, 4])
  func otherSeeds(_ name: String, _ seed: UInt64) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    let expectation = try FixtureFiles.expectation(script)
    var settings = expectation.settings
    settings.seed = seed
    let result = try FixtureFiles.replay(script.bytes(), settings)
    #expect(result.outcome == expectation.outcome)
    #expect(result.answers.count == expectation.frames.count)
    #expect(result.counters.waitsInVain == 0)
  }

  @Test(
    "a capture that is cut anywhere gives a named error, or its first frames alone", arguments: Fixtures.all.map(\.name)
  )
  func truncation(_ name: String) throws {
    let script = try #require(Fixtures.all.first { $0.name == name })
    let bytes = try script.bytes()
    let settings = try FixtureFiles.expectation(script).settings
    for step in 0..<12 {
      let count = bytes.count * step / 12 + step % 5
      do {
        let result = try FixtureFiles.replay(Array(bytes[..<count]), settings)
        if let damage = result.damage { #expect(damage == .file(.truncated(offset: offset(damage)))) }
        #expect(result.counters.read < UInt64(script.frames.count) || result.damage == nil)
      } catch let error as CaptureError {
        #expect(count < 200, "\(error)")
      }
    }
  }

  private func offset(_ damage: ReplayResult.Damage) -> UInt64 {
    if case .file(.truncated(let offset)) = damage { return offset }
    return .max
  }
}
