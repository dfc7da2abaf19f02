import Hummingbird
import Logging
import NIOCore
import Synchronization

/// An HTTP server on the host's loopback that benches fetch from: content that can be checked without being kept, and
/// the misbehaviour that clients must cope with.
///
/// | path | answers |
/// |---|---|
/// | `/bytes/N?seed=S` | N bytes of ``OriginContent``, with ranges and an entity tag |
/// | `/chunked/N` | the same with chunked transfer coding |
/// | `/redirect/K/N` | K redirects that end at `/bytes/N` |
/// | `/status/C` | status C and a short text |
/// | `/truncated/N` | announces N bytes and closes the connection after half of them |
/// | `/stall/N` | announces N bytes and goes silent after half of them |
/// | `/flaky/F/N` | status 503 for the first F requests of this path, then N bytes |
/// | `/echo` | the request's body |
public final class OriginServer: Sendable {
  /// The port on 127.0.0.1.
  public let port: UInt16
  private let server: Task<Void, any Error>
  private let stalls: Stalls

  /// Starts a server on a free port of 127.0.0.1 and waits until it listens.
  public static func start() async throws -> OriginServer {
    let stalls = Stalls()
    let (ports, announced) = AsyncStream.makeStream(of: UInt16.self)
    var logger = Logger(label: "origin")
    logger.logLevel = .critical
    let application = Application(
      router: router(stalls: stalls),
      configuration: .init(address: .hostname("127.0.0.1", port: 0)),
      onServerRunning: { channel in
        announced.yield(channel.localAddress?.port.flatMap(UInt16.init(exactly:)) ?? 0)
      },
      logger: logger)
    let server = Task.detached {
      defer { announced.finish() }
      try await application.runService(gracefulShutdownSignals: [])
    }
    for await port in ports {
      return OriginServer(port: port, server: server, stalls: stalls)
    }
    // The server ended before it listened; its error says why.
    try await server.value
    throw OriginError.didNotListen
  }

  private init(port: UInt16, server: Task<Void, any Error>, stalls: Stalls) {
    self.port = port
    self.server = server
    self.stalls = stalls
  }

  /// Stops the server and waits until its port is free.
  public func stop() async {
    stalls.end()
    server.cancel()
    _ = await server.result
  }

  private static func router(stalls: Stalls) -> Router<BasicRequestContext> {
    let router = Router()
    let failures = Failures()
    router.get("bytes/{count}") { request, context in
      try content(request, try count(context))
    }
    router.head("bytes/{count}") { request, context in
      let count = try count(context)
      return Response(status: .ok, headers: [.contentLength: String(count), .acceptRanges: "bytes"])
    }
    router.get("chunked/{count}") { request, context in
      let content = OriginContent(byteCount: try count(context), seed: seed(request))
      return Response(
        status: .ok,
        body: ResponseBody { writer in
          try await write(content, 0..<content.byteCount, to: &writer)
          try await writer.finish(nil)
        })
    }
    router.get("redirect/{steps}/{count}") { request, context in
      let steps = try context.parameters.require("steps", as: Int.self)
      let count = try count(context)
      return Response(
        status: .found, headers: [.location: steps > 1 ? "/redirect/\(steps - 1)/\(count)" : "/bytes/\(count)"])
    }
    router.get("status/{code}") { _, context in
      let code = try context.parameters.require("code", as: Int.self)
      guard (200...599).contains(code) else { throw HTTPError(.badRequest) }
      return Response(
        status: .init(code: code), body: ResponseBody(byteBuffer: ByteBuffer(string: "status \(code)\n")))
    }
    router.get("truncated/{count}") { request, context in
      let content = OriginContent(byteCount: try count(context), seed: seed(request))
      return Response(
        status: .ok,
        body: ResponseBody(contentLength: content.byteCount) { writer in
          try await write(content, 0..<content.byteCount / 2, to: &writer)
          throw OriginError.endsEarly
        })
    }
    router.get("stall/{count}") { request, context in
      let content = OriginContent(byteCount: try count(context), seed: seed(request))
      return Response(
        status: .ok,
        body: ResponseBody(contentLength: content.byteCount) { writer in
          try await write(content, 0..<content.byteCount / 2, to: &writer)
          await stalls.wait()
          throw OriginError.endsEarly
        })
    }
    router.get("flaky/{failures}/{count}") { request, context in
      let limit = try context.parameters.require("failures", as: Int.self)
      guard failures.next(request.uri.path) > limit else { return Response(status: .serviceUnavailable) }
      return try content(request, try count(context))
    }
    for method in [HTTPRequest.Method.post, .put] {
      router.on("echo", method: method) { request, _ in
        let body = try await request.body.collect(upTo: 64 << 20)
        return Response(status: .ok, body: ResponseBody(byteBuffer: body))
      }
    }
    return router
  }

