import EventLoop
import Testing

@Suite("Timer wheel") struct TimerWheelTests {
  let wheel = TimerWheel()
  let log = Log()

  final class Log { var fired: [String] = [] }

  func timer(_ name: String) -> LoopTimer { LoopTimer(of: wheel) { [log] in log.fired.append(name) } }
  func instant(_ nanoseconds: Int64) -> Instant { Instant(nanoseconds: nanoseconds) }

  @Test("a timer fires at its deadline and not a nanosecond before")
  func exactness() {
    let timer = timer("a")
    timer.arm(at: instant(1_000_000_007))
    wheel.advance(to: instant(1_000_000_006))
    #expect(log.fired.isEmpty && timer.isArmed)
    wheel.advance(to: instant(1_000_000_007))
    #expect(log.fired == ["a"] && !timer.isArmed && wheel.armedCount == 0)
  }

  @Test(
    "a deadline on either side of each digit's boundary fires exactly, from any position",
    arguments: 1...10)
  func cascadeBoundaries(level: Int) {
    let boundary = Int64(1) << Int64(6 * level)
    for start in [0, 1, boundary - 3] {
      for deadline in [boundary - 2, boundary - 1, boundary, boundary + 1, boundary * 2 - 1, boundary * 2] {
        let wheel = TimerWheel()
        var fired = 0
        let timer = LoopTimer(of: wheel) { fired += 1 }
        wheel.advance(to: instant(start))
        timer.arm(at: instant(deadline))
        #expect(wheel.nextDeadline == instant(deadline))
        // A stop on the way, so that the timer moves down in two steps.
        wheel.advance(to: instant(start + (deadline - 1 - start) / 2))
        wheel.advance(to: instant(deadline - 1))
        #expect(fired == 0)
        #expect(wheel.nextDeadline == instant(deadline))
        wheel.advance(to: instant(deadline))
        #expect(fired == 1)
        #expect(wheel.nextDeadline == nil)
      }
    }
  }

  @Test("one advance fires in order of deadline, whatever the order of arming")
  func order() {
    let deadlines: [Int64] = [5_000_000_000, 1, 64, 63, 4096, 4095, 900, 1 << 40, 65]
    let timers = deadlines.map { timer("\($0)") }
    for (timer, deadline) in zip(timers, deadlines) { timer.arm(at: instant(deadline)) }
    withExtendedLifetime(timers) { wheel.advance(to: instant(1 << 41)) }
    #expect(log.fired == deadlines.sorted().map { "\($0)" })
  }

  @Test("timers with one deadline fire in order of arming, also when they were armed from different positions")
  func equalDeadlines() {
    let (a, b, c, d) = (timer("a"), timer("b"), timer("c"), timer("d"))
    a.arm(at: instant(10_000))
    d.arm(at: instant(10_000))
    wheel.advance(to: instant(9_000))
    b.arm(at: instant(10_000))
    wheel.advance(to: instant(9_990))
    c.arm(at: instant(10_000))
    d.arm(at: instant(10_000))
    wheel.advance(to: instant(20_000))
    #expect(log.fired == ["a", "b", "c", "d"])
  }

  @Test("a deadline in the past fires at the next advance, even if time stands still")
  func past() {
    wheel.advance(to: instant(500))
    let (late, later) = (timer("late"), timer("later"))
    late.arm(at: instant(400))
    later.arm(at: instant(300))
    #expect(wheel.nextDeadline == instant(500))
    wheel.advance(to: instant(500))
    #expect(log.fired == ["late", "later"])
  }

  @Test("a cancelled timer does not fire, and the next deadline is that of the others")
  func cancel() {
    let (a, b) = (timer("a"), timer("b"))
    a.arm(at: instant(70_000))
    b.arm(at: instant(80_000))
    #expect(wheel.nextDeadline == instant(70_000))
    a.cancel()
    a.cancel()
    #expect(wheel.nextDeadline == instant(80_000))
    #expect(wheel.armedCount == 1)
    wheel.advance(to: instant(100_000))
    #expect(log.fired == ["b"])
  }

