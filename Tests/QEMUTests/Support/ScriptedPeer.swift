import Foundation
import Glibc

/// The other end of a qtest connection: on a thread of its own, does what a test says, then closes.
final class ScriptedPeer: Sendable {
  /// The client's end; whoever takes it owns it.
  let descriptor: Int32
  private let theirs: Int32
  private let done = DispatchSemaphore(value: 0)

  init(_ script: @escaping @Sendable (ScriptedPeer) -> Void) {
    var ends: [Int32] = [0, 0]
    precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    descriptor = ends[0]
    theirs = ends[1]
    Thread.detachNewThread { [self] in
      script(self)
      close(theirs)
      done.signal()
    }
  }

  /// A peer that answers each of the next commands with the lines of its entry, then closes.
  convenience init(answers: [String]) {
    self.init { peer in
      for answer in answers {
        guard peer.readLine() != nil else { return }
        peer.write(answer)
      }
    }
  }

  /// The next line without its end; nil if the client has closed.
  func readLine() -> String? {
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while read(theirs, &byte, 1) == 1 {
      if byte == 0x0A { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
    }
    return nil
  }

  @discardableResult func write(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes { send(theirs, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }

  /// Waits until the script has run and the peer has closed.
  func finish() { done.wait() }
}
