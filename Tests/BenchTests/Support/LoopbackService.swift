import Foundation
import Glibc
import Synchronization

/// A TCP server on a free port of 127.0.0.1 that does with each connection what a test says, each on a thread of its
/// own.
final class LoopbackService: Sendable {
  let port: UInt16
  private let listener: Int32
  private let open = Mutex<(descriptors: Set<Int32>, isOver: Bool)>(([], false))

  /// - Parameter serve: has the connection until it returns; then the connection is closed.
  init(_ serve: @escaping @Sendable (Connection) -> Void) throws {
    (listener, port) = try LoopbackAddress.bind(type: Int32(SOCK_STREAM.rawValue))
    listen(listener, 16)
    Thread.detachNewThread { [self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { break }
        guard open.withLock({ $0.isOver || $0.descriptors.insert(descriptor).inserted && !$0.isOver }) else { continue }
        Thread.detachNewThread { [self] in
          serve(Connection(descriptor: descriptor))
          open.withLock {
            $0.descriptors.remove(descriptor)
            close(descriptor)
          }
        }
      }
      close(listener)
    }
  }

  /// As seen from inside a bench.
  func url(_ path: String = "file") -> String { "http://10.0.2.2:\(port)/\(path)" }

  /// Ends the server and its connections.
  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    open.withLock { open in
      open.isOver = true
      for descriptor in open.descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
  }

  /// One accepted connection; its calls block.
  struct Connection: Sendable {
    let descriptor: Int32

    /// Bytes up to the end of a request's head; what there was if the peer closed before.
    func readHead() -> String {
      var bytes: [UInt8] = []
      var byte: UInt8 = 0
      while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8), Glibc.read(descriptor, &byte, 1) == 1 {
        bytes.append(byte)
      }
      return String(decoding: bytes, as: UTF8.self)
    }

    func write(_ text: String) { write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) {
      var offset = 0
      while offset < bytes.count {
        let count = bytes[offset...].withUnsafeBytes {
          Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { return }
        offset += count
      }
    }

    /// True once the peer has closed, or the service has stopped.
    var isLeft: Bool {
      var entry = pollfd(fd: descriptor, events: 0x2000, revents: 0)  // POLLRDHUP
      return poll(&entry, 1, 0) > 0
    }

    /// Returns when the peer has closed, or the service stops; reads nothing.
    func waitForHangUp() {
      var entry = pollfd(fd: descriptor, events: 0x2000, revents: 0)  // POLLRDHUP
      while poll(&entry, 1, -1) < 0 && errno == EINTR {}
    }

    /// Reads `count` bytes in pieces, with a pause of so many microseconds before each.
    func read(_ count: Int, pausing pause: UInt32) {
      var bytes = [UInt8](repeating: 0, count: 65_536)
      // What waits in the kernel is nothing that the client could see the progress of.
      var room = Int32(bytes.count)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
      var rest = count
      while rest > 0 {
        usleep(pause)
        let got = Glibc.read(descriptor, &bytes, min(rest, bytes.count))
        guard got > 0 else { return }
        rest -= got
      }
    }

    /// Sends back `count` bytes as they come.
    func echo(_ count: Int) {
      var bytes = [UInt8](repeating: 0, count: 65_536)
      var rest = count
      while rest > 0 {
        let got = Glibc.read(descriptor, &bytes, min(rest, bytes.count))
        guard got > 0 else { return }
        write(Array(bytes[..<got]))
        rest -= got
      }
    }

    /// Returns when the peer has closed, or the service stops.
    func waitForClose() {
      var bytes = [UInt8](repeating: 0, count: 4096)
      while Glibc.read(descriptor, &bytes, bytes.count) > 0 {}
    }
  }
}

/// Counts what a service is asked, from its threads.
final class Attempts: Sendable {
  private let count = Mutex(0)

  /// The number of this attempt, from 1.
  func next() -> Int {
    count.withLock {
      $0 += 1
      return $0
    }
  }
}
