import CLinux
import Glibc
import Memory

/// One end of a connection: whole messages out of a stream of bytes, and into it.
///
/// One read takes as much as the socket has, into one buffer, in which messages are looked at where they are. Answers
/// gather in a second buffer and leave together. Whatever the peer sends, the input takes 64 KiB and at most 16
/// descriptors; the output is bounded by its owner, who stops reading while it does not drain.
final class MessageChannel {
  static let inputByteCount = 64 << 10
  /// Answers are sent at the latest when there are so many bytes of them: what is sent in one piece and not longer is
  /// never found torn inside a header, which QEMU takes for the end.
  static let batchByteCount = 16 << 10
  /// The most data in one message, either way.
  static let longestTransfer = 1 << 20
  /// Bytes that memory of a client is fetched or stored with at a time.
  static let remoteTransfer = 32 << 10
  /// Replies of more bytes are not kept.
  static let longestReply = VfioUserHeader.byteCount + DMAAccess.byteCount + remoteTransfer
  static let mostDescriptors = 16

  enum Step {
    case nothing
    case message(VfioUserHeader, body: MemoryWindow)
    /// Its bytes are thrown away as they come.
    case tooLong(VfioUserHeader)
    /// Where the next message starts is not known.
    case lost(VfioUserHeader)
  }

  enum Arrival {
    case bytes, nothing, end
  }

  private(set) var descriptor: Int32
  private let longestCommand: Int
  private let input: MemoryWindow
  private var start = 0
  private var end = 0
  /// Bytes of the stream before `start`.
  private var position: UInt64 = 0
  private var skipping = 0
  /// Descriptors of messages that are not complete yet, each with the place of the last byte that was read with it: the
  /// kernel ends a read behind the piece of the stream that brought descriptors. -1 stands for any number that were too
  /// many.
  private var arrived: [(position: UInt64, descriptor: Int32)] = []
  private let arriving = UnsafeMutablePointer<Int32>.allocate(capacity: mostDescriptors)

  private var output: MemoryWindow
  private var sent = 0
  private var queued = 0

  /// The channel owns `descriptor`. Commands of more than `longestCommand` bytes are not kept.
  init(_ descriptor: Int32, longestCommand: Int) {
    precondition(longestCommand <= Self.longestReply)
    self.descriptor = descriptor
    self.longestCommand = longestCommand
    input = MemoryWindow(.allocate(byteCount: Self.inputByteCount, alignment: 16), count: Self.inputByteCount)
    output = Self.makeOutput(Self.batchByteCount * 2)
  }

  deinit {
    close()
    input.baseAddress.deallocate()
    output.baseAddress.deallocate()
    arriving.deallocate()
  }

  func close() {
    for (_, descriptor) in arrived where descriptor >= 0 { Glibc.close(descriptor) }
    arrived = []
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
    start = end
    queued = sent
  }

  // MARK: In

  /// Reads once, without waiting.
  func receive() -> Arrival {
    if start == end {
      start = 0
      end = 0
    } else if start > 0, input.count - end < Self.remoteTransfer + 64 {
      input.copy(from: input, at: start, count: end - start, to: 0)
      end -= start
      start = 0
    }
    guard end < input.count else { return .bytes }
    var count = Int32(Self.mostDescriptors)
    var truncated: Int32 = 0
    let length = Int(
      clinux_receive(
        descriptor, input.baseAddress + end, Int64(input.count - end), arriving, &count, &truncated))
    guard length > 0 else {
      return length < 0 && (errno == EAGAIN || errno == EINTR) ? .nothing : .end
    }
    end += length
    if count > 0 || truncated != 0 { keepDescriptors(Int(count), truncated: truncated != 0) }
    return .bytes
  }

  private func keepDescriptors(_ count: Int, truncated: Bool) {
    let last = position + UInt64(end - start) - 1
    var tooMany = truncated
    for index in 0..<count {
      if arrived.count < Self.mostDescriptors {
        arrived.append((last, arriving[index]))
      } else {
        Glibc.close(arriving[index])
        tooMany = true
      }
    }
    if tooMany, arrived.last?.descriptor != -1 { arrived.append((last, -1)) }
  }

