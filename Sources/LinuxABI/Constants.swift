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
  public static let MSG_CTRUNC: Int32 = 0x8
  public static let MSG_TRUNC: Int32 = 0x20
  public static let MSG_DONTWAIT: Int32 = 0x40
  public static let MSG_WAITALL: Int32 = 0x100
  public static let MSG_ERRQUEUE: Int32 = 0x2000
  public static let MSG_NOSIGNAL: Int32 = 0x4000
  public static let MSG_MORE: Int32 = 0x8000
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
  public static let F_DUPFD_CLOEXEC: Int32 = 1030
  public static let FD_CLOEXEC: Int = 1
  public static let O_RDWR: Int = 0o2
  public static let O_APPEND: Int = 0o2000
  public static let O_NONBLOCK: Int = 0o4000
  public static let O_ASYNC: Int = 0o20000
  public static let O_DIRECT: Int = 0o40000
  public static let O_NOATIME: Int = 0o1000000
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
  public static let POLLRDHUP: Int16 = 0x2000
}

/// Option levels and names of setsockopt(2) and getsockopt(2).
public enum OptionName {
  public static let SOL_SOCKET: Int32 = 1
  public static let SO_DEBUG: Int32 = 1
  public static let SO_REUSEADDR: Int32 = 2
  public static let SO_TYPE: Int32 = 3
  public static let SO_ERROR: Int32 = 4
  public static let SO_DONTROUTE: Int32 = 5
  public static let SO_BROADCAST: Int32 = 6
  public static let SO_SNDBUF: Int32 = 7
  public static let SO_RCVBUF: Int32 = 8
  public static let SO_KEEPALIVE: Int32 = 9
  public static let SO_OOBINLINE: Int32 = 10
  public static let SO_NO_CHECK: Int32 = 11
  public static let SO_PRIORITY: Int32 = 12
  public static let SO_LINGER: Int32 = 13
  public static let SO_BSDCOMPAT: Int32 = 14
  public static let SO_REUSEPORT: Int32 = 15
  public static let SO_PASSCRED: Int32 = 16
  public static let SO_PEERCRED: Int32 = 17
  public static let SO_RCVLOWAT: Int32 = 18
  public static let SO_SNDLOWAT: Int32 = 19
  public static let SO_RCVTIMEO: Int32 = 20
  public static let SO_SNDTIMEO: Int32 = 21
  public static let SO_BINDTODEVICE: Int32 = 25
  public static let SO_PEERNAME: Int32 = 28
  public static let SO_TIMESTAMP: Int32 = 29
  public static let SO_ACCEPTCONN: Int32 = 30
  public static let SO_SNDBUFFORCE: Int32 = 32
  public static let SO_RCVBUFFORCE: Int32 = 33
  public static let SO_PASSSEC: Int32 = 34
  public static let SO_TIMESTAMPNS: Int32 = 35
  public static let SO_MARK: Int32 = 36
  public static let SO_PROTOCOL: Int32 = 38
  public static let SO_DOMAIN: Int32 = 39
  public static let SO_RXQ_OVFL: Int32 = 40
  public static let SO_WIFI_STATUS: Int32 = 41
  public static let SO_NOFCS: Int32 = 43
  public static let SO_LOCK_FILTER: Int32 = 44
  public static let SO_SELECT_ERR_QUEUE: Int32 = 45
  public static let SO_BUSY_POLL: Int32 = 46
  public static let SO_MAX_PACING_RATE: Int32 = 47
  public static let SO_INCOMING_CPU: Int32 = 49
  public static let SO_COOKIE: Int32 = 57
  public static let SO_BINDTOIFINDEX: Int32 = 62
  public static let SO_TIMESTAMP_NEW: Int32 = 63
  public static let SO_TIMESTAMPNS_NEW: Int32 = 64
  public static let SO_RCVTIMEO_NEW: Int32 = 66
  public static let SO_SNDTIMEO_NEW: Int32 = 67
  public static let SO_PREFER_BUSY_POLL: Int32 = 69
  public static let SO_RCVMARK: Int32 = 75
  public static let SO_PASSPIDFD: Int32 = 76
  public static let SO_RCVPRIORITY: Int32 = 82
  public static let SO_PASSRIGHTS: Int32 = 83

