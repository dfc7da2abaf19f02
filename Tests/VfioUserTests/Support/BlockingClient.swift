import CLinux
import Foundation
import Glibc
import Memory
import Synchronization
import VfioUser

/// A client that follows a script on a thread of its own: what it says while the server's loop stands still for it.
final class BlockingClient: Sendable {
  private let socket: Int32
  private let inbox = Mutex<[UInt8]>([])
  private let failure = Mutex<(any Error)?>(nil)
  private let isOver = Atomic<Bool>(false)
  private let ended = DispatchSemaphore(value: 0)

  /// Speaks in place of `client`, which stops listening.
  init(_ client: ScriptedClient, _ script: @escaping @Sendable (BlockingClient) throws -> Void) throws {
    try client.listen(false)
    socket = client.descriptor
    Thread { [self] in
      do { try script(self) } catch { failure.withLock { $0 = error } }
      ended.signal()
    }.start()
  }

  /// Waits for the script's end, and throws what it threw. ``serve(_:)`` ends.
  func end() throws {
    isOver.store(true, ordering: .relaxed)
    ended.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Sends a command, identifier 1.
  func post(_ command: VfioUserCommand, _ body: [UInt8], wantsReply: Bool = true) {
    send(
      bytes(
        VfioUserHeader(
          identifier: 1, command: command.rawValue, bodyByteCount: body.count, flags: wantsReply ? [] : .noReply))
        + body)
  }

  func write32(_ region: UInt32, _ offset: Int, _ value: UInt32, wantsReply: Bool = true) {
    post(
      .writeRegion, bytes(RegionAccess(region: region, offset: UInt64(offset), count: 4)) + bytes(value),
      wantsReply: wantsReply)
  }

  func send(_ bytes: [UInt8]) { _ = clinux_send(socket, bytes, Int64(bytes.count), nil, 0) }

  /// The next message; throws if there is none for 10 s.
  func next() throws -> Answer {
    guard let message = try message(milliseconds: 10_000) else { throw NoAnswer() }
    return message
  }

  /// Answers DMA commands out of `memory` until ``end()``.
  func serve(_ memory: RemoteGuestMemory) throws {
    while !isOver.load(ordering: .relaxed) {
      guard let message = try message(milliseconds: 20), !message.header.isReply else { continue }
      send(memory.answer(message.header, message.body))
    }
  }

  private func message(milliseconds: Int32) throws -> Answer? {
    try inbox.withLock { inbox in
      while true {
        if inbox.count >= VfioUserHeader.byteCount {
          let header = inbox.withUnsafeMutableBytes {
            VfioUserHeader(in: MemoryWindow($0.baseAddress!, count: $0.count))
          }
          let size = Int(header.messageByteCount)
          if inbox.count >= size {
            defer { inbox.removeFirst(size) }
            return Answer(header: header, body: Array(inbox[VfioUserHeader.byteCount..<size]))
          }
        }
        var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, milliseconds) > 0 else { return nil }
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let length = read(socket, &chunk, chunk.count)
        guard length > 0 else { throw ClientClosed() }
        inbox += chunk.prefix(length)
      }
    }
  }
}
