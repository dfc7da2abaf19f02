import EventLoop
import IntelNIC
import Link
import NICDrivers
import Testing

@Suite struct LifecycleTests {
  @Test("an MTU for whose buffers there is no memory leaves the driver running with the old one")
  func noMemoryForMTU() throws {
    let bench = try FakeBench()
    bench.settle()
    let before = bench.driver.dmaByteCount
    bench.device.memoryLimit = before + 4096
    #expect(!bench.driver.changeMTU(to: 16_110))
    #expect(bench.driver.mtu == 1500 && bench.driver.state == .running && bench.driver.isLinkUp)
    #expect(bench.driver.dmaByteCount == before && bench.driver.counters.failedRestarts == 0)
    #expect(bench.client.linkStates.suffix(2) == [false, true] && bench.send())
    // A stopped driver has no memory that could be too small.
    bench.driver.stop()
    #expect(bench.driver.changeMTU(to: 16_110) && bench.driver.mtu == 16_110)
    #expect(throws: DriverError.self) { try bench.driver.start() }
  }

  @Test("a driver that cannot go back to its old MTU either is stopped, without a link, and says so")
  func noWayBack() throws {
    let bench = try FakeBench()
    bench.settle()
    // Somebody else takes the memory as soon as the driver gives it back.
    bench.client.onLink = { isUp in if !isUp { bench.device.memoryLimit = 4096 } }
    #expect(!bench.driver.changeMTU(to: 9000))
    #expect(bench.driver.state == .stopped && !bench.driver.isLinkUp && bench.client.linkStates.last == false)
    #expect(bench.driver.mtu == 1500 && bench.driver.dmaByteCount == 0 && bench.driver.counters.failedRestarts == 1)
    bench.device.memoryLimit = .max
    try bench.driver.start()
    #expect(bench.driver.isLinkUp && bench.send())
  }

  @Test("stop gives all memory back, quiets the device and takes its bus away")
  func stop() throws {
    let bench = try FakeBench()
    #expect(bench.device.bytesInUse > 1 << 20 && bench.driver.dmaByteCount == bench.device.bytesInUse)
    bench.driver.stop()
    #expect(bench.device.bytesInUse == 0 && bench.driver.dmaByteCount == 0)
    #expect(!bench.device.isConnected && bench.device.mask == 0 && bench.device.commandWord & 4 == 0)
    #expect(bench.device.registers[Register.receiveControl]! & 2 == 0)
    #expect(bench.device.registers[Register.transmitControl]! & 2 == 0)
    #expect(bench.driver.state == .stopped && !bench.driver.isLinkUp && bench.client.linkStates == [true, false])
    #expect(bench.driver.reserve(capacity: 60) == nil)
    bench.driver.doorbell()
    bench.driver.stop()
  }

  @Test("200 starts and stops, with traffic in flight and buffers held, lose nothing")
  func cycles() throws {
    let bench = try FakeBench(starting: false)
    for round in 0..<200 {
      try bench.driver.start()
      bench.device.receiveHead = 0
      bench.device.transmitHead = 0
      #expect(bench.device.fill(FakeBench.frame(60, round)))
      if round % 2 == 0 { bench.settle() }
      let held = try #require(bench.driver.reserve(capacity: 1000))
      bench.send()
      if round % 3 != 0 {
        bench.driver.doorbell()
        bench.device.takeDescriptors()
      }
      bench.driver.stop()
      #expect(bench.device.bytesInUse == 0)
      bench.driver.submit(held, length: 60, offload: .none)
      bench.driver.release(held)
      bench.settle()
    }
    let counters = bench.driver.counters
    #expect(counters.staleBuffers == 400 && counters.framesReceived == 100 && counters.framesSent == 200)
    #expect(counters.transmitAbandoned == 67 && counters.resets == 200)
    #expect(bench.loop.isIdle)
  }

  @Test("stop waits for what the device still sends, in bounded time")
  func drain() throws {
    let bench = try FakeBench()
    for _ in 0..<3 { bench.send() }
    bench.driver.doorbell()
    var reads = 0
    bench.device.onRead = { offset in
      guard offset == Register.transmitHead else { return }
      reads += 1
      if reads % 10 == 0 { _ = bench.device.takeDescriptor() }
    }
    bench.driver.stop()
    #expect(bench.driver.counters.transmitAbandoned == 0 && reads == 30)
    try bench.driver.start()
    bench.device.transmitHead = 0
    bench.send()
    bench.driver.doorbell()
    bench.device.onRead = { _ in }
    bench.driver.stop()
    #expect(bench.driver.counters.transmitAbandoned == 1 && bench.device.bytesInUse == 0)
  }

