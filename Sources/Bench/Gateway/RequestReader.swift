import NIOCore
import NIOEmbedded
import NIOHTTP1

/// Turns the bytes of a connection into HTTP/1.1 requests, with NIOHTTP1's parser. Bodies are read and thrown away.
final class RequestReader {
  private let channel = EmbeddedChannel()
  private var ready: [HTTPRequestHead] = []
  private var head: HTTPRequestHead?

  init() throws {
    try channel.pipeline.syncOperations.addHandler(
      ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
  }

  /// Takes received bytes.
  ///
  /// - Throws: what is wrong with them.
  func consume(_ bytes: ByteBuffer) throws {
    try channel.writeInbound(bytes)
    while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
      switch part {
      case .head(let head): self.head = head
      case .body: break
      case .end:
        if let head { ready.append(head) }
        head = nil
      }
    }
  }

  /// The next request that is whole.
  func next() -> HTTPRequestHead? { ready.isEmpty ? nil : ready.removeFirst() }

  func close() { _ = try? channel.finish(acceptAlreadyClosed: true) }
}
