import Bench
import Foundation

/// Arguments that stand for bytes or sizes.
enum Input {
  /// `text` itself, or what the file holds that `@FILE` names.
  static func bytes(_ text: String) throws -> [UInt8] {
    guard text.hasPrefix("@") else { return Array(text.utf8) }
    let path = String(text.dropFirst())
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("\(path): cannot be read", code: 66)
    }
    return Array(data)
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
