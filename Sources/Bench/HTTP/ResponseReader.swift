import NIOCore
import NIOEmbedded
import NIOHTTP1

/// Turns the bytes of a connection into HTTP/1.1 response parts, with NIOHTTP1's parser.
final class ResponseReader {
  private let channel: EmbeddedChannel
  private var parts: [HTTPClientResponsePart] = []
  private var nextPart = 0
  private let method: HTTPMethod
  /// Bytes of the body that are still to come, if nothing but their number ends it.
  private var rest: Int64 = 0
  private(set) var isComplete = false

  /// A reader for the response to one request; `method` decides whether a body follows (HEAD has none).
  init(method: HTTPMethod) throws(FetchError) {
    channel = EmbeddedChannel()
    self.method = method
    do {
      // The decoder pairs responses with the requests that pass through it, to know which have no body.
      let decoder = HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .forward)
      try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(decoder))
      try channel.pipeline.syncOperations.addHandler(HTTPRequestEncoder(), position: .first)
      try channel.writeOutbound(
        HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: method, uri: "/")))
      while let _ = try channel.readOutbound(as: ByteBuffer.self) {}
    } catch {
      throw .malformedResponse(String(describing: error))
    }
  }

  /// Takes received bytes; an empty buffer means nothing. What follows a complete response does not matter.
  func consume(_ bytes: ByteBuffer) throws(FetchError) {
    var failure: (any Error)?
    do { try channel.writeInbound(bytes) } catch { failure = error }
    do { try drain() } catch { failure = failure ?? error }
    if let failure, !isComplete { throw .malformedResponse(Self.reason(failure)) }
  }

  /// The connection ended: completes a body that is delimited by that.
  func endOfStream() throws(FetchError) {
    do {
      _ = try channel.finish(acceptAlreadyClosed: true)
      try drain()
    } catch let error as HTTPParserError where error == .invalidEOFState {
      return
    } catch {
      throw .malformedResponse(Self.reason(error))
    }
  }

  /// How many of the next `count` received bytes are body as they stand, and need not be consumed: in the middle of a
  /// body that ends by Content-Length alone (RFC 9112 6.3) there is nothing to parse.
  func takeBody(_ count: Int) -> Int {
    guard rest > 0 else { return 0 }
    let taken = min(Int64(count), rest)
    rest -= taken
    isComplete = rest == 0
    return Int(taken)
  }

  private func drain() throws {
    while let part = try channel.readInbound(as: HTTPClientResponsePart.self) {
      switch part {
      case .head(let head): rest = bodyLength(head)
      case .body(let bytes): rest -= min(rest, Int64(bytes.readableBytes))
      case .end: isComplete = true
      }
      parts.append(part)
    }
  }

  /// The length of a body that is delimited by it; 0 if there is no body, or another end of it.
  private func bodyLength(_ head: HTTPResponseHead) -> Int64 {
    guard method != .HEAD, head.status.mayHaveResponseBody, !head.headers.contains(name: "Transfer-Encoding") else {
      return 0
    }
    let lengths = head.headers["Content-Length"]
    return lengths.count == 1 ? max(0, Int64(lengths[0]) ?? 0) : 0
  }

  /// The next part, if one is complete.
  func next() -> HTTPClientResponsePart? {
    guard nextPart < parts.count else {
      parts.removeAll(keepingCapacity: true)
      nextPart = 0
      return nil
    }
    defer { nextPart += 1 }
    return parts[nextPart]
  }

  /// What the parser's error means to who has asked for a URL.
  private static func reason(_ error: any Error) -> String {
    switch error as? HTTPParserError {
    case .invalidConstant?, .invalidVersion?: "it does not begin with HTTP/1.1 or HTTP/1.0"
    case .invalidStatus?: "its status is not a number of three digits"
    case .headerOverflow?: "its header is longer than a client needs to take"
    case .invalidHeaderToken?: "a header field has a character that none may have"
    case .invalidContentLength?: "its Content-Length is not a number"
    case .unexpectedContentLength?: "it has more than one length: Content-Length twice, or beside Transfer-Encoding"
    case .invalidChunkSize?: "the size of a chunk is not a hexadecimal number"
    case .lfExpected?, .strictModeAssertion?: "a line or chunk does not end as it must, with CR LF"
    case let other?: String(describing: other)
    case nil: String(describing: error)
    }
  }
}

extension HTTPResponseHead {
  /// A coding of the body that is not undone here: stored as it came, the body would be something else than it is.
  var unknownTransferCoding: String? {
    guard (200...299).contains(status.code) else { return nil }
    let codings = headers[canonicalForm: "Transfer-Encoding"].map { $0.lowercased() }
    return codings.first { $0 != "chunked" && $0 != "identity" }
  }
}
