import EventLoop
import NetStack
import Packets

/// TCP_REPAIR of a socket, and what it keeps for the connection that it will have (Linux `tcp_sock`).
struct StreamRepair {
  var isOn = false
  /// It stays when the mode ends.
  var queue = TCPSocket.RepairQueue.none
  var start = TCPResumption()
  var window = TCPRepairWindow()
}

// Streams taken apart and put together, for checkpoints (TCP_REPAIR; Linux `do_tcp_setsockopt`, `do_tcp_getsockopt`).
extension TCPSocket {
  /// TCP_REPAIR_QUEUE
  public enum RepairQueue: Int32, Sendable { case none, receive, send }

  public var isInRepair: Bool { repair.isOn }

  /// TCP_REPAIR. Nil ends it without asking the peer for its window (TCP_REPAIR_OFF_NO_WP).
  public func setRepair(_ isOn: Bool?) throws(SocketError) {
    guard !isListening else { throw .notPermitted }
    repair.isOn = isOn == true
    if isOn == true { repair.queue = .none }
    options.reuseAddress = isOn == true
    storedOptions.forcesAddressReuse = isOn == true
    holdSending()
    if isOn == false { connection?.probeWindow() }
  }

  public var repairQueue: RepairQueue { repair.queue }

  public func setRepairQueue(_ queue: Int32) throws(SocketError) {
    guard repair.isOn else { throw .notPermitted }
    guard let queue = RepairQueue(rawValue: queue) else { throw .invalidArgument }
    repair.queue = queue
    holdSending()
  }

  func holdSending() { connection?.isSendingHeld = repair.isOn && repair.queue == .send }

  /// TCP_QUEUE_SEQ of the chosen queue.
  public func queueSequence() throws(SocketError) -> UInt32 {
    switch repair.queue {
    case .none: throw .invalidArgument
    case .send: return connection?.nextNumbers.send ?? repair.start.sendNext
    case .receive: return connection?.nextNumbers.receive ?? repair.start.receiveNext
    }
  }

  public func setQueueSequence(_ number: UInt32) throws(SocketError) {
    guard isIdle else { throw .notPermitted }
    switch repair.queue {
    case .none: throw .invalidArgument
    case .send:
      repair.start.sendNext = number
      connection?.nextNumbers.send = number
    case .receive:
      guard connection?.readableCount ?? 0 == 0 else { throw .notPermitted }
      repair.start.receiveNext = number
      connection?.nextNumbers.receive = number
    }
  }

  /// TCP_TIMESTAMP. The lowest bit would say that the clock counts microseconds, which it never does here.
  public var timestampClock: UInt32 {
    let clock = connection?.currentTimestamp ?? milliseconds &+ repair.start.timestampOffset
    return clock & ~1
  }

  public func setTimestampClock(_ value: UInt32) throws(SocketError) {
    guard repair.isOn else { throw .notPermitted }
    repair.start.timestampOffset = value &- milliseconds
    connection?.currentTimestamp = value
  }

  private var milliseconds: UInt32 { UInt32(truncatingIfNeeded: loop.now.nanoseconds / 1_000_000) }

  /// TCP_REPAIR_WINDOW
  public func repairWindow() throws(SocketError) -> TCPRepairWindow {
    guard repair.isOn else { throw .notPermitted }
    return connection?.repairWindow ?? repair.window
  }

  /// Linux `tcp_repair_set_window`
  public func setRepairWindow(_ window: TCPRepairWindow) throws(SocketError) {
    guard repair.isOn else { throw .notPermitted }
    let next = SequenceNumber(connection?.nextNumbers.receive ?? repair.start.receiveNext)
    guard window.largestSend >= window.send, SequenceNumber(window.updateSequence) <= next + Int(window.receive),
      SequenceNumber(window.receiveStart) <= next
    else { throw .invalidArgument }
    repair.window = window
    connection?.repairWindow = window
  }

  /// TCP_REPAIR_OPTIONS: the connection that takes what a handshake would have said, which has sent nothing yet.
  public func connectionToRepair() throws(SocketError) -> TCPConnection {
    guard repair.isOn else { throw .invalidArgument }
    guard let connection, connection.state == .established, !connection.hasSentBytes else { throw .notPermitted }
    return connection
  }

  /// TCP_MAXSEG while in repair: what the peer takes.
  var repairSegment: Int { connection?.peerMaximumSegment ?? 0 }

  // MARK: Transfer

  /// A send in repair mode that the stream itself does not take; nil: it goes on as any other (Linux
  /// `tcp_sendmsg_locked`, `tcp_send_rcvq`).
  func sendInRepair(_ memory: TransferMemory, _ connection: TCPConnection) throws(SocketError) -> Int? {
    switch repair.queue {
    case .send: return nil
    case .none: throw .invalidArgument
    case .receive:
      guard memory.count > 0 else { return 0 }
      let count = Self.bufferCount(memory.count)
      guard memory.presentCount >= count else { throw .badMemory }
      guard memory.withBytes(count, { connection.appendReceived($0.bytes) }) else { throw .noMemory }
      return count
    }
  }

  /// What fits one buffer of Linux: 17 whole pages and what a page would not hold.
  private static func bufferCount(_ count: Int) -> Int { min(count / 4096, 17) * 4096 + count % 4096 }

  /// A read in repair mode; nil: it goes on as any other (Linux `tcp_recvmsg_locked`).
  func receiveInRepair(
    into memory: TransferMemory, _ flags: TransferFlags
  ) throws(SocketError) -> ReceiveResult? {
    guard !isListening else { throw .notConnected }
    guard flags.contains(.peek) else { throw .notPermitted }
    switch repair.queue {
    case .receive: return nil
    case .none: throw .invalidArgument
    case .send:
      let count = connection?.unacknowledgedQueue ?? 0
      let shown = min(count, memory.count)
      guard memory.presentCount >= shown else { throw .badMemory }
      memory.withRoom(shown) { ((), connection?.peekUnacknowledged(into: $0) ?? 0) }
      var result = ReceiveResult(count: count, fullCount: count, source: nil)
      result.storedCount = shown
      return result
    }
  }
}
