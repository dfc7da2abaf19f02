import EventLoop
import Foundation
import Glibc
import QEMU
import Testing

/// Whether there is a QEMU to test with, asked once.
enum RealQEMU {
  static let result = Result { try QEMUInstallation.find(requiring: ["e1000"]) }

  static var isThere: Bool { (try? result.get()) != nil }

  /// Why the tests are skipped where there is none.
  static let reason = "needs a QEMU with e1000: \(QEMUInstallation.advice)"
}

/// Runs `body` with a real loop on the calling thread, which is thereby there until a QEMU that it starts has ended.
func onLoop(
  limit: TimeSpan = .seconds(30), _ body: @escaping @Sendable (EpollLoop) async throws -> Void
) throws {
  let loop = try EpollLoop(seed: 1)
  try loop.run { try await loop.withTimeLimit(limit) { try await body(loop) } }
}

/// Suspends until `condition` holds, and records an issue if it does not in time. For what nothing announces.
func expectEventually(
  on loop: EpollLoop, within limit: TimeSpan = .seconds(10), at location: SourceLocation = #_sourceLocation,
  _ condition: () -> Bool
) async throws {
  let deadline = loop.now + limit
  while !condition() {
    if loop.now >= deadline {
      Issue.record("it did not come true within \(limit)", sourceLocation: location)
      return
    }
    try await loop.sleep(for: .milliseconds(1))
  }
}

/// True while a process of that number is there, zombies aside.
func isAlive(_ pid: pid_t) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
    let end = status.lastIndex(of: ")")
  else { return false }
  return !status[end...].dropFirst(2).hasPrefix("Z")
}
