/// A Linux error number (asm-generic/errno-base.h, errno.h), thrown by the system calls of this module and returned
/// negated by the numbered entry.
public struct Errno: Error, RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// The symbolic name, `ECONNREFUSED`, or `E111` for a number without one here.
  public var name: String { Self.table[rawValue]?.name ?? "E\(rawValue)" }
  /// What strerror(3) says.
  public var message: String { Self.table[rawValue]?.message ?? "Unknown error \(rawValue)" }
  public var description: String { "\(message) (\(name))" }

  private init(_ rawValue: Int32) { self.rawValue = rawValue }

  public static let EPERM = Errno(1)
  public static let ENOENT = Errno(2)
  public static let ESRCH = Errno(3)
  public static let EINTR = Errno(4)
  public static let EIO = Errno(5)
  public static let ENXIO = Errno(6)
  public static let EBADF = Errno(9)
  public static let EAGAIN = Errno(11)
  public static let ENOMEM = Errno(12)
  public static let EACCES = Errno(13)
  public static let EFAULT = Errno(14)
  public static let EBUSY = Errno(16)
  public static let EEXIST = Errno(17)
  public static let EXDEV = Errno(18)
  public static let ENODEV = Errno(19)
  public static let ENOTDIR = Errno(20)
  public static let EINVAL = Errno(22)
  public static let EMFILE = Errno(24)
  public static let ENOTTY = Errno(25)
  public static let EFBIG = Errno(27)
  public static let ESPIPE = Errno(29)
  public static let EPIPE = Errno(32)
  public static let EDOM = Errno(33)
  public static let ERANGE = Errno(34)
  public static let EDEADLK = Errno(35)
  public static let ENOLCK = Errno(37)
  public static let ENOSYS = Errno(38)
  public static let ENOMSG = Errno(42)
  public static let ENODATA = Errno(61)
  public static let ENONET = Errno(64)
  public static let ENOPKG = Errno(65)
  public static let EPROTO = Errno(71)
  public static let EOVERFLOW = Errno(75)
  public static let ENOTSOCK = Errno(88)
  public static let EDESTADDRREQ = Errno(89)
  public static let EMSGSIZE = Errno(90)
  public static let EPROTOTYPE = Errno(91)
  public static let ENOPROTOOPT = Errno(92)
  public static let EPROTONOSUPPORT = Errno(93)
  public static let ESOCKTNOSUPPORT = Errno(94)
  public static let EOPNOTSUPP = Errno(95)
  public static let EPFNOSUPPORT = Errno(96)
  public static let EAFNOSUPPORT = Errno(97)
  public static let EADDRINUSE = Errno(98)
  public static let EADDRNOTAVAIL = Errno(99)
  public static let ENETDOWN = Errno(100)
  public static let ENETUNREACH = Errno(101)
  public static let ECONNABORTED = Errno(103)
  public static let ECONNRESET = Errno(104)
  public static let ENOBUFS = Errno(105)
  public static let EISCONN = Errno(106)
  public static let ENOTCONN = Errno(107)
  public static let ETIMEDOUT = Errno(110)
  public static let ECONNREFUSED = Errno(111)
  public static let EHOSTDOWN = Errno(112)
  public static let EHOSTUNREACH = Errno(113)
  public static let EALREADY = Errno(114)
  public static let EINPROGRESS = Errno(115)

  private static let table: [Int32: (name: String, message: String)] = [
    1: ("EPERM", "Operation not permitted"),
    2: ("ENOENT", "No such file or directory"),
    3: ("ESRCH", "No such process"),
    4: ("EINTR", "Interrupted system call"),
    5: ("EIO", "Input/output error"),
    6: ("ENXIO", "No such device or address"),
    9: ("EBADF", "Bad file descriptor"),
    11: ("EAGAIN", "Resource temporarily unavailable"),
    12: ("ENOMEM", "Cannot allocate memory"),
    13: ("EACCES", "Permission denied"),
    14: ("EFAULT", "Bad address"),
    16: ("EBUSY", "Device or resource busy"),
    17: ("EEXIST", "File exists"),
    18: ("EXDEV", "Invalid cross-device link"),
    19: ("ENODEV", "No such device"),
    20: ("ENOTDIR", "Not a directory"),
    22: ("EINVAL", "Invalid argument"),
    24: ("EMFILE", "Too many open files"),
    25: ("ENOTTY", "Inappropriate ioctl for device"),
    27: ("EFBIG", "File too large"),
    29: ("ESPIPE", "Illegal seek"),
    32: ("EPIPE", "Broken pipe"),
    33: ("EDOM", "Numerical argument out of domain"),
    34: ("ERANGE", "Numerical result out of range"),
    35: ("EDEADLK", "Resource deadlock avoided"),
    37: ("ENOLCK", "No locks available"),
    38: ("ENOSYS", "Function not implemented"),
    42: ("ENOMSG", "No message of desired type"),
    61: ("ENODATA", "No data available"),
    64: ("ENONET", "Machine is not on the network"),
    65: ("ENOPKG", "Package not installed"),
    71: ("EPROTO", "Protocol error"),
    75: ("EOVERFLOW", "Value too large for defined data type"),
    88: ("ENOTSOCK", "Socket operation on non-socket"),
    89: ("EDESTADDRREQ", "Destination address required"),
    90: ("EMSGSIZE", "Message too long"),
    91: ("EPROTOTYPE", "Protocol wrong type for socket"),
    92: ("ENOPROTOOPT", "Protocol not available"),
    93: ("EPROTONOSUPPORT", "Protocol not supported"),
    94: ("ESOCKTNOSUPPORT", "Socket type not supported"),
    95: ("EOPNOTSUPP", "Operation not supported"),
    96: ("EPFNOSUPPORT", "Protocol family not supported"),
    97: ("EAFNOSUPPORT", "Address family not supported by protocol"),
    98: ("EADDRINUSE", "Address already in use"),
    99: ("EADDRNOTAVAIL", "Cannot assign requested address"),
    100: ("ENETDOWN", "Network is down"),
    101: ("ENETUNREACH", "Network is unreachable"),
    103: ("ECONNABORTED", "Software caused connection abort"),
    104: ("ECONNRESET", "Connection reset by peer"),
    105: ("ENOBUFS", "No buffer space available"),
    106: ("EISCONN", "Transport endpoint is already connected"),
    107: ("ENOTCONN", "Transport endpoint is not connected"),
    110: ("ETIMEDOUT", "Connection timed out"),
    111: ("ECONNREFUSED", "Connection refused"),
    112: ("EHOSTDOWN", "Host is down"),
    113: ("EHOSTUNREACH", "No route to host"),
    114: ("EALREADY", "Operation already in progress"),
    115: ("EINPROGRESS", "Operation now in progress"),
  ]
}
