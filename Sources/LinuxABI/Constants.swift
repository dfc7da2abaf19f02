/// Numbers of the Linux socket interface on x86-64, under their names in the C headers.
public enum SocketDomain {
  public static let AF_UNSPEC: Int32 = 0
  public static let AF_UNIX: Int32 = 1
  public static let AF_INET: Int32 = 2
  public static let AF_INET6: Int32 = 10
  /// Families are numbered below this (linux/socket.h, AF_MAX).
  static let limit: Int32 = 46
}

/// Socket types and the flags that socket(2) and accept4(2) take with them.
public enum SocketType {
  public static let SOCK_STREAM: Int32 = 1
  public static let SOCK_DGRAM: Int32 = 2
  public static let SOCK_RAW: Int32 = 3
  public static let SOCK_NONBLOCK: Int32 = 0o4000
  public static let SOCK_CLOEXEC: Int32 = 0o2000000
  static let typeMask: Int32 = 0xF
  /// Types are numbered below this (SOCK_MAX).
  static let limit: Int32 = 11
}

public enum Protocol {
  public static let IPPROTO_IP: Int32 = 0
  public static let IPPROTO_ICMP: Int32 = 1
  public static let IPPROTO_TCP: Int32 = 6
  public static let IPPROTO_UDP: Int32 = 17
  public static let IPPROTO_RAW: Int32 = 255
  /// Protocols are numbered below this (IPPROTO_MAX).
  static let limit: Int32 = 263
}

public enum MessageFlags {
  public static let MSG_OOB: Int32 = 0x1
  public static let MSG_PEEK: Int32 = 0x2
  public static let MSG_DONTROUTE: Int32 = 0x4
  public static let MSG_CTRUNC: Int32 = 0x8
  public static let MSG_PROBE: Int32 = 0x10
  public static let MSG_TRUNC: Int32 = 0x20
  public static let MSG_DONTWAIT: Int32 = 0x40
  public static let MSG_WAITALL: Int32 = 0x100
  public static let MSG_ERRQUEUE: Int32 = 0x2000
  public static let MSG_NOSIGNAL: Int32 = 0x4000
  public static let MSG_MORE: Int32 = 0x8000
  public static let MSG_ZEROCOPY: Int32 = 0x400_0000
  public static let MSG_FASTOPEN: Int32 = 0x2000_0000
  public static let MSG_CMSG_CLOEXEC: Int32 = 0x4000_0000
  /// The caller is a 32-bit program, which only the kernel itself may say.
  public static let MSG_CMSG_COMPAT = Int32(bitPattern: 0x8000_0000)
}

public enum ShutdownHow {
  public static let SHUT_RD: Int32 = 0
  public static let SHUT_WR: Int32 = 1
  public static let SHUT_RDWR: Int32 = 2
}

public enum FileControl {
  public static let F_DUPFD: Int32 = 0
  public static let F_GETFD: Int32 = 1
  public static let F_SETFD: Int32 = 2
  public static let F_GETFL: Int32 = 3
  public static let F_SETFL: Int32 = 4
  public static let F_GETLK: Int32 = 5
  public static let F_SETLK: Int32 = 6
  public static let F_SETLKW: Int32 = 7
  public static let F_SETOWN: Int32 = 8
  public static let F_GETOWN: Int32 = 9
  public static let F_SETSIG: Int32 = 10
  public static let F_GETSIG: Int32 = 11
  public static let F_SETOWN_EX: Int32 = 15
  public static let F_GETOWN_EX: Int32 = 16
  public static let F_GETOWNER_UIDS: Int32 = 17
  public static let F_OFD_GETLK: Int32 = 36
  public static let F_OFD_SETLK: Int32 = 37
  public static let F_OFD_SETLKW: Int32 = 38
  public static let F_SETLEASE: Int32 = 1024
  public static let F_GETLEASE: Int32 = 1025
  public static let F_NOTIFY: Int32 = 1026
  public static let F_DUPFD_QUERY: Int32 = 1027
  public static let F_CREATED_QUERY: Int32 = 1028
  public static let F_DUPFD_CLOEXEC: Int32 = 1030
  public static let F_SETPIPE_SZ: Int32 = 1031
  public static let F_GETPIPE_SZ: Int32 = 1032
  public static let F_ADD_SEALS: Int32 = 1033
  public static let F_GET_RW_HINT: Int32 = 1035
  public static let F_SET_RW_HINT: Int32 = 1036
  public static let FD_CLOEXEC: Int = 1
  public static let O_RDWR: Int = 0o2
  public static let O_APPEND: Int = 0o2000
  public static let O_NONBLOCK: Int = 0o4000
  public static let O_ASYNC: Int = 0o20000
  public static let O_DIRECT: Int = 0o40000
  public static let O_NOATIME: Int = 0o1000000
}

