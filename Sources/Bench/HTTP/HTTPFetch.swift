import EventLoop
import LinuxABI
import NIOHTTP1
import NetStack
import Packets

/// What to fetch and how patiently.
public struct FetchOptions: Sendable {
  public var method = "GET"
  public var headers: [(name: String, value: String)] = []
  public var body: [UInt8]?
  /// For the name and all addresses of a host together.
  public var connectTimeout = TimeSpan.seconds(30)
  /// Longest time without progress in either direction before the fetch gives up.
  public var timeout = TimeSpan.seconds(60)
  public var maximumRedirects = 20
  /// Further attempts after a failure that another one may mend.
  public var retries = 0
  /// Pause before the first retry; doubled for each one after it.
  public var retryDelay = TimeSpan.milliseconds(500)
  /// Go on behind what the sink's file already holds.
  public var continues = false

  public init() {}
}

/// How a fetch ended.
public struct FetchResult: Sendable {
  /// Where the body came from, after redirects.
  public var url: String
  public var status: Int
  public var reason: String
  public var headers: [(name: String, value: String)]
  /// Bytes of the body received in this fetch.
  public var received: Int64
  /// Length of the whole body in the sink.
  public var total: Int64
  public var duration: TimeSpan
  public var attempts: Int
  public var redirects: Int
}

/// Fetches over HTTP/1.1 (RFC 9112) as a program would, through the system calls of a bench.
public final class HTTPFetch {
  private let system: SystemCalls
  private let resolver: (String, TimeSpan) async throws(FetchError) -> [IPAddress]
  /// Called as bytes arrive: those in place, and the whole length if the server told it.
  public var onProgress: ((_ received: Int64, _ total: Int64?) -> Void)?

  /// - Parameter resolver: turns a host name or literal into addresses, within a time.
  public init(system: SystemCalls, resolver: @escaping (String, TimeSpan) async throws(FetchError) -> [IPAddress]) {
    self.system = system
    self.resolver = resolver
  }

  /// Fetches `address` into `sink`, with redirects and retries.
  public func fetch(
    _ address: HTTPAddress, into sink: FetchSink, options: FetchOptions
  ) async throws(FetchError) -> FetchResult {
    let start = system.stack.loop.now
    var state = Transfer(address: address)
    if options.continues { try sink.resume() }
    let resumed = sink.offset
    while true {
      state.attempts += 1
      do {
        var result = try await follow(&state, into: sink, options: options)
        try sink.finish()
        result.received = sink.offset - min(resumed, sink.resumedFrom)
        result.duration = system.stack.loop.now - start
        return result
      } catch {
        let mayRetry = error.isTransient && state.attempts <= options.retries && Self.isIdempotent(options.method)
        guard mayRetry else { throw error }
        let pause = options.retryDelay * (1 << min(state.attempts - 1, 6))
        do { try await system.stack.loop.sleep(for: pause) } catch { throw .interrupted }
      }
    }
  }

  /// RFC 9110 9.2.2.
  private static func isIdempotent(_ method: String) -> Bool {
    ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"].contains(method)
  }

  private struct Transfer {
    var address: HTTPAddress
    var attempts = 0
    var redirects = 0
    /// Strong entity tag of what the sink holds, for If-Range.
    var entityTag: String?
  }

  private func follow(
    _ state: inout Transfer, into sink: FetchSink, options: FetchOptions
  ) async throws(FetchError) -> FetchResult {
    var options = options
    while true {
      let response = try await exchange(&state, into: sink, options: options)
      guard [301, 302, 303, 307, 308].contains(response.status.code) else {
        // Not modified is an answer to a condition in the caller's headers; the others have nothing to fetch.
        guard !(300...399).contains(response.status.code) || response.status.code == 304 else {
          throw .status(
            code: Int(response.status.code), reason: response.status.reasonPhrase, url: state.address.description)
        }
        return FetchResult(
          url: state.address.description, status: Int(response.status.code), reason: response.status.reasonPhrase,
          headers: response.headers.map { ($0.name, $0.value) }, received: 0, total: sink.offset, duration: .zero,
          attempts: state.attempts, redirects: state.redirects)
      }
      guard let location = response.headers["Location"].first else {
        throw .redirectWithoutLocation(
          code: Int(response.status.code), reason: response.status.reasonPhrase, url: state.address.description)
      }
      state.redirects += 1
      guard state.redirects <= options.maximumRedirects else { throw .tooManyRedirects(options.maximumRedirects) }
      let target = try state.address.resolving(location)
      if target.host != state.address.host || target.port != state.address.port {
        // Credentials are not carried to another origin (RFC 9110 15.4).
        options.headers.removeAll { ["authorization", "cookie"].contains($0.name.lowercased()) }
      }
      if response.status.code == 303 || (options.method == "POST" && response.status.code < 303) {
        options.method = options.method == "HEAD" ? "HEAD" : "GET"
        options.body = nil
      }
      state.address = target
    }
  }

  /// One request and its response, on a connection of its own.
  private func exchange(
    _ state: inout Transfer, into sink: FetchSink, options: FetchOptions
  ) async throws(FetchError) -> HTTPResponseHead {
    let start = system.stack.loop.now
    let candidates = try await resolver(state.address.host, options.connectTimeout)
    // One time for both: who waits does not care which of them it is.
    let left = max(options.connectTimeout - (system.stack.loop.now - start), .milliseconds(1))
    let connector = HTTPConnector(system: system, limit: left)
    let descriptor = try await connector.connect(to: state.address, candidates)
    do {
      let request = request(state, sink, options)
      let conversation = try HTTPConversation(system, descriptor, sink, options, url: state.address.description)
      conversation.onProgress = onProgress
      conversation.entityTag = state.entityTag
      defer { state.entityTag = conversation.entityTag }
      let head = try await conversation.run(request)
      await close(descriptor)
      return head
    } catch {
      await close(descriptor)
      throw error
    }
  }

  private func close(_ descriptor: Int32) async { try? await system.close(descriptor) }

  private func request(_ state: Transfer, _ sink: FetchSink, _ options: FetchOptions) -> [UInt8] {
    var lines = ["\(options.method) \(state.address.target) HTTP/1.1"]
    func add(_ name: String, _ value: String) {
      if !options.headers.contains(where: { $0.name.lowercased() == name.lowercased() }) {
        lines.append("\(name): \(value)")
      }
    }
    add("Host", state.address.authority)
    add("User-Agent", "wirebench")
    add("Accept", "*/*")
    add("Connection", "close")
    if let body = options.body { add("Content-Length", String(body.count)) }
    if sink.offset > 0 {
      add("Range", "bytes=\(sink.offset)-")
      if let tag = state.entityTag { add("If-Range", tag) }
    }
    lines += options.headers.map { "\($0.name): \($0.value)" }
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
  }
}
