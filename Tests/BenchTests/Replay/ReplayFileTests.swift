import Bench
import Foundation
import PacketCapture
import Packets
import Testing

@Suite("Replay of files") struct ReplayFileTests {
  /// A copy of a fixture that a test may change.
  private func copy(_ script: CaptureScript, in folder: URL) throws -> ReplayFile {
    let original = ReplayFile(path: FixtureFiles.path(script))
    let file = ReplayFile(path: folder.appendingPathComponent(script.path).path)
    try FileManager.default.copyItem(atPath: original.path, toPath: file.path)
    try FileManager.default.copyItem(atPath: original.expectationPath, toPath: file.expectationPath)
    return file
  }

  @Test("a changed expectation is reported with its line, both texts, and mended by an update")
  func changedExpectation() throws {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = try copy(Fixtures.ping, in: folder)
    let text = try String(contentsOfFile: file.expectationPath, encoding: .utf8)
    var lines = text.components(separatedBy: "\n")
    let index = try #require(lines.firstIndex { $0.hasSuffix("echo reply id 77 seq 3") })
    let original = lines[index]
    lines[index] = original.replacingOccurrences(of: "seq 3", with: "seq 33")
    try lines.joined(separator: "\n").write(toFile: file.expectationPath, atomically: true, encoding: .utf8)
    let report = try file.replay()
    #expect(report.verdict == .differs)
    #expect(report.difference?.line == index + 1)
    #expect(report.difference?.expected == lines[index])
    #expect(report.difference?.actual == original)
    #expect(report.text.contains("ping.expect:\(index + 1)"))
    var update = ReplayFile.Options()
    update.isUpdate = true
    #expect(try file.replay(update).verdict == .updated)
    #expect(try String(contentsOfFile: file.expectationPath, encoding: .utf8) == text)
    #expect(try file.replay(update).verdict == .unchanged)
  }

  @Test("at full speed the section for that is compared, reported with its line, and written by an update of its own")
  func fullSpeedSection() throws {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = try copy(Fixtures.ping, in: folder)
    let text = try String(contentsOfFile: file.expectationPath, encoding: .utf8)
    var lines = text.components(separatedBy: "\n")
    var options = ReplayFile.Options()
    options.isFullSpeed = true
    let index = try #require(lines.lastIndex { $0.hasSuffix("echo reply id 77 seq 3") })
    lines[index] = lines[index].replacingOccurrences(of: "seq 3", with: "seq 33")
    try lines.joined(separator: "\n").write(toFile: file.expectationPath, atomically: true, encoding: .utf8)
    #expect(try file.replay().verdict == .matched)
    let report = try file.replay(options)
    #expect(report.verdict == .differs && report.difference?.line == index + 1)
    options.isUpdate = true
    #expect(try file.replay(options).verdict == .updated)
    #expect(try String(contentsOfFile: file.expectationPath, encoding: .utf8) == text)
    #expect(try file.replay(options).verdict == .unchanged)

    let start = try #require(lines.firstIndex(of: "at full speed"))
    try (lines[..<start].joined(separator: "\n") + "\n").write(
      toFile: file.expectationPath, atomically: true, encoding: .utf8)
    options.isUpdate = false
    let uncompared = try file.replay(options)
    #expect(uncompared.verdict == .notCompared && uncompared.text.contains("--update --full-speed writes it"))
    options.isUpdate = true
    #expect(try file.replay(options).verdict == .updated)
    #expect(try String(contentsOfFile: file.expectationPath, encoding: .utf8) == text)
    try FileManager.default.removeItem(atPath: file.expectationPath)
    #expect { try file.replay(options) } throws: { ($0 as? ReplayError)?.exitCode == 66 }
  }

