import Foundation

/// Runs `body` on a thread of its own, because it blocks: the threads of tasks are few, and servers need them.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
  try await withCheckedThrowingContinuation { continuation in
    let thread = Thread { continuation.resume(with: Result { try body() }) }
    thread.stackSize = 8 << 20
    thread.start()
  }
}

/// Waits on the calling thread until `condition` holds; false if it does not within `limit` seconds.
func waitUntil(limit: Double = 20, _ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = Date(timeIntervalSinceNow: limit)
  while try !condition() {
    guard Date() < deadline else { return false }
    usleep(3000)
  }
  return true
}
