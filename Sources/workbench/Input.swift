import Bench
import Foundation

/// Arguments that stand for bytes or sizes.
enum Input {
  /// `text` itself, or what the file holds that `@FILE` names.
  static func bytes(_ text: String) throws -> [UInt8] {
    guard text.hasPrefix("@") else { return Array(text.utf8) }
    return try file(String(text.dropFirst()), option: "--body", remedy: "name a file behind the @ that you may read")
  }

  /// All of a file, which may be a pipe: it is opened once, and read once from its beginning to its end.
  ///
  /// - Throws: a failure with the reason, and what to do about it; also for a file of more than `limit` bytes.
  static func file(
    _ path: String, option: String? = nil, limit: Int = 1 << 30, remedy: String
  ) throws -> [UInt8] {
    func failure(_ code: Int32) -> CommandFailure {
      let failure = FileFailure(path, code, .reading(remedy: remedy))
      return CommandFailure((option.map { "\($0) " } ?? "") + failure.description, code: 66)
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure(errno) }
      guard count > 0 else { return bytes }
      guard bytes.count + count <= limit else {
        throw CommandFailure("\(path): longer than \(ByteSize.text(Int64(limit))), which is the limit here", code: 66)
      }
      bytes += buffer[..<count]
    }
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

/// Options that are a number of seconds.
enum Seconds {
  /// - Throws: a failure that names the option if its value is not in `range`, or is no number.
  static func check(_ value: Double, option: String, in range: ClosedRange<Double> = 0.001...1_000_000) throws {
    guard range.contains(value) else {
      let bounds = [range.lowerBound, range.upperBound].map { $0 == $0.rounded() ? String(Int($0)) : String($0) }
      throw CommandFailure.usage("\(option) \(value): not in \(bounds[0])...\(bounds[1]) seconds")
    }
  }
}
