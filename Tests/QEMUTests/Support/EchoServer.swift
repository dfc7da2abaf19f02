import Foundation
import Glibc

/// Why a test cannot go on.
struct TestSetupError: Error, CustomStringConvertible {
  let description: String
}

/// A TCP server on a free port of 127.0.0.1 that sends back what it gets, on a thread of its own.
final class EchoServer: Sendable {
  let port: UInt16
  private let listener: Int32

  init() throws {
    (listener, port) = try bindTCP()
    listen(listener, 4)
    Thread.detachNewThread { [listener] in
      while true {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { break }
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
          let count = read(client, &chunk, chunk.count)
          guard count > 0, send(client, chunk, count, Int32(MSG_NOSIGNAL)) == count else { break }
        }
        close(client)
      }
      close(listener)
    }
  }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
}

/// A stream socket bound to a free port of 127.0.0.1.
private func bindTCP() throws -> (descriptor: Int32, port: UInt16) {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = loopback(port: 0)
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let isBound = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
    }
  }
  guard isBound else { throw TestSetupError(description: "no port of 127.0.0.1 is free") }
  return (descriptor, UInt16(bigEndian: address.sin_port))
}

private func loopback(port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  address.sin_port = port.bigEndian
  return address
}

/// A port of 127.0.0.1 that nobody used a moment ago.
func freePort() throws -> UInt16 {
  let (descriptor, port) = try bindTCP()
  close(descriptor)
  return port
}

/// A connection to a port of 127.0.0.1.
func connectTCP(to port: UInt16) throws -> Int32 {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = loopback(port: port)
  let result = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard result == 0 else { throw TestSetupError(description: "connect: \(String(cString: strerror(errno)))") }
  return descriptor
}
