import EventLoop
import Testing

@Suite("Deferred work") struct DeferredWorkTests {
  let queue = DeferredQueue()
  final class Log { var ran: [String] = [] }
  let log = Log()

  func work(_ name: String) -> DeferredWork { DeferredWork(of: queue) { [log] in log.ran.append(name) } }

  @Test("work runs in order of scheduling, once however often it was scheduled")
  func order() {
    let (a, b, c) = (work("a"), work("b"), work("c"))
    b.schedule()
    a.schedule()
    b.schedule()
    c.schedule()
    #expect(b.isScheduled && !queue.isEmpty)
    #expect(queue.run(limit: 100) == 3)
    #expect(log.ran == ["b", "a", "c"] && !b.isScheduled && queue.isEmpty)
    #expect(queue.run(limit: 100) == 0)
  }

  @Test("work that is taken back does not run, and goes to the end when it is scheduled again")
  func cancel() {
    let (a, b) = (work("a"), work("b"))
    a.schedule()
    b.schedule()
    a.cancel()
    a.schedule()
    queue.run(limit: 100)
    #expect(log.ran == ["b", "a"])
    a.schedule()
    a.cancel()
    queue.run(limit: 100)
    #expect(log.ran == ["b", "a"])
  }

  @Test("work scheduled by running work runs in the same pass, but the pass is bounded")
  func bounded() {
    final class Owner { var work: DeferredWork?, runs = 0 }
    let owner = Owner()
    owner.work = DeferredWork(of: queue) { [unowned owner] in
      owner.runs += 1
      owner.work!.schedule()
    }
    let other = work("other")
    owner.work!.schedule()
    other.schedule()
    #expect(queue.run(limit: 10) == 10)
    #expect(owner.runs == 9 && log.ran == ["other"])
    #expect(owner.work!.isScheduled)
  }

  @Test("dropping work takes it back, also from within its handler")
  func dropped() {
    var doomed: DeferredWork? = work("doomed")
    doomed!.schedule()
    doomed = nil
    #expect(queue.isEmpty)

    final class Owner { var work: DeferredWork? }
    let owner = Owner()
    owner.work = DeferredWork(of: queue) { [unowned owner, log] in
      owner.work = nil
      log.ran.append("last")
    }
    owner.work!.schedule()
    #expect(queue.run(limit: 10) == 1)
    #expect(log.ran == ["last"])
  }

  @Test("the queue takes any number of owners and uses the places of those that are gone")
  func growth() {
    for _ in 0..<3 {
      let many = (0..<1_000).map { work("\($0)") }
      for work in many { work.schedule() }
      let ran = withExtendedLifetime(many) { queue.run(limit: .max) }
      #expect(ran == 1_000)
    }
    #expect(log.ran.count == 3_000 && log.ran[2_999] == "999")
  }

  @Test("work that never stops scheduling itself starves neither timers nor tasks of the loop")
  func noStarvation() throws {
    let loop = VirtualLoop(seed: 1)
    final class Owner { var work: DeferredWork? }
    let owner = Owner()
    owner.work = DeferredWork(on: loop) { [unowned owner] in owner.work!.schedule() }
    owner.work!.schedule()
    var timerFired = false
    let timer = LoopTimer(on: loop) { timerFired = true }
    timer.arm(at: .zero)
    try loop.run {
      while !timerFired { await Task.yield() }
    }
    #expect(timerFired)
  }
}
