import EventLoop
import Testing

/// The wheel beside the plainest thing that does the same: an array that is searched.
@Suite("Timer wheel against a model") struct TimerWheelModelTests {
  final class Bed {
    struct Entry {
      var deadline: Int64
      var sequence: Int
      /// The advance that may fire it.
      var advance: Int
    }

    let wheel = TimerWheel()
    let random: SeededRandom
    var timers: [LoopTimer] = []
    var armed: [Int: Entry] = [:]
    var sequence = 0
    var advances = 0
    var horizon: Int64 = 0
    var firedCount = 0
    var faults = 0

    init(seed: UInt64, timerCount: Int) {
      random = SeededRandom(seed: seed)
      timers = (0..<timerCount).map { id in
        LoopTimer(of: wheel) { [unowned self] in fired(id) }
      }
    }

    var nextDue: Int? {
      armed.filter { $0.value.deadline <= horizon && $0.value.advance <= advances }
        .min { ($0.value.deadline, $0.value.sequence) < ($1.value.deadline, $1.value.sequence) }?.key
    }

    func fired(_ id: Int) {
      if nextDue != id { faults += 1 }
      armed[id] = nil
      firedCount += 1
      for _ in 0..<Int(random.next() % 3) { armOrCancel() }
    }

    func armOrCancel() {
      let id = Int(random.next() % UInt64(timers.count))
      if random.chance(0.3) {
        timers[id].cancel()
        armed[id] = nil
        return
      }
      // Every scale from nanoseconds to days, the past, and round numbers that collide.
      let scale = Int64(1) << Int64(random.next() % 48)
      var deadline = horizon + random.uniform(-scale / 8...scale)
      if random.chance(0.3) { deadline = (deadline + 4_095) & ~4_095 }
      sequence += 1
      let isOverdue = deadline <= horizon
      armed[id] = Entry(
        deadline: isOverdue ? horizon : deadline, sequence: sequence, advance: isOverdue ? advances + 1 : 0)
      timers[id].arm(at: Instant(nanoseconds: deadline))
    }

    func advance() {
      // To the very next deadline, just short of it, or somewhere.
      let next = armed.values.map(\.deadline).min() ?? horizon
      let scale = Int64(1) << Int64(random.next() % 44)
      horizon = max(
        horizon, [next, next - 1, next + 1, horizon + random.uniform(0...scale)][Int(random.next() % 4)])
      advances += 1
      wheel.advance(to: Instant(nanoseconds: horizon))
      if nextDue != nil { faults += 1 }
    }
  }

  @Test("thousands of random operations fire the same timers in the same order", arguments: 1...24)
  func agreement(seed: Int) {
    let bed = Bed(seed: UInt64(seed), timerCount: [3, 17, 80][seed % 3])
    for step in 0..<4_000 {
      if bed.random.chance(0.6) { bed.armOrCancel() } else { bed.advance() }
      let model = bed.armed.values.map(\.deadline).min()
      if bed.random.chance(0.5), bed.wheel.nextDeadline?.nanoseconds != model { bed.faults += 1 }
      if bed.wheel.armedCount != bed.armed.count { bed.faults += 1 }
      if bed.faults > 0 {
        Issue.record("seed \(seed): the wheel and the model differ after step \(step)")
        return
      }
    }
    #expect(bed.firedCount > 500)
    for (id, timer) in bed.timers.enumerated() {
      #expect(timer.isArmed == (bed.armed[id] != nil))
      timer.cancel()
    }
    #expect(bed.wheel.armedCount == 0 && bed.wheel.nextDeadline == nil)
  }
}
