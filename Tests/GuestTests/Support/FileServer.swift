import Foundation
import Glibc

/// A file of random bytes, served by python's http.server on the host's loopback; 10.0.2.2 for a guest behind slirp.
final class FileServer {
  /// Name of the file, and its folder.
  let name = "file"
  let folder: Folder
  let byteCount: Int
  /// SHA-256 of the file, in hexadecimal.
  let digest: String
  private let process: Child
  private let port: Int

  init(byteCount: Int) throws {
    folder = try Folder()
    self.byteCount = byteCount
    try folder.fill(name, count: byteCount)
    digest = try FileServer.digest(of: folder.file(name))
    process = try Child(
      "python3", ["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder.path, "0"], folder: folder)
    // "Serving HTTP on 127.0.0.1 port 41234 (http://127.0.0.1:41234/) ..."
    _ = try process.read(upTo: " port ", until: Deadline(20))
    let number = try process.read(upTo: " ", until: Deadline(20))
    port = Int(String(decoding: number, as: UTF8.self)) ?? 0
  }

  /// The file, as a guest finds it.
  var url: String { "http://10.0.2.2:\(port)/\(name)" }

  static func digest(of path: String) throws -> String {
    let folder = try Folder()
    let process = try Child("sha256sum", [path], folder: folder)
    return String(decoding: try process.read(upTo: " ", until: Deadline(60)), as: UTF8.self)
  }
}

/// Files fetched by the host's curl.
enum HostFetch {
  /// SHA-256 of what a URL gives.
  static func digest(of url: String, limit: Int) throws -> String {
    let folder = try Folder()
    let process = try Child(
      "curl",
      [
        "-sS", "--fail", "--noproxy", "*", "--max-time", String(limit), "-o", folder.file("fetched"), "-w",
        "%{size_download} done\n", url,
      ],
      folder: folder)
    do { _ = try process.read(upTo: " done\n", until: Deadline(Double(limit) + 5)) } catch {
      throw GuestError("curl \(url): \(error)")
    }
    guard waitUntil(limit: 5, { !process.isRunning }), process.errors.isEmpty else {
      throw GuestError("curl \(url): \(process.errors)")
    }
    return try FileServer.digest(of: folder.file("fetched"))
  }
}

/// A port of 127.0.0.1 that was free a moment ago.
func freePort() throws -> Int {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let code = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
    }
  }
  guard code else { throw GuestError("no port of 127.0.0.1 is free") }
  return Int(UInt16(bigEndian: address.sin_port))
}
