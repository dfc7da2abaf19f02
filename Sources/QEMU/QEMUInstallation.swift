import EventLoop
import Glibc

/// A QEMU on this machine: where it is, its version, and what it can do, as it says itself.
///
///     let qemu = try QEMUInstallation.find(requiring: ["vfio-user-pci"])
public struct QEMUInstallation: Sendable, Equatable {
  /// The environment variable that names the one to use.
  public static let variable = "WIREBENCH_QEMU"
  public static let programName = "qemu-system-x86_64"
  /// The device by which QEMU (10.1 and newer) uses a device of another process.
  public static let vfioUserDevice = "vfio-user-pci"
  /// How to get one.
  public static let advice = "apt-get install qemu-system-x86"
  public static let vfioUserAdvice = "make qemu fetches a QEMU that has it (10.1 or newer) into the cache"

  public let path: String
  public let version: QEMUVersion
  /// Names of its devices, as `-device` takes them, aliases included.
  public let devices: Set<String>
  /// Names of its accelerators, as `-accel` takes them.
  public let accelerators: Set<String>

  /// Asks the program at `path`; blocks, 50 ms a question as a rule.
  ///
  /// - Throws: ``QEMUError``, if it is no QEMU or does not answer within `limit`.
  public init(at path: String, limit: TimeSpan = .seconds(10)) throws(QEMUError) {
    self.path = path
    let answer = try RunningProgram.output(of: path, ["--version"], limit: limit)
    guard let version = QEMUVersion(answer: answer) else {
      throw .notQEMU(
        path: path, reason: "--version says \(answer.prefix(80).split(separator: "\n").first ?? "nothing")")
    }
    self.version = version
    devices = Self.deviceNames(in: try RunningProgram.output(of: path, ["-device", "help"], limit: limit))
    accelerators = Self.acceleratorNames(in: try RunningProgram.output(of: path, ["-accel", "help"], limit: limit))
  }

  /// True if it has vfio-user-pci.
  public var hasVfioUser: Bool { devices.contains(Self.vfioUserDevice) }

  // MARK: Finding

  /// The first QEMU that has all of `devices`: the one that $WIREBENCH_QEMU names, and no other, if that is set; else
  /// those in PATH, then the one in the cache.
  ///
  /// - Throws: ``QEMUError/notFound(places:wanted:)`` or ``QEMUError/unsuitable(wanted:reasons:)``;
  ///   ``QEMUError/advice`` tells what to do about it.
  public static func find(
    requiring devices: [String] = [], limit: TimeSpan = .seconds(10)
  ) throws(QEMUError) -> QEMUInstallation {
    try find(requiring: devices, among: candidates(), limit: limit)
  }

  package static func find(
    requiring devices: [String], among candidates: [String], limit: TimeSpan
  ) throws(QEMUError) -> QEMUInstallation {
    var reasons: [String] = []
    for path in candidates where access(path, X_OK) == 0 {
      do throws(QEMUError) {
        let found = try QEMUInstallation(at: path, limit: limit)
        let missing = devices.filter { !found.devices.contains($0) }
        if missing.isEmpty { return found }
        reasons.append("\(path) (\(found.version)) has no \(missing.joined(separator: ", "))")
      } catch {
        reasons.append(error.description)
      }
    }
    guard !reasons.isEmpty else { throw .notFound(places: candidates, wanted: devices) }
    throw .unsuitable(wanted: devices.isEmpty ? ["an answer"] : devices, reasons: reasons)
  }

  /// Paths at which a QEMU may be, in order of preference.
  public static func candidates() -> [String] {
    if let path = environment(variable) { return [path] }
    let folders = (environment("PATH") ?? "/usr/bin:/bin").split(separator: ":", omittingEmptySubsequences: true)
    let paths = folders.map { "\($0)/\(programName)" } + [cacheFolder + "/qemu/" + programName]
    // /bin is /usr/bin on many systems.
    var seen: Set<String> = []
    return paths.filter { seen.insert(resolved($0)).inserted }
  }

  /// True if the user chose the one to take.
  static var isChosen: Bool { environment(variable) != nil }

  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  /// Where fetched programs and guest images are kept.
  public static var cacheFolder: String {
    if let folder = environment("WIREBENCH_CACHE") { return folder }
    return (environment("XDG_CACHE_HOME") ?? (environment("HOME") ?? "") + "/.cache") + "/wirebench"
  }

  // MARK: Answers

  /// The names in lines like `name "e1000", bus PCI, alias "e1000-82540em", desc "…"`.
  package static func deviceNames(in answer: String) -> Set<String> {
    var names: Set<String> = []
    for line in answer.split(separator: "\n") where line.hasPrefix("name \"") {
      // name "a", alias "b": every second piece between quotes, the free text of desc left out.
      let pieces = line.split(separator: "\"", omittingEmptySubsequences: false)
      for index in stride(from: 1, to: pieces.count, by: 2)
      where pieces[index - 1].hasSuffix("name ") || pieces[index - 1].hasSuffix("alias ") {
        names.insert(String(pieces[index]))
      }
    }
    return names
  }

  /// The lines after the heading.
  package static func acceleratorNames(in answer: String) -> Set<String> {
    Set(answer.split(separator: "\n").dropFirst().filter { !$0.contains(" ") }.map(String.init))
  }
}

/// A version of QEMU, as in `7.2.22`.
public struct QEMUVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let major: Int
  public let minor: Int
  public let micro: Int

  public init(_ major: Int, _ minor: Int, _ micro: Int = 0) {
    self.major = major
    self.minor = minor
    self.micro = micro
  }

  /// The version in `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`; nil if there is none.
  package init?(answer: String) {
    let introduction = "QEMU emulator version "
    guard answer.hasPrefix(introduction) else { return nil }
    let numbers = answer.dropFirst(introduction.count).prefix { $0 == "." || $0.isASCII && $0.isNumber }
      .split(separator: ".").map { Int($0) }
    guard numbers.count >= 2, let major = numbers[0], let minor = numbers[1] else { return nil }
    self.init(major, minor, numbers.count > 2 ? numbers[2] ?? 0 : 0)
  }

  public static func < (a: QEMUVersion, b: QEMUVersion) -> Bool {
    (a.major, a.minor, a.micro) < (b.major, b.minor, b.micro)
  }

  public var description: String { "\(major).\(minor).\(micro)" }
}
