import EventLoop
import NetStack

// shutdown(2) and close(2) as in Linux.
extension TCPSocket {
  public func shutdown(_ directions: ShutdownDirections) throws(SocketError) {
    switch role {
    case .unconnected:
      noteShut(directions)
      throw .notConnected
    case .listener(let listener):
      guard directions.contains(.receive) else { return }
      stopListening(listener)
      waiters.wake(.hangUp)
    case .connection(let connection):
      guard !Self.isOver(connection) else {
        isDisconnecting = isDisconnecting || isConnectPending
        isConnectPending = false
        noteShut(directions)
        throw .notConnected
      }
      if connection.state == .synSent {
        // Nothing to shut down yet: the attempt ends (Linux `inet_shutdown`, `tcp_disconnect`).
        leftError = .connectionReset
        connection.abort()
        leave(connection)
        waiters.wake(.hangUp)
        return
      }
      // It stands, as one will be told who asks again.
      isConnectPending = false
      if directions.contains(.receive) {
        isReceiveShut = true
        connection.refusesData = true
      }
      if directions.contains(.send) { connection.shutdownSend() }
      waiters.wake([.readable, .writable, .readHangUp])
    }
  }

  /// Without a connection it is an error, and done all the same, as in Linux, for the sake of those who wait.
  private func noteShut(_ directions: ShutdownDirections) {
    if directions.contains(.receive) { isReceiveShut = true }
    if directions.contains(.send) { isSendShut = true }
    waiters.wake([.readable, .readHangUp, .hangUp])
  }

  public func close() async {
    guard !isClosed else { return }
    isClosed = true
    defer { waiters.wake(.hangUp) }
    binding?.letGo()
    binding = nil
    handedOver?.letGo()
    switch role {
    case .unconnected: break
    case .listener(let listener): listener.close()
    case .connection(let connection):
      if repair.isOn { return connection.vanish() }
      guard storedOptions.linger != .zero else { return connection.abort() }
      // Unread bytes make it a reset, for which nobody waits.
      if let span = storedOptions.linger, connection.readableCount == 0 { await linger(connection, for: span) }
      connection.close()
    }
  }

  /// SO_LINGER, for sockets that do not block too: waits until everything is acknowledged, or the time is over.
  private func linger(_ connection: TCPConnection, for span: TimeSpan) async {
    connection.shutdownSend()
    let deadline = loop.now + span
    while connection.state == .finWait1 || connection.state == .closing || connection.state == .lastAck {
      guard await waiters.wait(for: [.writable, .readHangUp], on: loop, until: deadline) == .woken else { return }
    }
  }
}
