import EventLoop
import NetStack
import Sockets

/// One entry of poll(2): `struct pollfd`.
public struct PollDescriptor: Sendable, Equatable {
  public var descriptor: Int32
  public var events: Int16
  /// Filled in by the call.
  public var returned: Int16 = 0

  public init(_ descriptor: Int32, _ events: Int16) {
    self.descriptor = descriptor
    self.events = events
  }
}

extension SystemCalls {
  /// poll(2): how many entries have events. `timeout` in milliseconds; negative waits without end, 0 not at all.
  ///
  /// - Throws: EINVAL for more entries than descriptors can be open, EINTR if the task is cancelled.
  public func poll(_ entries: inout [PollDescriptor], timeout: Int32) async throws(Errno) -> Int {
    var copy = entries
    defer { entries = copy }
    return try await traced(.poll, "{\(copy.count) entries}, \(timeout)", { $0 }) { () async throws(Errno) in
      guard copy.count <= table.limit else { throw .EINVAL }
      let deadline = timeout > 0 ? loop.now + .milliseconds(Int(timeout)) : nil
      while true {
        let ready = check(&copy)
        if ready > 0 || timeout == 0 { return ready }
        let files = copy.compactMap { entry in table[entry.descriptor].map { (file: $0, events: entry.events) } }
        for entry in files { entry.file.calls += 1 }
        // What is no socket is always ready, or not asked anything.
        let sockets = files.compactMap { entry in
          (try? entry.file.socket).map { ($0, Self.interest(entry.events)) }
        }
        let outcome = await Polling.wait(on: sockets, loop: loop, until: deadline)
        for entry in files { await letGo(entry.file) }
        switch outcome {
        case .woken: continue
        case .timedOut: return check(&copy)
        case .cancelled: throw .EINTR
        }
      }
    }
  }

  /// Fills in what every entry would return now; counts those that have something.
  private func check(_ entries: inout [PollDescriptor]) -> Int {
    var ready = 0
    for i in entries.indices {
      if entries[i].descriptor < 0 {
        entries[i].returned = 0
      } else if let file = table[entries[i].descriptor] {
        let always = PollMask.POLLERR | PollMask.POLLHUP
        entries[i].returned = Self.mask(file) & (entries[i].events | always)
      } else {
        entries[i].returned = PollMask.POLLNVAL
      }
      if entries[i].returned != 0 { ready += 1 }
    }
    return ready
  }

  private static func mask(_ file: OpenFile) -> Int16 {
    guard let socket = try? file.socket else { return mask([.readable, .writable]) }
    var mask = mask(socket.readiness)
    // Datagram sockets have no bands, and say so by being ready for all (Linux `datagram_poll`).
    if mask & PollMask.POLLOUT != 0, socket.kind.transport != .stream { mask |= PollMask.POLLWRBAND }
    if !socket.errors.isEmpty, selectsErrors(socket) { mask |= PollMask.POLLPRI }
    return mask
  }

  /// SO_SELECT_ERR_QUEUE: the error queue counts as urgent.
  private static func selectsErrors(_ socket: any Socket) -> Bool {
    KeptOption.value(OptionName.SOL_SOCKET, OptionName.SO_SELECT_ERR_QUEUE, of: socket) != 0
  }

  private static func mask(_ readiness: Readiness) -> Int16 {
    var mask: Int16 = 0
    if readiness.contains(.readable) { mask |= PollMask.POLLIN | PollMask.POLLRDNORM }
    if readiness.contains(.writable) { mask |= PollMask.POLLOUT | PollMask.POLLWRNORM }
    if readiness.contains(.priority) { mask |= PollMask.POLLPRI }
    if readiness.contains(.error) { mask |= PollMask.POLLERR }
    if readiness.contains(.hangUp) { mask |= PollMask.POLLHUP }
    if readiness.contains(.readHangUp) { mask |= PollMask.POLLRDHUP }
    return mask
  }

  private static func interest(_ events: Int16) -> Readiness {
    var interest: Readiness = []
    if events & (PollMask.POLLIN | PollMask.POLLRDNORM) != 0 { interest.insert(.readable) }
    if events & (PollMask.POLLOUT | PollMask.POLLWRNORM | PollMask.POLLWRBAND) != 0 { interest.insert(.writable) }
    if events & PollMask.POLLPRI != 0 { interest.insert(.priority) }
    if events & PollMask.POLLRDHUP != 0 { interest.insert(.readHangUp) }
    return interest
  }
}
