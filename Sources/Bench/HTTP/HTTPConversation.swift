import EventLoop
import LinuxABI
import NIOCore
import NIOHTTP1

/// One request and its response on a connected socket, which is non-blocking at first.
///
/// A server may answer before it has read the request's body, and close: while it sends, the conversation listens, and
/// with a final status that is no success it stops to send (RFC 9112 9.5). An answer counts even if the connection
/// broke behind it.
final class HTTPConversation {
  private let system: SystemCalls
  private let descriptor: Int32
  private let sink: FetchSink
  private let options: FetchOptions
  /// For messages.
  private let url: String
  private let reader: ResponseReader
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 64)
  private var response = Response()
  /// Why no more can be sent.
  private var sendFailure: Errno?
  /// The end of the stream has been read.
  private var isEnded = false
  /// When the header that is awaited, interim or final, must be complete: bytes that come one by one do not defer it.
  private var headerDeadline: Instant?
  private var interimResponses = 0
  /// Strong entity tag of what the sink holds.
  var entityTag: String?
  var onProgress: ((_ received: Int64, _ total: Int64?) -> Void)?

  private static let bufferSize = 1 << 18
  /// Interim responses (RFC 9110 15.2) that are taken before the final one.
  static let interimLimit = 16

  /// What is known of a response while it arrives.
  private struct Response {
    var head: HTTPResponseHead?
    var length: Int64?
    var range: ContentRange?
    /// Bytes of the body that were in place before.
    var base: Int64 = 0
    var isAlreadyComplete = false
    /// The length of the whole file, of a range of which there is nothing (RFC 9110 15.5.17).
    var unsatisfiedLength: Int64?
  }

  init(
    _ system: SystemCalls, _ descriptor: Int32, _ sink: FetchSink, _ options: FetchOptions, url: String
  ) throws(FetchError) {
    self.system = system
    self.descriptor = descriptor
    self.sink = sink
    self.options = options
    self.url = url
    reader = try ResponseReader(method: HTTPMethod(rawValue: options.method))
    response.base = sink.offset
  }

  deinit { buffer.deallocate() }

  /// Sends `request` and the body of the options, and takes the response.
  ///
  /// - Throws: ``FetchError/status(code:reason:)`` for 400 and above, and what kept the response from coming whole.
  func run(_ request: [UInt8]) async throws(FetchError) -> HTTPResponseHead {
    do throws(FetchError) {
      try await send(request)
      if let body = options.body { try await send(body) }
      if !isOver { try waitFromNowOn() }
      while !isOver {
        if response.head == nil { try await waitForHeader() }
        try await receive()
      }
    } catch {
      // The status says more than what became of the rest.
      guard error != .interrupted, (response.head?.status.code ?? 0) >= 400 else { throw error }
    }
    return try conclude()
  }

  private var now: Instant { system.stack.loop.now }
  private var isOver: Bool { reader.isComplete || isEnded }

  private func conclude() throws(FetchError) -> HTTPResponseHead {
    guard let head = response.head else {
      if let sendFailure { throw .transferFailed(sendFailure, received: sink.offset) }
      throw .endedEarly(received: sink.offset, expected: nil)
    }
    if head.status.code == 416, sink.resumedFrom > 0, let path = sink.path, let total = response.unsatisfiedLength,
      total < sink.offset
    {
      throw .nothingToContinue(path: path, has: sink.offset, total: total)
    }
    if head.status.code >= 400 && !(head.status.code == 416 && response.isAlreadyComplete) {
      throw .status(code: Int(head.status.code), reason: head.status.reasonPhrase, url: url)
    }
    if !reader.isComplete {
      throw .endedEarly(received: sink.offset, expected: response.length.map { response.base + $0 })
    }
    if head.status.code == 206, let range = response.range, options.method != "HEAD" {
      let count = sink.offset - response.base
      guard count == range.count else {
        throw .malformedResponse("the body has \(count) bytes, Content-Range says \(range.count)")
      }
      if response.base > 0, let total = range.total, sink.offset < total {
        throw .endedEarly(received: sink.offset, expected: total)
      }
    }
    return head
  }

  // MARK: Sending

  /// The server has said all that matters: what is left of the request is of no use to it.
  private var isAnswered: Bool { isOver || (response.head?.status.code ?? 0) >= 300 }

  private func send(_ bytes: [UInt8]) async throws(FetchError) {
    // The array must stay where it is while the call waits.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    var offset = 0
    while offset < bytes.count, sendFailure == nil, !isAnswered {
      do throws(Errno) {
        offset += try await system.write(descriptor, UnsafeRawBufferPointer(rebasing: copy[offset..<bytes.count]))
      } catch .EAGAIN {
        if try await waitForRoom(sent: offset, of: bytes.count) { try await receive() }
      } catch .EINTR {
        throw .interrupted
      } catch {
        // The server has closed or reset the connection, perhaps behind an answer.
        sendFailure = error
      }
    }
  }

  /// Waits until more can be sent; true if something has arrived.
  private func waitForRoom(sent: Int, of total: Int) async throws(FetchError) -> Bool {
    let milliseconds = Int32(clamping: options.timeout.nanoseconds / 1_000_000)
    do throws(Errno) {
      while true {
        let waiting = try system.ioctl(descriptor, ControlRequest.SIOCOUTQ)
        var entries = [PollDescriptor(descriptor, PollMask.POLLIN | PollMask.POLLOUT)]
        if try await system.poll(&entries, timeout: max(milliseconds, 1)) > 0 {
          return entries[0].returned & PollMask.POLLIN != 0
        }
        let left = try system.ioctl(descriptor, ControlRequest.SIOCOUTQ)
        // A slow server that takes little at a time is not silent.
        if left < waiting { continue }
        throw .ETIMEDOUT
      }
    } catch .EINTR {
      throw .interrupted
    } catch .ETIMEDOUT {
      let waiting = (try? system.ioctl(descriptor, ControlRequest.SIOCOUTQ)).map { Int($0) } ?? 0
      throw .stalledSending(seconds: options.timeout.seconds, sent: max(0, sent - waiting), of: total)
    } catch {
      throw .transferFailed(error, received: sink.offset)
    }
  }

  // MARK: Receiving

  /// With nothing more to send a read may block, but no longer than ``FetchOptions/timeout``.
  private func waitFromNowOn() throws(FetchError) {
    let nanoseconds = options.timeout.nanoseconds
    let timeval = [nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000 / 1000]
    let result = timeval.withUnsafeBytes { bytes -> Result<Void, Errno> in
      do throws(Errno) {
        _ = try system.fcntl(descriptor, FileControl.F_SETFL, 0)
        return .success(try system.setsockopt(descriptor, OptionName.SOL_SOCKET, OptionName.SO_RCVTIMEO, bytes))
      } catch { return .failure(error) }
    }
    if case .failure(let error) = result { throw .transferFailed(error, received: sink.offset) }
  }

  /// Waits until more of the header has come, no longer than it may take as a whole.
  private func waitForHeader() async throws(FetchError) {
    let isBegun = headerDeadline != nil
    let deadline = headerDeadline ?? now + options.timeout
    var entries = [PollDescriptor(descriptor, PollMask.POLLIN)]
    let milliseconds = Int32(clamping: ((deadline - now).nanoseconds + 999_999) / 1_000_000)
    do throws(Errno) {
      if milliseconds > 0, try await system.poll(&entries, timeout: milliseconds) > 0 { return }
    } catch .EINTR {
      throw .interrupted
    } catch {
      throw .transferFailed(error, received: sink.offset)
    }
    let limit = options.timeout.seconds
    throw isBegun ? .slowHeader(seconds: limit) : .stalled(seconds: limit, received: sink.offset)
  }

  /// Reads once, and takes what has come.
  private func receive() async throws(FetchError) {
    let count: Int
    do throws(Errno) {
      count = try await system.read(descriptor, buffer)
    } catch .EAGAIN {
      throw .stalled(seconds: options.timeout.seconds, received: sink.offset)
    } catch .EINTR {
      throw .interrupted
    } catch {
      throw .transferFailed(error, received: sink.offset)
    }
    if count == 0 {
      isEnded = true
      try reader.endOfStream()
    } else {
      let body = reader.takeBody(count)
      if body > 0 { try keep(UnsafeRawBufferPointer(rebasing: buffer[..<body])) }
      if body < count && !reader.isComplete {
        try reader.consume(ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: buffer[body..<count])))
      }
    }
    let before = interimResponses
    while let part = reader.next() { try take(part) }
    // Behind an interim response the next header has not begun: the request may have long to go.
    guard response.head == nil, !isOver, interimResponses == before else { return }
    let deadline = headerDeadline ?? now + options.timeout
    headerDeadline = deadline
    if now >= deadline { throw .slowHeader(seconds: options.timeout.seconds) }
  }

  private func take(_ part: HTTPClientResponsePart) throws(FetchError) {
    switch part {
    case .head(let head):
      headerDeadline = nil
      if head.status.code < 200 {
        interimResponses += 1
        if interimResponses > Self.interimLimit { throw .tooManyInterimResponses(Self.interimLimit) }
        return
      }
      if let coding = head.unknownTransferCoding { throw .transferCoding(coding) }
      response.head = head
      response.length = head.headers["Content-Length"].first.flatMap { Int64($0) }
      try position(for: head)
      response.base = sink.offset
    case .body(let bytes):
      // withUnsafeReadableBytes does not carry typed errors through; the result does.
      let written = bytes.withUnsafeReadableBytes { bytes -> Result<Void, FetchError> in
        do throws(FetchError) { return .success(try keep(bytes)) } catch { return .failure(error) }
      }
      try written.get()
    case .end: break
    }
  }

  /// Bytes of the body; that of a failure is not kept.
  private func keep(_ bytes: UnsafeRawBufferPointer) throws(FetchError) {
    guard let head = response.head, (200...299).contains(head.status.code) else { return }
    try sink.write(bytes)
    onProgress?(sink.offset, response.length.map { response.base + $0 })
  }

  /// Puts the sink where the body of this response belongs.
  private func position(for head: HTTPResponseHead) throws(FetchError) {
    let text = head.headers["Content-Range"].first
    switch head.status.code {
    case 206:
      response.range = text.flatMap(ContentRange.init)
      try check(text, response.range, head)
    case 200...299:
      if sink.offset > 0 {
        // A file of the user's is not thrown away; what this fetch began itself is fetched anew.
        guard sink.resumedFrom == 0 else { throw .rangeNotHonoured("the server does not send ranges of this file") }
        try sink.rewind()
      }
    case 416:
      if let text, text.hasPrefix("bytes */") { response.unsatisfiedLength = Int64(text.dropFirst(8)) }
      response.isAlreadyComplete = sink.offset > 0 && response.unsatisfiedLength == sink.offset
    default: break
    }
    // A range of the caller's own is no part of a file that could be continued.
    if head.status.code != 206 || !options.asksForOwnRange {
      entityTag = head.headers["ETag"].first.flatMap { $0.hasPrefix("W/") ? nil : $0 }
    }
  }

  /// A part must be the one that was asked for, and as long as it says.
  private func check(_ text: String?, _ range: ContentRange?, _ head: HTTPResponseHead) throws(FetchError) {
    if options.asksForOwnRange {
      // What an attempt before has brought of it comes again.
      if sink.resumedFrom == 0 { try sink.rewind() }
    } else {
      guard sink.offset > 0 else { throw .unaskedRange(text ?? "unknown") }
      guard range?.bytes.lowerBound == sink.offset else {
        throw .rangeNotHonoured("the server sent range \"\(text ?? "")\" where bytes \(sink.offset)- were asked for")
      }
    }
    // Several ranges come as multipart/byteranges, without this header.
    guard let text else { return }
    guard let range else { throw .malformedResponse("Content-Range \"\(text)\" is no range of bytes") }
    if let length = response.length, options.method != "HEAD", length != range.count {
      throw .malformedResponse("Content-Range \"\(text)\" does not fit Content-Length \(length)")
    }
  }
}
