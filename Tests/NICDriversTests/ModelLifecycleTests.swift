import EventLoop
import Link
import NICDrivers
import Testing

@Suite struct ModelLifecycleTests {
  @Test("no frame waits, whenever it comes: before and after every register access, and in every call of the client")
  func noLostWakeUp() throws {
    var moment = 0
    while true {
      let bench = try ModelBench()
      var passed = 0
      func pass() {
        if passed == moment { bench.wire.deliver(ModelBench.frame(61)) }
        passed += 1
      }
      bench.handle.onAccess = pass
      bench.client.onFrame = {
        pass()
        // An answer for every frame, as a stack gives it.
        bench.send(ModelBench.frame(64))
      }
      bench.client.onBatchEnd = {
        pass()
        bench.driver.doorbell()
      }
      bench.wire.deliver(ModelBench.frame(60))
      bench.settle()
      guard passed > moment else { break }
      bench.handle.onAccess = {}
      #expect(bench.client.frames.count == 2 && bench.client.open == 0, "a frame at moment \(moment)")
      #expect(bench.wire.sent.count == 2 && bench.loop.isIdle)
      moment += 1
    }
    #expect(moment >= 10)
  }

  @Test("200 starts and stops under traffic return all memory, and the last start works like the first")
  func cycles() throws {
    let bench = try ModelBench()
    bench.driver.stop()
    #expect(bench.bytesInUse == 0)
    for round in 0..<200 {
      try bench.driver.start()
      bench.loop.advance(by: .milliseconds(Int(bench.loop.random.next() % 40)))
      let before = bench.wire.sent.count
      for index in 0..<Int(bench.loop.random.next() % 300) {
        bench.wire.deliver(ModelBench.frame(64, index))
        bench.send(ModelBench.frame(64, index))
      }
      if round % 2 == 0 { bench.driver.doorbell() }
      if round % 3 == 0 { bench.settle() }
      if round % 2 != 0 { #expect(bench.wire.sent.count == before) }
      bench.driver.stop()
      #expect(bench.bytesInUse == 0)
    }
    try bench.driver.start()
    bench.loop.advance(by: .milliseconds(50))
    bench.client.frames.removeAll()
    bench.wire.sent.removeAll()
    bench.wire.deliver(ModelBench.frame(1000))
    bench.send(ModelBench.frame(1000))
    bench.driver.doorbell()
    bench.settle()
    #expect(bench.client.frames.last == ModelBench.frame(1000) && bench.wire.sent == [ModelBench.frame(1000)])
    #expect(bench.model.counters.guestErrors == .init())
    bench.driver.stop()
    #expect(bench.bytesInUse == 0 && bench.driver.counters.resets == 202)
  }

  @Test("the link follows the cable")
  func carrier() throws {
    let bench = try ModelBench()
    bench.wire.hasCarrier = false
    bench.model.carrierChanged()
    bench.settle()
    #expect(!bench.driver.isLinkUp)
    bench.wire.hasCarrier = true
    bench.model.carrierChanged()
    bench.loop.advance(by: .milliseconds(50))
    #expect(bench.driver.isLinkUp && bench.client.linkStates == [true, false, true])
  }

  @Test("an idle interface does nothing at all")
  func idle() throws {
    let bench = try ModelBench()
    bench.wire.deliver(ModelBench.frame(60))
    bench.settle()
    var accesses = 0
    bench.handle.onAccess = { accesses += 1 }
    let turns = bench.loop.counters.turns
    bench.loop.advance(by: .seconds(3600))
    #expect(accesses == 0 && bench.loop.isIdle && bench.loop.counters.turns - turns <= 2)
  }

  @Test("a function that loses its memory decoding is gone; its memory comes back with stop")
  func vanished() throws {
    let bench = try ModelBench()
    bench.wire.deliver(ModelBench.frame(60))
    bench.handle.writeConfiguration(4, size: 2, value: 0)
    bench.settle()
    #expect(bench.driver.state == .gone && bench.client.linkStates == [true, false])
    bench.driver.stop()
    #expect(bench.bytesInUse == 0)
    try bench.driver.start()
    bench.loop.advance(by: .milliseconds(50))
    bench.wire.deliver(ModelBench.frame(60))
    bench.settle()
    #expect(bench.client.frames.last == ModelBench.frame(60))
  }

  @Test("throttled interrupts delay frames by the interval at most")
  func throttling() throws {
    let bench = try ModelBench { $0.interruptInterval = .microseconds(100) }
    for index in 0..<1000 {
      bench.wire.deliver(ModelBench.frame(60, index))
      bench.loop.advance(by: .microseconds(10))
    }
    bench.loop.advance(by: .microseconds(100))
    #expect(bench.client.frames.count == 1000)
    #expect((90...115).contains(bench.driver.counters.interrupts))
  }
}
