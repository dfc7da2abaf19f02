import Sockets

// fcntl(2).
extension SystemCalls {
  /// fcntl(2) with a number as argument, or none.
  ///
  /// - Throws: EINVAL for a command that Linux does not know or sockets do not take, ESRCH for an owner that cannot be.
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
      case FileControl.F_GETFL:
        return FileControl.O_RDWR | file.statusFlags | (file.socket.isNonBlocking ? FileControl.O_NONBLOCK : 0)
      case FileControl.F_SETFL:
        // Sockets know no direct I/O.
        guard argument & FileControl.O_DIRECT == 0 else { throw .EINVAL }
        file.statusFlags = argument & (FileControl.O_APPEND | FileControl.O_ASYNC | FileControl.O_NOATIME)
        file.socket.isNonBlocking = argument & FileControl.O_NONBLOCK != 0
        return 0
      default: return try rareControl(file, command, Int32(truncatingIfNeeded: argument))
      }
    }
  }

  private func rareControl(
    _ file: DescriptorTable.OpenFile, _ command: Int32, _ argument: Int32
  ) throws(Errno) -> Int {
    switch command {
    case FileControl.F_GETOWN: return Int(file.owner)
    case FileControl.F_SETOWN: try setOwner(file, argument)
    case FileControl.F_GETSIG: return Int(file.signal)
    case FileControl.F_SETSIG:
      guard (0...64).contains(argument) else { throw .EINVAL }
      file.signal = argument
    // F_UNLCK: there is none.
    case FileControl.F_GETLEASE: return 2
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

  /// F_SETOWN: a process, or with a negative number a group. No signal is ever sent. Which processes there are is not
  /// known here, only which there cannot be (PID_MAX_LIMIT).
  func setOwner(_ file: DescriptorTable.OpenFile, _ number: Int32) throws(Errno) {
    guard number != .min else { throw .EINVAL }
    guard abs(number) <= Self.lastProcess else { throw .ESRCH }
    file.owner = number
    file.ownerKind = number < 0 ? 2 : 1
  }

  private static let lastProcess: Int32 = 4_194_304

  /// fcntl(2) as a program calls it: some commands take a pointer.
  func fileControl(_ a: Arguments) throws(Errno) -> Int {
    let address = a.word(2)
    let file = try file(a.int(0))
    switch a.int(1) {
    case FileControl.F_SETOWN_EX:
      // struct f_owner_ex: F_OWNER_TID 0, F_OWNER_PID 1, F_OWNER_PGRP 2.
      let kind = try a.memory.load(address, as: Int32.self)
      let number = try a.memory.load(address &+ 4, as: Int32.self)
      guard (0...2).contains(kind) else { throw .EINVAL }
      guard (0...Self.lastProcess).contains(number) else { throw .ESRCH }
      file.owner = kind == 2 ? -number : number
      file.ownerKind = kind
    case FileControl.F_GETOWN_EX:
      try a.memory.copy(Self.bytes(of: file.ownerKind) + Self.bytes(of: abs(file.owner)), to: address)
    // Root's.
    case FileControl.F_GETOWNER_UIDS: try a.memory.store(UInt64(0), at: address)
    case FileControl.F_GET_RW_HINT: try a.memory.store(file.writeHint, at: address)
    case FileControl.F_SET_RW_HINT:
      // RWH_WRITE_LIFE_NOT_SET to RWH_WRITE_LIFE_EXTREME.
      let hint = try a.memory.load(address, as: UInt64.self)
      guard hint <= 5 else { throw .EINVAL }
      file.writeHint = hint
    case FileControl.F_GETLK, FileControl.F_SETLK, FileControl.F_SETLKW, FileControl.F_OFD_GETLK,
      FileControl.F_OFD_SETLK, FileControl.F_OFD_SETLKW:
      try lock(a.int(1), address, a.memory)
    default: return try fcntl(a.int(0), a.int(1), a.long(2))
    }
    return 0
  }

  /// A `struct flock`: type 0, whence 2, start 8, length 16, process 24. Nobody else can lock a socket's bytes, so every
  /// lock that may be asked for is free.
  private func lock(_ command: Int32, _ address: UInt, _ memory: UserMemory) throws(Errno) {
    _ = try memory.bytes(address, 32)
    let type = try memory.load(address, as: Int16.self)
    let whence = try memory.load(address &+ 2, as: Int16.self)
    let start = try memory.load(address &+ 8, as: Int64.self)
    let length = try memory.load(address &+ 16, as: Int64.self)
    let asks = command == FileControl.F_GETLK || command == FileControl.F_OFD_GETLK
    // F_RDLCK 0, F_WRLCK 1, F_UNLCK 2; sockets have neither position nor size.
    guard (0...2).contains(type), type != 2 || command != FileControl.F_GETLK else { throw .EINVAL }
    guard (0...2).contains(whence), start >= 0 else { throw .EINVAL }
    if length > 0, length - 1 > Int64.max - start { throw .EOVERFLOW }
    if length < 0, start + length < 0 { throw .EINVAL }
    if command >= FileControl.F_OFD_GETLK, try memory.load(address &+ 24, as: Int32.self) != 0 { throw .EINVAL }
    if asks { try memory.store(Int16(2), at: address) }
  }
}
