import Glibc

/// Unix stream sockets with a path (unix(7)), close-on-exec and non-blocking.
enum UnixSocket {
  private static let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)

  private static func make(_ path: String) throws(VfioUserError) -> Int32 {
    guard !path.isEmpty, path.utf8.count < 108, !path.utf8.contains(0) else { throw .unusablePath(path) }
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw .socket(path: path, operation: "socket", code: errno) }
    return descriptor
  }

  private static func call(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }

  /// Listens at `path`. A socket file that nobody listens on any more is replaced.
  static func listen(at path: String) throws(VfioUserError) -> Int32 {
    let descriptor = try make(path)
    do throws(VfioUserError) {
      if call(path, { bind(descriptor, $0, $1) }) != 0 {
        guard errno == EADDRINUSE else { throw .socket(path: path, operation: "bind", code: errno) }
        try makeRoom(at: path)
        guard call(path, { bind(descriptor, $0, $1) }) == 0 else {
          throw .socket(path: path, operation: "bind", code: errno)
        }
      }
      guard Glibc.listen(descriptor, 8) == 0 else { throw .socket(path: path, operation: "listen", code: errno) }
      return descriptor
    } catch {
      close(descriptor)
      throw error
    }
  }

  private static func makeRoom(at path: String) throws(VfioUserError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
    let probe = try make(path)
    defer { close(probe) }
    // Only this answer means that nobody listens: a full backlog, or a lack of rights, means that somebody does.
    guard call(path, { Glibc.connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED else { throw .inUse(path: path) }
    unlink(path)
  }

  static func connect(to path: String) throws(VfioUserError) -> Int32 {
    let descriptor = try make(path)
    guard call(path, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
      let code = errno
      close(descriptor)
      throw .socket(path: path, operation: "connect", code: code)
    }
    return descriptor
  }

  /// What tells the file at `path` from another one that has taken its place.
  static func identity(of path: String) -> (device: UInt64, inode: UInt64)? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    return (UInt64(status.st_dev), UInt64(status.st_ino))
  }
}
