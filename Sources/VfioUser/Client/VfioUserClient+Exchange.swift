import EventLoop
import Glibc
import Memory

/// Commands and their answers.
extension VfioUserClient {
  /// Sends a command and waits for its reply, whose body is good until the next one is received. Commands of the server
  /// that come in between are answered.
  func exchange(
    _ command: VfioUserCommand, _ byteCount: Int, descriptors: [Int32] = [], _ fill: (MemoryWindow) -> Void
  ) throws(VfioUserError) -> MemoryWindow {
    if let failure { throw failure }
    let deadline = loop.clock + patience
    let identifier = takeIdentifier()
    let body = channel.append(
      VfioUserHeader(identifier: identifier, command: command.rawValue, bodyByteCount: byteCount))
    fill(body)
    try drain(command, deadline, descriptors)
    while true {
      switch channel.next() {
      case .message(let header, let body) where header.isReply:
        closeDescriptors()
        // Nothing more need come from the socket before what came behind the reply is handled.
        if channel.hasInput { scheduleListening() }
        guard header.identifier == identifier, header.command == command.rawValue else {
          throw nonsense(command, "a reply to command \(header.command)")
        }
        guard !header.flags.contains(.error) else {
          throw .refused(path: path, command: command, code: header.errorNumber)
        }
        return body
      case .message(let header, let body):
        answer(header, body)
        try drain(command, deadline)
      case .tooLong, .lost: throw nonsense(command, "a message of impossible length")
      case .nothing: try receive(command, deadline)
      }
    }
  }

  /// Sends a command that wants no reply.
  func post(_ command: VfioUserCommand, _ byteCount: Int, _ fill: (MemoryWindow) -> Void) {
    guard failure == nil else { return }
    fill(
      channel.append(
        VfioUserHeader(
          identifier: takeIdentifier(), command: command.rawValue, bodyByteCount: byteCount, flags: .noReply)))
    do throws(VfioUserError) { try drain(command, nil) } catch { fail(error) }
  }

  /// Sends what is queued. A server that takes nothing is waited for.
  private func drain(
    _ command: VfioUserCommand, _ deadline: Instant?, _ descriptors: [Int32] = []
  ) throws(VfioUserError) {
    if !descriptors.isEmpty {
      guard channel.sendQueued(with: descriptors) else { throw .disconnected(path: path) }
      return
    }
    while true {
      guard channel.flush() else { throw .disconnected(path: path) }
      if channel.queuedByteCount == 0 { return }
      let rest = (deadline ?? loop.clock + patience) - loop.clock
      guard channel.wait(writable: true, nanoseconds: rest.nanoseconds) else {
        throw .timedOut(path: path, command: command)
      }
    }
  }

  private func receive(_ command: VfioUserCommand, _ deadline: Instant) throws(VfioUserError) {
    switch channel.receive() {
    case .bytes: return
    case .end: throw .disconnected(path: path)
    case .nothing:
      guard channel.wait(nanoseconds: (deadline - loop.clock).nanoseconds) else {
        // A signal may have ended the wait before its time.
        guard loop.clock < deadline else { throw .timedOut(path: path, command: command) }
        return
      }
    }
  }

  private func closeDescriptors() {
    guard channel.hasDescriptors else { return }
    for descriptor in channel.takeDescriptors() where descriptor >= 0 { Glibc.close(descriptor) }
  }

  // MARK: What the server says by itself

  func serverSpoke() {
    guard failure == nil else { return }
    switch channel.receive() {
    case .bytes: break
    case .nothing: return
    case .end: return fail(.disconnected(path: path))
    }
    handleCommands()
  }

  /// Answers the commands that are in the buffer.
  func handleCommands() {
    while failure == nil {
      switch channel.next() {
      case .nothing: return
      case .message(let header, let body):
        guard !header.isReply else { return fail(nonsense(.version, "a reply that nobody waits for")) }
        answer(header, body)
        do throws(VfioUserError) { try drain(.readDMA, nil) } catch { fail(error) }
      case .tooLong, .lost: return fail(nonsense(.readDMA, "a message of impossible length"))
      }
    }
  }

  /// DMA_READ and DMA_WRITE reach the memory that is shared anyway; nothing else is a server's to ask.
  private func answer(_ header: VfioUserHeader, _ body: MemoryWindow) {
    closeDescriptors()
    let isRead = header.command == VfioUserCommand.readDMA.rawValue
    let isWrite = header.command == VfioUserCommand.writeDMA.rawValue
    guard isRead || isWrite, body.count >= DMAAccess.byteCount else { return refuse(header, ENOSYS) }
    let access = DMAAccess(in: body)
    guard access.count <= UInt64(MessageChannel.remoteTransfer), let memory = sharedMemory(access.address, access.count)
    else { return refuse(header, EFAULT) }
    let size = Int(access.count)
    guard body.count == DMAAccess.byteCount + (isWrite ? size : 0) else { return refuse(header, EINVAL) }
    count.served &+= 1
    if isWrite { memory.copy(from: body, at: DMAAccess.byteCount, count: size, to: 0) }
    guard header.wantsReply else { return }
    let reply = channel.append(
      VfioUserHeader(
        identifier: header.identifier, command: header.command,
        bodyByteCount: DMAAccess.byteCount + (isRead ? size : 0), flags: .reply))
    access.store(in: reply)
    if isRead { reply.copy(from: memory, at: 0, count: size, to: DMAAccess.byteCount) }
  }

  private func refuse(_ header: VfioUserHeader, _ code: Int32) {
    count.refusedCommands &+= 1
    guard header.wantsReply else { return }
    _ = channel.append(
      VfioUserHeader(
        identifier: header.identifier, command: header.command, bodyByteCount: 0, flags: [.reply, .error],
        errorNumber: UInt32(code)))
  }
}
