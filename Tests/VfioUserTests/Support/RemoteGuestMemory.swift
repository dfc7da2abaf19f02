import CLinux
import Foundation
import Glibc
import Memory
import Synchronization
import VfioUser

/// Memory of a client that is not shared: the client answers DMA_READ and DMA_WRITE, on a thread of its own, since the
/// server waits for it.
final class RemoteGuestMemory: Sendable {
  private struct State {
    var bytes: [UInt8]
    var writtenBytes = 0
  }

  private let state: Mutex<State>
  private let base: UInt64

  init(byteCount: Int, at base: UInt64) {
    state = Mutex(State(bytes: [UInt8](repeating: 0, count: byteCount)))
    self.base = base
  }

  /// Bytes that the device wrote.
  var writtenBytes: Int { state.withLock { $0.writtenBytes } }

  func put(_ bytes: [UInt8], at address: UInt64) {
    let start = Int(address - base)
    state.withLock { $0.bytes.replaceSubrange(start..<start + bytes.count, with: bytes) }
  }

  func get(_ address: UInt64, _ count: Int) -> [UInt8] {
    let start = Int(address - base)
    return state.withLock { Array($0.bytes[start..<start + count]) }
  }

  /// Does what a DMA_READ or DMA_WRITE of the server says, and returns the answer.
  func answer(_ header: VfioUserHeader, _ body: [UInt8]) -> [UInt8] {
    let access: DMAAccess = loaded(body)
    var reply = bytes(access)
    if header.command == VfioUserCommand.readDMA.rawValue {
      reply += get(access.address, Int(access.count))
    } else {
      put(Array(body[16...]), at: access.address)
      state.withLock { $0.writtenBytes += Int(access.count) }
    }
    return bytes(
      VfioUserHeader(
        identifier: header.identifier, command: header.command, bodyByteCount: reply.count, flags: .reply)) + reply
  }

  /// Answers the server from now on in place of `client`, which stops listening.
  func serve(_ client: ScriptedClient) -> Session {
    try? client.listen(false)
    return Session(self, client.descriptor)
  }

  /// The answering thread.
  final class Session: Sendable {
    private let memory: RemoteGuestMemory
    private let socket: Int32
    private let isOver = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(_ memory: RemoteGuestMemory, _ socket: Int32) {
      self.memory = memory
      self.socket = socket
      Thread { [self] in
        run()
        ended.signal()
      }.start()
    }

    func end() {
      isOver.store(true, ordering: .relaxed)
      ended.wait()
    }

    func post(_ region: UInt32, _ offset: Int, _ value: UInt32) {
      let body = bytes(RegionAccess(region: region, offset: UInt64(offset), count: 4)) + bytes(value)
      let message =
        bytes(VfioUserHeader(identifier: 1, command: 10, bodyByteCount: body.count, flags: .noReply)) + body
      _ = clinux_send(socket, message, Int64(message.count), nil, 0)
    }

    private func run() {
      var inbox: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 1 << 16)
      while !isOver.load(ordering: .relaxed) {
        var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 20) > 0 else { continue }
        let length = read(socket, &chunk, chunk.count)
        guard length > 0 else { return }
        inbox += chunk.prefix(length)
        while inbox.count >= 32 {
          let header = inbox.withUnsafeMutableBytes { VfioUserHeader(in: MemoryWindow($0.baseAddress!, count: 16)) }
          guard inbox.count >= Int(header.messageByteCount) else { break }
          answer(header, Array(inbox[16..<Int(header.messageByteCount)]))
          inbox.removeFirst(Int(header.messageByteCount))
        }
      }
    }

    private func answer(_ header: VfioUserHeader, _ body: [UInt8]) {
      let message = memory.answer(header, body)
      _ = clinux_send(socket, message, Int64(message.count), nil, 0)
    }
  }
}
