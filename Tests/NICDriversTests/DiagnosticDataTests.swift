import EventLoop
import IntelNIC
import Link
import NICDrivers
import Packets
import Testing

/// Registers, EEPROM, statistics, tests, and flow control by ``DeviceDiagnostics``.
@Suite struct DiagnosticDataTests {
  static let controllers: [IntelController] = [.i82540EM, .i82545EM]

  @Test("the register dump is the device's, in the order that ethtool decodes")
  func registers() throws {
    let bench = try ModelBench()
    let dump = bench.driver.dumpRegisters()
    #expect(dump.version == 0x0102_100E && dump.words.count == 32)
    for (place, offset) in [
      (0, Register.deviceControl), (1, Register.deviceStatus), (2, Register.receiveControl),
      (3, Register.receiveLength), (5, Register.receiveTail), (7, Register.transmitControl),
      (8, Register.transmitLength), (26, Register.managementControl),
    ] {
      #expect(dump.words[place] == bench.handle.read32(bar: 0, offset: offset))
    }
    // PSSTAT, PSCON, GSTATUS: a link at a gigabit.
    #expect(dump.words[13] == 0xAC00 && dump.words[17] == 0x0068 && dump.words[24] == 0x7C00)
  }

  @Test("the EEPROM reads by bytes, and a write makes its checksum right", arguments: controllers)
  func eeprom(controller: IntelController) throws {
    let bench = try ModelBench(controller: controller)
    let driver = bench.driver
    #expect(driver.eepromByteCount == (controller == .i82540EM ? 128 : 512))
    #expect(driver.eepromMagic == UInt32(controller.rawValue) << 16 | 0x8086)
    #expect(try driver.readEEPROM(0..<6) == [0x52, 0x54, 0, 0x12, 0x34, 0x56])
    #expect(try driver.readEEPROM(1..<4) == [0x54, 0, 0x12] && driver.readEEPROM(7..<7) == [])
    for (bytes, offset): ([UInt8], Int) in [([1, 2, 3], 0x23), ([4], 0x40), ([5, 6], 0x42), ([7], 127)] {
      try driver.writeEEPROM(bytes, at: offset)
      // The checksum is where the last one went.
      if offset < 126 { #expect(try driver.readEEPROM(offset..<offset + bytes.count) == bytes) }
      let all = try driver.readEEPROM(0..<128)
      let words = stride(from: 0, to: 128, by: 2).map { UInt16(all[$0]) | UInt16(all[$0 + 1]) << 8 }
      #expect(EEPROMLayout.isValid(words))
    }
    #expect(try driver.readEEPROM(0x22..<0x23) == [0] && driver.readEEPROM(0x26..<0x27) == [0])
    if controller == .i82545EM {
      try driver.writeEEPROM([9, 8, 7], at: 509)
      #expect(try driver.readEEPROM(508..<512) == [0, 9, 8, 7])
    }
  }

  @Test("statistics bear Linux's names, and are the device's")
  func statistics() throws {
    let bench = try ModelBench()
    for index in 0..<5 { bench.wire.deliver(ModelBench.frame(100, index)) }
    bench.settle()
    bench.send(ModelBench.frame(60))
    bench.driver.doorbell()
    let values = bench.driver.statisticValues()
    let names = bench.driver.statisticNames
    #expect(names.count == 44 && values.count == 44 && Set(names).count == 44)
    func value(_ name: String) -> UInt64? { names.firstIndex(of: name).map { values[$0] } }
    #expect(value("rx_packets") == 5 && value("rx_bytes") == 520 && value("tx_packets") == 1)
    #expect(value("tx_bytes") == 64 && value("rx_long_byte_count") == 520 && value("rx_errors") == 0)
    #expect(names.first == "rx_packets" && names.last == "dropped_smbus")
  }

  @Test("the tests pass on a sound device, after which it runs as before", arguments: controllers)
  func selfTest(controller: IntelController) throws {
    let bench = try ModelBench(controller: controller)
    #expect(bench.driver.testNames.count == 5)
    #expect(bench.driver.runTests(offline: false) == [0, 0, 0, 0, 0])
    #expect(bench.client.linkStates == [true])
    #expect(bench.driver.runTests(offline: true) == [0, 0, 0, 0, 0])
    #expect(bench.wire.sent.isEmpty && bench.client.frames.isEmpty)
    #expect(bench.driver.state == .running)
    bench.loop.advance(by: .milliseconds(50))
    #expect(bench.driver.isLinkUp)
    bench.wire.deliver(ModelBench.frame(90))
    bench.settle()
    #expect(bench.client.frames.count == 1)
    // Stopped, it stays stopped, without a link.
    bench.driver.stop()
    #expect(bench.driver.runTests(offline: true) == [0, 0, 0, 0, 1])
    #expect(bench.driver.state == .stopped && bench.bytesInUse == 0)
  }

  @Test("the EEPROM's test fails for a wrong sum, the link's without a cable")
  func failedTests() throws {
    let bench = try ModelBench()
    bench.wire.hasCarrier = false
    bench.wire.port?.carrierChanged()
    #expect(bench.driver.runTests(offline: false) == [0, 0, 0, 0, 1])
  }

  @Test("pause frames are sent and obeyed as they were set, or as both ends agreed")
  func pause() throws {
    let bench = try ModelBench()
    #expect(bench.driver.pause == PauseParameters())
    func control() -> DeviceControl { DeviceControl(rawValue: bench.handle.read32(bar: 0, offset: 0)) }
    for (receives, transmits) in [(true, true), (true, false), (false, true), (false, false)] {
      let wanted = PauseParameters(receives: receives, transmits: transmits)
      try bench.driver.setPause(wanted)
      #expect(control().receiveFlowControl == receives && control().transmitFlowControl == transmits)
      #expect(bench.driver.pause == wanted && bench.driver.isLinkUp)
      bench.driver.stop()
      try bench.driver.start()
      bench.loop.advance(by: .milliseconds(50))
      #expect(control().receiveFlowControl == receives && control().transmitFlowControl == transmits)
    }
    // The partner of the model's PHY has symmetric pause only.
    for (asked, agreed): ((Bool, Bool), (Bool, Bool)) in [
      ((true, true), (true, true)), ((true, false), (true, false)), ((false, true), (false, false)),
      ((false, false), (false, false)),
    ] {
      try bench.driver.setPause(PauseParameters(negotiates: true, receives: asked.0, transmits: asked.1))
      bench.loop.advance(by: .milliseconds(50))
      #expect(bench.driver.isLinkUp)
      #expect(
        bench.driver.pause == PauseParameters(negotiates: true, receives: agreed.0, transmits: agreed.1), "\(asked)")
      #expect(control().receiveFlowControl == agreed.0 && control().transmitFlowControl == agreed.1)
    }
  }
}
