import EventLoop
import Glibc
import Link
import Testing
import Wires

/// A real loop, a folder for socket paths, and raw sockets in the place of QEMU's.
final class SocketBench {
  let loop: EpollLoop
  let folder: String

  init() throws {
    loop = try EpollLoop(seed: 1)
    var template = Array("/tmp/wirebench-wire-XXXXXX".utf8CString)
    folder = try #require(
      template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!).map { String(cString: $0) } })
  }

  deinit { rmdir(folder) }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// Runs the loop until `condition` holds; false if it does not within five seconds.
  @discardableResult
  func run(until condition: @escaping () -> Bool) throws -> Bool {
    let loop = loop
    return try loop.run {
      let end = loop.now + .seconds(5)
      while !condition() {
        if loop.now > end { return false }
        try await loop.sleep(for: .microseconds(200))
      }
      return true
    }
  }

  /// Lets the loop settle what is under way.
  func settle() throws {
    let loop = loop
    try loop.run { for _ in 0..<4 { try await loop.sleep(for: .milliseconds(1)) } }
  }

  static func frame(_ length: Int, _ seed: Int = 0) -> [UInt8] {
    (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed &* 13 &+ $0 >> 8) }
  }

  static func framed(_ frame: [UInt8]) -> [UInt8] { length(frame.count) + frame }

  static func length(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
}

/// The raw end of a socket: writes and reads bytes without knowing of frames.
final class RawPeer {
  private(set) var descriptor: Int32
  private(set) var bytes: [UInt8] = []

  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
  }

  /// Connects to a path, or to a port of the loopback interface.
  static func connected(path: String) throws -> RawPeer {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    try #require(withUnixAddress(path) { connect(descriptor, $0, $1) } == 0)
    return RawPeer(descriptor)
  }

  static func listening(path: String) throws -> RawPeer {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    try #require(withUnixAddress(path) { bind(descriptor, $0, $1) } == 0 && listen(descriptor, 1) == 0)
    return RawPeer(descriptor)
  }

  static func datagram(path: String) throws -> RawPeer {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    try #require(withUnixAddress(path) { bind(descriptor, $0, $1) } == 0)
    return RawPeer(descriptor)
  }

  static func connected(port: UInt16) throws -> RawPeer {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    try #require(withLoopback(port) { connect(descriptor, $0, $1) } == 0)
    return RawPeer(descriptor)
  }

  static func datagram(port: UInt16) throws -> RawPeer {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    try #require(withLoopback(port) { bind(descriptor, $0, $1) } == 0)
    return RawPeer(descriptor)
  }

  deinit { leave() }

  func leave() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  func acceptOne() -> RawPeer? {
    let accepted = accept(descriptor, nil, nil)
    return accepted >= 0 ? RawPeer(accepted) : nil
  }

  /// Writes as much as the kernel takes; returns how many bytes.
  @discardableResult
  func write(_ bytes: some Collection<UInt8>) -> Int {
    max(0, Array(bytes).withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) })
  }

  @discardableResult
  func write(_ bytes: [UInt8], toPath path: String) -> Int {
    bytes.withUnsafeBytes { raw in
      withUnixAddress(path) { sendto(descriptor, raw.baseAddress, raw.count, 0, $0, $1) }
    }
  }

  @discardableResult
  func write(_ bytes: [UInt8], toPort port: UInt16) -> Int {
    bytes.withUnsafeBytes { raw in
      withLoopback(port) { sendto(descriptor, raw.baseAddress, raw.count, 0, $0, $1) }
    }
  }

  /// Reads what is there into ``bytes``; false at the end of the stream.
  @discardableResult
  func read() -> Bool {
    var room = [UInt8](repeating: 0, count: 1 << 17)
    while true {
      let count = recv(descriptor, &room, room.count, 0)
      guard count > 0 else { return count < 0 && errno == EAGAIN }
      bytes += room[..<count]
    }
  }

  /// One datagram, nil if there is none.
  func readDatagram() -> [UInt8]? {
    var room = [UInt8](repeating: 0, count: 1 << 17)
    let count = recv(descriptor, &room, room.count, 0)
    return count >= 0 ? Array(room[..<count]) : nil
  }

  /// The frames in what was read, each behind its length.
  var frames: [[UInt8]] {
    var rest = bytes[...]
    var found: [[UInt8]] = []
    while rest.count >= 4 {
      let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.count >= 4 + length else { break }
      found.append(Array(rest.dropFirst(4).prefix(length)))
      rest = rest.dropFirst(4 + length)
    }
    return found
  }
}

/// A port of the loopback interface that was free a moment ago.
func freePort(isStream: Bool = true) throws -> UInt16 {
  let descriptor = socket(AF_INET, Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue), 0)
  defer { close(descriptor) }
  try #require(withLoopback(0) { bind(descriptor, $0, $1) } == 0)
  var address = sockaddr_in()
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let result = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
  }
  try #require(result == 0)
  return UInt16(bigEndian: address.sin_port)
}

private func withUnixAddress<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
  }
}

private func withLoopback<R>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
  }
}
