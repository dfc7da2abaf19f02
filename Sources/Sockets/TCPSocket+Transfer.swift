import EventLoop
import NetStack
import Packets

// Bytes in and out (Linux `tcp_sendmsg`, `tcp_recvmsg`).
extension TCPSocket {
  public func send(
    _ bytes: UnsafeRawBufferPointer, to destination: Endpoint?, flags: TransferFlags, control: DatagramControl?
  ) async throws(SocketError) -> Int {
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
        if repair.isOn, let count = try sendInRepair(bytes, connection) { return count }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...]).bytes
        if flags.contains(.outOfBand) {
          sent += connection.sendUrgent(rest)
        } else if let stampKinds {
          connection.stamps = stamps
          sent += connection.sendStamped(rest, stampKinds, more: flags.contains(.more), isFinal: !mayWait)
        } else {
          sent += flags.contains(.more) ? connection.sendMore(rest) : connection.send(rest)
        }
        if sent == bytes.count { break }
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

  private static func maySend(_ connection: TCPConnection) -> Bool { connection.state.canTransfer }

  public func receive(
    into buffer: UnsafeMutableRawBufferPointer, flags: TransferFlags
  ) async throws(SocketError) -> ReceiveResult {
    if flags.contains(.outOfBand) { return try receiveUrgent(into: buffer, flags) }
    if repair.isOn, let result = try receiveInRepair(into: buffer, flags) { return result }
    let deadline = storedOptions.receiveTimeout.map { loop.now + $0 }
    let mayWait = !isNonBlocking && !flags.contains(.nonBlocking)
    let wanted =
      flags.contains(.waitAll) ? buffer.count : max(1, min(storedOptions.receiveLowWater, buffer.count))
    var received = 0
    while true {
      guard !isClosed else { throw .network(.closed) }
      guard let connection else {
        if let error = takeError() { throw error }
        guard isReceiveShut else { throw .notConnected }
        break
      }
      // Nothing is read across an urgent mark.
      if received > 0 && connection.isAtUrgentMark { break }
      let available = connection.readableCount
      take(from: connection, into: buffer, flags, &received)
      if received > 0 && connection.isAtUrgentMark { break }
      // A read of no bytes waits for some (recvfrom(2) of Linux).
      if received >= wanted || (buffer.isEmpty && available > 0) { break }
      if received > 0 && !mayWait { break }
      if isReceiveShut || connection.isReceiveClosed || connection.pendingError != nil {
        // Bytes come before the error, the error before the end of the stream, unless the peer has said that first.
        if received == 0, !connection.hasReceivedEnd, let error = connection.takeError() { throw .network(error) }
        break
      }
      guard mayWait else { throw .wouldBlock }
      do throws(SocketError) { try await wait(for: [.readable, .readHangUp], until: deadline) } catch {
        if received > 0 { break }
        throw error
      }
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

  private func take(
    from connection: TCPConnection, into buffer: UnsafeMutableRawBufferPointer, _ flags: TransferFlags,
    _ received: inout Int
  ) {
    let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[received...])
    switch (flags.contains(.peek), flags.contains(.discard)) {
    case (true, true): received = connection.peekCount(buffer.count)
    case (true, false): received = connection.peek(into: buffer, skipping: max(0, Int(storedOptions.peekOffset)))
    case (false, true): received += connection.discard(rest.count)
    case (false, false): received += connection.receive(into: rest)
    }
  }

  /// The urgent byte, which is never waited for (Linux `tcp_recv_urg`).
  private func receiveUrgent(
    into buffer: UnsafeMutableRawBufferPointer, _ flags: TransferFlags
  ) throws(SocketError) -> ReceiveResult {
    guard !isListening else { throw .notConnected }
    guard let connection else { throw .invalidArgument }
    let byte = try networked { () throws(NetworkError) in
      try connection.receiveUrgent(peek: flags.contains(.peek), isReceiveShut: isReceiveShut)
    }
    guard let byte else { return ReceiveResult(count: 0, fullCount: 0, source: nil) }
    if let first = buffer.baseAddress, !flags.contains(.discard) { first.storeBytes(of: byte, as: UInt8.self) }
    var result = ReceiveResult(count: min(buffer.count, 1), fullCount: 1, source: nil, isOutOfBand: true)
    if flags.contains(.discard) { result.storedCount = 0 }
    return result
  }

  public var isAtMark: Bool? { connection?.isAtUrgentMark ?? false }

  func wait(for interest: Readiness, until deadline: Instant?) async throws(SocketError) {
    switch await waiters.wait(for: interest, on: loop, until: deadline) {
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
    return connection?.unacknowledgedCount ?? 0
  }
}

extension TCPState {
  /// The application may send bytes.
  var canTransfer: Bool { self == .established || self == .closeWait }

  /// The sending direction has not been closed.
  var mayStillSend: Bool { canTransfer || self == .synSent || self == .synReceived }
}
