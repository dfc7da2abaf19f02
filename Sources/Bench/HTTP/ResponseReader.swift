import NIOCore
import NIOEmbedded
import NIOHTTP1

/// Turns the bytes of a connection into HTTP/1.1 response parts, with NIOHTTP1's parser.
final class ResponseReader {
  private let channel: EmbeddedChannel
  private var parts: [HTTPClientResponsePart] = []
  private var nextPart = 0
  private(set) var isComplete = false

  /// A reader for the response to one request; `method` decides whether a body follows (HEAD has none).
  init(method: HTTPMethod) throws(FetchError) {
    channel = EmbeddedChannel()
    do {
      // The decoder pairs responses with the requests that pass through it, to know which have no body.
      let decoder = HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes)
      try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(decoder))
      try channel.pipeline.syncOperations.addHandler(HTTPRequestEncoder(), position: .first)
      try channel.writeOutbound(
        HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: method, uri: "/")))
      while let _ = try channel.readOutbound(as: ByteBuffer.self) {}
    } catch {
      throw .malformedResponse(String(describing: error))
    }
  }

  /// Takes received bytes; an empty buffer means nothing.
  func consume(_ bytes: ByteBuffer) throws(FetchError) {
    do {
      try channel.writeInbound(bytes)
      try drain()
    } catch let error as FetchError {
      throw error
    } catch {
      throw .malformedResponse(Self.reason(error))
    }
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

  private func drain() throws {
    while let part = try channel.readInbound(as: HTTPClientResponsePart.self) {
      if case .end = part { isComplete = true }
      parts.append(part)
    }
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

  private static func reason(_ error: any Error) -> String {
    (error as? HTTPParserError).map { String(describing: $0) } ?? String(describing: error)
  }
}
