import Foundation

/// A temporary folder that vanishes with its owner. Its path is short: paths of sockets may have 107 bytes.
final class Folder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "wirebench-" + String(UInt32.random(in: 0...UInt32.max), radix: 36)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  /// What a file holds; nothing if it is not there.
  func contents(_ name: String) -> Data { FileManager.default.contents(atPath: file(name)) ?? Data() }

  /// The end of a text file.
  func tail(_ name: String, bytes: Int = 2000) -> String {
    String(decoding: contents(name).suffix(bytes), as: UTF8.self)
  }

  /// Makes a file of `count` bytes that do not repeat themselves.
  func fill(_ name: String, count: Int) throws {
    var generator = SystemRandomNumberGenerator()
    var bytes = Data(count: count)
    bytes.withUnsafeMutableBytes { buffer in
      for index in stride(from: 0, to: buffer.count - 7, by: 8) {
        buffer.storeBytes(of: generator.next(), toByteOffset: index, as: UInt64.self)
      }
    }
    try bytes.write(to: URL(fileURLWithPath: file(name)))
  }
}
