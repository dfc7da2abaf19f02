import EventLoop
import IntelNIC
import Link
import NICDrivers
import Testing

@Suite struct InterruptTests {
  @Test("the handler reads the cause once and masks; the pass allows interrupts again")
  func handler() throws {
    let bench = try FakeBench()
    bench.device.log.removeAll()
    bench.device.fill(FakeBench.frame(60))
    bench.settle()
    #expect(
      bench.device.log == [
        .read(Register.interruptCauseRead), .write(Register.interruptMaskClear, InterruptCauses.all.rawValue),
        .write(Register.receiveTail, 0), .write(Register.interruptMaskSet, 0xD4),
      ])
  }

  @Test(
    "no frame waits, whenever it comes: at every register access of handler and pass, and in every call of the client")
  func noLostWakeUp() throws {
    // A second frame at the first moment, at the second, and so on until a run has no such moment.
    var moment = 0
    while true {
      let bench = try FakeBench()
      var passed = 0
      func pass() {
        if passed == moment { bench.device.fill(FakeBench.frame(61)) }
        passed += 1
      }
      bench.device.fill(FakeBench.frame(60))
      bench.device.onRead = { _ in pass() }
      bench.device.onWrite = { _, _ in pass() }
      bench.client.onFrame = pass
      bench.client.onBatchEnd = pass
      bench.settle()
      guard passed > moment else { break }
      #expect(bench.client.frames.count == 2, "a frame at moment \(moment)")
      #expect(bench.device.receiveFree == 255 && bench.client.open == 0)
      moment += 1
    }
    #expect(moment >= 6)
  }

  @Test("a device that raises no cause for a frame written back just before the unmasking is looked at all the same")
  func recheck() throws {
    let bench = try FakeBench()
    bench.device.onWrite = { offset, _ in
      guard offset == Register.interruptMaskSet, bench.client.frames.count < 5 else { return }
      bench.device.fill(FakeBench.frame(61), cause: [])
    }
    bench.device.fill(FakeBench.frame(60))
    bench.settle()
    #expect(bench.client.frames.count == 5 && bench.driver.counters.framesAfterUnmask == 4)
    #expect(bench.driver.counters.interrupts == 1)
  }

  @Test("a client that waits for a buffer hears of it, whenever the device finishes: at every moment of the wait")
  func noLostTransmitReady() throws {
    var moment = 0
    while true {
      let bench = try FakeBench { $0.transmitBuffers = 4 }
      for _ in 0..<4 { #expect(bench.send()) }
      bench.driver.doorbell()
      var passed = 0
      var failed = false
      func pass() {
        if passed == moment { bench.device.takeDescriptors() }
        passed += 1
      }
      bench.device.onRead = { _ in pass() }
      bench.device.onWrite = { _, _ in pass() }
      pass()
      // An interrupt for something else goes on while the client runs dry.
      bench.device.fill(FakeBench.frame(60))
      bench.client.onFrame = {
        pass()
        while bench.send() {}
        failed = true
        bench.driver.doorbell()
        pass()
      }
      bench.client.onBatchEnd = pass
      bench.settle()
      pass()
      bench.settle()
      guard passed > moment else { break }
      if bench.device.transmitPending > 0 {
        // Everything was done before the client ran dry: what it sent then is still to do.
        #expect(bench.client.readyCalls == 0)
        bench.device.takeDescriptors()
        bench.settle()
      }
      #expect(failed && bench.client.readyCalls == 1, "finished at moment \(moment)")
      moment += 1
    }
    #expect(moment >= 6)
  }

  @Test("TXDW is let through only while somebody waits")
  func transmitInterrupts() throws {
    let bench = try FakeBench { $0.transmitBuffers = 2 }
    bench.send()
    bench.driver.doorbell()
    bench.device.takeDescriptors()
    bench.settle()
    #expect(bench.driver.counters.interrupts == 0)
    bench.send()
    bench.send()
    bench.driver.doorbell()
    #expect(!bench.send() && bench.device.mask == 0xD5)
    bench.settle()
    #expect(bench.client.readyCalls == 0)
    bench.device.takeDescriptors()
    bench.settle()
    #expect(bench.client.readyCalls == 1 && bench.device.mask == 0xD4)
  }

  @Test("a buffer that is released, or refused at submission, wakes the waiting client too")
  func released() throws {
    let bench = try FakeBench { $0.transmitBuffers = 1 }
    let first = try #require(bench.driver.reserve(capacity: 60))
    #expect(bench.driver.reserve(capacity: 60) == nil)
    bench.driver.release(first)
    #expect(bench.client.readyCalls == 0)
    bench.settle()
    #expect(bench.client.readyCalls == 1)
    let second = try #require(bench.driver.reserve(capacity: 60))
    #expect(bench.driver.reserve(capacity: 60) == nil)
    bench.driver.submit(second, length: 3, offload: .none)
    bench.settle()
    #expect(bench.client.readyCalls == 2)
  }

  @Test("a client that fails again inside transmitReady is called again later, not at once")
  func waitingAgain() throws {
    let bench = try FakeBench { $0.transmitBuffers = 2 }
    bench.client.onReady = {
      while bench.send() {}
      bench.driver.doorbell()
    }
    while bench.send() {}
    bench.driver.doorbell()
    for round in 1...20 {
      bench.device.takeDescriptors()
      bench.settle()
      #expect(bench.client.readyCalls == round && bench.driver.framesInFlight == 2)
    }
  }

  @Test("a line that is stuck is left alone in growing pauses, and everything goes on when it is well again")
  func storm() throws {
    let bench = try FakeBench { $0.idleInterruptLimit = 100 }
    bench.device.isStuck = true
    bench.device.raise([])
    bench.device.log.removeAll()
    bench.loop.advance(by: .seconds(10))
    let storms = bench.driver.counters.interruptStorms
    // 1 + 2 + 4 ... + 512 ms, then one a second.
    #expect((15...25).contains(storms))
    #expect(bench.device.log.count < 10_000)
    bench.device.fill(FakeBench.frame(60))
    bench.loop.advance(by: .seconds(2))
    #expect(bench.client.frames.count == 1)
    bench.device.isStuck = false
    bench.loop.advance(by: .seconds(2))
    bench.device.fill(FakeBench.frame(60))
    bench.settle()
    #expect(bench.client.frames.count == 2)
  }

  @Test("a cause that comes back at every unmasking, without work behind it, ends the same way")
  func causeStorm() throws {
    let bench = try FakeBench { $0.idleInterruptLimit = 100 }
    bench.device.onWrite = { offset, _ in
      if offset == Register.interruptMaskSet { bench.device.raise(.linkStatusChange) }
    }
    bench.device.raise(.linkStatusChange)
    bench.loop.advance(by: .milliseconds(10))
    #expect((2...5).contains(bench.driver.counters.interruptStorms))
    #expect(bench.driver.counters.interrupts < 1000)
  }

  @Test("an interrupt of another function on the line does no harm")
  func shared() throws {
    let bench = try FakeBench()
    bench.device.isStuck = true
    var reads = 0
    bench.device.onRead = { offset in
      reads += offset == Register.interruptCauseRead ? 1 : 0
      if reads == 3 { bench.device.isStuck = false }
    }
    bench.device.fill(FakeBench.frame(60))
    bench.settle()
    #expect(bench.client.frames.count == 1 && bench.driver.counters.spuriousInterrupts == 2)
  }

  @Test("interrupt throttling is written in units of 256 ns")
  func throttling() throws {
    #expect(
      try FakeBench { $0.interruptInterval = .microseconds(50) }.device.registers[Register.interruptThrottling] == 195)
    #expect(try FakeBench().device.registers[Register.interruptThrottling] == 0)
  }
}
