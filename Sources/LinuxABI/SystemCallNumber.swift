/// System call numbers of x86-64 Linux (arch/x86/entry/syscalls/syscall_64.tbl) that this layer answers.
public enum SystemCallNumber: Int, Sendable, CaseIterable {
  case read = 0
  case write = 1
  case close = 3
  case poll = 7
  case ioctl = 16
  case readv = 19
  case writev = 20
  case dup = 32
  case dup2 = 33
  case socket = 41
  case connect = 42
  case accept = 43
  case sendto = 44
  case recvfrom = 45
  case sendmsg = 46
  case recvmsg = 47
  case shutdown = 48
  case bind = 49
  case listen = 50
  case getsockname = 51
  case getpeername = 52
  case setsockopt = 54
  case getsockopt = 55
  case fcntl = 72
  case accept4 = 288
  case dup3 = 292

  public var name: String { String(describing: self) }
}
