import Foundation
import Glibc

/// A program that runs beside the tests. Its standard input and output are one socket, its standard error a file.
///
/// It cannot outlive the tests for long, whatever becomes of them: `timeout` ends it after `lifetime`.
final class Child {
  let name: String
  let folder: Folder
  private let pid: pid_t
  private let socket: Int32
  private var received = Data()
  private var hasEnded = false
  /// Its exit code once ``isRunning`` has seen its end, or nil if it was killed.
  private(set) var status: Int32?

  /// Starts `program` in a process group of its own.
  init(_ program: String, _ arguments: [String], folder: Folder, lifetime: Int = 3600) throws {
    name = (program as NSString).lastPathComponent
    self.folder = folder
    // Writing to a program that has ended is an error to be told, not the tests' end.
    Glibc.signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw GuestError("no socket: \(errno)") }
    defer { close(ends[1]) }

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addopen(
      &actions, 2, folder.file("\(name).errors"), O_WRONLY | O_CREAT | O_APPEND, 0o644)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigaddset(&signals, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let words = ["timeout", "--foreground", "--signal=KILL", String(lifetime), program] + arguments
    var argv = words.map { strdup($0) } + [nil]
    defer { for word in argv { free(word) } }
    var child: pid_t = 0
    let code = posix_spawnp(&child, "timeout", &actions, &attributes, &argv, environ)
    guard code == 0 else {
      close(ends[0])
      throw GuestError("\(name) cannot be started: \(String(cString: strerror(code)))")
    }
    pid = child
    socket = ends[0]
  }

  deinit {
    kill()
    close(socket)
  }

  /// The last lines of standard error.
  var errors: String { folder.tail("\(name).errors") }

  var isRunning: Bool {
    var word: Int32 = 0
    if !hasEnded, waitpid(pid, &word, WNOHANG) == pid {
      hasEnded = true
      status = word & 0x7F == 0 ? word >> 8 & 0xFF : nil
    }
    return !hasEnded
  }

  /// Signals the program, and none that it has started. (`timeout` passes it on.)
  func signal(_ number: Int32) { if isRunning { Glibc.kill(pid, number) } }

  /// Ends it at once.
  func kill() {
    guard !hasEnded else { return }
    Glibc.kill(-pid, SIGKILL)
    waitpid(pid, nil, 0)
    hasEnded = true
  }

  /// Asks it to end, and makes sure that it does.
  func terminate() {
    guard !hasEnded else { return }
    Glibc.kill(-pid, SIGTERM)
    if !waitUntil(limit: 5, { !self.isRunning }) { kill() }
  }

  /// Writes to its standard input.
  func write(_ text: String) throws {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(socket, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EINTR else { throw GuestError("\(name) has ended. \(errors)") }
      if count > 0 { bytes = bytes.dropFirst(count) }
    }
  }

  /// What it wrote up to and with the next `mark`, without it. Throws at the deadline, and if the program ends before.
  func read(upTo mark: String, until deadline: Deadline) throws -> Data {
    let mark = Data(mark.utf8)
    var searched = received.startIndex
    while true {
      if let found = received.range(of: mark, in: searched..<received.endIndex) {
        defer { received = Data(received[found.upperBound...]) }
        return received[..<found.lowerBound]
      }
      searched = max(received.startIndex, received.endIndex - mark.count + 1)
      var poller = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      let ready = poll(&poller, 1, deadline.milliseconds)
      if ready < 0, errno == EINTR { continue }
      guard ready > 0 else {
        throw GuestError("\(name): time is up. So far: \(String(decoding: received.suffix(2000), as: UTF8.self))")
      }
      var buffer = [UInt8](repeating: 0, count: 65536)
      let count = Glibc.read(socket, &buffer, buffer.count)
      guard count > 0 else {
        throw GuestError("\(name) has ended. \(errors) \(String(decoding: received.suffix(2000), as: UTF8.self))")
      }
      received.append(contentsOf: buffer[..<count])
    }
  }
}

/// A moment until which something must have happened.
struct Deadline {
  private let end: ContinuousClock.Instant

  init(_ seconds: Double) { end = .now + .seconds(seconds) }

  var isPast: Bool { ContinuousClock.now >= end }

  /// Time left, for poll(2).
  var milliseconds: Int32 { Int32(max(0, (end - .now) / .milliseconds(1))) }
}

/// Waits until `condition` holds; false if it does not within `limit` seconds.
func waitUntil(limit: Double, _ condition: () -> Bool) -> Bool {
  let deadline = Deadline(limit)
  while !condition() {
    guard !deadline.isPast else { return false }
    usleep(5000)
  }
  return true
}

/// The seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double { try ContinuousClock().measure(body) / .seconds(1) }