  @Test("what was submitted without a doorbell is sent before the device stops, and not waited for in vain")
  func drainsWhatWasSubmitted() throws {
    let bench = try FakeBench()
    bench.send()
    bench.device.onRead = { offset in
      if offset == Register.transmitHead { bench.device.takeDescriptors() }
    }
    bench.driver.stop()
    #expect(bench.driver.counters.transmitAbandoned == 0)
    #expect(bench.device.writes(to: Register.transmitTail).last == 1)
  }

  @Test("a client that waited for a buffer over a restart is told")
  func waitingOverRestart() throws {
    let bench = try FakeBench { $0.transmitBuffers = 1 }
    bench.send()
    bench.driver.doorbell()
    #expect(!bench.send())
    bench.driver.stop()
    bench.settle()
    #expect(bench.client.readyCalls == 0)
    try bench.driver.start()
    bench.settle()
    #expect(bench.client.readyCalls == 1 && bench.send())
  }

  @Test("a device that disappears is noticed, its memory given back, and it can come again")
  func gone() throws {
    let bench = try FakeBench()
    bench.send()
    bench.driver.doorbell()
    bench.device.isGone = true
    bench.device.raise(.receiverTimer)
    bench.settle()
    #expect(bench.driver.state == .gone && !bench.driver.isLinkUp && bench.client.linkStates == [true, false])
    #expect(bench.driver.counters.deviceLosses == 1 && !bench.device.isConnected)
    bench.send()
    bench.driver.doorbell()
    #expect(bench.driver.counters.transmitWithoutLink == 1)
    #expect(bench.driver.statistics()["GPRC"] == 0)
    #expect(throws: DriverError.deviceGone) { try bench.driver.start() }
    #expect(bench.driver.state == .stopped && bench.device.bytesInUse == 0)
    bench.device.isGone = false
    try bench.driver.start()
    bench.device.receiveHead = 0
    bench.device.fill(FakeBench.frame(60))
    bench.settle()
    #expect(bench.client.frames.count == 1 && bench.driver.state == .running)
  }

  @Test("a driver that is dropped stops its device")
  func dropped() throws {
    let loop = VirtualLoop(seed: 1)
    let device = FakeController(on: loop)
    var driver: E1000Driver? = try E1000Driver(device, on: loop, tap: .init(on: loop))
    try driver!.start()
    device.fill(FakeBench.frame(60))
    loop.advance(by: .zero)
    weak let held = driver
    driver = nil
    #expect(held == nil && device.bytesInUse == 0 && !device.isConnected)
  }

  @Test("a change of MTU while running keeps the driver running with new buffers; a failing one leaves it stopped")
  func mtu() throws {
    let bench = try FakeBench()
    let held = try #require(bench.driver.reserve(capacity: 1000))
    let before = bench.device.bytesInUse
    try bench.driver.setMTU(9000)
    #expect(bench.device.bytesInUse > before && bench.driver.state == .running)
    bench.driver.submit(held, length: 60, offload: .none)
    #expect(bench.driver.counters.staleBuffers == 1)
    #expect(bench.send(9018))
    try bench.driver.setMTU(1500)
    #expect(bench.device.bytesInUse == before)
    bench.device.memoryLimit = before
    #expect(throws: DriverError.self) { try bench.driver.setMTU(9000) }
    #expect(bench.driver.state == .stopped && bench.device.bytesInUse == 0)
  }

  @Test("the device's counters add up over reads and restarts")
  func statistics() throws {
    let bench = try FakeBench()
    let values = [Statistic.goodReceived: 5, Statistic.goodOctetsReceived: 7, Statistic.goodOctetsReceived + 4: 1]
    for (offset, value) in values { bench.device.registers[offset] = UInt32(value) }
    #expect(bench.driver.statistics()["GPRC"] == 5)
    #expect(bench.driver.statistics()["GPRC"] == 10)
    let octets = bench.driver.statistics()["GORC"]
    #expect(octets == 3 * (1 << 32 + 7))
    bench.driver.stop()
    #expect(bench.driver.statistics()["GPRC"] == 20)
    #expect(bench.driver.statistics()["nonsense"] == nil)
    #expect(bench.driver.statistics().entries.count > 50)
  }
}
