import EventLoop
import NetStack
import Packets

// Bytes in and out (Linux `tcp_sendmsg`, `tcp_recvmsg`).
extension TCPSocket {
  public func send(
    _ memory: TransferMemory, to destination: Endpoint?, flags: TransferFlags, control: DatagramControl?
  ) async throws(SocketError) -> Int {
    if flags.contains(.connects) { try await connectToSend(destination, flags) }
    let deadline = storedOptions.sendTimeout.map { loop.now + $0 }
    let mayWait = !isNonBlocking && !flags.contains(.nonBlocking)
    let stampKinds = stampKinds(control)
    var sent = 0
    defer {
      if flags.contains(.zeroCopy), sent > 0, storedOptions.reportsZeroCopy != 0 { noteCopied() }
    }
    while true {
      guard !isClosed else { throw .network(.closed) }
      guard let connection, !isSendShut else { throw takeError() ?? .network(.brokenPipe) }
      if connection.pendingError != nil || !Self.maySend(connection) {
        if Self.isOpening(connection.state) && connection.pendingError == nil {
          // As in Linux a write waits for the handshake.
          guard mayWait else { throw .wouldBlock }
        } else {
          if sent > 0 { return sent }
          throw .network(connection.takeError() ?? .brokenPipe)
        }
      } else {
        if repair.isOn, let count = try sendInRepair(memory, connection) { return count }
        let movable = memory.movable(memory.count - sent, from: sent)
        if movable == 0, sent < memory.count, connection.writableCount > 0 {
          guard sent > 0 else { throw .badMemory }
          return sent
        }
        sent += give(memory, from: sent, movable, to: connection, flags, stampKinds, isFinal: !mayWait)
        if sent == memory.count { break }
      }
      guard mayWait else {
        if sent > 0 { return sent }
        throw .wouldBlock
      }
      do throws(SocketError) { try await wait(for: .writable, until: deadline) } catch {
        if sent > 0 { return sent }
        throw error
      }
    }
    return sent
  }

  /// Hands `length` bytes to the connection; returns how many it took. `isFinal`: the call ends with those.
  private func give(
    _ memory: TransferMemory, from offset: Int, _ length: Int, to connection: TCPConnection, _ flags: TransferFlags,
    _ stampKinds: [StreamStamps.Kind]?, isFinal: Bool
  ) -> Int {
    if stampKinds != nil { connection.stamps = stamps }
    return memory.forEach(from: offset, length) { piece, isLast in
      let bytes = UnsafeRawBufferPointer(piece).bytes
      if isLast, flags.contains(.outOfBand) { return connection.sendUrgent(bytes, stampKinds) }
      // More follows at once: no piece ends a segment but the last.
      let more = !isLast || flags.contains(.more) && !flags.contains(.outOfBand)
      if let stampKinds, isLast || isFinal && piece.count >= connection.writableCount {
        return connection.sendStamped(bytes, stampKinds, more: more, isFinal: isFinal)
      }
      return more ? connection.sendMore(bytes) : connection.send(bytes)
    }
  }

  /// It has a connection, or may wait for one: otherwise a send fails before it looks at anything else.
  public func isReadyToSend(mayWait: Bool) -> Bool {
    guard let connection else { return false }
    return Self.maySend(connection) || Self.isOpening(connection.state) && mayWait && !isNonBlocking
  }

  private static func maySend(_ connection: TCPConnection) -> Bool { connection.state.canTransfer }

  public func receive(
    into memory: TransferMemory, flags: TransferFlags
  ) async throws(SocketError) -> ReceiveResult {
    if flags.contains(.outOfBand) { return try receiveUrgent(into: memory, flags) }
    if repair.isOn, let result = try receiveInRepair(into: memory, flags) { return result }
    let deadline = storedOptions.receiveTimeout.map { loop.now + $0 }
    let mayWait = !isNonBlocking && !flags.contains(.nonBlocking)
    let wanted = max(1, flags.contains(.waitAll) ? memory.count : min(storedOptions.receiveLowWater, memory.count))
    var received = 0
    while true {
      guard !isClosed else { throw .network(.closed) }
      guard let connection else {
        guard !isListening else { throw .notConnected }
        if let error = takeError() { throw error }
        guard isReceiveShut else { throw .notConnected }
        break
      }
      // Nothing is read across an urgent mark.
      if received > 0 && connection.isAtUrgentMark { break }
      let available = connection.readableCount
      guard take(from: connection, into: memory, flags, &received) else {
        if received > 0 { break }
        throw .badMemory
      }
      if received > 0 && connection.isAtUrgentMark { break }
      // A read of no bytes waits for some (recvfrom(2) of Linux).
      if received >= wanted || (memory.count == 0 && available > 0) { break }
      if received > 0 && !mayWait { break }
      if isReceiveShut || connection.isReceiveClosed || connection.pendingError != nil {
        // Bytes come before the error, the error before the end of the stream, unless the peer has said that first.
        if received == 0, !connection.hasReceivedEnd, let error = connection.takeError() { throw .network(error) }
        break
      }
      guard mayWait else { throw .wouldBlock }
      do throws(SocketError) { try await wait(for: [.readable, .readHangUp], until: deadline) } catch {
        if received > 0 || memory.count == 0 { break }
        throw error
      }
      // Once, for whatever comes or does not.
      if memory.count == 0 { break }
    }
    if storedOptions.peekOffset >= 0 { movePeekOffset(flags.contains(.peek) ? received : -received) }
    var result = ReceiveResult(count: received, fullCount: received, source: nil)
    // The end of the stream counts as something to read (Linux `tcp_inq_hint`).
    if let connection { result.unread = connection.readableCount + (connection.hasReceivedEnd ? 1 : 0) }
    if flags.contains(.discard) { result.storedCount = 0 }
    if received > 0 { result.time = connection?.lastDataArrival }
    return result
  }

