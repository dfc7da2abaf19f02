import Sockets

/// A `struct flock`: which bytes, and how.
public struct FileLock: Sendable, Equatable {
  /// F_RDLCK, F_WRLCK or F_UNLCK.
  public var type: Int16
  /// SEEK_SET, SEEK_CUR or SEEK_END; a socket has neither a position nor a size, so all are the same.
  public var whence: Int16
  public var start: Int64
  /// Bytes from `start` on, before it if negative; 0: all there can be.
  public var length: Int64
  /// Who has the lock that F_GETLK tells of: -1 for an open file.
  public var process: Int32

  public init(type: Int16, whence: Int16 = 0, start: Int64 = 0, length: Int64 = 0, process: Int32 = 0) {
    self.type = type
    self.whence = whence
    self.start = start
    self.length = length
    self.process = process
  }
}

// Record locks of fcntl(2).
extension SystemCalls {
  /// fcntl(2) with F_GETLK, F_SETLK, F_SETLKW or one of their F_OFD_ kin. F_GETLK changes `lock` to the first that is
  /// in the way, or its type to F_UNLCK.
  ///
  /// - Throws: EAGAIN if a lock is in the way, EDEADLK or EINTR where the call would wait for that, EINVAL and
  ///   EOVERFLOW for bytes that there cannot be, ENOLCK if the process has as many locks as it may.
  public func fcntl(_ descriptor: Int32, _ command: Int32, _ lock: inout FileLock) async throws(Errno) {
    let asked = lock
    let arguments = "\(descriptor), \(command), {\(asked.type), \(asked.whence), \(asked.start), \(asked.length)}"
    lock = try await traced(.fcntl, arguments, { _ in 0 }) { () async throws(Errno) in
      let file = try file(descriptor)
      let request = try Self.request(command, asked)
      let isTest = command == FileControl.F_GETLK || command == FileControl.F_OFD_GETLK
      guard isTest || file.isWritable || asked.type != LockType.F_WRLCK else { throw .EBADF }
      switch command {
      case FileControl.F_GETLK, FileControl.F_OFD_GETLK:
        return describe(file.locks?.conflict(with: request), asked)
      case FileControl.F_SETLK, FileControl.F_OFD_SETLK: try locks(of: file).set(request)
      default: try await wait(for: request, on: file, descriptor)
      }
      return asked
    }
  }

  private func locks(of file: OpenFile) -> RecordLocks {
    if let locks = file.locks { return locks }
    let locks = RecordLocks(lockAllowance)
    file.locks = locks
    return locks
  }

  /// F_SETLKW and F_OFD_SETLKW, during which the file stays open.
  private func wait(
    for request: RecordLocks.Request, on file: OpenFile, _ descriptor: Int32
  ) async throws(Errno) {
    let locks = locks(of: file)
    file.calls += 1
    var failure: Errno?
    do throws(Errno) { try await locks.set(request, on: loop) } catch { failure = error }
    if failure == nil, request.owner == .process, request.kind != nil, table[descriptor] !== file {
      // The close that ends the process's locks has been already: this one must not outlive it (Linux `fcntl_setlk`).
      do throws(Errno) { try locks.set(RecordLocks.Request(.process, nil, request.bytes)) } catch {
        // No room for the two parts of what it was joined with.
        locks.dropThoseOfProcess()
      }
      failure = .EBADF
    }
    await letGo(file)
    if let failure { throw failure }
  }

  /// What is asked for, checked in Linux's order (`fcntl_getlk`, `fcntl_setlk`, `flock_to_posix_lock`).
  private static func request(_ command: Int32, _ lock: FileLock) throws(Errno) -> RecordLocks.Request {
    let isOfOpenFile = command >= FileControl.F_OFD_GETLK
    if command == FileControl.F_GETLK {
      guard lock.type == LockType.F_RDLCK || lock.type == LockType.F_WRLCK else { throw .EINVAL }
    }
    guard (0...2).contains(lock.whence), lock.start >= 0 else { throw .EINVAL }
    let bytes: ClosedRange<Int64>
    if lock.length > 0 {
      guard lock.length - 1 <= Int64.max - lock.start else { throw .EOVERFLOW }
      bytes = lock.start...(lock.start + (lock.length - 1))
    } else if lock.length < 0 {
      guard lock.start + lock.length >= 0 else { throw .EINVAL }
      bytes = (lock.start + lock.length)...(lock.start - 1)
    } else {
      bytes = lock.start...Int64.max
    }
    let kind: LockedRanges.Kind?
    switch lock.type {
    case LockType.F_RDLCK: kind = .shared
    case LockType.F_WRLCK: kind = .exclusive
    case LockType.F_UNLCK: kind = nil
    default: throw .EINVAL
    }
    guard !isOfOpenFile || lock.process == 0 else { throw .EINVAL }
    return RecordLocks.Request(isOfOpenFile ? .openFile : .process, kind, bytes)
  }

  /// What F_GETLK answers.
  private func describe(
    _ conflict: (lock: LockedRanges.Element, owner: RecordLocks.Owner)?, _ asked: FileLock
  ) -> FileLock {
    var answer = asked
    answer.type = LockType.F_UNLCK
    guard let (lock, owner) = conflict else { return answer }
    let isOpen = lock.bytes.upperBound == .max
    return FileLock(
      type: lock.kind == .shared ? LockType.F_RDLCK : LockType.F_WRLCK, start: lock.bytes.lowerBound,
      length: isOpen ? 0 : lock.bytes.upperBound - lock.bytes.lowerBound + 1,
      process: owner == .process ? processes.identifier() : -1)
  }

  /// The same as a program calls it, with a `struct flock` in its memory: type 0, whence 2, start 8, length 16, process
  /// 24.
  func lock(_ a: Arguments) async throws(Errno) {
    let address = a.word(2)
    _ = try a.memory.bytes(address, 32)
    var lock = FileLock(
      type: try a.memory.load(address, as: Int16.self), whence: try a.memory.load(address &+ 2, as: Int16.self),
      start: try a.memory.load(address &+ 8, as: Int64.self),
      length: try a.memory.load(address &+ 16, as: Int64.self),
      process: try a.memory.load(address &+ 24, as: Int32.self))
    let command = a.int(1)
    try await fcntl(a.int(0), command, &lock)
    guard command == FileControl.F_GETLK || command == FileControl.F_OFD_GETLK else { return }
    try a.memory.copy(Self.bytes(of: lock.type) + Self.bytes(of: lock.whence), to: address)
    try a.memory.store(lock.start, at: address &+ 8)
    try a.memory.store(lock.length, at: address &+ 16)
    try a.memory.store(lock.process, at: address &+ 24)
  }
}
