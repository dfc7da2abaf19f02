import Bench
import Foundation

/// Arguments that stand for bytes or sizes.
enum Input {
  /// `text` itself, or what the file holds that `@FILE` names.
  static func bytes(_ text: String) throws -> [UInt8] {
    guard text.hasPrefix("@") else { return Array(text.utf8) }
    return Array(try file(String(text.dropFirst()), remedy: "name a file behind the @ that you may read"))
  }

  /// All of a file.
  ///
  /// - Throws: a failure with the reason, and what to do about it.
  static func file(_ path: String, remedy: String) throws -> Data {
    if let data = FileManager.default.contents(atPath: path) { return data }
    // Foundation does not tell why; the system call that fails does.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    var byte: UInt8 = 0
    let code = descriptor < 0 || read(descriptor, &byte, 1) < 0 ? errno : EIO
    if descriptor >= 0 { close(descriptor) }
    throw CommandFailure("\(path): cannot be read: \(String(cString: strerror(code))); \(remedy)", code: 66)
  }
}

/// Sizes with a unit: 1500, 64KiB, 1MB, 2GiB.
enum ByteSize {
  static func parse(_ text: String, option: String) throws -> Int {
    guard let count = ByteCount(text) else {
      throw CommandFailure.usage("\(option) \(text): write a size such as 1500, 64KiB or 1MB, up to 1 TiB")
    }
    return count.bytes
  }

  static func text(_ bytes: Int64) -> String { ByteCount(Int(bytes)).description }
}