  public static let IP_TOS: Int32 = 1
  public static let IP_TTL: Int32 = 2
  public static let IP_HDRINCL: Int32 = 3
  public static let IP_RECVOPTS: Int32 = 6
  public static let IP_RETOPTS: Int32 = 7
  public static let IP_PKTINFO: Int32 = 8
  public static let IP_MTU_DISCOVER: Int32 = 10
  public static let IP_RECVERR: Int32 = 11
  public static let IP_RECVTTL: Int32 = 12
  public static let IP_RECVTOS: Int32 = 13
  public static let IP_MTU: Int32 = 14
  public static let IP_PASSSEC: Int32 = 18
  public static let IP_RECVORIGDSTADDR: Int32 = 20
  public static let IP_NODEFRAG: Int32 = 22
  public static let IP_CHECKSUM: Int32 = 23
  public static let IP_RECVFRAGSIZE: Int32 = 25
  public static let IP_RECVERR_RFC4884: Int32 = 26
  public static let IP_MULTICAST_IF: Int32 = 32
  public static let IP_MULTICAST_TTL: Int32 = 33
  public static let IP_MULTICAST_LOOP: Int32 = 34
  public static let IP_ADD_MEMBERSHIP: Int32 = 35
  public static let IP_DROP_MEMBERSHIP: Int32 = 36
  public static let IP_MULTICAST_ALL: Int32 = 49
  public static let IP_PROTOCOL: Int32 = 52

  public static let SOL_RAW: Int32 = 255
  public static let ICMP_FILTER: Int32 = 1

  public static let UDP_CORK: Int32 = 1

  public static let TCP_NODELAY: Int32 = 1
  public static let TCP_MAXSEG: Int32 = 2
  public static let TCP_CORK: Int32 = 3
  public static let TCP_KEEPIDLE: Int32 = 4
  public static let TCP_KEEPINTVL: Int32 = 5
  public static let TCP_KEEPCNT: Int32 = 6
  public static let TCP_SYNCNT: Int32 = 7
  public static let TCP_LINGER2: Int32 = 8
  public static let TCP_DEFER_ACCEPT: Int32 = 9
  public static let TCP_WINDOW_CLAMP: Int32 = 10
  public static let TCP_INFO: Int32 = 11
  public static let TCP_QUICKACK: Int32 = 12
  public static let TCP_CONGESTION: Int32 = 13
  public static let TCP_THIN_LINEAR_TIMEOUTS: Int32 = 16
  public static let TCP_THIN_DUPACK: Int32 = 17
  public static let TCP_USER_TIMEOUT: Int32 = 18
  public static let TCP_FASTOPEN: Int32 = 23
  public static let TCP_NOTSENT_LOWAT: Int32 = 25
  public static let TCP_SAVE_SYN: Int32 = 27
  public static let TCP_FASTOPEN_CONNECT: Int32 = 30
}

/// Requests of ioctl(2) on sockets (asm-generic/ioctls.h, linux/sockios.h).
public enum ControlRequest {
  public static let FIONREAD: UInt = 0x541B
  public static let FIONBIO: UInt = 0x5421
  public static let SIOCOUTQ: UInt = 0x5411
  public static let FIONCLEX: UInt = 0x5450
  public static let FIOCLEX: UInt = 0x5451
  public static let SIOCATMARK: UInt = 0x8905
  public static let SIOCGIFNAME: UInt = 0x8910
  public static let SIOCGIFCONF: UInt = 0x8912
  public static let SIOCGIFFLAGS: UInt = 0x8913
  public static let SIOCGIFADDR: UInt = 0x8915
  public static let SIOCGIFBRDADDR: UInt = 0x8919
  public static let SIOCGIFNETMASK: UInt = 0x891B
  public static let SIOCGIFMTU: UInt = 0x8921
  public static let SIOCGIFHWADDR: UInt = 0x8927
  public static let SIOCGIFINDEX: UInt = 0x8933
}
