import Bench
import Foundation
import Synchronization

/// Standard output, for people or (`--json`) for machines.
enum Output {
  /// A JSON document has been printed: no other one may follow.
  static var isTaken: Bool { taken.load(ordering: .relaxed) }
  private static let taken = Atomic(false)

  /// Standard output gets the body of a fetch, so documents go to standard error.
  static var isDiverted: Bool { diverted.load(ordering: .relaxed) }
  private static let diverted = Atomic(false)
  static func divert() { diverted.store(true, ordering: .relaxed) }

  /// One JSON document with sorted keys.
  static func json(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(value)
    taken.store(true, ordering: .relaxed)
    let text = String(decoding: data, as: UTF8.self) + "\n"
    if isDiverted { Diagnostics.write(text) } else { try write(text) }
  }

  /// A line at once, also into a pipe: what follows a ping wants to see each reply.
  static func line(_ text: String) throws { try write(text + "\n") }

  /// - Throws: a failure with the system's reason; a result that did not arrive is none.
  static func write(_ text: String) throws {
    if let code = writeAll(Array(text.utf8), to: STDOUT_FILENO) {
      throw CommandFailure(FileFailure("standard output", code, .writing).description)
    }
  }

  /// Writes everything; returns errno if that is not possible.
  fileprivate static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        offset += count
      } else if errno == EAGAIN {
        // Somebody who shares the terminal or pipe has made it non-blocking.
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&entry, 1, -1)
      } else if errno != EINTR {
        return errno
      }
    }
    return nil
  }
}

/// Standard error. Where it cannot be written nobody is left to be told.
enum Diagnostics {
  static func print(_ line: String) { write(line + "\n") }

  /// Writes `text` as it is.
  static func write(_ text: String) { _ = Output.writeAll(Array(text.utf8), to: STDERR_FILENO) }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
