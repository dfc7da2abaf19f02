import Foundation
import Glibc

/// A real HTTP server that serves a folder on a free port of the host's loopback, until its owner goes.
final class WebServer: Sendable {
  enum Kind: String, Sendable, CaseIterable { case nginx, python }

  let port: UInt16
  private let process: ChildProcess

  private init(process: ChildProcess, port: UInt16) {
    self.process = process
    self.port = port
  }

  deinit { process.terminate() }

  /// As seen from inside a bench.
  func url(_ path: String) -> String { "http://10.0.2.2:\(port)/\(path)" }

  /// Starts a server and waits until it answers.
  static func start(_ kind: Kind, serving folder: TemporaryFolder) async throws -> WebServer {
    try await onThread {
      switch kind {
      case .nginx: try nginx(folder)
      case .python: try python(folder)
      }
    }
  }

  private static func nginx(_ folder: TemporaryFolder) throws -> WebServer {
    let program = try ChildProcess.find("nginx", package: "nginx-light")
    let state = folder.file("nginx")
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    // nginx cannot choose a port; somebody else may take the free one first, hence the attempts.
    for _ in 1...5 {
      let port = try LoopbackAddress.freePort()
      let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(state)/\($0);" }
      try """
      daemon off; master_process off; worker_processes 1; pid \(state)/pid; error_log \(state)/errors;
      events {}
      http {
        access_log off; \(places.joined(separator: " "))
        server { listen 127.0.0.1:\(port); root \(folder.path); }
      }
      """.write(toFile: state + "/configuration", atomically: false, encoding: .utf8)
      let process = try ChildProcess(program, ["-p", state, "-e", state + "/errors", "-c", state + "/configuration"])
      if waitUntil(limit: 10, { LoopbackAddress.accepts(port) || !process.hasGroup }), process.hasGroup {
        return WebServer(process: process, port: port)
      }
      process.terminate()
    }
    throw TestSetupError(
      "nginx does not start: \((try? String(contentsOfFile: state + "/errors", encoding: .utf8)) ?? "")")
  }

  private static func python(_ folder: TemporaryFolder) throws -> WebServer {
    let program = try ChildProcess.find("python3", package: "python3")
    let process = try ChildProcess(
      program, ["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder.path, "0"])
    var port: UInt16?
    _ = waitUntil(limit: 20) {
      // "Serving HTTP on 127.0.0.1 port 41234 (http://127.0.0.1:41234/) ..."
      let words = process.output.split(separator: " ")
      port = words.firstIndex(of: "port").flatMap { words.indices.contains($0 + 1) ? UInt16(words[$0 + 1]) : nil }
      return port != nil && process.output.contains("...")
    }
    guard let port else {
      process.terminate()
      throw TestSetupError("python3 -m http.server does not start: \(process.diagnostics)")
    }
    return WebServer(process: process, port: port)
  }
}

/// Sockets on 127.0.0.1.
enum LoopbackAddress {
  /// A socket bound to `port` of 127.0.0.1, and the port it got.
  static func bind(type: Int32, port: UInt16 = 0) throws -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, type, 0)
    var address = self.address(port)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard code else {
      close(descriptor)
      throw TestSetupError("no socket on 127.0.0.1: \(String(cString: strerror(errno)))")
    }
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }

  /// A port that was free a moment ago.
  static func freePort() throws -> UInt16 {
    let (descriptor, port) = try bind(type: Int32(SOCK_STREAM.rawValue))
    close(descriptor)
    return port
  }

  /// Whether somebody listens on the port.
  static func accepts(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = self.address(port)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  static func address(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }
}
