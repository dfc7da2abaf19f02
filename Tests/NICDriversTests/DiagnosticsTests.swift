import EventLoop
import IntelNIC
import Link
import NICDrivers
import Packets
import Testing

/// What the driver tells by ``DeviceDiagnostics`` is what the controller's model has, and what is set has its effect
/// there.
@Suite struct DiagnosticsTests {
  private func isBack(_ bench: ModelBench) {
    bench.loop.advance(by: .milliseconds(50))
    let before = (bench.wire.sent.count, bench.client.frames.count)
    bench.send(ModelBench.frame(100))
    bench.driver.doorbell()
    bench.wire.deliver(ModelBench.frame(90))
    bench.settle()
    #expect(bench.wire.sent.count == before.0 + 1 && bench.client.frames.count == before.1 + 1)
  }

  @Test("it names Linux's driver, and the place on the bus")
  func information() throws {
    let bench = try ModelBench()
    #expect(bench.driver.information == DriverInformation(name: "e1000", busAddress: "0000:00:03.0"))
    #expect(bench.driver.messageLevel == 7)
    bench.driver.messageLevel = 0xFFFF_FFFF
    #expect(bench.driver.messageLevel == 0xFFFF_FFFF)
  }

  @Test("the link is what PHY and STATUS say, and unknown without a cable")
  func link() throws {
    let bench = try ModelBench()
    let link = bench.driver.linkSettings
    #expect(link.supported.rawValue == 0xEF && link.advertised.rawValue == 0xEF)
    #expect(link.speed == 1000 && link.isFullDuplex == true && link.negotiates)
    #expect(link.crossover == .straight && link.crossoverControl == 3)
    bench.wire.hasCarrier = false
    bench.wire.port?.carrierChanged()
    bench.loop.advance(by: .milliseconds(50))
    let down = bench.driver.linkSettings
    #expect(down.speed == nil && down.isFullDuplex == nil && down.crossover == .unknown && down.negotiates)
  }

  private func request(_ speed: UInt32, _ duplex: UInt8, crossover: UInt8 = 0) -> LinkRequest {
    LinkRequest(negotiates: false, advertised: [], speed: speed, duplex: duplex, crossoverControl: crossover)
  }

  private func offer(_ modes: LinkModes, crossover: UInt8 = 0) -> LinkRequest {
    LinkRequest(negotiates: true, advertised: modes, speed: 0, duplex: 0, crossoverControl: crossover)
  }

  @Test("a link that is forced or offered comes up like that, and stays so over a stop")
  func setLink() throws {
    let bench = try ModelBench()
    for (wanted, speed, isFull, advertised): (LinkRequest, UInt32, Bool, UInt32) in [
      (request(100, 1), 100, true, 0x80), (request(100, 0), 100, false, 0x80), (request(10, 0), 10, false, 0x80),
      (request(10, 1), 10, true, 0x80), (request(1000, 1), 1000, true, 0xE0),
      (offer([.base10Full, .base100Half]), 100, false, 0xC6), (offer(.base10Full), 10, true, 0xC2),
      (offer(LinkModes(rawValue: .max)), 1000, true, 0xEF), (request(100, 1), 100, true, 0x80),
      (offer([]), 1000, true, 0xEF),
    ] {
      try bench.driver.setLink(wanted)
      for _ in 0...1 {
        isBack(bench)
        let link = bench.driver.linkSettings
        #expect(link.speed == speed && link.isFullDuplex == isFull && link.advertised.rawValue == advertised)
        bench.driver.stop()
        try bench.driver.start()
      }
    }
    bench.driver.stop()
    try bench.driver.setLink(request(10, 0))
    try bench.driver.start()
    isBack(bench)
    #expect(bench.driver.linkSettings.speed == 10)
  }

  @Test("modes that there are not, and a forced crossover without negotiation, are refused; nothing changes")
  func refusedLink() throws {
    let bench = try ModelBench()
    for wanted in [
      request(1000, 0), request(1000, 255), request(10, 2), request(20, 0), request(.max, 255), request(0, 0),
      request(100, 1, crossover: 1),
    ] {
      #expect(throws: DeviceSettingError.invalid) { try bench.driver.setLink(wanted) }
      #expect(bench.driver.linkSettings.speed == 1000 && bench.driver.linkSettings.negotiates)
    }
    for crossover: UInt8 in [1, 2, 7, 3] {
      try bench.driver.setLink(offer([], crossover: crossover))
      #expect(bench.driver.linkSettings.crossoverControl == crossover)
    }
  }

  @Test("restarting negotiation takes the link down, and it comes up")
  func restart() throws {
    let bench = try ModelBench()
    try bench.driver.restartNegotiation()
    #expect(!bench.driver.isLinkUp)
    isBack(bench)
    #expect(bench.client.linkStates == [true, false, true])
  }

