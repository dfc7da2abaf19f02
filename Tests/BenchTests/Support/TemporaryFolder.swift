import Bench
import Foundation

/// A folder that vanishes with its owner.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "wirebench-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of an entry.
  func file(_ name: String) -> String { path + "/" + name }

  /// Names of all entries, sorted.
  var entries: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }

  func write(_ text: String, to name: String) throws {
    try text.write(toFile: file(name), atomically: false, encoding: .utf8)
  }

  /// Fills a file with the first `count` bytes of `content`, all by default.
  func write(_ content: OriginContent, to name: String, count: Int? = nil) throws {
    _ = FileManager.default.createFile(atPath: file(name), contents: nil)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file(name)))
    defer { try? handle.close() }
    let end = count ?? content.byteCount
    var offset = 0
    while offset < end {
      let bytes = content.chunk(from: offset, limit: end - offset)
      try handle.write(contentsOf: Data(bytes))
      offset += bytes.count
    }
  }

  /// What a file holds; mapped, so that large files cost nothing.
  func contents(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: file(name)), options: .mappedIfSafe)
  }

  func size(_ name: String) -> Int {
    (try? FileManager.default.attributesOfItem(atPath: file(name))[.size] as? Int) ?? 0
  }
}
