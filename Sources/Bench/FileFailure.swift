import Glibc

/// Why a file cannot be read or written: its path once, the system's reason, and what to try.
public struct FileFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Purpose: Equatable, Sendable {
    /// The remedy depends on what the file is for.
    case reading(remedy: String)
    case writing
  }

  public let path: String
  /// errno
  public let code: Int32
  public let purpose: Purpose

  public init(_ path: String, _ code: Int32, _ purpose: Purpose) {
    self.path = path
    self.code = code
    self.purpose = purpose
  }

  public var description: String {
    "\(path.isEmpty ? "\"\"" : path): \(reason)"
  }

  /// All but the path.
  public var reason: String {
    let text = String(cString: strerror(code))
    switch purpose {
    case .reading(let remedy): return "cannot be read: \(text); \(remedy)"
    case .writing: return "cannot be written: \(text)" + (advice.map { "; \($0)" } ?? "")
    }
  }

  private var advice: String? {
    switch code {
    case ENOENT where path.isEmpty: "name a file"
    case ENOENT: "there is no folder \(Self.folder(of: path)): create it, or name another place"
    case ENOTDIR: "a part of the path is a file, not a folder; name another place"
    case EISDIR: "name a file in it"
    case EACCES, EPERM, EROFS: "name a place that you may write to"
    case ENOSPC, EDQUOT, EFBIG: "make room there, or name another place"
    case ETXTBSY: "it is a program that runs; name another file"
    default: nil
    }
  }

  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// What would keep `path` from being written; nil if nothing is seen that would. Changes nothing.
  public static func expected(writing path: String) -> FileFailure? {
    func failure(_ code: Int32) -> FileFailure { FileFailure(path, code, .writing) }
    guard !path.isEmpty else { return failure(ENOENT) }
    var status = stat()
    if stat(path, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { return failure(EISDIR) }
      return access(path, W_OK) == 0 ? nil : failure(errno)
    }
    guard errno == ENOENT else { return failure(errno) }
    guard !path.hasSuffix("/") else { return failure(EISDIR) }
    return access(folder(of: path), W_OK | X_OK) == 0 ? nil : failure(errno)
  }
}