  @Test("without an expectation there is an error, and an update with settings writes one")
  func newExpectation() throws {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = try copy(Fixtures.arp, in: folder)
    try FileManager.default.removeItem(atPath: file.expectationPath)
    #expect { try file.replay() } throws: { ($0 as? ReplayError)?.exitCode == 66 }
    var options = ReplayFile.Options()
    options.isUpdate = true
    options.settings = ["address 192.0.2.1/24"]
    #expect(try file.replay(options).verdict == .updated)
    let report = try file.replay()
    #expect(report.verdict == .matched && report.counters.answered > 0)
  }

  @Test("a capture that is not there, is none, or has no Ethernet frames is refused by name")
  func refusedFiles() throws {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var options = ReplayFile.Options()
    options.isFullSpeed = true
    let missing = ReplayFile(path: folder.appendingPathComponent("missing.pcap").path)
    for options in [options, ReplayFile.Options()] {
      #expect { try missing.replay(options) } throws: {
        let error = $0 as? ReplayError
        return error?.exitCode == 66
          && "\($0)" == "\(missing.path): cannot be read: No such file or directory; "
            + "name a pcap or pcapng file, such as those of fixtures/captures"
      }
    }
    let text = ReplayFile(path: folder.appendingPathComponent("text.pcap").path)
    try "this is no capture".write(toFile: text.path, atomically: true, encoding: .utf8)
    #expect { try text.replay(options) } throws: { ($0 as? ReplayError)?.exitCode == 65 }
    let raw = ReplayFile(path: folder.appendingPathComponent("raw.pcap").path)
    let sink = CaptureSink()
    let writer = try PcapWriter(sink, linkType: .raw)
    try writer.write([UInt8](repeating: 0x45, count: 40).span.bytes, time: 1)
    try Data(sink.bytes).write(to: URL(fileURLWithPath: raw.path))
    let report = try raw.replay(options)
    #expect(report.damage?.exitCode == 65)
    #expect(report.damage?.description.contains("link type 101") == true)
  }

  @Test("a truncated capture is replayed up to the damage, compared, and called damaged; no update is written from it")
  func damagedFile() throws {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = try copy(Fixtures.ping, in: folder)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: file.path))
    try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: file.path))
    let report = try file.replay()
    #expect(report.verdict == .differs)
    #expect(report.damage?.exitCode == 65)
    #expect(report.counters.answered > 1)
    var options = ReplayFile.Options()
    options.isUpdate = true
    #expect { try file.replay(options) } throws: { ($0 as? ReplayError)?.exitCode == 65 }
  }

  @Test("the capture of a replay holds what arrived and what was answered, with directions")
  func captureOfTheExchange() throws {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = ReplayFile(path: FixtureFiles.path(Fixtures.fetch))
    var options = ReplayFile.Options()
    let path = folder.appendingPathComponent("exchange.pcapng").path
    options.capturePath = path
    let report = try file.replay(options)
    #expect(report.verdict == .matched)
    let reader = try CaptureReader(path: path)
    var inbound = 0
    var outbound = 0
    while let frame = try reader.next() {
      if frame.direction == .inbound { inbound += 1 } else { outbound += 1 }
      #expect(!FrameDescription.describe(frame.bytes.span.bytes).contains("[bad"))
    }
    #expect(UInt64(inbound) == report.counters.fed)
    #expect(UInt64(outbound) == report.counters.answered)
  }

  @Test("what a replay has captured can be replayed again, to a station with another seed")
  func replayOfAReplay() throws {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    for script in [Fixtures.fetch, Fixtures.dns, Fixtures.serve] {
      var options = ReplayFile.Options()
      let path = folder.appendingPathComponent(script.name + ".pcapng").path
      options.capturePath = path
      let outcome = try ReplayFile(path: FixtureFiles.path(script)).replay(options).outcome
      var settings = try FixtureFiles.expectation(script).settings
      settings.seed = 99
      let again = try ReplayRun(ReplayPlan(settings: settings), reader: CaptureReader(path: path)).run()
      #expect(again.outcome == outcome)
      #expect(again.counters.waitsInVain == 0)
    }
  }
}
