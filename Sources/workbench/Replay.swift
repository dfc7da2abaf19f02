import ArgumentParser
import Bench

struct Replay: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Feed captures into the NIC in virtual time and compare what driver and stack answer.",
    discussion: """
      Beside NAME.pcapng (or .pcap) lies NAME.expect: the settings of the station, then a line for each frame that it \
      must send, and below "at full speed" those that it must send if frames arrive as fast as the NIC takes them. \
      Frames that were meant for the captured station arrive in their time, and never before what they answer; those \
      that it sent itself show which ports, sequence numbers and identifiers stand for those that the station chooses \
      now. A damaged capture is replayed up to the damage.

      Exit codes: 0 all matched, 1 an answer differs, 65 a damaged capture or expectation, \
      66 a file that cannot be read.

      EXAMPLES
        workbench replay fixtures/captures/*.pcap*
        workbench replay fixtures/captures/*.pcap* --full-speed
        workbench replay ping.pcapng --full-speed --capture exchange.pcapng
        workbench replay new.pcapng --update --set 'address 192.0.2.1/24' --set 'listen tcp 80 http'
      """)

  @Argument(help: "Capture files, pcap or pcapng, of Ethernet frames.")
  var files: [String]

  @Flag(help: "Frames arrive as fast as the NIC takes them; compares with the expectation's section for that.")
  var fullSpeed = false

  @Flag(help: "Write what is answered as the new expectation; with --full-speed as its section for that.")
  var update = false

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp("A setting for an expectation that does not exist yet; repeatable.", valueName: "line"))
  var settings: [String] = []

  @Option(help: ArgumentHelp("Write the whole exchange to a pcapng file; only with one file.", valueName: "file"))
  var capture: String?

  @Flag(name: [.customShort("v"), .long], help: "Print every event, a line each, to standard error.")
  var verbose = false

  @Flag(help: "Print the results as JSON.")
  var json = false

  private struct Report: Encodable {
    let file: String
    let result: String
    let damage: String?
    let difference: ReplayDifference?
    let outcome: String?
    let fingerprint: String?
    let frames: ReplayCounters?

    init(_ report: ReplayReport) {
      file = report.file
      result = report.verdict.rawValue
      damage = report.damage?.description
      difference = report.difference
      outcome = report.outcome
      fingerprint = report.fingerprint
      frames = report.counters
    }

    init(file: String, _ error: ReplayError) {
      self.file = file
      result = "failed"
      damage = error.description
      difference = nil
      outcome = nil
      fingerprint = nil
      frames = nil
    }
  }

  func run() throws {
    guard capture == nil || files.count == 1 else { throw CommandFailure.usage("--capture needs a single file") }
    try CableArguments.checkCapture(capture)
    try OutputFiles.check([("--capture", capture)])
    OutputFiles.announceWaiting(for: capture)
    var options = ReplayFile.Options()
    options.isFullSpeed = fullSpeed
    options.isUpdate = update
    options.settings = settings
    options.capturePath = capture
    if verbose { options.eventSink = { Diagnostics.print($0) } }
    var reports: [Report] = []
    var differing = 0
    var failures: [ReplayError] = []
    for path in files {
      do {
        let report = try ReplayFile(path: path).replay(options)
        reports.append(Report(report))
        if !json { try Output.line(report.text) }
        if report.difference != nil { differing += 1 }
        if let damage = report.damage { failures.append(damage) }
      } catch let error as ReplayError {
        reports.append(Report(file: path, error))
        failures.append(error)
      }
    }
    try conclude(reports, differing, failures)
    if json { try Output.json(reports) }
  }

  /// The gravest of what happened decides the exit code; each failure has its line.
  private func conclude(_ reports: [Report], _ differing: Int, _ failures: [ReplayError]) throws {
    guard let gravest = failures.max(by: { $0.exitCode < $1.exitCode }) else {
      guard differing == 0 else {
        throw CommandFailure(
          "\(differing) of \(files.count) captures are not answered as expected", result: .list(reports))
      }
      return
    }
    for failure in failures { Diagnostics.print("workbench: \(failure)") }
    throw CommandFailure(
      failures.map(\.description).joined(separator: "; "), code: gravest.exitCode, result: .list(reports), isTold: true)
  }
}
