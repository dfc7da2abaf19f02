import Crypto
import Glibc

/// Where the body of a fetch goes: a file, standard output, or nowhere; hashed on the way if asked.
public final class FetchSink {
  public enum Destination: Sendable, Equatable {
    case discard
    case file(String)
    case standardOutput
  }

  public let destination: Destination
  private var descriptor: Int32 = -1
  private var hash: SHA256?
  /// Bytes of the body that are in place, from its start.
  public private(set) var offset: Int64 = 0
  /// Bytes that were there before this fetch (`--continue`).
  public private(set) var resumedFrom: Int64 = 0

  /// A sink that is opened by its first write. `hashing`: keep the SHA-256 of the whole body.
  public init(_ destination: Destination, hashing: Bool) {
    self.destination = destination
    if hashing { hash = SHA256() }
    if destination == .standardOutput { descriptor = STDOUT_FILENO }
  }

  deinit { close() }

  /// The file, if it is one.
  public var path: String? { if case .file(let path) = destination { path } else { nil } }

  /// `name`, or if such a file is there already the first free one of `name.1`, `name.2` and so on, as wget does.
  public static func freeName(_ name: String) -> String {
    func isTaken(_ path: String) -> Bool {
      var status = stat()
      return lstat(path, &status) == 0
    }
    guard isTaken(name) else { return name }
    var number = 1
    while isTaken("\(name).\(number)") { number += 1 }
    return "\(name).\(number)"
  }

  /// Opens the file and keeps what it holds: the fetch goes on behind it.
  public func resume() throws(FetchError) {
    guard case .file(let path) = destination else { return }
    try open(path, O_RDWR | O_CREAT)
    if hash != nil {
      var buffer = [UInt8](repeating: 0, count: 1 << 18)
      while true {
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { throw failure(path) }
        if count == 0 { break }
        hash!.update(data: buffer[..<count])
      }
    }
    let end = lseek(descriptor, 0, SEEK_END)
    guard end >= 0 else { throw failure(path) }
    offset = Int64(end)
    resumedFrom = offset
  }

  /// Starts over: what has been written is thrown away.
  ///
  /// - Throws: ``FetchError/file(path:reason:)`` on standard output, where nothing can be taken back.
  public func rewind() throws(FetchError) {
    if offset > 0 && destination == .standardOutput {
      throw .file(path: "standard output", reason: "the server does not continue, and what was written stays written")
    }
    if case .file(let path) = destination, descriptor >= 0 {
      guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else { throw failure(path) }
    }
    if hash != nil { hash = SHA256() }
    offset = 0
    resumedFrom = 0
  }

  /// Appends to the body.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FetchError) {
    if descriptor < 0, case .file(let path) = destination { try open(path, O_WRONLY | O_CREAT | O_TRUNC) }
    hash?.update(bufferPointer: bytes)
    if descriptor >= 0 {
      var rest = bytes
      while !rest.isEmpty {
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw failure(name) }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      }
    }
    offset += Int64(bytes.count)
  }

  /// Makes sure that the file exists even if the body was empty, and closes it.
  public func finish() throws(FetchError) {
    if descriptor < 0, case .file(let path) = destination { try open(path, O_WRONLY | O_CREAT | O_TRUNC) }
    close()
  }

  /// SHA-256 of the body so far, if it is kept.
  public var digest: String? { hash.map { hexadecimal($0.finalize()) } }

  private var name: String { path ?? "standard output" }

  private func open(_ path: String, _ flags: Int32) throws(FetchError) {
    descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path) }
  }

  private func failure(_ path: String) -> FetchError {
    .file(path: path, reason: FileFailure(path, errno, .writing).reason)
  }

  private func close() {
    if descriptor >= 0 && descriptor != STDOUT_FILENO { Glibc.close(descriptor) }
    descriptor = -1
  }
}
