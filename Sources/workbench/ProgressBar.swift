import Bench
import EventLoop

/// A progress bar on standard error: share, bytes, rate, time left. Drawn ten times a second at most.
final class ProgressBar {
  private let loop: EpollLoop
  private let start: Instant
  private var drawn = Instant.zero
  private var isShown = false

  init(on loop: EpollLoop) {
    self.loop = loop
    start = loop.now
  }

  func update(_ received: Int64, _ total: Int64?) {
    guard loop.now - drawn >= .milliseconds(100) else { return }
    drawn = loop.now
    isShown = true
    let elapsed = (loop.now - start).seconds
    let rate = elapsed > 0 ? Double(received) / elapsed : 0
    var line: String
    if let total, total > 0 {
      let share = min(Double(received) / Double(total), 1)
      let filled = Int(share * 30)
      let bar = String(repeating: "=", count: filled) + String(repeating: " ", count: 30 - filled)
      line = "\(String(Int(share * 100)))% [\(bar)] \(ByteSize.text(received)), \(Rate.text(rate))"
      if rate > 0 { line += ", \(Int((Double(total - received) / rate).rounded(.up))) s left" }
    } else {
      line = "\(ByteSize.text(received)), \(Rate.text(rate))"
    }
    Diagnostics.write("\r\u{1B}[K" + line)
  }

  /// Takes the bar off the screen.
  func clear() {
    if isShown { Diagnostics.write("\r\u{1B}[K") }
    isShown = false
  }
}

/// Rates and times for people.
enum Rate {
  static func text(_ bytesPerSecond: Double) -> String {
    let megabytes = bytesPerSecond / 1e6
    if megabytes >= 100 { return "\(Int(megabytes.rounded())) MB/s" }
    if megabytes >= 1 { return "\((megabytes * 10).rounded() / 10) MB/s" }
    return "\((bytesPerSecond / 100).rounded() / 10) kB/s"
  }

  static func seconds(_ seconds: Double) -> String { String((seconds * 1000).rounded() / 1000) }
}
