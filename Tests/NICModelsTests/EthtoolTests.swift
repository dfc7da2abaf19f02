import EventLoop
import IntelNIC
import Memory
import NICModels
import Testing

/// What Linux's e1000 driver does to the device for `ethtool -t eth0 offline`, test by test, in virtual time.
@Suite struct EthtoolTests {
  static let controllers: [IntelController] = [.i82540EM, .i82545EM]

  /// The reset between the tests: by the I/O window, since a reset cuts a memory access off; then link and filters.
  private func reset(_ bench: ModelBench) {
    bench.write(Register.packetBufferAllocation, 0x30)
    bench.write(Register.interruptMaskClear, .max)
    bench.write(Register.receiveControl, 0)
    bench.write(Register.transmitControl, 0x08)
    bench.loop.advance(by: .milliseconds(10))
    bench.model.write(bar: 1, offset: Intel8254xBAR.ioAddress, size: 4, value: UInt64(Register.deviceControl))
    bench.model.write(
      bar: 1, offset: Intel8254xBAR.ioData, size: 4, value: UInt64(bench.read(Register.deviceControl) | 1 << 26))
    bench.loop.advance(by: .milliseconds(5))
    bench.write(Register.managementControl, bench.read(Register.managementControl) & ~0x2000)
    bench.write(Register.interruptMaskClear, .max)
    _ = bench.read(Register.interruptCauseRead)
    bench.write(Register.wakeUpControl, 0)
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) & ~0x1800 | 0x40)
    bench.writePHY(PHYRegister.control, 0x1340)
    bench.loop.advance(by: .milliseconds(100))
    #expect(bench.errors(.unknownRegister) == 0)
  }

  @Test("link test: STATUS.LU within four seconds of auto-negotiation", arguments: controllers)
  func link(_ controller: IntelController) {
    let bench = ModelBench(controller)
    reset(bench)
    bench.loop.advance(by: .seconds(4))
    #expect(DeviceStatus(rawValue: bench.read(Register.deviceStatus)).linkUp)
  }

  @Test("register test: every register of it reads back, STATUS does not change", arguments: controllers)
  func registers(_ controller: IntelController) {
    let bench = ModelBench(controller)
    reset(bench)
    let status = bench.read(Register.deviceStatus)
    bench.write(Register.deviceStatus, 0xFFFF_F833)
    #expect(bench.read(Register.deviceStatus) & 0xFFFF_F833 == status & 0xFFFF_F833)
    bench.write(Register.deviceStatus, status)
    func patterns(_ offset: Int, _ mask: UInt32, _ written: UInt32) {
      for pattern: UInt32 in [0x5A5A_5A5A, 0xA5A5_A5A5, 0x0000_0000, 0xFFFF_FFFF] {
        bench.write(offset, pattern & written)
        #expect(bench.read(offset) == pattern & written & mask, "\(RegisterTable.family8254x.label(at: offset))")
      }
    }
    func setAndCheck(_ offset: Int, _ mask: UInt32, _ value: UInt32) {
      bench.write(offset, value & mask)
      #expect(bench.read(offset) & mask == value & mask, "\(RegisterTable.family8254x.label(at: offset))")
    }
    patterns(Register.flowControlAddressLow, 0xFFFF_FFFF, 0xFFFF_FFFF)
    patterns(Register.flowControlAddressHigh, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.flowControlType, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.vlanEtherType, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.receiveDelayTimer, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.receiveBaseHigh, 0xFFFF_FFFF, 0xFFFF_FFFF)
    patterns(Register.receiveLength, 0x000F_FF80, 0x000F_FFFF)
    patterns(Register.receiveHead, 0x0000_FFFF, 0x0000_FFFF)
    patterns(Register.receiveTail, 0x0000_FFFF, 0x0000_FFFF)
    patterns(Register.flowControlThresholdHigh, 0x0000_FFF8, 0x0000_FFF8)
    patterns(Register.flowControlTransmitTimer, 0x0000_FFFF, 0x0000_FFFF)
    patterns(Register.transmitInterPacketGap, 0x3FFF_FFFF, 0x3FFF_FFFF)
    patterns(Register.transmitBaseHigh, 0xFFFF_FFFF, 0xFFFF_FFFF)
    patterns(Register.transmitLength, 0x000F_FF80, 0x000F_FFFF)
    setAndCheck(Register.receiveControl, 0xFFFF_FFFF, 0)
    setAndCheck(Register.receiveControl, 0x06DF_B3FE, 0x003F_FFFB)
    setAndCheck(Register.transmitControl, 0xFFFF_FFFF, 0)
    setAndCheck(Register.receiveControl, 0x06DF_B3FE, 0xFFFF_FFFF)
    patterns(Register.receiveBaseLow, 0xFFFF_FFF0, 0xFFFF_FFFF)
    patterns(Register.transmitConfigurationWord, 0xC000_FFFF, 0x0000_FFFF)
    patterns(Register.transmitBaseLow, 0xFFFF_FFF0, 0xFFFF_FFFF)
    patterns(Register.transmitDelayTimer, 0x0000_FFFF, 0x0000_FFFF)
    for index in 0..<15 { patterns(Register.receiveAddressHigh + 8 * index, 0x8003_FFFF, 0xFFFF_FFFF) }
    for index in 0..<128 { patterns(Register.multicastTable + 4 * index, 0xFFFF_FFFF, 0xFFFF_FFFF) }
    #expect(bench.errors(.unknownRegister) == 0)
    reset(bench)
    bench.expectAlive()
  }

  @Test("EEPROM test: words 0 to 3Fh, bit by bit, sum to BABA", arguments: controllers)
  func eeprom(_ controller: IntelController) {
    let bench = ModelBench(controller)
    reset(bench)
    let large = EEPROMControl(rawValue: bench.read(Register.eepromControl)).is256Words
    let pins = BitBang(bench: bench, addressBits: large ? 8 : 6)
    var sum: UInt16 = 0
    for address: UInt32 in 0...0x3F {
      pins.acquire()
      sum &+= pins.read(address)
      pins.release()
    }
    #expect(sum == EEPROMLayout.checksum)
  }

  @Test("interrupt test: each of the causes 0 to 9 comes if it is enabled, and only then", arguments: controllers)
  func interrupts(_ controller: IntelController) {
    let bench = ModelBench(controller)
    reset(bench)
    var seen: UInt32 = 0
    bench.slot.pinChanged = { [unowned bench] asserted in
      if asserted { seen |= bench.read(Register.interruptCauseRead) }
    }
    func write(_ registers: (Int, UInt32)...) -> UInt32 {
      seen = 0
      for (register, value) in registers { bench.write(register, value) }
      bench.loop.advance(by: .milliseconds(10))
      return seen
    }
    _ = write((Register.interruptMaskClear, .max))
    for bit in 0..<10 {
      let mask: UInt32 = 1 << UInt32(bit)
      #expect(
        write((Register.interruptMaskClear, mask), (Register.interruptCauseSet, mask)) & mask == 0, "masked \(bit)")
      #expect(
        write((Register.interruptMaskSet, mask), (Register.interruptCauseSet, mask)) & mask != 0, "enabled \(bit)")
      let others = ~mask & 0x7FFF
      #expect(
        write((Register.interruptMaskClear, others), (Register.interruptCauseSet, others)) == 0, "others than \(bit)")
    }
  }

  @Test("loopback test: in the PHY, with the receiver of the line cut off, rings of 256", arguments: controllers)
  func loopback(_ controller: IntelController) {
    let bench = ModelBench(controller)
    reset(bench)
    let size = 1024
    let frame =
      [UInt8](repeating: 0xFF, count: size / 2) + [UInt8](repeating: 0xAA, count: 10) + [0xBE, 0xAA, 0xAF]
      + [UInt8](repeating: 0xAA, count: size / 2 - 14) + [0xFF]
    bench.put(frame, at: ModelBench.transmitBuffers)
    bench.setUpTransmit(entries: 256, control: 0x0004_00FA)
    for index in 0..<256 {
      bench.memory.store(
        TransmitDescriptor.legacy(
          address: bench.bus(ModelBench.transmitBuffers), length: size,
          command: [.endOfPacket, .insertFCS, .reportSent]), ModelBench.transmitRing + 16 * index)
    }
    bench.setUpReceive(entries: 256, free: 0, control: 0x0000_8002)

    // Crossover off, reset, negotiation off, loopback at 1000 Mbit/s; the MAC to the same speed; the line cut off.
    for value: (UInt8, UInt16) in [(16, 0x0808), (0, 0x9140), (0, 0x8140), (0, 0x4140)] {
      bench.writePHY(value.0, value.1)
    }
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) & ~0x300 | 0x1A81)
    for value: (UInt8, UInt16) in [(29, 0x1F), (30, 0x8FFC), (29, 0x1A), (30, 0x8FF0)] {
      bench.writePHY(value.0, value.1)
    }
    bench.loop.advance(by: .microseconds(500))

    bench.write(Register.receiveTail, 255)
    var sent = 0
    var looked = 0
    for _ in 0...9 {
      sent = (sent + 64) % 256
      bench.write(Register.transmitTail, UInt32(sent))
      bench.loop.advance(by: .milliseconds(200))
      var good = 0
      for _ in 0..<300 where good < 64 {
        let buffer = ModelBench.receiveBuffers + looked * 2048
        looked = (looked + 1) % 256
        if bench.get(buffer, size) == frame { good += 1 }
      }
      #expect(good == 64)
    }
    #expect(bench.wire.frames.isEmpty)
    #expect(bench.read(Statistic.goodTransmitted) == 640)
    // 255 in the ring, 46 in the packet buffer.
    #expect(bench.read(Statistic.goodReceived) == 301 && bench.read(Statistic.missedPackets) == 339)

    // The way back.
    #expect(bench.readPHY(PHYRegister.control) & 0x4000 != 0)
    bench.write(Register.receiveControl, bench.read(Register.receiveControl) & ~0xC0)
    bench.writePHY(PHYRegister.control, bench.readPHY(PHYRegister.control) & ~0x4000)
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 31)
    reset(bench)
    bench.loop.advance(by: .seconds(4))
    bench.expectAlive()
  }

  @Test("MAC loopback by RCTL.LBM, with and without a cable", arguments: [1, 3], [false, true])
  func macLoopback(_ mode: UInt32, _ hasCarrier: Bool) {
    let bench = ModelBench()
    bench.wire.hasCarrier = hasCarrier
    bench.bringLinkUp()
    bench.setUpTransmit()
    bench.setUpReceive(control: 0x0400_8002 | mode << 6)
    let frame = Frames.plain(300, to: ModelBench.address)
    bench.transmit(frame)
    #expect(bench.wire.frames.isEmpty && bench.get(ModelBench.receiveBuffers, 300) == frame)
    #expect(bench.deliver(frame) && bench.read(Register.receiveHead) == 1, "the line is not heard")
    bench.wire.hasCarrier = true
    bench.loop.advance(by: .seconds(1))
    bench.expectAlive("back to normal")
  }
}
