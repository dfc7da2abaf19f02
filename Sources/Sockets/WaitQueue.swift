import EventLoop
import NetStack

/// The tasks that wait for a socket. A wake-up reaches exactly the waiters whose interest it meets, and none is lost:
/// a task looks at the socket and enqueues itself without suspending in between, on the thread on which the stack
/// reports changes. Of those that wait exclusively it reaches the first only, who wakes the next if there is more than
/// it takes.
public final class WaitQueue {
  private struct Entry {
    let waiter: Waiter
    let interest: Readiness
    let isExclusive: Bool
  }

  private var entries: [Entry] = []
  private var wakeCount: UInt64 = 0

  public init() {}

  /// Tasks that wait now.
  public var count: Int { entries.count }
  /// Waiters woken so far.
  public var wakes: UInt64 { wakeCount }

  func add(_ waiter: Waiter, interest: Readiness, isExclusive: Bool = false) {
    entries.append(Entry(waiter: waiter, interest: interest, isExclusive: isExclusive))
  }

  func remove(_ waiter: Waiter) { entries.removeAll { $0.waiter === waiter } }

  /// Wakes every waiter that is interested in any of `changes`; errors and hang-ups interest everybody.
  public func wake(_ changes: Readiness) {
    guard !entries.isEmpty else { return }
    let always: Readiness = [.error, .hangUp]
    let concernsAll = !changes.isDisjoint(with: always)
    var hasWokenOne = false
    // Whoever is woken waits no more, even if its task has not run yet.
    entries.removeAll { entry in
      guard !entry.interest.union(always).isDisjoint(with: changes) else { return false }
      if entry.isExclusive, !concernsAll {
        // One whose time is over takes nothing any more.
        guard !hasWokenOne, entry.waiter.isWaiting else { return false }
        hasWokenOne = true
      }
      // One that polls several sockets may have been woken by another.
      if entry.waiter.isWaiting { wakeCount += 1 }
      entry.waiter.wake()
      return true
    }
  }

  /// Suspends until something in `interest` is reported, the deadline passes or the task is cancelled. The caller has
  /// just found that the condition does not hold, and looks again afterwards.
  public func wait(
    for interest: Readiness, on loop: any EventLoop, until deadline: Instant?, isExclusive: Bool = false
  ) async -> WaitOutcome {
    let waiter = Waiter(on: loop)
    add(waiter, interest: interest, isExclusive: isExclusive)
    defer { remove(waiter) }
    return await waiter.wait(until: deadline ?? .distantFuture)
  }
}

/// Waits until one of several sockets is ready.
public enum Polling {
  /// Suspends until one of `sockets` reports something of its interest. The caller has just found none ready.
  public static func wait(
    on sockets: [(socket: any Socket, interest: Readiness)], loop: any EventLoop, until deadline: Instant?
  ) async -> WaitOutcome {
    let waiter = Waiter(on: loop)
    for (socket, interest) in sockets { socket.waiters.add(waiter, interest: interest) }
    defer { for (socket, _) in sockets { socket.waiters.remove(waiter) } }
    return await waiter.wait(until: deadline ?? .distantFuture)
  }
}