/// `l_type` of a record lock (fcntl(2)).
public enum LockType {
  public static let F_RDLCK: Int16 = 0
  public static let F_WRLCK: Int16 = 1
  public static let F_UNLCK: Int16 = 2
}

public enum PollMask {
  public static let POLLIN: Int16 = 0x1
  public static let POLLPRI: Int16 = 0x2
  public static let POLLOUT: Int16 = 0x4
  public static let POLLERR: Int16 = 0x8
  public static let POLLHUP: Int16 = 0x10
  public static let POLLNVAL: Int16 = 0x20
  public static let POLLRDNORM: Int16 = 0x40
  public static let POLLWRNORM: Int16 = 0x100
  public static let POLLWRBAND: Int16 = 0x200
  public static let POLLRDHUP: Int16 = 0x2000
}

/// Requests of ioctl(2) on sockets (asm-generic/ioctls.h, linux/sockios.h).
public enum ControlRequest {
  public static let FIONREAD: UInt = 0x541B
  public static let FIONBIO: UInt = 0x5421
  public static let FIOASYNC: UInt = 0x5452
  public static let FIOSETOWN: UInt = 0x8901
  public static let SIOCOUTQ: UInt = 0x5411
  public static let FIONCLEX: UInt = 0x5450
  public static let FIOCLEX: UInt = 0x5451
  public static let SIOCGSTAMP_NEW: UInt = 0x8010_8906
  public static let SIOCGSTAMPNS_NEW: UInt = 0x8010_8907
  public static let SIOCSPGRP: UInt = 0x8902
  public static let FIOGETOWN: UInt = 0x8903
  public static let SIOCGPGRP: UInt = 0x8904
  public static let SIOCATMARK: UInt = 0x8905
  public static let SIOCGSTAMP: UInt = 0x8906
  public static let SIOCGSTAMPNS: UInt = 0x8907
  public static let SIOCGSKNS: UInt = 0x894C
  public static let SIOCADDRT: UInt = 0x890B
  public static let SIOCDELRT: UInt = 0x890C
  public static let SIOCRTMSG: UInt = 0x890D
  public static let SIOCGIFNAME: UInt = 0x8910
  public static let SIOCGIFCONF: UInt = 0x8912
  public static let SIOCGIFFLAGS: UInt = 0x8913
  public static let SIOCSIFFLAGS: UInt = 0x8914
  public static let SIOCGIFADDR: UInt = 0x8915
  public static let SIOCSIFADDR: UInt = 0x8916
  public static let SIOCGIFDSTADDR: UInt = 0x8917
  public static let SIOCSIFDSTADDR: UInt = 0x8918
  public static let SIOCGIFBRDADDR: UInt = 0x8919
  public static let SIOCSIFBRDADDR: UInt = 0x891A
  public static let SIOCGIFNETMASK: UInt = 0x891B
  public static let SIOCSIFNETMASK: UInt = 0x891C
  public static let SIOCGIFMETRIC: UInt = 0x891D
  public static let SIOCSIFMETRIC: UInt = 0x891E
  public static let SIOCGIFMTU: UInt = 0x8921
  public static let SIOCSIFMTU: UInt = 0x8922
  public static let SIOCSIFNAME: UInt = 0x8923
  public static let SIOCSIFHWADDR: UInt = 0x8924
  public static let SIOCGIFHWADDR: UInt = 0x8927
  public static let SIOCGIFSLAVE: UInt = 0x8929
  public static let SIOCSIFSLAVE: UInt = 0x8930
  public static let SIOCADDMULTI: UInt = 0x8931
  public static let SIOCDELMULTI: UInt = 0x8932
  public static let SIOCGIFINDEX: UInt = 0x8933
  public static let SIOCSIFPFLAGS: UInt = 0x8934
  public static let SIOCGIFPFLAGS: UInt = 0x8935
  public static let SIOCSIFHWBROADCAST: UInt = 0x8937
  public static let SIOCGIFTXQLEN: UInt = 0x8942
  public static let SIOCSIFTXQLEN: UInt = 0x8943
  public static let SIOCETHTOOL: UInt = 0x8946
  public static let SIOCWANDEV: UInt = 0x894A
  public static let SIOCOUTQNSD: UInt = 0x894B
  public static let SIOCDARP: UInt = 0x8953
  public static let SIOCGARP: UInt = 0x8954
  public static let SIOCSARP: UInt = 0x8955
  public static let SIOCGIFMAP: UInt = 0x8970
  public static let SIOCSIFMAP: UInt = 0x8971
  public static let SIOCSHWTSTAMP: UInt = 0x89B0
  public static let SIOCGHWTSTAMP: UInt = 0x89B1
  public static let SIOCGETVIFCNT: UInt = 0x89E0
  public static let SIOCGETSGCNT: UInt = 0x89E1
  public static let SIOCDEVPRIVATE: UInt = 0x89F0
}
