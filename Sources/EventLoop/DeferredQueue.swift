/// The work that a loop shall run soon, first come, first served; see ``DeferredWork``.
public final class DeferredQueue {
  private static let waiting: Int32 = 0
  private let pool = ListPool<DeferredWork>(lists: 1)

  public init() {}

  /// True if nothing waits.
  public var isEmpty: Bool { pool.isEmpty(Self.waiting) }

  /// Runs what waits, and what that schedules in turn, but at most `limit` pieces; returns how many have run.
  @discardableResult
  public func run(limit: Int) -> Int {
    var ran = 0
    while ran < limit, let index = pool.first(of: Self.waiting) {
      // Retained here: the handler may drop the last reference to its own work.
      let work = pool.nodes[Int(index)].owner!.takeUnretainedValue()
      _ = pool.unlink(index)
      ran &+= 1
      work.handler()
    }
    return ran
  }

  // MARK: What work calls

  func reserve(for work: DeferredWork) -> Int32 { pool.reserve(for: work) }

  func giveBack(_ index: Int32) {
    cancel(index)
    pool.giveBack(index)
  }

  @inline(__always) func isScheduled(_ index: Int32) -> Bool { pool.nodes[Int(index)].list >= 0 }

  func schedule(_ index: Int32) {
    if !isScheduled(index) { pool.append(index, to: Self.waiting) }
  }

  func cancel(_ index: Int32) {
    if isScheduled(index) { _ = pool.unlink(index) }
  }
}