  /// SO_PEEK_OFF follows what is looked at and what is taken.
  private func movePeekOffset(_ count: Int) {
    storedOptions.peekOffset = Int32(clamping: max(0, Int(storedOptions.peekOffset) + count))
  }

  /// Takes or shows what can be read now. False: the program does not have the memory for it.
  private func take(
    from connection: TCPConnection, into memory: TransferMemory, _ flags: TransferFlags, _ received: inout Int
  ) -> Bool {
    let isPeek = flags.contains(.peek)
    if flags.contains(.discard) {
      if isPeek {
        received = connection.peekCount(memory.count)
      } else {
        received += connection.discard(memory.count - received)
      }
      return true
    }
    let left = memory.count - received
    if isPeek {
      // Shown from the beginning each time.
      let offset = max(0, Int(storedOptions.peekOffset))
      let shown = offset == 0 ? connection.peekCount(memory.count) : connection.readableCount - offset
      let wanted = max(0, min(memory.count, shown))
      let movable = memory.movable(wanted, from: 0)
      guard movable > 0 || wanted == 0 else { return false }
      received = memory.withRoom(movable) { buffer in
        let count = connection.peek(into: buffer, skipping: offset)
        return (count, count)
      }
      return true
    }
    let wanted = connection.peekCount(left)
    let movable = memory.movable(wanted, from: received)
    guard movable > 0 || wanted == 0 else { return false }
    // Also if there is no byte: the reader may stand at an urgent one, which is then passed.
    received += memory.forEach(from: received, max(movable, min(memory.presentCount - received, 1))) { piece, _ in
      connection.receive(into: piece)
    }
    return true
  }

  /// The urgent byte, which is never waited for (Linux `tcp_recv_urg`).
  private func receiveUrgent(
    into memory: TransferMemory, _ flags: TransferFlags
  ) throws(SocketError) -> ReceiveResult {
    guard !isListening else { throw .notConnected }
    guard let connection else { throw .invalidArgument }
    let byte = try networked { () throws(NetworkError) in
      try connection.receiveUrgent(peek: flags.contains(.peek), isReceiveShut: isReceiveShut)
    }
    guard let byte else { return ReceiveResult(count: 0, fullCount: 0, source: nil) }
    if memory.count > 0, !flags.contains(.discard) {
      guard memory.presentCount > 0 else { throw .badMemory }
      withUnsafeBytes(of: byte) { memory.store($0) }
    }
    var result = ReceiveResult(count: min(memory.count, 1), fullCount: 1, source: nil, isOutOfBand: true)
    if flags.contains(.discard) { result.storedCount = 0 }
    return result
  }

  public var isAtMark: Bool? { connection?.isAtUrgentMark ?? false }

  func wait(
    for interest: Readiness, until deadline: Instant?, isExclusive: Bool = false
  ) async throws(SocketError) {
    switch await waiters.wait(for: interest, on: loop, until: deadline, isExclusive: isExclusive) {
    case .woken: return
    case .timedOut: throw .wouldBlock
    case .cancelled: throw .interrupted
    }
  }

  public func unreadByteCount() throws(SocketError) -> Int {
    guard !isListening else { throw .invalidArgument }
    return connection?.readableBeforeMark ?? 0
  }

  public func unsentByteCount() throws(SocketError) -> Int {
    guard !isListening else { throw .invalidArgument }
    return connection?.unacknowledgedCount ?? leftOver.unacknowledged
  }

  /// SIOCOUTQNSD
  public var neverSentByteCount: Int { connection?.unsentCount ?? leftOver.unsent }
}

extension TCPState {
  /// The application may send bytes.
  var canTransfer: Bool { self == .established || self == .closeWait }

  /// The sending direction has not been closed.
  var mayStillSend: Bool { canTransfer || self == .synSent || self == .synReceived }
}
