import Sockets

// fcntl(2).
extension SystemCalls {
  /// fcntl(2) with a number as argument, or none.
  ///
  /// - Throws: EINVAL for a command that Linux does not know or sockets do not take, ESRCH for an owner that
  ///   does not exist.
  public func fcntl(_ descriptor: Int32, _ command: Int32, _ argument: Int = 0) throws(Errno) -> Int {
    try traced(.fcntl, "\(descriptor), \(command), \(argument)", { $0 }) { () throws(Errno) in
      let file = try file(descriptor)
      switch command {
      case FileControl.F_DUPFD, FileControl.F_DUPFD_CLOEXEC:
        guard argument >= 0, argument < table.limit else { throw .EINVAL }
        return Int(
          try table.insert(file, closesOnExec: command == FileControl.F_DUPFD_CLOEXEC, minimum: argument))
      case FileControl.F_GETFD: return table.closesOnExec(descriptor) ? FileControl.FD_CLOEXEC : 0
      case FileControl.F_SETFD:
        table.setClosesOnExec(descriptor, argument & FileControl.FD_CLOEXEC != 0)
        return 0
      case FileControl.F_GETFL: return file.statusFlags
      case FileControl.F_SETFL:
        // There is no direct I/O.
        guard argument & FileControl.O_DIRECT == 0 else { throw .EINVAL }
        file.statusFlags = argument
        return 0
      default: return try rareControl(file, command, Int32(truncatingIfNeeded: argument))
      }
    }
  }

  private func rareControl(
    _ file: OpenFile, _ command: Int32, _ argument: Int32
  ) throws(Errno) -> Int {
    switch command {
    case FileControl.F_GETOWN: return Int(file.owner.signed(in: processes))
    case FileControl.F_SETOWN: try file.owner.set(argument, in: processes)
    case FileControl.F_GETSIG: return Int(file.owner.signal)
    case FileControl.F_SETSIG:
      guard (0...64).contains(argument) else { throw .EINVAL }
      file.owner.signal = argument
    case FileControl.F_GETLEASE: return Int(file.lease)
    case FileControl.F_SETLEASE: try setLease(argument, on: file)
    case FileControl.F_ADD_SEALS: throw file.isWritable ? .EINVAL : .EPERM
    // Beside DN_MULTISHOT nothing asks for anything; directories only notify.
    case FileControl.F_NOTIFY: guard argument & Int32.max == 0 else { throw .ENOTDIR }
    case FileControl.F_DUPFD_QUERY:
      guard let other = table[argument] else { throw .EBADF }
      return other === file ? 1 : 0
    case FileControl.F_CREATED_QUERY: break
    case FileControl.F_GETPIPE_SZ, FileControl.F_SETPIPE_SZ: throw .EBADF
    default: throw .EINVAL
    }
    return 0
  }

  /// F_SETLEASE: for regular files only, which namespaces are (Linux `generic_setlease`).
  private func setLease(_ type: Int32, on file: OpenFile) throws(Errno) {
    guard case .namespace(let namespace) = file.content else { throw .EINVAL }
    switch type {
    case Int32(LockType.F_RDLCK): break
    case Int32(LockType.F_WRLCK):
      // Nobody else may have it open.
      guard !table.contains(where: { $0 !== file && $0.namespace == namespace }) else { throw .EAGAIN }
    case Int32(LockType.F_UNLCK):
      guard file.lease != LockType.F_UNLCK else { throw .EAGAIN }
    default: throw .EINVAL
    }
    file.lease = Int16(truncatingIfNeeded: type)
  }

  /// fcntl(2) as a program calls it: some commands take a pointer.
  func fileControl(_ a: Arguments) async throws(Errno) -> Int {
    let address = a.word(2)
    let file = try file(a.int(0))
    switch a.int(1) {
    case FileControl.F_SETOWN_EX:
      // struct f_owner_ex: type 0, pid 4.
      let kind = try a.memory.load(address, as: Int32.self)
      let number = try a.memory.load(address &+ 4, as: Int32.self)
      guard let kind = ProcessView.Kind(rawValue: kind) else { throw .EINVAL }
      try file.owner.set(kind, number, in: processes)
    case FileControl.F_GETOWN_EX:
      let owner = file.owner
      try a.memory.copy(
        Self.bytes(of: owner.kind.rawValue) + Self.bytes(of: owner.present(in: processes)), to: address)
    case FileControl.F_GETOWNER_UIDS:
      try a.memory.copy(
        Self.bytes(of: file.owner.users.real) + Self.bytes(of: file.owner.users.effective), to: address)
    case FileControl.F_GET_RW_HINT: try a.memory.store(file.writeHint, at: address)
    case FileControl.F_SET_RW_HINT:
      // RWH_WRITE_LIFE_NOT_SET to RWH_WRITE_LIFE_EXTREME.
      let hint = try a.memory.load(address, as: UInt64.self)
      guard hint <= 5 else { throw .EINVAL }
      file.writeHint = hint
    case FileControl.F_GETLK, FileControl.F_SETLK, FileControl.F_SETLKW, FileControl.F_OFD_GETLK,
      FileControl.F_OFD_SETLK, FileControl.F_OFD_SETLKW:
      try await lock(a)
    default: return try fcntl(a.int(0), a.int(1), a.long(2))
    }
    return 0
  }
}
