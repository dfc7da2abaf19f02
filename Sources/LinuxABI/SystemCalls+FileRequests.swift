/// Requests of ioctl(2) that any file answers (linux/fs.h, linux/falloc.h, asm-generic/ioctls.h).
enum FileRequest {
  static let FIBMAP: UInt = 0x1
  static let FIGETBSZ: UInt = 0x2
  static let FIOQSIZE: UInt = 0x5460
  static let FIFREEZE: UInt = 0xC004_5877
  static let FITHAW: UInt = 0xC004_5878
  static let FS_IOC_FIEMAP: UInt = 0xC020_660B
  static let FICLONE: UInt = 0x4004_9409
  static let FICLONERANGE: UInt = 0x4020_940D
  static let FIDEDUPERANGE: UInt = 0xC018_9436
  static let FS_IOC_SETFLAGS: UInt = 0x4008_6602
  static let FS_IOC_FSSETXATTR: UInt = 0x401C_5820
}

// Linux asks these of the file system before it asks the file (`do_vfs_ioctl`). That of sockets and that of namespaces
// can do nothing of it, and say so each in its way.
extension SystemCalls {
  /// True if `request` is answered; false if it is for the file itself.
  func answersFileRequest(_ request: UInt, on file: OpenFile, _ a: Arguments) throws(Errno) -> Bool {
    let address = a.word(2)
    switch request {
    case FileRequest.FIGETBSZ: try a.memory.store(Int32(4096), at: address)
    case FileRequest.FIFREEZE, FileRequest.FS_IOC_FIEMAP: throw .EOPNOTSUPP
    // It is not frozen.
    case FileRequest.FITHAW: throw .EINVAL
    case FileRequest.FICLONE: try clone(a.int(2), into: file)
    case FileRequest.FICLONERANGE:
      // struct file_clone_range: src_fd 0, src_offset 8, src_length 16, dest_offset 24.
      _ = try a.memory.bytes(address, 32)
      try clone(Int32(truncatingIfNeeded: try a.memory.load(address, as: Int64.self)), into: file)
    case FileRequest.FIDEDUPERANGE: try deduplicate(address, on: file, a.memory)
    case FileRequest.FS_IOC_SETFLAGS:
      _ = try a.memory.load(address, as: UInt32.self)
      throw .ENOTTY
    case FileRequest.FS_IOC_FSSETXATTR:
      // struct fsxattr: fsx_xflags 0, of which Linux knows FS_XFLAG_REALTIME to FS_XFLAG_COWEXTSIZE and _HASATTR.
      _ = try a.memory.bytes(address, 28)
      guard try a.memory.load(address, as: UInt32.self) & ~0x8001_FFFB == 0 else { throw .EOPNOTSUPP }
      throw .ENOTTY
    default: return false
    }
    return true
  }

  /// Nothing that is open here can share the bytes of another file.
  private func clone(_ descriptor: Int32, into file: OpenFile) throws(Errno) {
    let source = try self.file(descriptor)
    guard source.isSocket == file.isSocket else { throw .EXDEV }
    // Sockets are no regular files; namespaces are, but cannot be written.
    throw file.isSocket ? .EINVAL : .EBADF
  }

  /// A `struct file_dedupe_range`: dest_count 16, reserved 18 and 20, of 24 octets, then 32 for each destination.
  private func deduplicate(_ address: UInt, on file: OpenFile, _ memory: UserMemory) throws(Errno) {
    let count = Int(try memory.load(address &+ 16, as: UInt16.self))
    guard 24 + 32 * count <= 4096 else { throw .ENOMEM }
    _ = try memory.bytes(address, 24 + 32 * count)
    let reserved = (
      try memory.load(address &+ 18, as: UInt16.self), try memory.load(address &+ 20, as: UInt32.self)
    )
    guard reserved == (0, 0), !file.isSocket else { throw .EINVAL }
    throw .EOPNOTSUPP
  }
}
