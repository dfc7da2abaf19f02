import EventLoop
import Glibc

/// What a program writes into a pipe of ours: read as it comes, the last part of it kept.
public final class ChildOutput {
  /// Bytes that are kept.
  public static let limit = 64 << 10

  private let descriptor: Int32
  private var watch: DescriptorWatch?
  private var kept: [UInt8] = []
  /// All bytes so far, kept or not.
  public private(set) var byteCount = 0
  /// The program has closed its end, or has ended.
  public private(set) var isAtEnd = false
  /// Called on the loop with what has come; with nothing at the end. It must not keep the process alive.
  public var onBytes: ((_ bytes: ArraySlice<UInt8>) -> Void)?

  /// Takes over the reading end of a pipe.
  init(_ descriptor: Int32, on loop: EpollLoop) throws(QEMUError) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    do throws(LoopError) {
      watch = try DescriptorWatch(on: loop, descriptor: descriptor, interest: .readable) { [unowned self] _ in drain() }
    } catch {
      close(descriptor)
      throw .system("watch", "a pipe")
    }
  }

  deinit {
    watch?.cancel()
    close(descriptor)
  }

  /// The last part of what came, at most ``limit`` bytes.
  public var text: String { String(decoding: kept.suffix(Self.limit), as: UTF8.self) }

  /// The last `count` lines that are not empty.
  public func lastLines(_ count: Int) -> [String] {
    text.split(whereSeparator: \.isNewline).suffix(count).map(String.init)
  }

  /// Reads what is there, a bounded amount at a time: a program that never stops writing does not hold up the loop.
  func drain() {
    guard !isAtEnd else { return }
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    for _ in 0..<4 {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN { return }
      guard count > 0 else { return end() }
      byteCount += count
      kept += chunk[..<count]
      if kept.count > 2 * Self.limit { kept.removeFirst(kept.count - Self.limit) }
      onBytes?(chunk[..<count])
    }
  }

  private func end() {
    isAtEnd = true
    watch?.cancel()
    onBytes?([])
  }
}
