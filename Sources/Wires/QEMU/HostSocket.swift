import CLinux
import Glibc
import Packets

/// A non-blocking, close-on-exec socket of the operating system that is closed with its last reference.
final class HostSocket {
  let descriptor: Int32
  /// The path that ``bind(to:)`` made, to be removed at the end.
  private var path: String?

  /// What a system call said: its result, or errno.
  enum Outcome: Equatable {
    case done(Int)
    /// EAGAIN and its like: later.
    case later
    case failed(Int32)
  }

  init(descriptor: Int32) { self.descriptor = descriptor }

  deinit {
    if let path { unlink(path) }
    Glibc.close(descriptor)
  }

  /// - Returns: nil with errno set if there are no descriptors left.
  static func make(for place: WireAddress.Place, isStream: Bool) -> HostSocket? {
    let type = isStream ? SOCK_STREAM : SOCK_DGRAM
    let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(place.isUnix ? AF_UNIX : AF_INET, Int32(type.rawValue) | flags, 0)
    guard descriptor >= 0 else { return nil }
    return HostSocket(descriptor: descriptor)
  }

  private static func outcome(_ result: Int) -> Outcome {
    if result >= 0 { return .done(result) }
    switch errno {
    case EAGAIN, EINTR, ENOBUFS, EINPROGRESS, EALREADY: return .later
    default: return .failed(errno)
    }
  }

  func connect(to place: WireAddress.Place) -> Outcome {
    Self.outcome(Int(place.withSocketAddress { Glibc.connect(descriptor, $0, $1) }))
  }

  /// Binds to `place`. The socket that a dead process left there is taken over; EADDRINUSE if the process lives,
  /// ENOTSOCK if the file is something else.
  func bind(to place: WireAddress.Place, isStream: Bool) -> Outcome {
    if case .internet = place, isStream { setOption(SOL_SOCKET, SO_REUSEADDR, 1) }
    var result = place.withSocketAddress { Glibc.bind(descriptor, $0, $1) }
    if result < 0, errno == EADDRINUSE, case .unix(let path) = place {
      // connect(2) refuses what is no socket with the same error as a dead one; that is somebody's file.
      var status = stat()
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return .failed(ENOTSOCK) }
      guard Self.isAbandoned(place, isStream: isStream) else { return .failed(EADDRINUSE) }
      unlink(path)
      result = place.withSocketAddress { Glibc.bind(descriptor, $0, $1) }
    }
    if result == 0, case .unix(let path) = place { self.path = path }
    return Self.outcome(Int(result))
  }

  /// True if no process has the socket at `place` open.
  private static func isAbandoned(_ place: WireAddress.Place, isStream: Bool) -> Bool {
    guard let probe = make(for: place, isStream: isStream) else { return false }
    return probe.connect(to: place) == .failed(ECONNREFUSED)
  }

  func listen() -> Outcome { Self.outcome(Int(Glibc.listen(descriptor, 4))) }

  /// A connection that waits; nil and errno if there is none.
  func accept() -> (socket: HostSocket?, code: Int32) {
    let accepted = Glibc.accept(descriptor, nil, nil)
    guard accepted >= 0 else { return (nil, errno) }
    _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
    _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
    return (HostSocket(descriptor: accepted), 0)
  }

  /// A second descriptor of the same socket, for a watch of its own.
  func duplicate() -> HostSocket? {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    return copy >= 0 ? HostSocket(descriptor: copy) : nil
  }

  func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Segments of TCP leave at once.
  func sendWithoutDelay() { setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }

  /// The error that a connection attempt ended with, 0 if it succeeded.
  var pendingError: Int32 {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length) == 0 ? value : errno
  }

  /// True if a TCP connection has met its own attempt (RFC 9293 3.5, simultaneous open).
  var isConnectedToItself: Bool {
    var near = sockaddr_in()
    var far = sockaddr_in()
    let gotNear = withUnsafeMutablePointer(to: &near) { name(of: $0, by: getsockname) }
    let gotFar = withUnsafeMutablePointer(to: &far) { name(of: $0, by: getpeername) }
    return gotNear && gotFar && near.sin_port == far.sin_port && near.sin_addr.s_addr == far.sin_addr.s_addr
  }

  private func name(
    of address: UnsafeMutablePointer<sockaddr_in>,
    by call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> Bool {
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return address.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, &length) } == 0
  }

  /// True if the peer has closed its end, whatever still waits to be read.
  var isLeftByPeer: Bool {
    var entry = pollfd(fd: descriptor, events: Int16(EPOLLRDHUP.rawValue), revents: 0)
    let bits = Int16(EPOLLRDHUP.rawValue) | Int16(POLLHUP) | Int16(POLLERR)
    return poll(&entry, 1, 0) == 1 && entry.revents & bits != 0
  }

  func send(_ bytes: UnsafeRawBufferPointer) -> Outcome {
    Self.outcome(Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)))
  }

  /// With `MSG_TRUNC` a datagram's whole length is told, even if it did not fit.
  func receive(_ room: UnsafeMutableRawBufferPointer, isDatagram: Bool = false) -> Outcome {
    Self.outcome(
      recv(descriptor, room.baseAddress, room.count, isDatagram ? Int32(MSG_TRUNC) : 0))
  }
}

extension WireAddress.Place {
  var isUnix: Bool { if case .unix = self { true } else { false } }

  fileprivate func withSocketAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    switch self {
    case .unix(let path):
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { room in
        precondition(path.utf8.count < room.count)
        room.copyBytes(from: path.utf8)
      }
      return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
    case .internet(let host, let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr = in_addr(s_addr: host.rawValue.bigEndian)
      return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
  }
}

func describeError(_ code: Int32) -> String { String(cString: strerror(code)) }
