import EventLoop
import LinuxABI
import NIOCore
import NIOHTTP1
import NetStack
import Packets

/// What to fetch and how patiently.
public struct FetchOptions: Sendable {
  public var method = "GET"
  public var headers: [(name: String, value: String)] = []
  public var body: [UInt8]?
  public var connectTimeout = TimeSpan.seconds(30)
  /// Longest silence of the server before the fetch gives up.
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
  private let resolver: (String) async throws(FetchError) -> [IPAddress]
  /// Called as bytes arrive: those in place, and the whole length if the server told it.
  public var onProgress: ((_ received: Int64, _ total: Int64?) -> Void)?

  private static let bufferSize = 1 << 18

  /// - Parameter resolver: turns a host name or literal into addresses.
  public init(system: SystemCalls, resolver: @escaping (String) async throws(FetchError) -> [IPAddress]) {
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
      let location = response.headers["Location"].first
      guard [301, 302, 303, 307, 308].contains(response.status.code), let location else {
        return FetchResult(
          url: state.address.description, status: Int(response.status.code), reason: response.status.reasonPhrase,
          headers: response.headers.map { ($0.name, $0.value) }, received: 0, total: sink.offset, duration: .zero,
          attempts: state.attempts, redirects: state.redirects)
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
    let descriptor = try await connect(state.address, options)
    do {
      let head = try await converse(descriptor, &state, into: sink, options: options)
      await close(descriptor)
      return head
    } catch {
      await close(descriptor)
      throw error
    }
  }

  private func close(_ descriptor: Int32) async { try? await system.close(descriptor) }

  /// A connected socket to the first address that answers.
  private func connect(_ address: HTTPAddress, _ options: FetchOptions) async throws(FetchError) -> Int32 {
    let candidates = try await resolver(address.host)
    var failure = FetchError.unknownHost(address.host, reason: "it has no IPv4 address")
    for candidate in candidates {
      let peer = Endpoint(candidate, address.port)
      do throws(Errno) {
        let descriptor = try system.socket(
          SocketDomain.AF_INET, SocketType.SOCK_STREAM | SocketType.SOCK_NONBLOCK, Protocol.IPPROTO_TCP)
        if let error = await connect(descriptor, to: peer, options) {
          await close(descriptor)
          failure = error
          continue
        }
        _ = try system.fcntl(descriptor, FileControl.F_SETFL, 0)
        return descriptor
      } catch {
        failure = .connectFailed(peer.text, error)
      }
    }
    throw failure
  }

  private func connect(_ descriptor: Int32, to peer: Endpoint, _ options: FetchOptions) async -> FetchError? {
    do throws(Errno) {
      try await system.connect(descriptor, to: peer)
    } catch .EINPROGRESS {
      var entries = [PollDescriptor(descriptor, PollMask.POLLOUT)]
      let milliseconds = Int32(clamping: options.connectTimeout.nanoseconds / 1_000_000)
      do throws(Errno) {
        guard try await system.poll(&entries, timeout: max(milliseconds, 1)) > 0 else {
          return .connectTimedOut(peer.text, seconds: options.connectTimeout.seconds)
        }
        let code: Int32 = try system.getsockopt(descriptor, OptionName.SOL_SOCKET, OptionName.SO_ERROR)
        return code == 0 ? nil : .connectFailed(peer.text, Errno(rawValue: code))
      } catch .EINTR {
        return .interrupted
      } catch {
        return .connectFailed(peer.text, error)
      }
    } catch .EINTR {
      return .interrupted
    } catch {
      return .connectFailed(peer.text, error)
    }
    return nil
  }

  private func converse(
    _ descriptor: Int32, _ state: inout Transfer, into sink: FetchSink, options: FetchOptions
  ) async throws(FetchError) -> HTTPResponseHead {
    try await send(request(state, sink, options), descriptor)
    if let body = options.body { try await send(body, descriptor) }
    try setReceiveTimeout(descriptor, options.timeout)
    let reader = try ResponseReader(method: HTTPMethod(rawValue: options.method))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 64)
    defer { buffer.deallocate() }
    var response = Response()
    let start = sink.offset
    while !reader.isComplete {
      let count: Int
      do throws(Errno) {
        count = try await system.read(descriptor, buffer)
      } catch .EAGAIN {
        throw .stalled(seconds: options.timeout.seconds, received: sink.offset - start)
      } catch .EINTR {
        throw .interrupted
      } catch {
        throw .transferFailed(error, received: sink.offset - start)
      }
      if count == 0 {
        try reader.endOfStream()
      } else {
        let body = reader.takeBody(count)
        if body > 0 { try keep(UnsafeRawBufferPointer(rebasing: buffer[..<body]), response, in: sink) }
        if body < count && !reader.isComplete {
          try reader.consume(ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: buffer[body..<count])))
        }
      }
      while let part = reader.next() { try take(part, &response, &state, into: sink, options: options) }
      if count == 0 { break }
    }
    guard let head = response.head else {
      throw .endedEarly(received: sink.offset - start, expected: nil)
    }
    if !reader.isComplete {
      throw .endedEarly(received: sink.offset - start, expected: response.length)
    }
    if head.status.code >= 400 && !(head.status.code == 416 && response.isAlreadyComplete) {
      throw .status(code: Int(head.status.code), reason: head.status.reasonPhrase)
    }
    return head
  }

  /// What is known of a response while it arrives.
  private struct Response {
    var head: HTTPResponseHead?
    var length: Int64?
    var isAlreadyComplete = false
  }

  private func take(
    _ part: HTTPClientResponsePart, _ response: inout Response, _ state: inout Transfer, into sink: FetchSink,
    options: FetchOptions
  ) throws(FetchError) {
    switch part {
    case .head(let head):
      // Interim responses are followed by the real one (RFC 9110 15.2).
      guard head.status.code >= 200 else { return }
      response.head = head
      response.length = head.headers["Content-Length"].first.flatMap { Int64($0) }
      try position(sink, for: head, &response, &state, options)
    case .body(let bytes):
      // withUnsafeReadableBytes does not carry typed errors through; the result does.
      let written = bytes.withUnsafeReadableBytes { bytes -> Result<Void, FetchError> in
        do throws(FetchError) { return .success(try keep(bytes, response, in: sink)) } catch { return .failure(error) }
      }
      try written.get()
    case .end: break
    }
  }

  /// Bytes of the body; that of a failure is not kept.
  private func keep(
    _ bytes: UnsafeRawBufferPointer, _ response: Response, in sink: FetchSink
  ) throws(FetchError) {
    guard let head = response.head, (200...299).contains(head.status.code) else { return }
    try sink.write(bytes)
    onProgress?(sink.offset, response.length.map { sink.offset - min(sink.offset, $0) + $0 })
  }

  /// Puts the sink where the body of this response belongs.
  private func position(
    _ sink: FetchSink, for head: HTTPResponseHead, _ response: inout Response, _ state: inout Transfer,
    _ options: FetchOptions
  ) throws(FetchError) {
    let range = head.headers["Content-Range"].first
    switch head.status.code {
    case 206 where options.headers.contains { $0.name.lowercased() == "range" }:
      // The caller asked for a range of its own, which is then the whole of what it wants.
      return
    case 206:
      let first = range.flatMap { $0.split(separator: " ").last?.split(separator: "-").first }.flatMap { Int64($0) }
      guard first == sink.offset else {
        throw .rangeNotHonoured("the server sent range \"\(range ?? "")\" where bytes \(sink.offset)- were asked for")
      }
    case 200...299:
      if sink.offset > 0 {
        // A file of the user's is not thrown away; what this fetch began itself is fetched anew.
        guard sink.resumedFrom == 0 else { throw .rangeNotHonoured("the server does not send ranges of this file") }
        try sink.rewind()
      }
    case 416: response.isAlreadyComplete = sink.offset > 0 && range == "bytes */\(sink.offset)"
    default: break
    }
    state.entityTag = head.headers["ETag"].first.flatMap { $0.hasPrefix("W/") ? nil : $0 }
  }

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

  private func send(_ bytes: [UInt8], _ descriptor: Int32) async throws(FetchError) {
    // The array must stay where it is while the call waits for room.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    var offset = 0
    while offset < bytes.count {
      do throws(Errno) {
        offset += try await system.write(descriptor, UnsafeRawBufferPointer(rebasing: copy[offset..<bytes.count]))
      } catch .EINTR {
        throw .interrupted
      } catch {
        throw .transferFailed(error, received: 0)
      }
    }
  }

  private func setReceiveTimeout(_ descriptor: Int32, _ span: TimeSpan) throws(FetchError) {
    let timeval = [span.nanoseconds / 1_000_000_000, span.nanoseconds % 1_000_000_000 / 1000]
    let result = timeval.withUnsafeBytes { bytes -> Result<Void, Errno> in
      do throws(Errno) {
        return .success(
          try system.setsockopt(descriptor, OptionName.SOL_SOCKET, OptionName.SO_RCVTIMEO, bytes))
      } catch { return .failure(error) }
    }
    if case .failure(let error) = result { throw .transferFailed(error, received: 0) }
  }
}
