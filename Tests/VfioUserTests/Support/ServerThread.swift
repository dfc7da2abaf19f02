import EventLoop
import Foundation

/// A loop on a thread of its own: for servers whose clients block.
final class ServerThread: @unchecked Sendable {
  let loop: EpollLoop
  private let stopped: Waiter
  private let ended = DispatchSemaphore(value: 0)

  init(running loop: EpollLoop) {
    self.loop = loop
    stopped = Waiter(on: loop)
    Thread { [self] in
      try? loop.run { [self] in _ = await stopped.wait() }
      ended.signal()
    }.start()
  }

  /// Runs `body` on the thread and waits for its result.
  func on<T>(_ body: @escaping () -> T) -> T {
    nonisolated(unsafe) var result: T?
    nonisolated(unsafe) let body = body
    let done = DispatchSemaphore(value: 0)
    loop.post {
      result = body()
      done.signal()
    }
    done.wait()
    return result!
  }

  func stop() {
    loop.post { [self] in stopped.wake() }
    ended.wait()
  }
}
