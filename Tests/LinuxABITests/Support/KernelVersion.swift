import Glibc

/// A version of Linux, as far as it decides what a system call answers.
struct KernelVersion: Comparable, Sendable, CustomStringConvertible {
  let major: Int
  let minor: Int

  init(_ major: Int, _ minor: Int) {
    self.major = major
    self.minor = minor
  }

  static func < (a: KernelVersion, b: KernelVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }

  var description: String { "\(major).\(minor)" }

  /// The one that this process runs on.
  static let host: KernelVersion = {
    var name = utsname()
    uname(&name)
    let text = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let numbers = text.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    return KernelVersion(numbers.first ?? 0, numbers.count > 1 ? numbers[1] : 0)
  }()
}
