/// All timers of a loop: a hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels",
/// 1987) of 11 levels with 64 slots each, which cover 64-bit nanoseconds exactly.
///
/// A slot of level 0 is one nanosecond, a slot of level n is 64^n. A timer lies on the level of the highest 6-bit digit
/// in which its deadline differs from the wheel's position; so every timer of a level is due before every timer of the
/// level above, and two timers with one deadline always share a slot, in order of arming. Arming and cancelling are
/// constant time and allocate nothing; a timer moves down at most ten times before it fires.
public final class TimerWheel {
  private static let levels = 11
  /// Timers that were armed for an instant already reached.
  private static let overdue = Int32(levels * 64)
  /// Overdue timers of the advance that is going on.
  private static let firing = overdue + 1

  private let pool = ListPool<LoopTimer>(lists: levels * 64 + 2)
  /// A bit for each slot of a level that holds a timer.
  private let occupied: UnsafeMutablePointer<UInt64>
  /// A bit for each level that holds a timer.
  private var occupiedLevels: UInt32 = 0
  /// The position that the slots relate to. It may lag behind `horizon`, never behind a due timer.
  private var position: Int64 = 0
  /// The instant of the last (or current) advance: what is armed for it or before is overdue.
  private var horizon: Int64 = 0
  /// No timer is due before this; exactly the next deadline if `earliestIsExact`.
  private var earliest: Int64 = .max
  private var earliestIsExact = true
  private var isAdvancing = false

  private var armed = 0

  public init() {
    occupied = .allocate(capacity: Self.levels)
    occupied.initialize(repeating: 0, count: Self.levels)
  }

  deinit { occupied.deallocate() }

  /// Timers that are armed at present.
  public var armedCount: Int { armed }

  /// When the next timer is due: nil if none is armed; the present if one was armed for the past.
  public var nextDeadline: Instant? {
    if armed == 0 { return nil }
    if !pool.isEmpty(Self.overdue) { return Instant(nanoseconds: horizon) }
    if !earliestIsExact {
      let level = occupiedLevels.trailingZeroBitCount
      let list = Int32(level * 64 + occupied[level].trailingZeroBitCount)
      var least = Int64.max
      var index = pool.nodes[Int(list)].next
      while index != list {
        least = min(least, pool.nodes[Int(index)].key)
        index = pool.nodes[Int(index)].next
      }
      earliest = least
      earliestIsExact = true
    }
    return Instant(nanoseconds: earliest)
  }

  /// Fires every timer that is due at `instant`, in order of deadline, then of arming.
  ///
  /// Handlers may arm and cancel any timer. One that is armed meanwhile for `instant` or earlier fires at the next
  /// advance, so that a timer that always re-arms itself starves nobody.
  public func advance(to instant: Instant) {
    precondition(!isAdvancing, "a timer's handler must not advance the wheel")
    if instant.nanoseconds > horizon { horizon = instant.nanoseconds }
    if horizon < earliest { return }
    isAdvancing = true
    fireOverdue()
    while occupiedLevels != 0 {
      let level = occupiedLevels.trailingZeroBitCount
      let slot = occupied[level].trailingZeroBitCount
      let start = startOfSlot(slot, level: level)
      if start > horizon { break }
      position = start
      let list = Int32(level * 64 + slot)
      if level == 0 {
        fire(pool.nodes[Int(list)].next)
      } else {
        cascade(list)
      }
    }
    // Each slot that begins by now has been emptied, so the digits of the remaining timers hold for this position too.
    position = horizon
    isAdvancing = false
    refreshEarliest()
  }

  private func startOfSlot(_ slot: Int, level: Int) -> Int64 {
    let shift = level * 6
    let above = (position >> (shift + 6)) << (shift + 6)
    return above | (Int64(slot) << shift)
  }

  private func fireOverdue() {
    while let index = pool.first(of: Self.overdue) {
      _ = pool.unlink(index)
      pool.append(index, to: Self.firing)
    }
    while let index = pool.first(of: Self.firing) { fire(index) }
  }

  private func fire(_ index: Int32) {
    // Retained here: the handler may drop the last reference to its own timer.
    let timer = pool.nodes[Int(index)].owner!.takeUnretainedValue()
    remove(index)
    timer.handler()
  }

  private func cascade(_ list: Int32) {
    while let index = pool.first(of: list) {
      unlink(index)
      insert(index, deadline: pool.nodes[Int(index)].key)
    }
  }

  private func refreshEarliest() {
    if armed == 0 {
      earliest = .max
      earliestIsExact = true
    } else if !pool.isEmpty(Self.overdue) {
      earliest = horizon
      earliestIsExact = false
    } else {
      let level = occupiedLevels.trailingZeroBitCount
      earliest = startOfSlot(occupied[level].trailingZeroBitCount, level: level)
      earliestIsExact = level == 0
    }
  }

  // MARK: What timers call

  func reserve(for timer: LoopTimer) -> Int32 { pool.reserve(for: timer) }

  func giveBack(_ index: Int32) {
    cancel(index)
    pool.giveBack(index)
  }

  @inline(__always) func isArmed(_ index: Int32) -> Bool { pool.nodes[Int(index)].list >= 0 }

  func deadline(_ index: Int32) -> Instant {
    isArmed(index) ? Instant(nanoseconds: pool.nodes[Int(index)].key) : .distantFuture
  }

  func arm(_ index: Int32, at deadline: Int64) {
    if isArmed(index) { remove(index) }
    if deadline == .max { return }
    pool.nodes[Int(index)].key = deadline
    armed &+= 1
    if deadline < earliest {
      earliest = deadline
      earliestIsExact = true
    }
    if deadline <= horizon {
      pool.append(index, to: Self.overdue)
    } else {
      insert(index, deadline: deadline)
    }
  }

  func cancel(_ index: Int32) {
    if isArmed(index) { remove(index) }
  }

  // MARK: Slots

  @inline(__always) private func remove(_ index: Int32) {
    if pool.nodes[Int(index)].key == earliest { earliestIsExact = false }
    unlink(index)
    armed &-= 1
  }

  @inline(__always) private func insert(_ index: Int32, deadline: Int64) {
    let differing = (deadline ^ position) | 63
    let level = (63 &- differing.leadingZeroBitCount) / 6
    let slot = Int(truncatingIfNeeded: deadline &>> Int64(level &* 6)) & 63
    pool.append(index, to: Int32(level &* 64 &+ slot))
    occupied[level] |= 1 &<< UInt64(slot)
    occupiedLevels |= 1 &<< UInt32(level)
  }

  @inline(__always) private func unlink(_ index: Int32) {
    let list = Int(pool.nodes[Int(index)].list)
    guard pool.unlink(index), list < Self.levels * 64 else { return }
    let level = list &>> 6
    occupied[level] &= ~(1 &<< UInt64(list & 63))
    if occupied[level] == 0 { occupiedLevels &= ~(1 &<< UInt32(level)) }
  }
}
