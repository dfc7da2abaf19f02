import Foundation

/// Standard output, for people or (`--json`) for machines.
enum Output {
  /// One JSON document with sorted keys.
  static func json(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(value)
    FileHandle.standardOutput.write(data)
    FileHandle.standardOutput.write(Data([10]))
  }

  /// A line at once, also into a pipe: what follows a ping wants to see each reply.
  static func line(_ text: String) {
    print(text)
    fflush(nil)
  }
}
