import Glibc

/// A folder that only this user can enter (mode 0700), for sockets and files that a QEMU and we share; removed with all
/// that is in it when the last reference goes.
public final class PrivateFolder: Sendable {
  public let path: String

  /// Makes a new folder in $TMPDIR, or in /tmp.
  public init() throws(QEMUError) {
    let parent = environment("TMPDIR") ?? "/tmp"
    var template = Array("\(parent)/wirebench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw .system("mkdtemp", parent) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { remove(path) }

  /// The path of an entry.
  public func file(_ name: String) -> String { path + "/" + name }

  /// Makes a file of mode 0600; one of that name must not exist yet.
  public func write(_ bytes: [UInt8], to name: String) throws(QEMUError) {
    let path = file(name)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("create", path) }
    defer { close(descriptor) }
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + offset, bytes.count - offset) }
      guard count > 0 else { throw .system("write", path) }
      offset += count
    }
  }

  /// Removes a file or a folder with what is in it, following no link.
  private func remove(_ path: String) {
    if unlink(path) == 0 || errno == ENOENT { return }
    guard let folder = opendir(path) else { return }
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { remove(path + "/" + name) }
    }
    closedir(folder)
    rmdir(path)
  }
}

/// An environment variable that is set to something.
func environment(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}
