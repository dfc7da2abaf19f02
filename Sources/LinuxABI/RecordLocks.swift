import EventLoop

/// How many ranges a process may have locked: all sockets together. Linux sets no limit but its memory (RLIMIT_LOCKS
/// has none of its calls ask since 2.6); this is one and a half megabytes.
package final class LockAllowance {
  package private(set) var left: Int

  package init(_ count: Int) { left = count }

  fileprivate func take(_ count: Int) { left -= count }
}

/// The record locks on one socket (fcntl(2), "Advisory record locking" and "Open file description locks"; Linux
/// fs/locks.c). Two can own some: the process, and the open file. They lock a socket's bytes as they would a file's,
/// though reads and writes of sockets have no offsets.
package final class RecordLocks {
  package enum Owner: Sendable {
    /// F_SETLK: gone with the first descriptor of the file that the process closes.
    case process
    /// F_OFD_SETLK: gone with the last one.
    case openFile
  }

  package struct Request {
    package let owner: Owner
    /// Nil: unlocks, or asks for whatever the owner itself has.
    package let kind: LockedRanges.Kind?
    package let bytes: ClosedRange<Int64>

    package init(_ owner: Owner, _ kind: LockedRanges.Kind?, _ bytes: ClosedRange<Int64>) {
      self.owner = owner
      self.kind = kind
      self.bytes = bytes
    }
  }

  private var ofProcess = LockedRanges()
  private var ofOpenFile = LockedRanges()
  private var waiting: [(request: Request, waiter: Waiter)] = []
  private let allowance: LockAllowance

  package init(_ allowance: LockAllowance) { self.allowance = allowance }

  deinit { allowance.take(-(ofProcess.elements.count + ofOpenFile.elements.count)) }

  /// Requests that wait.
  package var waitingCount: Int { waiting.count }

  /// The first lock in the way of a request, and who has it.
  package func conflict(with request: Request) -> (lock: LockedRanges.Element, owner: Owner)? {
    let owner: Owner =
      switch request.owner {
      case .process: request.kind == nil ? .process : .openFile
      case .openFile: request.kind == nil ? .openFile : .process
      }
    let ranges = owner == .process ? ofProcess : ofOpenFile
    return ranges.first(overlapping: request.bytes, conflictingWith: request.kind).map { ($0, owner) }
  }

  /// Locks or unlocks, unless a lock is in the way.
  ///
  /// - Throws: EAGAIN if there is one, ENOLCK if the process has too many.
  package func set(_ request: Request) throws(Errno) {
    if request.kind != nil, conflict(with: request) != nil { throw .EAGAIN }
    let room = allowance.left
    let growth =
      request.owner == .process
      ? ofProcess.set(request.bytes, to: request.kind, room: room)
      : ofOpenFile.set(request.bytes, to: request.kind, room: room)
    guard let growth else { throw .ENOLCK }
    allowance.take(growth)
    wake()
  }

  /// Locks or unlocks once nothing is in the way any more.
  ///
  /// - Throws: EDEADLK if it would wait for who waits for its owner, EINTR if the task is cancelled, ENOLCK.
  package func set(_ request: Request, on loop: any EventLoop) async throws(Errno) {
    while request.kind != nil, conflict(with: request) != nil {
      // Linux looks for cycles from a process only: the open file cannot reasonably be said to wait
      // (`posix_locks_deadlock`).
      if request.owner == .process, waiting.contains(where: { $0.request.owner == .openFile }) { throw .EDEADLK }
      let waiter = Waiter(on: loop)
      waiting.append((request, waiter))
      defer { waiting.removeAll { $0.waiter === waiter } }
      guard await waiter.wait() == .woken else { throw .EINTR }
    }
    try set(request)
  }

  /// The process closes a descriptor of the file.
  package func dropThoseOfProcess() {
    guard !ofProcess.elements.isEmpty else { return }
    allowance.take(-ofProcess.elements.count)
    ofProcess = LockedRanges()
    wake()
  }

  /// Wakes whoever has nothing in the way any more.
  private func wake() {
    waiting.removeAll { entry in
      guard conflict(with: entry.request) == nil else { return false }
      entry.waiter.wake()
      return true
    }
  }
}
