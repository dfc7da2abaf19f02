import EventLoop
import Sockets

extension SystemCalls {
  /// close(2). The number is free at once; with SO_LINGER and a time the call waits for the peer.
  public func close(_ descriptor: Int32) async throws(Errno) {
    try await traced(.close, "\(descriptor)", { 0 }) { () async throws(Errno) in
      if let last = try table.remove(descriptor) { await last.close() }
    }
  }

  /// Closes every descriptor, as the end of a process does.
  public func closeAll() async {
    for descriptor in table.descriptors {
      if let last = try? table.remove(descriptor) { await last.close() }
    }
  }

  /// dup(2): the lowest free number for the same file.
  public func dup(_ descriptor: Int32) throws(Errno) -> Int32 {
    try traced(.dup, "\(descriptor)", { Int($0) }) { () throws(Errno) in
      try table.insert(try file(descriptor), closesOnExec: false)
    }
  }

  /// dup3(2), and dup2(2) where `allowsSame`: `target` becomes a second number of the file, closed first if open.
  public func dup3(
    _ descriptor: Int32, _ target: Int32, flags: Int32, allowsSame: Bool = false
  ) async throws(Errno) -> Int32 {
    try await traced(
      allowsSame ? .dup2 : .dup3, "\(descriptor), \(target), \(flags)", { Int($0) }
    ) { () async throws(Errno) in
      guard flags & ~SocketType.SOCK_CLOEXEC == 0 else { throw .EINVAL }
      if descriptor == target {
        guard allowsSame else { throw .EINVAL }
        _ = try file(descriptor)
        return target
      }
      guard target >= 0, Int(target) < table.limit else { throw .EBADF }
      let source = try file(descriptor)
      // The number changes its file at once, even if the old one lingers.
      if let last = try table.place(source, at: target, closesOnExec: flags != 0) { await last.close() }
      return target
    }
  }
}
