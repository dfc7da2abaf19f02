import Bench
import Foundation

/// The files that a command writes, looked at before it begins: better now than after an hour of work.
enum OutputFiles {
  /// What two paths may have in common: a file that is there, or the place where one will be made.
  private enum Identity: Equatable {
    case file(device: dev_t, number: ino_t)
    case place(device: dev_t, number: ino_t, name: String)
  }

  /// - Parameter files: options and what they name; without a path an option was not given.
  /// - Throws: a failure if one of them cannot be written, or is the same file as another one or as standard output.
  static func check(_ files: [(option: String, path: String?)]) throws {
    var known: [(option: String, identity: Identity)] = []
    var status = stat()
    // Results in the midst of a capture are as lost as in the midst of a body.
    if fstat(STDOUT_FILENO, &status) == 0, let identity = regular(status) {
      known.append(("standard output", identity))
    }
    for case (let option, let path?) in files {
      if let failure = FileFailure.expected(writing: path) { throw CommandFailure("\(option) \(failure)") }
      guard let identity = identity(of: path) else { continue }
      if let other = known.first(where: { $0.identity == identity }) {
        throw CommandFailure.usage("\(option) \(path): the same file as that of \(other.option); name another one")
      }
      known.append((option, identity))
    }
  }

  /// Says so if a FIFO has no reader yet: opening it to write will wait for one.
  static func announceWaiting(for path: String?) {
    var status = stat()
    guard let path, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else { return }
    // Kept open for the rest of the process: a reader that sees its first writer go takes that for the end.
    if open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0, errno == ENXIO {
      Diagnostics.print("workbench: waiting for a reader of \(path)")
    }
  }

  private static func regular(_ status: stat) -> Identity? {
    status.st_mode & S_IFMT == S_IFREG ? .file(device: status.st_dev, number: status.st_ino) : nil
  }

  /// Nil for devices and FIFOs, which may be shared.
  private static func identity(of path: String) -> Identity? {
    var status = stat()
    if stat(path, &status) == 0 { return regular(status) }
    let url = URL(fileURLWithPath: path)
    guard stat(url.deletingLastPathComponent().path, &status) == 0 else { return nil }
    return .place(device: status.st_dev, number: status.st_ino, name: url.lastPathComponent)
  }
}
