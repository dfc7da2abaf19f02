import Sockets

/// What dup(2) shares: what is open, and the status flags. (O_NONBLOCK of a socket lives in the socket.)
final class OpenFile {
  enum Content {
    case socket(any Socket)
    case namespace(Namespace)
  }

  let content: Content
  /// Descriptors that refer to it.
  var references = 0
  /// Calls under way that may block: the file is closed when the last of them has ended too.
  var calls = 0
  /// O_APPEND, O_ASYNC and O_NOATIME, which mean nothing to a socket but are kept; O_NONBLOCK of what is none.
  private var keptFlags = 0
  /// Who would get signals, and which.
  var owner = FileOwner()
  /// Made with the first lock.
  var locks: RecordLocks?
  /// F_SETLEASE; sockets have none.
  var lease = LockType.F_UNLCK
  /// F_SET_RW_HINT
  var writeHint: UInt64 = 0

  var isUnused: Bool { references == 0 && calls == 0 }

  init(_ content: Content) { self.content = content }

  convenience init(_ socket: any Socket) { self.init(.socket(socket)) }

  /// The socket that it is, or ENOTSOCK.
  var socket: any Socket {
    get throws(Errno) {
      guard case .socket(let socket) = content else { throw .ENOTSOCK }
      return socket
    }
  }

  /// The socket that a call asks for; what is none is refused as Linux does it: it cannot be read, and is not open for
  /// writing.
  func socket(for call: SystemCallNumber) throws(Errno) -> any Socket {
    if case .socket(let socket) = content { return socket }
    switch call {
    case .read, .readv: throw .EINVAL
    case .write, .writev: throw .EBADF
    default: throw .ENOTSOCK
    }
  }

  var namespace: Namespace? { if case .namespace(let namespace) = content { namespace } else { nil } }

  var isSocket: Bool { if case .socket = content { true } else { false } }

  /// Only sockets can be written.
  var isWritable: Bool { isSocket }

  /// What F_GETFL shows. Sockets alone can send signals (O_ASYNC).
  var statusFlags: Int {
    get {
      guard case .socket(let socket) = content else { return keptFlags }
      return FileControl.O_RDWR | keptFlags | (socket.isNonBlocking ? FileControl.O_NONBLOCK : 0)
    }
    set {
      let kept = FileControl.O_APPEND | FileControl.O_NOATIME
      if case .socket(let socket) = content {
        socket.isNonBlocking = newValue & FileControl.O_NONBLOCK != 0
        keptFlags = newValue & (kept | FileControl.O_ASYNC)
      } else {
        keptFlags = newValue & (kept | FileControl.O_NONBLOCK)
      }
    }
  }

  /// Sets or clears one of ``statusFlags``.
  func set(_ flag: Int, _ isSet: Bool) { statusFlags = isSet ? statusFlags | flag : statusFlags & ~flag }

  /// The end of an unused file.
  func close() async {
    if case .socket(let socket) = content { await socket.close() }
  }
}