  @Test("rings get the sizes that were asked for, in eights, from 48 to 4096; frames flow")
  func rings() throws {
    let bench = try ModelBench()
    #expect(bench.driver.rings == RingSizes(receive: 256, transmit: 256, receiveLimit: 4096, transmitLimit: 4096))
    for (receive, transmit, expected) in [
      (2048, 2048, (2048, 2048)), (0, 0, (48, 48)), (257, 255, (264, 256)), (4095, 4096, (4096, 4096)),
    ] {
      try bench.driver.setRings(receive: receive, transmit: transmit)
      #expect(bench.driver.rings.receive == expected.0 && bench.driver.rings.transmit == expected.1)
      let words = bench.driver.dumpRegisters().words
      #expect(words[3] == UInt32(expected.0 * 16) && words[8] == UInt32(expected.1 * 16))
      isBack(bench)
    }
  }

  @Test("wake-up events are armed by a stop: a magic packet then sets the PME status")
  func wakeUp() throws {
    let bench = try ModelBench()
    #expect(bench.driver.wakeUp == (WakeUpEvents(rawValue: 0x2E), []))
    #expect(throws: DeviceSettingError.unsupported) { try bench.driver.setWakeUp(.link) }
    try bench.driver.setWakeUp([.magicPacket, .broadcast])
    #expect(bench.driver.wakeUp.enabled == [.magicPacket, .broadcast])
    func status() -> UInt32 { bench.handle.read32(bar: 0, offset: Register.wakeUpStatus) }
    let own: [UInt8] = [0x52, 0x54, 0, 0x12, 0x34, 0x56]
    let header: [UInt8] = own + [2, 0, 0, 0, 0, 1, 0x08, 0x42]
    let magic = header + [UInt8](repeating: 0xFF, count: 6) + (0..<16).flatMap { _ in own }
    bench.wire.deliver(magic)
    bench.settle()
    #expect(status() == 0 && bench.client.frames.count == 1)
    bench.driver.stop()
    #expect(bench.bytesInUse == 0)
    bench.loop.advance(by: .milliseconds(50))
    bench.wire.deliver(ModelBench.frame(60))
    #expect(status() == 0)
    bench.wire.deliver(magic)
    #expect(status() == 2)
    try bench.driver.start()
    #expect(bench.handle.read32(bar: 0, offset: Register.wakeUpControl) & 2 == 0)
    isBack(bench)
  }

  @Test("the 82540EM tells no interrupt interval, the 82545EM sets ITR by it; it wakes nobody")
  func interval() throws {
    let small = try ModelBench()
    #expect(throws: DeviceSettingError.unsupported) { try small.driver.interruptInterval() }
    #expect(throws: DeviceSettingError.unsupported) { try small.driver.setInterruptInterval(100) }
    let bench = try ModelBench(controller: .i82545EM)
    #expect(try bench.driver.interruptInterval() == 0)
    func throttling() -> UInt32 { bench.handle.read32(bar: 0, offset: Register.interruptThrottling) }
    // Told is what Linux keeps: interrupts a second, without two bits.
    for (asked, told, register): (UInt32, UInt32, UInt32) in [
      (10, 10, 39), (11, 11, 42), (100, 100, 390), (7000, 7142, 27_508), (10_000, 10_000, 39_062), (0, 0, 0),
    ] {
      try bench.driver.setInterruptInterval(asked)
      #expect(try bench.driver.interruptInterval() == told)
      #expect(throttling() == register)
      try bench.driver.setRings(receive: 256, transmit: 256)
      #expect(throttling() == register)
    }
    for asked: UInt32 in [1, 2, 3, 4, 9, 10_001, .max] {
      #expect(throws: DeviceSettingError.invalid) { try bench.driver.setInterruptInterval(asked) }
    }
    #expect(bench.driver.wakeUp == ([], []))
  }

  @Test("checksums and segmentation go off and on; without checksums nothing is cut up")
  func features() throws {
    let bench = try ModelBench()
    let all: DeviceFeatures = [.transmitChecksum, .receiveChecksum, .segmentationIPv4, .segmentationIPv6]
    #expect(bench.driver.changeableFeatures == all && bench.driver.features == all)
    func receiveChecksums() -> UInt32 { bench.handle.read32(bar: 0, offset: Register.receiveChecksumControl) & 0x300 }
    #expect(receiveChecksums() == 0x300)
    try bench.driver.setFeatures([.transmitChecksum, .trusted])
    #expect(bench.driver.features == .transmitChecksum && receiveChecksums() == 0)
    isBack(bench)
    try bench.driver.setFeatures([.receiveChecksum, .segmentationIPv4])
    #expect(bench.driver.features == .receiveChecksum && receiveChecksums() == 0x300)
    try bench.driver.setFeatures(all)
    #expect(bench.driver.features == all)
    isBack(bench)
  }
}
