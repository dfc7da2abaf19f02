import EventLoop
import Events
import Glibc
import IntelNIC
import Link
import Machine
import Memory
import NICDrivers
import NICModels
import Testing
import VfioUser
import Wires

/// Keeps what a driver receives.
final class RecordingStack: NetworkDeviceClient {
  var frames: [[UInt8]] = []
  var onChange: (() -> Void)?

  func received(_ frame: RawSpan, _ metadata: ReceiveMetadata) {
    frames.append((0..<frame.byteCount).map { frame.unsafeLoad(fromByteOffset: $0, as: UInt8.self) })
  }
  func receiveBatchEnded() { onChange?() }
  func transmitReady() { onChange?() }
  func linkChanged(isUp: Bool) { onChange?() }
}

@Suite("vfio-user client") struct ClientTests {
  @Test("a function is found, sized and enabled; registers and configuration are read and written")
  func access() throws {
    let served = try ServedFunction()
    let thread = ServerThread(running: served.loop)
    defer { thread.stop() }
    let loop = try EpollLoop(seed: 2)
    let client = try VfioUserClient(path: served.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 1 << 20)
    #expect(client.regions.map(\.size) == [128 << 10, 64, 0, 0, 0, 0, 0, 256, 0])
    #expect(client.readConfiguration(PCIRegister.vendorID, size: 2) == 0x8086)
    #expect(client.readConfiguration(PCIRegister.command, size: 2) == 3)
    #expect(client.readConfiguration(PCIRegister.baseAddress0, size: 4) != 0)
    #expect(client.read32(bar: 0, offset: 8) == 0x5566_7788)
    client.write32(bar: 0, offset: 16, value: 0xABCD)
    client.write32(bar: 1, offset: 4, value: 0x1234)
    #expect(client.read32(bar: 0, offset: 0) == 0x5566_7788)
    #expect(
      thread.on { served.function.accesses.dropFirst() } == [
        .init(bar: 0, offset: 16, size: 4, value: 0xABCD), .init(bar: 1, offset: 4, size: 4, value: 0x1234),
        .init(bar: 0, offset: 0, size: 4, value: nil),
      ])
    #expect(thread.on { served.counters.postedWrites } == 1, "ports are waited for")
    #expect(client.read32(bar: 0, offset: 128 << 10) == .max, "beyond the register file")
    #expect(client.read32(bar: 3, offset: 0) == .max)
    #expect(client.counters.refusals == 2 && client.failure == nil)
    client.writeConfiguration(PCIRegister.command, size: 2, value: 7)
    let buffer = try client.allocateDMA(byteCount: 64, alignment: 64)
    buffer.window.store(UInt32(0xFEED), 4)
    let address = buffer.busAddress
    #expect(thread.on { served.server.slot.dma.resolve(address, 64, .write)?.load(4, as: UInt32.self) } == 0xFEED)
    client.freeDMA(buffer)
    #expect(client.dmaCounters.bytesInUse == 0)
  }

  @Test("the handler runs again as long as the line stays asserted, and not any more after that")
  func interrupts() throws {
    let served = try ServedFunction()
    let thread = ServerThread(running: served.loop)
    defer { thread.stop() }
    let loop = try EpollLoop(seed: 2)
    let client = try VfioUserClient(path: served.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096)
    // Asserted before anyone listens: not lost.
    thread.on { served.function.slot!.setInterruptPin(true) }
    var runs = 0
    let waiter = Waiter(on: loop)
    client.setInterruptHandler {
      runs += 1
      if runs == 3 {
        thread.on { served.function.slot!.setInterruptPin(false) }
        waiter.wake()
      }
    }
    try loop.run {
      #expect(await waiter.wait(until: loop.now + .seconds(10)) == .woken)
      // Comes behind the unmask that follows the third run.
      _ = client.read32(bar: 0, offset: 0)
      try await loop.sleep(for: .zero)
    }
    #expect(runs == 3)
    client.setInterruptHandler(nil)
    thread.on { served.function.slot!.setInterruptPin(true) }
    _ = client.read32(bar: 0, offset: 0)
    try loop.run { try await loop.sleep(for: .zero) }
    #expect(runs == 3)
    client.setInterruptHandler { waiter.wake() }
    try loop.run { #expect(await waiter.wait(until: loop.now + .seconds(10)) == .woken) }
  }

  @Test("a server that goes away makes reads give ones, and is reported once")
  func serverGone() throws {
    let served = try ServedFunction()
    let thread = ServerThread(running: served.loop)
    let loop = try EpollLoop(seed: 2)
    let client = try VfioUserClient(path: served.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096)
    var reports: [VfioUserError] = []
    client.onFailure = { reports.append($0) }
    thread.on { served.server.close() }
    thread.stop()
    client.write32(bar: 0, offset: 0, value: 1)
    #expect(client.read32(bar: 0, offset: 8) == .max)
    #expect(client.readConfiguration(0, size: 2) == 0xFFFF)
    client.write32(bar: 0, offset: 0, value: 1)
    #expect(reports == [.disconnected(path: served.path)])
    #expect(client.failure == .disconnected(path: served.path) && client.counters.failures == 1)
  }

  @Test("a server that goes away while nobody asks is noticed too")
  func serverGoneUnasked() throws {
    let served = try ServedFunction()
    let thread = ServerThread(running: served.loop)
    let loop = try EpollLoop(seed: 2)
    let client = try VfioUserClient(path: served.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096)
    let waiter = Waiter(on: loop)
    client.onFailure = { _ in waiter.wake() }
    thread.on { served.server.close() }
    thread.stop()
    try loop.run { #expect(await waiter.wait(until: loop.now + .seconds(10)) == .woken) }
    #expect(client.counters.failures == 1)
  }

  @Test("the driver sends and receives over sockets what it sends and receives in process")
  func driver() throws {
    var made: OwnedModel?
    let served = try ServedFunction { loop, tap in
      let owned = try OwnedModel(loop, tap)
      made = owned
      return owned.model
    }
    let plug = LoopbackPlug(on: served.loop)
    made!.model.plug(into: plug)
    let thread = ServerThread(running: served.loop)
    let loop = try EpollLoop(seed: 2)
    let tap = EventTap(on: loop)
    let client = try VfioUserClient(path: served.path, on: loop, tap: tap, memoryByteCount: 16 << 20)
    let driver = try DriverTable.standard.probe(client, on: loop, tap: tap, configuration: E1000Configuration())
    let stack = RecordingStack()
    driver.client = stack
    let waiter = Waiter(on: loop)
    stack.onChange = { waiter.wake() }
    try driver.start()
    try loop.run {
      while !driver.isLinkUp {
        guard await waiter.wait(until: loop.now + .seconds(10)) == .woken else { throw NoAnswer() }
      }
      for round in 0..<20 {
        let frames = (0..<10).map { ServedController.frame(60 + 100 * $0, round) }
        for frame in frames {
          let buffer = try #require(driver.reserve(capacity: frame.count))
          buffer.window.copy(from: frame.span.bytes)
          driver.submit(buffer, length: frame.count, offload: .none)
        }
        driver.doorbell()
        while stack.frames.count < frames.count {
          guard await waiter.wait(until: loop.now + .seconds(10)) == .woken else { throw NoAnswer() }
        }
        #expect(stack.frames == frames)
        stack.frames = []
      }
    }
    driver.stop()
    #expect(client.dmaCounters.bytesInUse == 0 && client.failure == nil)
    client.close()
    thread.on { served.server.close() }
    thread.stop()
    #expect(served.counters.refusals.total == 0)
  }
}
