import Foundation
import Glibc

/// Why a test cannot go on.
struct TestSetupError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A program that runs beside the test, in a process group of its own, with its output in files.
final class ChildProcess: Sendable {
  /// How a program ended.
  struct Outcome: Sendable {
    /// The exit code; the negative signal number if a signal ended it; nil if it had to be killed after the limit.
    let code: Int32?
    let output: String
    /// Lines of standard error.
    let diagnostics: [String]
  }

  let pid: pid_t
  let program: String
  private let folder: TemporaryFolder

  /// Starts `program`. The environment is the test's with `environment` on top.
  init(
    _ program: String, _ arguments: [String], in directory: String? = nil, environment: [String: String] = [:]
  ) throws {
    self.program = program
    folder = try TemporaryFolder()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, folder.file("output"), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    posix_spawn_file_actions_addopen(&actions, 2, folder.file("diagnostics"), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    // env changes the directory and becomes the program.
    let env = "/usr/bin/env"
    var argv = ([env, "-C", directory ?? folder.path, program] + arguments).map { strdup($0) } + [nil]
    var envp = variables.map { strdup($0) } + [nil]
    defer { for text in argv + envp { free(text) } }
    var child: pid_t = 0
    let code = posix_spawn(&child, env, &actions, &attributes, &argv, &envp)
    guard code == 0 else { throw TestSetupError("\(program) cannot be started: \(String(cString: strerror(code)))") }
    pid = child
  }

  /// The path of a tool that the tests need. Throws if it is missing, with the package to install.
  static func find(_ name: String, package: String) throws -> String {
    let path = (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/sbin:/usr/bin:/sbin:/bin"
    for folder in path.split(separator: ":") where access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
    throw TestSetupError("\(name) is missing: install Debian's \(package), as `make test` does")
  }

  var output: String { (try? String(decoding: folder.contents("output"), as: UTF8.self)) ?? "" }

  var outputBytes: Data { (try? folder.contents("output")) ?? Data() }

  var diagnostics: [String] {
    let text = (try? String(decoding: folder.contents("diagnostics"), as: UTF8.self)) ?? ""
    return text.split(separator: "\n").map(String.init)
  }

  func send(_ signal: Int32) { kill(pid, signal) }

  /// True while any process of the program's group lives.
  var hasGroup: Bool { kill(-pid, 0) == 0 }

  /// Waits for the end, and kills what takes longer than `limit` seconds. To be called once, on a thread that may
  /// block.
  func waitForEnd(limit: Double) -> Outcome {
    var status: Int32 = 0
    let ended = waitUntil(limit: limit) { waitpid(pid, &status, WNOHANG) == pid }
    if !ended {
      kill(pid, SIGKILL)
      waitpid(pid, &status, 0)
    }
    let code = status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
    return Outcome(code: ended ? code : nil, output: output, diagnostics: diagnostics)
  }

  /// The same for asynchronous tests.
  func end(limit: Double) async throws -> Outcome { try await onThread { self.waitForEnd(limit: limit) } }

  /// Asks the program to end, and makes sure that it does.
  func terminate() {
    kill(pid, SIGTERM)
    _ = waitForEnd(limit: 5)
  }
}
