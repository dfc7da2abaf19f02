import EventLoop

// Connections of which only the TIME-WAIT entry is left (RFC 9293 3.10.7.8).
extension TCPLayer {
  /// The connection's place is taken by a TIME-WAIT entry.
  func enterTimeWait(_ connection: TCPConnection, at now: Instant) {
    let use = connection.portUse
    remove(connection)
    guard timeWaits.count < configuration.maximumTimeWaits else {
      counted.timeWaitOverflows &+= 1
      return
    }
    counted.timeWaits &+= 1
    timeWaits.insert(connection.timeWait(until: now + configuration.timeWait, use))
    ports.add(use, connection.key.localPort)
    armTimeWaitTimer()
  }

  func forgetTimeWait(_ key: ConnectionKey) {
    if let entry = timeWaits[key] { ports.remove(entry.portUse, key.localPort) }
    timeWaits.remove(key)
    if timeWaits.isEmpty { timeWaitTimer.cancel() }
  }

  private func armTimeWaitTimer() {
    guard !timeWaits.isEmpty, let deadline = timeWaits.nextDeadline else { return timeWaitTimer.cancel() }
    if !timeWaitTimer.isArmed || timeWaitTimer.deadline > deadline { timeWaitTimer.arm(at: deadline) }
  }

  func timeWaitTimerFired() {
    for entry in timeWaits.expire(at: loop.now) { ports.remove(entry.portUse, entry.key.localPort) }
    armTimeWaitTimer()
  }
}
