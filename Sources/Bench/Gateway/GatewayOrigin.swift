import EventLoop
import LinuxABI
import NIOCore
import NIOHTTP1
import Packets

/// A small HTTP/1.1 server on the sockets of a bench's own stack: the content of ``OriginContent``, for guests to
/// fetch.
///
/// | path | answers |
/// |---|---|
/// | `/` | a line of text |
/// | `/bytes/N?seed=S` | N bytes of ``OriginContent``, whole: no ranges |
///
/// GET and HEAD, persistent connections; others get 405, other paths 404, what is not HTTP 400. Connections are bounded
/// in number and in silence.
final class GatewayOrigin {
  private let system: SystemCalls
  private var connections = 0
  private var count = GatewayOriginCounters()

  /// Connections at a time, longest content, silence after which a connection is closed.
  private static let connectionLimit = 64
  private static let contentLimit = 1 << 40
  private static let patience = 60
  private static let bufferSize = 1 << 16

  init(system: SystemCalls) { self.system = system }

  var counters: GatewayOriginCounters { count }

  /// Listens on `endpoint`; ends when the system closes all its descriptors.
  func start(on endpoint: Endpoint) throws(Errno) {
    let listener = try system.socket(SocketDomain.AF_INET, SocketType.SOCK_STREAM, 0)
    try system.bind(listener, to: endpoint)
    try system.listen(listener, backlog: 64)
    _ = system.stack.loop.spawn { [self] in
      while let (connection, _) = try? await system.accept4(listener) {
        count.connections &+= 1
        guard connections < Self.connectionLimit else {
          count.refusedConnections &+= 1
          try? await system.close(connection)
          continue
        }
        connections += 1
        _ = system.stack.loop.spawn { [self] in
          await serve(connection)
          try? await system.close(connection)
          connections -= 1
        }
      }
    }
  }

  private func serve(_ connection: Int32) async {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 64)
    defer { buffer.deallocate() }
    guard let reader = try? RequestReader() else { return }
    defer { reader.close() }
    do {
      try setTimeout(connection)
      while true {
        let received = try await system.read(connection, buffer)
        guard received > 0 else { return }
        do {
          try reader.consume(ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: buffer[..<received])))
        } catch {
          count.malformed &+= 1
          try await send(Reply(status: .badRequest, text: "not HTTP\n"), keepAlive: false, connection)
          return
        }
        while let head = reader.next() {
          count.requests &+= 1
          let reply = Self.reply(to: head)
          let isKept = head.isKeepAlive && reply.status != .badRequest
          try await send(reply, keepAlive: isKept, isHead: head.method == .HEAD, connection, buffer)
          guard isKept else { return }
        }
      }
    } catch {
      // The guest went away, was silent for too long, or the gateway stops: no reply has a reader any more.
      count.brokenConnections &+= 1
    }
  }

  private struct Reply {
    var status: HTTPResponseStatus
    var text = ""
    var content: OriginContent?
    var headers: [String] = []
    var byteCount: Int { content?.byteCount ?? text.utf8.count }
  }

  private static func reply(to head: HTTPRequestHead) -> Reply {
    guard head.method == .GET || head.method == .HEAD else {
      return Reply(status: .methodNotAllowed, text: "GET or HEAD\n", headers: ["Allow: GET, HEAD"])
    }
    let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = parts.first ?? "/"
    if path == "/" { return Reply(status: .ok, text: "wirebench: /bytes/N?seed=S\n") }
    guard path.hasPrefix("/bytes/"), let byteCount = Int(path.dropFirst(7)), (0...contentLimit).contains(byteCount)
    else { return Reply(status: .notFound, text: "try /bytes/1000\n") }
    var seed: UInt64 = 0
    for item in parts.dropFirst().first?.split(separator: "&") ?? [] where item.hasPrefix("seed=") {
      guard let value = UInt64(item.dropFirst(5)) else {
        return Reply(status: .badRequest, text: "seed is a number\n")
      }
      seed = value
    }
    return Reply(
      status: .ok, content: OriginContent(byteCount: byteCount, seed: seed),
      headers: ["ETag: \"\(byteCount)-\(seed)\""])
  }

  private func send(_ reply: Reply, keepAlive: Bool, _ connection: Int32) async throws(Errno) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 64)
    defer { buffer.deallocate() }
    try await send(reply, keepAlive: keepAlive, isHead: false, connection, buffer)
  }

  private func send(
    _ reply: Reply, keepAlive: Bool, isHead: Bool, _ connection: Int32, _ buffer: UnsafeMutableRawBufferPointer
  ) async throws(Errno) {
    let type = reply.content == nil ? "text/plain" : "application/octet-stream"
    let lines =
      [
        "HTTP/1.1 \(reply.status.code) \(reply.status.reasonPhrase)", "Server: wirebench", "Content-Type: \(type)",
        "Content-Length: \(reply.byteCount)", "Connection: \(keepAlive ? "keep-alive" : "close")",
      ] + reply.headers
    let head = lines.joined(separator: "\r\n") + "\r\n\r\n" + (isHead ? "" : reply.text)
    let start = UnsafeMutableRawBufferPointer(rebasing: buffer[..<head.utf8.count])
    start.copyBytes(from: head.utf8)
    try await write(start, connection)
    guard let content = reply.content, !isHead else { return }
    var offset = 0
    while offset < content.byteCount {
      let made = content.fill(buffer, from: offset)
      try await write(UnsafeMutableRawBufferPointer(rebasing: buffer[..<made]), connection)
      offset += made
      count.bodyBytes &+= UInt64(made)
    }
  }

  private func write(_ bytes: UnsafeMutableRawBufferPointer, _ connection: Int32) async throws(Errno) {
    var sent = 0
    while sent < bytes.count {
      sent += try await system.write(connection, UnsafeRawBufferPointer(rebasing: bytes[sent...]))
    }
  }

  private func setTimeout(_ connection: Int32) throws {
    let value = [Int64(Self.patience), 0]
    for option in [OptionName.SO_RCVTIMEO, OptionName.SO_SNDTIMEO] {
      try value.withUnsafeBytes { try system.setsockopt(connection, OptionName.SOL_SOCKET, option, $0) }
    }
  }
}

/// What a gateway's HTTP origin served.
public struct GatewayOriginCounters: Sendable, Equatable {
  public var connections: UInt64 = 0
  /// Connections beyond the limit.
  public var refusedConnections: UInt64 = 0
  /// Connections that ended while a request or a reply was under way, or were silent for too long.
  public var brokenConnections: UInt64 = 0
  public var requests: UInt64 = 0
  /// Connections that did not speak HTTP.
  public var malformed: UInt64 = 0
  public var bodyBytes: UInt64 = 0

  public init() {}
}
