import LinuxABI

/// A web server for one request: `/` is a greeting, `/bytes/N` a body of N bytes, everything else is not found. It
/// closes the connection behind its answer.
struct ReplayResponder {
  let system: SystemCalls
  let connection: Int32

  /// Longest request head, and longest body of an answer; bytes.
  private static let headLimit = 8192
  private static let bodyLimit = 1 << 20

  func serve() async throws(Errno) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.headLimit, alignment: 16)
    defer { buffer.deallocate() }
    var filled = 0
    while filled < buffer.count, !Self.isComplete(buffer[..<filled]) {
      let count = try await system.read(connection, UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
      if count == 0 { return }
      filled += count
    }
    let answer = Self.answer(to: String(decoding: buffer[..<filled].prefix { $0 != 13 }, as: UTF8.self))
    // The bytes must stay where they are while the call waits for room.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: answer.count, alignment: 16)
    defer { copy.deallocate() }
    copy.copyBytes(from: answer)
    try await system.writeAll(connection, UnsafeRawBufferPointer(copy))
  }

  private static func isComplete(_ head: Slice<UnsafeMutableRawBufferPointer>) -> Bool {
    var matched = 0
    let end: [UInt8] = [13, 10, 13, 10]
    for octet in head {
      matched = octet == end[matched] ? matched + 1 : (octet == 13 ? 1 : 0)
      if matched == end.count { return true }
    }
    return false
  }

  private static func answer(to requestLine: String) -> [UInt8] {
    let words = requestLine.split(separator: " ")
    guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return response("400 Bad Request", "bad request\n") }
    guard words[0] == "GET" else { return response("405 Method Not Allowed", "only GET\n") }
    if words[1] == "/" { return response("200 OK", "hello from the bench\n") }
    let path = words[1].split(separator: "/")
    if path.count == 2, path[0] == "bytes", let count = Int(path[1]), (0...bodyLimit).contains(count) {
      return response("200 OK", body: (0..<count).map { UInt8(truncatingIfNeeded: $0) })
    }
    return response("404 Not Found", "not found\n")
  }

  private static func response(_ status: String, _ text: String) -> [UInt8] { response(status, body: Array(text.utf8)) }

  private static func response(_ status: String, body: [UInt8]) -> [UInt8] {
    let head = "HTTP/1.1 \(status)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
    return Array(head.utf8) + body
  }
}
