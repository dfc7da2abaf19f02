import Foundation
import Synchronization

/// Standard output, for people or (`--json`) for machines.
enum Output {
  /// A JSON document has been printed, or standard output holds something else: no other document may follow.
  static var isTaken: Bool { taken.load(ordering: .relaxed) }
  private static let taken = Atomic(false)

  /// Standard output is not for documents: it gets the body of a fetch.
  static func take() { taken.store(true, ordering: .relaxed) }

  /// One JSON document with sorted keys.
  static func json(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(value)
    take()
    FileHandle.standardOutput.write(data)
    FileHandle.standardOutput.write(Data([10]))
  }

  /// A line at once, also into a pipe: what follows a ping wants to see each reply.
  static func line(_ text: String) {
    print(text)
    fflush(nil)
  }
}