  /// The next whole message. Its body is good until the next ``receive()``.
  @inline(__always) func next() -> Step {
    if skipping > 0 { skip() }
    guard end &- start >= VfioUserHeader.byteCount else { return .nothing }
    let header = VfioUserHeader(in: input, at: start)
    let size = Int(header.messageByteCount)
    guard size >= VfioUserHeader.byteCount, size <= Self.longestTransfer + 64 else { return .lost(header) }
    guard size <= (header.isReply ? Self.longestReply : longestCommand) else {
      consume(VfioUserHeader.byteCount)
      skipping = size - VfioUserHeader.byteCount
      return .tooLong(header)
    }
    guard end &- start >= size else { return .nothing }
    let body = input.slice(start &+ VfioUserHeader.byteCount, size &- VfioUserHeader.byteCount)
    consume(size)
    return .message(header, body: body)
  }

  /// True if bytes are there that ``next()`` has not given yet, be it only a part of a message.
  var hasInput: Bool { end > start }

  @inline(__always) private func consume(_ count: Int) {
    start &+= count
    position &+= UInt64(truncatingIfNeeded: count)
  }

  private func skip() {
    let count = min(skipping, end - start)
    consume(count)
    skipping -= count
    for descriptor in takeDescriptors() where descriptor >= 0 { Glibc.close(descriptor) }
  }

  /// True if there may be descriptors for the message that was taken last.
  @inline(__always) var hasDescriptors: Bool { !arrived.isEmpty }

  /// The descriptors that came with the message that was taken last, now the caller's; -1 if some were too many.
  func takeDescriptors() -> [Int32] {
    let own = arrived.prefix { $0.position < position }
    arrived.removeFirst(own.count)
    return own.map(\.descriptor)
  }

  // MARK: Out

  /// Bytes that wait to be sent.
  @inline(__always) var queuedByteCount: Int { queued &- sent }

  /// Appends a message; the caller fills the body that is returned before anything else happens.
  @inline(__always) func append(_ header: VfioUserHeader) -> MemoryWindow {
    let size = Int(header.messageByteCount)
    if queued &+ size > output.count { makeRoom(size) }
    header.store(in: output, at: queued)
    let body = output.slice(queued &+ VfioUserHeader.byteCount, size &- VfioUserHeader.byteCount)
    queued &+= size
    return body
  }

  private func makeRoom(_ size: Int) {
    let larger = Self.makeOutput(max(output.count, queuedByteCount + size))
    larger.copy(from: output, at: sent, count: queuedByteCount, to: 0)
    output.baseAddress.deallocate()
    output = larger
    queued -= sent
    sent = 0
  }

  private static func makeOutput(_ count: Int) -> MemoryWindow {
    MemoryWindow(.allocate(byteCount: count, alignment: 16), count: count)
  }

  /// Sends what is queued, as far as the peer takes it. False: the connection is over.
  func flush() -> Bool {
    while sent < queued {
      let length = Int(clinux_send(descriptor, output.baseAddress + sent, Int64(queued - sent), nil, 0))
      if length > 0 {
        sent += length
      } else if errno == EAGAIN {
        return true
      } else if errno != EINTR {
        return false
      }
    }
    sent = 0
    queued = 0
    if output.count > Self.batchByteCount * 2 {
      output.baseAddress.deallocate()
      output = Self.makeOutput(Self.batchByteCount * 2)
    }
    return true
  }

  /// Sends all that is queued with descriptors, in one piece. False: the connection is over, or does not take it now.
  func sendQueued(with descriptors: [Int32]) -> Bool {
    let size = queuedByteCount
    let length = clinux_send(
      descriptor, output.baseAddress + sent, Int64(size), descriptors, Int32(descriptors.count))
    guard length == Int64(size) else { return false }
    sent = 0
    queued = 0
    return true
  }

  /// Waits until the socket is readable (or `writable`), for at most `nanoseconds`; true if it is, or is at its end.
  func wait(writable: Bool = false, nanoseconds: Int64) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(writable ? POLLOUT : POLLIN), revents: 0)
    let milliseconds = min(Int64(Int32.max), max(0, nanoseconds + 999_999) / 1_000_000)
    return poll(&entry, 1, Int32(milliseconds)) > 0
  }
}
