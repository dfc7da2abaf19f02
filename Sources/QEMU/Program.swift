import CLinux
import EventLoop
import Glibc

/// A program that was started: its process id and the pidfd that tells of its end.
struct RunningProgram {
  let pid: pid_t
  let pidfd: Int32

  /// Starts the program at `path` without a shell.
  ///
  /// - Parameters:
  ///   - descriptors: what the program has as its descriptors 0, 1, 2 and so on; nothing else of ours.
  ///   - deathSignal: sent to the program when the calling thread ends.
  init(
    _ path: String, _ arguments: [String], descriptors: [Int32], ownGroup: Bool, deathSignal: Int32
  ) throws(QEMUError) {
    for text in [path] + arguments where text.utf8.contains(0) {
      throw .badOption("an argument of QEMU holds a zero byte")
    }
    var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for text in argv { free(text) } }
    var pidfd: Int32 = -1
    func spawn() -> pid_t {
      path.withCString { path in
        argv.withUnsafeMutableBufferPointer { argv in
          descriptors.withUnsafeBufferPointer { descriptors in
            var program = clinux_program(
              path: path, arguments: argv.baseAddress, descriptors: descriptors.baseAddress,
              descriptor_count: Int32(descriptors.count), own_group: ownGroup, death_signal: deathSignal)
            return clinux_spawn(&program, &pidfd)
          }
        }
      }
    }
    var pid = spawn()
    // A program that was written a moment ago may still be open for writing in a child of another thread, until that
    // child becomes its own program.
    for _ in 0..<100 where pid <= 0 && errno == ETXTBSY {
      usleep(1000)
      pid = spawn()
    }
    guard pid > 0 else { throw .system("start", path) }
    self.pid = pid
    self.pidfd = pidfd
  }

  /// Runs a program to its end; what it wrote to standard output and standard error. For what answers at once: blocks.
  ///
  /// - Throws: ``QEMUError/timedOut(what:limit:)`` after `limit`, when the program was killed;
  ///   ``QEMUError/notQEMU(path:reason:)`` if it fails or writes more than 4 MiB.
  static func output(of path: String, _ arguments: [String], limit: TimeSpan) throws(QEMUError) -> String {
    let null = open("/dev/null", O_RDWR | O_CLOEXEC)
    guard null >= 0 else { throw .system("open", "/dev/null") }
    defer { close(null) }
    let (reading, writing) = try makePipe()
    defer { close(reading) }
    let program: RunningProgram
    do {
      defer { close(writing) }
      program = try RunningProgram(
        path, arguments, descriptors: [null, writing, writing], ownGroup: true, deathSignal: SIGKILL)
    }
    defer { close(program.pidfd) }
    let what = "\(path) \(arguments.joined(separator: " "))"
    let deadline = Deadline(after: limit)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      guard waitFor(POLLIN, on: reading, until: deadline) != 0 else {
        program.kill()
        throw .timedOut(what: what, limit: .nanoseconds(limit.nanoseconds))
      }
      let count = read(reading, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= 4 << 20 else {
        program.kill()
        throw .notQEMU(path: path, reason: "\(what) does not stop writing")
      }
    }
    guard waitFor(POLLIN, on: program.pidfd, until: deadline) != 0 else {
      program.kill()
      throw .timedOut(what: what, limit: .nanoseconds(limit.nanoseconds))
    }
    let code = clinux_reap(program.pid, true)
    let text = String(decoding: bytes, as: UTF8.self)
    guard code == 0 else {
      let line = text.split(separator: "\n").last.map { ": \($0.prefix(200))" } ?? ""
      throw .notQEMU(
        path: path, reason: "\(arguments.joined(separator: " ")) \(QEMUProcess.Outcome(code: code))\(line)")
    }
    return text
  }

  private func kill() {
    Glibc.kill(-pid, SIGKILL)
    _ = clinux_reap(pid, true)
  }
}

/// A pipe, both ends close-on-exec.
func makePipe() throws(QEMUError) -> (reading: Int32, writing: Int32) {
  var ends: [Int32] = [-1, -1]
  guard pipe(&ends) == 0 else { throw .system("make", "a pipe") }
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  return (ends[0], ends[1])
}

/// Two connected stream sockets, both close-on-exec.
func makeSocketPair() throws(QEMUError) -> (ours: Int32, theirs: Int32) {
  var ends: [Int32] = [-1, -1]
  let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
  guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw .system("make", "a socket pair") }
  return (ends[0], ends[1])
}