  @Test("arming again replaces the earlier deadline, to either side")
  func rearm() {
    let timer = timer("a")
    timer.arm(at: instant(100))
    timer.arm(at: instant(9_000))
    #expect(wheel.nextDeadline == instant(9_000) && timer.deadline == instant(9_000))
    timer.arm(at: instant(300))
    #expect(wheel.nextDeadline == instant(300) && wheel.armedCount == 1)
    wheel.advance(to: instant(10_000))
    #expect(log.fired == ["a"])
  }

  @Test("a handler that cancels a timer of the same instant keeps it from firing")
  func cancelInHandler() {
    let victim = timer("victim")
    let overdueVictim = timer("overdue victim")
    let killer = LoopTimer(of: wheel) {
      victim.cancel()
      overdueVictim.cancel()
    }
    killer.arm(at: instant(777))
    victim.arm(at: instant(777))
    wheel.advance(to: instant(777))
    killer.arm(at: instant(1))
    overdueVictim.arm(at: instant(1))
    wheel.advance(to: instant(777))
    #expect(log.fired.isEmpty && wheel.armedCount == 0)
  }

  @Test("a handler that re-arms its own timer for the present runs once an advance")
  func rearmForPresent() {
    final class Owner { var timer: LoopTimer?, runs = 0 }
    let owner = Owner()
    let due = instant(50)
    owner.timer = LoopTimer(of: wheel) { [unowned owner] in
      owner.runs += 1
      owner.timer!.arm(at: due)
    }
    owner.timer!.arm(at: due)
    for turn in 1...5 {
      wheel.advance(to: instant(60))
      #expect(owner.runs == turn)
    }
  }

  @Test("a handler that arms a timer within the advance's future sees it fire at a later advance")
  func armInHandler() {
    let second = timer("second")
    let first = LoopTimer(of: wheel) { second.arm(at: Instant(nanoseconds: 1_000)) }
    first.arm(at: instant(10))
    wheel.advance(to: instant(500))
    #expect(log.fired.isEmpty && wheel.nextDeadline == instant(1_000))
    wheel.advance(to: instant(1_000))
    #expect(log.fired == ["second"])
  }

  @Test("a dropped timer is disarmed, also by its own handler")
  func dropped() {
    var doomed: LoopTimer? = timer("doomed")
    doomed!.arm(at: instant(10))
    #expect(wheel.armedCount == 1)
    doomed = nil
    #expect(wheel.armedCount == 0 && wheel.nextDeadline == nil)

    final class Owner { var timer: LoopTimer? }
    let owner = Owner()
    owner.timer = LoopTimer(of: wheel) { [unowned owner, log] in
      owner.timer = nil
      log.fired.append("suicide")
    }
    owner.timer!.arm(at: instant(20))
    wheel.advance(to: instant(30))
    #expect(log.fired == ["suicide"] && owner.timer == nil)
  }

  @Test("arming for the distant future disarms")
  func distantFuture() {
    let timer = timer("never")
    timer.arm(at: instant(10))
    timer.arm(at: .distantFuture)
    #expect(!timer.isArmed && timer.deadline == .distantFuture && wheel.nextDeadline == nil)
    timer.arm(at: instant(.max - 1))
    #expect(wheel.nextDeadline == instant(.max - 1))
    wheel.advance(to: instant(.max - 1))
    #expect(log.fired == ["never"])
  }

  @Test("time that seems to run backwards changes nothing")
  func backwards() {
    let timer = timer("a")
    wheel.advance(to: instant(1_000))
    timer.arm(at: instant(1_500))
    wheel.advance(to: instant(10))
    wheel.advance(to: instant(1_499))
    #expect(log.fired.isEmpty)
    wheel.advance(to: instant(1_500))
    #expect(log.fired == ["a"])
  }
}
