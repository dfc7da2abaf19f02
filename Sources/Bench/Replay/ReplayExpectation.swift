/// What the station must answer to a capture: settings, then a line a frame.
///
///     replay 1
///     # comments and empty lines are allowed anywhere
///     address 192.0.2.1/24
///     mac 02:00:00:00:00:01
///     listen udp 7 echo
///     0.000000 ARP 192.0.2.1 is at 02:00:00:00:00:01
///     0.500000 192.0.2.1:7 > 192.0.2.2:40000 UDP length 5
///     outcome fetched 200, 1234 bytes
///     at full speed
///     0.000000 ARP 192.0.2.1 is at 02:00:00:00:00:01
///     0.000010 192.0.2.1:7 > 192.0.2.2:40000 UDP length 5
///     outcome fetched 200, 1234 bytes
///
/// A frame's line is its time in virtual seconds from the start of the replay, and its description. What the action
/// came to stands in the last line of its section. At full speed timers, timestamps and sequence numbers are others,
/// and so the answers are: they have a section of their own, which may be missing. A line that is not understood is
/// refused with its number.
public struct ReplayExpectation: Sendable, Equatable {
  public struct Frame: Sendable, Equatable {
    /// Virtual time, microseconds from the start.
    public var time: Int64
    public var description: String
    /// Where it stands in its file, from 1; 0 if it comes from none.
    public var line: Int

    public init(time: Int64, description: String, line: Int = 0) {
      self.time = time
      self.description = description
      self.line = line
    }

    /// As it stands in a file.
    public var text: String { "\(ReplayTime.text(time)) \(description)" }
  }

  /// What must be answered in one kind of timing.
  public struct Answers: Sendable, Equatable {
    public var frames: [Frame] = []
    /// What the action came to; nil without action.
    public var outcome: String?
    public var outcomeLine = 0

    public init() {}

    var lines: [String] { frames.map(\.text) + (outcome.map { ["outcome \($0)"] } ?? []) }
  }

  public var settings = ReplaySettings()
  /// The lines above the first frame, as they are: an update keeps them.
  public var header: [String] = []
  /// Those to frames that arrive in their original timing.
  public var original = Answers()
  /// Those to frames that arrive as fast as the NIC takes them; nil if nothing is expected of that.
  public var fullSpeed: Answers?

  public var frames: [Frame] { original.frames }
  public var outcome: String? { original.outcome }

  static let fullSpeedLine = "at full speed"
  /// The first line of every file: format and version.
  static let signature = "replay 1"
  static let lineLimit = 4096
  /// Longest file that is read, bytes.
  static let fileLimit = 64 << 20

  /// An expectation without frames; `lines` are settings such as `address 192.0.2.1/24`.
  public init(settings lines: [String]) throws(ReplayError) {
    try self.init(([Self.signature] + lines).joined(separator: "\n"), path: "settings")
  }

  /// - Throws: ``ReplayError/expectation(path:line:reason:)``.
  public init(_ text: String, path: String) throws(ReplayError) {
    var seen: Set<String> = []
    var isSigned = false
    var number = 0
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      func refused(_ reason: String) -> ReplayError { .expectation(path: path, line: number, reason: reason) }
      guard line.utf8.count <= Self.lineLimit else { throw refused("longer than \(Self.lineLimit) bytes") }
      guard line.utf8.allSatisfy({ $0 >= 0x20 }) else { throw refused("control characters") }
      let isFrame = line.utf8.first.map { (48...57).contains($0) } ?? false
      let isOutcome = line.hasPrefix("outcome ")
      let isAbove = original == Answers() && fullSpeed == nil
      if !isFrame && isAbove && !isOutcome && line != Self.fullSpeedLine { header.append(String(line)) }
      if line.allSatisfy({ $0 == " " }) || line.hasPrefix("#") { continue }
      guard isSigned else {
        guard line == Self.signature else { throw refused("the first line must be \"\(Self.signature)\"") }
        isSigned = true
        continue
      }
      if line == Self.fullSpeedLine {
        guard fullSpeed == nil else { throw refused("a second section \"\(Self.fullSpeedLine)\"") }
        fullSpeed = Answers()
        continue
      }
      var section = fullSpeed ?? original
      guard section.outcome == nil else { throw refused("the outcome must be the last line of its section") }
      if isFrame {
        guard let frame = Self.frame(line, number) else {
          throw refused("a frame's line is its time, as 12.345678, and its description")
        }
        guard frame.time >= section.frames.last?.time ?? 0 else {
          throw refused("its time is before that of the line above")
        }
        section.frames.append(frame)
      } else if isOutcome {
        section.outcome = String(line.dropFirst(8))
        section.outcomeLine = number
      } else {
        guard isAbove else { throw refused("settings must stand above the frames") }
        do throws(ReplaySettings.LineError) { try settings.apply(line, seen: &seen) } catch {
          throw refused(error.reason)
        }
        continue
      }
      if fullSpeed == nil { original = section } else { fullSpeed = section }
    }
    guard isSigned else { throw .expectation(path: path, line: 1, reason: "the file is empty") }
    while header.last?.isEmpty == true { header.removeLast() }
  }

  private static func frame(_ line: Substring, _ number: Int) -> Frame? {
    guard let space = line.firstIndex(of: " "), let time = ReplayTime.parse(line[..<space], isExact: true) else {
      return nil
    }
    let description = line[line.index(after: space)...]
    guard !description.isEmpty else { return nil }
    return Frame(time: time, description: String(description), line: number)
  }

  /// The file.
  public var text: String {
    var lines = header + original.lines
    if let fullSpeed { lines += [Self.fullSpeedLine] + fullSpeed.lines }
    return lines.joined(separator: "\n") + "\n"
  }
}
