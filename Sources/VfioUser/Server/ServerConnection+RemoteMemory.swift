import EventLoop
import Glibc
import Machine
import Memory

/// A command of the client that came while an answer of the client was waited for.
struct DeferredMessage {
  let header: VfioUserHeader
  var body: [UInt8]
  let descriptors: [Int32]
}

/// Memory that the client does not share, by DMA_READ and DMA_WRITE. The function wants the bytes at once, so the loop
/// stands still until the client has answered: at most the server's patience for all that the function asks for in one
/// go.
///
/// A client may be waiting for a reply of ours before it can answer: QEMU's processor holds the lock that its answer
/// needs. So a command that wants a reply is done at once, from inside of the function's access, and everything that
/// came before it; posted writes wait until the function is done. What is done from inside cannot reach remote memory
/// again; if it wanted to, the function is told afterwards that it can. Interrupts that are due meanwhile wait for the
/// end of the work too: what they tell of is written back by then.
extension ServerConnection: RemoteMemory {
  /// Bytes of commands that are kept.
  static let mostDeferred = 256 << 10

  func read(_ address: UInt64, into target: MemoryWindow) -> Bool {
    transfer(target.count) { place, count in
      exchange(.readDMA, DMAAccess(address: address &+ UInt64(place), count: UInt64(count)), nil) { data in
        guard data.count == count else { return false }
        target.copy(from: data, at: 0, count: count, to: place)
        return true
      }
    }
  }

  func write(_ address: UInt64, from source: MemoryWindow) -> Bool {
    transfer(source.count) { place, count in
      exchange(
        .writeDMA, DMAAccess(address: address &+ UInt64(place), count: UInt64(count)), source.slice(place, count)
      ) { _ in true }
    }
  }

  /// Cuts a transfer into messages that the client takes.
  private func transfer(_ total: Int, _ body: (_ place: Int, _ count: Int) -> Bool) -> Bool {
    let most = Int(min(UInt64(MessageChannel.remoteTransfer), peer.maximumTransfer))
    guard most > 0 else { return false }
    var place = 0
    while place < total {
      let count = min(most, total - place)
      guard body(place, count) else {
        tally.count.remoteFailures &+= 1
        return false
      }
      place += count
    }
    return true
  }

  /// One command of this server and its answer; `take` gets the data behind the answer's fixed fields.
  private func exchange(
    _ command: VfioUserCommand, _ access: DMAAccess, _ data: MemoryWindow?, _ take: (MemoryWindow) -> Bool
  ) -> Bool {
    guard failure == nil, !hasEnded else { return false }
    guard !clientWaits, !isExchanging else {
      wasDenied = true
      scheduleService()
      return false
    }
    isExchanging = true
    defer { isExchanging = false }
    let deadline = beginRemoteWork()
    nextIdentifier &+= 1
    let identifier = nextIdentifier
    if data == nil { tally.count.remoteReads &+= 1 } else { tally.count.remoteWrites &+= 1 }
    let body = channel.append(
      VfioUserHeader(
        identifier: identifier, command: command.rawValue, bodyByteCount: DMAAccess.byteCount + (data?.count ?? 0)))
    access.store(in: body)
    if let data { body.copy(from: data, at: 0, count: data.count, to: DMAAccess.byteCount) }
    guard send(until: deadline) else { return false }
    while true {
      switch channel.next() {
      case .nothing:
        if !receive(until: deadline) { return false }
      case .message(let header, let body):
        tally.count.messages &+= 1
        guard header.isReply, header.identifier == identifier, header.command == command.rawValue else {
          guard keep(header, body) else { return give(up: "it flooded its device instead of answering") }
          if header.wantsReply, !header.isReply {
            answerDeferred()
            guard failure == nil, send(until: deadline) else { return false }
          }
          continue
        }
        for descriptor in channel.takeDescriptors() where descriptor >= 0 { close(descriptor) }
        // A refusal is an answer: the memory cannot be reached.
        guard !header.flags.contains(.error) else { return false }
        guard body.count >= DMAAccess.byteCount,
          take(body.slice(DMAAccess.byteCount, body.count - DMAAccess.byteCount))
        else { return give(up: "its answer to \(command) is not of the length asked for") }
        return true
      case .tooLong(let header): refuse(.tooLong, header)
      case .lost(let header):
        refuse(.badLength, header)
        return give(up: "a message of \(header.messageByteCount) bytes")
      }
    }
  }

  /// Does what is kept, from inside of the function, so that the client gets its replies.
  private func answerDeferred() {
    slot.holdInterrupts()
    clientWaits = true
    while !deferred.isEmpty, failure == nil { handleDeferred() }
    clientWaits = false
  }

  private func send(until deadline: Instant) -> Bool {
    while true {
      guard channel.flush() else { return give(up: "its socket is closed") }
      if channel.queuedByteCount == 0 { return true }
      guard channel.wait(writable: true, nanoseconds: (deadline - server.loop.clock).nanoseconds) else {
        return give(up: "it took no command within \(server.patience)")
      }
    }
  }

  /// The connection ends as soon as the function has returned.
  private func give(up reason: String) -> Bool {
    failure = failure ?? reason
    scheduleService()
    return false
  }

  private func receive(until deadline: Instant) -> Bool {
    switch channel.receive() {
    case .bytes:
      tally.count.receives &+= 1
      return true
    case .end: return give(up: "it left in the middle of a DMA access")
    case .nothing:
      if channel.wait(nanoseconds: (deadline - server.loop.clock).nanoseconds) { return true }
      // A signal may have ended the wait before its time.
      return server.loop.clock < deadline || give(up: "it did not answer a DMA access within \(server.patience)")
    }
  }

  private func keep(_ header: VfioUserHeader, _ body: MemoryWindow) -> Bool {
    let size = VfioUserHeader.byteCount + body.count
    guard size <= Self.mostDeferred - deferredByteCount else { return false }
    var copy = [UInt8](repeating: 0, count: body.count)
    copy.withUnsafeMutableBytes { copy in
      if let start = copy.baseAddress { MemoryWindow(start, count: copy.count).copy(from: body.bytes) }
    }
    deferred.append(
      DeferredMessage(
        header: header, body: copy, descriptors: channel.hasDescriptors ? channel.takeDescriptors() : []))
    deferredByteCount += size
    scheduleService()
    return true
  }

  /// The function has done its work: what it changed goes to the client, and copies are old from now on.
  func endRemoteWork() {
    slot.dma.flush()
    slot.dma.dropCopies()
    remoteDeadline = nil
    slot.releaseInterrupts()
  }
}
