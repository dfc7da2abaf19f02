import Glibc
import PacketCapture

/// A capture file, the expectation beside it (`ping.pcapng` and `ping.expect`), and what a replay is compared with.
public struct ReplayFile: Sendable {
  public struct Options: Sendable {
    public var isFullSpeed = false
    /// Write what is answered as the new expectation.
    public var isUpdate = false
    /// Settings for an expectation that does not exist yet.
    public var settings: [String] = []
    public var capturePath: String?
    public var eventSink: (@Sendable (String) -> Void)?
    public init() {}
  }

  public let path: String

  public init(path: String) { self.path = path }

  /// The capture's path with `.expect` in place of its ending.
  public var expectationPath: String {
    let start = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    guard let dot = path[start...].lastIndex(of: "."), dot != start else { return path + ".expect" }
    return path[..<dot] + ".expect"
  }

  /// Replays the capture and compares, or updates: with what is expected in the original timing, or at full speed.
  public func replay(_ options: Options = Options()) throws(ReplayError) -> ReplayReport {
    // The capture first: who misspells its name should not read of an expectation.
    let reader: CaptureReader
    do throws(CaptureError) { reader = try CaptureReader(path: path) } catch { throw ReplayError(error, path: path) }
    let expectation = try expectation(options)
    var plan = ReplayPlan(settings: expectation.settings)
    plan.isFullSpeed = options.isFullSpeed
    plan.capturePath = options.capturePath
    plan.eventSink = options.eventSink
    let result: ReplayResult
    do throws(ReplayError) { result = try ReplayRun(plan, reader: reader).run() } catch .stuck(_, let reason) {
      throw .stuck(path: path, reason: reason)
    }
    let damage = damage(result)
    let verdict: ReplayReport.Verdict
    var difference: ReplayDifference?
    if options.isUpdate {
      // The answers to a part of a capture are no expectation for it.
      if let damage { throw damage }
      verdict = try update(expectation, result, isFullSpeed: options.isFullSpeed)
    } else if let expected = options.isFullSpeed ? expectation.fullSpeed : expectation.original {
      difference = .between(expected, answers: result.answers, outcome: result.outcome)
      verdict = difference == nil ? .matched : .differs
    } else {
      verdict = .notCompared
    }
    return ReplayReport(
      file: path, expectation: expectationPath, verdict: verdict, difference: difference, damage: damage,
      counters: result.counters, outcome: result.outcome, fingerprint: result.fingerprint)
  }

  private func expectation(_ options: Options) throws(ReplayError) -> ReplayExpectation {
    if let text = try read() { return try ReplayExpectation(text, path: expectationPath) }
    // The first update is that of the original timing; at full speed there need not be an expectation at all.
    guard options.isUpdate != options.isFullSpeed else { throw .noExpectation(path: expectationPath) }
    return try ReplayExpectation(settings: options.settings)
  }

  private func update(
    _ old: ReplayExpectation, _ result: ReplayResult, isFullSpeed: Bool
  ) throws(ReplayError) -> ReplayReport.Verdict {
    var answers = ReplayExpectation.Answers()
    answers.frames = result.answers
    answers.outcome = result.outcome
    var new = old
    if isFullSpeed { new.fullSpeed = answers } else { new.original = answers }
    let before = isFullSpeed ? old.fullSpeed : old.original
    let isSame = before.map { ReplayDifference.between($0, answers: result.answers, outcome: result.outcome) == nil }
    if isSame == true, access(expectationPath, F_OK) == 0 { return .unchanged }
    try write(new.text)
    return .updated
  }

  private func damage(_ result: ReplayResult) -> ReplayError? {
    switch result.damage {
    case nil: nil
    case .file(let error): ReplayError(error, path: path)
    case .linkType(let type, let frame): .linkType(path: path, type, frame: frame)
    }
  }

  /// The expectation's text; nil if there is none.
  private func read() throws(ReplayError) -> String? {
    guard let file = fopen(expectationPath, "r") else {
      if errno == ENOENT { return nil }
      throw .unreadable(path: expectationPath, reason: String(cString: strerror(errno)))
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      bytes += chunk[..<count]
      guard bytes.count <= ReplayExpectation.fileLimit else {
        throw .unreadable(path: expectationPath, reason: "longer than \(ReplayExpectation.fileLimit) bytes")
      }
      if count < chunk.count { break }
    }
    guard ferror(file) == 0 else { throw .unreadable(path: expectationPath, reason: "reading failed") }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func write(_ text: String) throws(ReplayError) {
    func failure() -> ReplayError { .cannotWrite(path: expectationPath, reason: String(cString: strerror(errno))) }
    guard let file = fopen(expectationPath, "w") else { throw failure() }
    let written = fputs(text, file)
    guard fclose(file) == 0, written >= 0 else { throw failure() }
  }
}

/// What came of replaying one file.
public struct ReplayReport: Sendable {
  public enum Verdict: String, Sendable, Codable {
    case matched, differs, updated, unchanged
    case notCompared = "not compared"
  }

  public let file: String
  public let expectation: String
  public let verdict: Verdict
  public let difference: ReplayDifference?
  /// Why the capture could not be replayed to its end.
  public let damage: ReplayError?
  public let counters: ReplayCounters
  public let outcome: String?
  public let fingerprint: String

  /// One line, and two more for a difference.
  public var text: String {
    var text = "\(file): \(counters.fed) frames in, \(counters.answered) answered"
    if counters.waitsInVain > 0 { text += ", \(counters.waitsInVain) waits in vain" }
    guard let difference else {
      let advice =
        verdict == .notCompared
        ? ": \(expectation) has no section \"\(ReplayExpectation.fullSpeedLine)\"; --update --full-speed writes it" : ""
      return text + ", \(verdict.rawValue)" + advice
    }
    let place = difference.line > 0 ? " (\(expectation):\(difference.line))" : ""
    return text + ", differs at answer \(difference.number)\(place)\n\(difference)"
  }
}