  private static func count(_ context: BasicRequestContext) throws -> Int {
    let count = try context.parameters.require("count", as: Int.self)
    guard (0...(1 << 40)).contains(count) else { throw HTTPError(.badRequest) }
    return count
  }

  private static func seed(_ request: Request) -> UInt64 {
    request.uri.queryParameters.get("seed", as: UInt64.self) ?? 0
  }

  /// The whole content, or the range that was asked for (RFC 9110 14.2; one range).
  private static func content(_ request: Request, _ count: Int) throws -> Response {
    let seed = seed(request)
    let content = OriginContent(byteCount: count, seed: seed)
    var headers: HTTPFields = [.acceptRanges: "bytes", .eTag: "\"\(count)-\(seed)\""]
    var range = 0..<count
    if let asked = request.headers[.range], request.headers[.ifRange] ?? headers[.eTag] == headers[.eTag] {
      guard let satisfied = Self.range(asked, of: count) else {
        return Response(status: .rangeNotSatisfiable, headers: [.contentRange: "bytes */\(count)"])
      }
      range = satisfied
      headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(count)"
    }
    return Response(
      status: range.count == count ? .ok : .partialContent, headers: headers,
      body: ResponseBody(contentLength: range.count) { [range] writer in
        try await write(content, range, to: &writer)
        try await writer.finish(nil)
      })
  }

  private static func range(_ text: String, of count: Int) -> Range<Int>? {
    guard text.hasPrefix("bytes=") else { return nil }
    let parts = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    if parts[0].isEmpty, let suffix = Int(parts[1]), suffix > 0 { return max(0, count - suffix)..<count }
    guard let first = Int(parts[0]), first >= 0, first < count else { return nil }
    let last = parts[1].isEmpty ? count - 1 : Int(parts[1]) ?? -1
    return last < first ? nil : first..<(min(last, count - 1) + 1)
  }

  /// Runs on the server's threads, as Hummingbird's writers do.
  @concurrent private static func write(
    _ content: OriginContent, _ range: Range<Int>, to writer: inout any ResponseBodyWriter
  ) async throws {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let bytes = content.chunk(from: offset, limit: range.upperBound - offset)
      try await writer.write(ByteBuffer(bytes: bytes))
      offset += bytes.count
    }
  }

  /// Bodies that went silent, until the server stops.
  private final class Stalls: Sendable {
    private struct State {
      var waiting: [CheckedContinuation<Void, Never>] = []
      var isOver = false
    }
    private let state = Mutex(State())

    func wait() async {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if !state.isOver { state.waiting.append(continuation) }
          return state.isOver
        }
        if isOver { continuation.resume() }
      }
    }

    func end() {
      let waiting = state.withLock { state in
        defer { state = State(isOver: true) }
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }
  }

  /// Counts requests by path.
  private final class Failures: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func next(_ path: String) -> Int {
      counts.withLock { counts in
        counts[path, default: 0] += 1
        return counts[path]!
      }
    }
  }
}

enum OriginError: Error, CustomStringConvertible {
  case didNotListen
  case endsEarly

  var description: String {
    switch self {
    case .didNotListen: "the embedded origin server could not listen on 127.0.0.1"
    case .endsEarly: "the body ends early, as it was asked to"
    }
  }
}
