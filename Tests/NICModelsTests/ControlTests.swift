import Events
import IntelNIC
import Machine
import NICModels
import Testing

@Suite struct ControlTests {
  @Test("CTRL.RST clears itself, restores registers and the address, lowers the line, keeps the PHY's link")
  func deviceReset() {
    let bench = ModelBench.running()
    bench.write(Register.interruptMaskSet, .max)
    bench.write(Register.interruptCauseSet, 1)
    bench.write(Register.receiveAddressLow, 0x1111_1111)
    bench.transmit(Frames.plain(64))
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 26)
    #expect(bench.read(Register.deviceControl) == 0x0000_0201)
    #expect(!bench.slot.pin)
    #expect(bench.read(Register.interruptMaskSet) == 0)
    #expect(bench.read(Register.receiveAddressLow) == 0x1200_5452)
    #expect(bench.read(Register.receiveAddressHigh) == 0x8000_5634)
    #expect(bench.read(Register.transmitTail) == 0 && bench.read(Register.transmitControl) == 0)
    #expect(bench.read(Statistic.goodTransmitted) == 0)
    #expect(!bench.model.isLinkUp, "SLU is gone")
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 0x40)
    #expect(bench.model.isLinkUp, "no new negotiation")
    bench.expectAlive()
  }

  @Test("reset in the middle of a frame forgets it")
  func resetInsideFrame() {
    let bench = ModelBench.running()
    bench.put(Frames.plain(1000), at: ModelBench.transmitBuffers)
    bench.transmit([.legacy(address: bench.bus(ModelBench.transmitBuffers), length: 500, command: [])])
    bench.write(Register.deviceControl, 1 << 26)
    bench.write(Register.deviceControl, 0x241)
    bench.expectAlive()
  }

  @Test("the bus reset spares nothing")
  func busReset() {
    let bench = ModelBench.running()
    bench.write(Register.wakeUpFilterControl, 2)
    bench.writePHY(PHYRegister.advertisement, 0x21)
    bench.model.reset()
    #expect(bench.read(Register.wakeUpFilterControl) == 0)
    #expect(bench.readPHY(PHYRegister.advertisement) == 0x0DE1)
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("the I/O window reaches every register; reset goes through it")
  func ioWindow() {
    let bench = ModelBench()
    func write(_ offset: Int, _ value: UInt64) { bench.model.write(bar: 1, offset: offset, size: 4, value: value) }
    func read(_ offset: Int) -> UInt64 { bench.model.read(bar: 1, offset: offset, size: 4) }
    write(0, UInt64(Register.vlanEtherType))
    #expect(read(0) == UInt64(Register.vlanEtherType))
    #expect(read(4) == 0x8100)
    write(4, 0x88A8)
    #expect(bench.read(Register.vlanEtherType) == 0x88A8)
    write(0, UInt64(Register.deviceControl))
    write(4, 1 << 26)
    #expect(bench.read(Register.vlanEtherType) == 0x8100)
    write(0, 0x2_0000)
    #expect(read(4) == 0xFFFF_FFFF)
    write(4, 0)
    write(0, 2)
    #expect(read(4) == 0xFFFF_FFFF)
    #expect(bench.errors(.ioAddress) == 3)
    #expect(read(8) == 0xFFFF_FFFF)
    #expect(bench.errors(.unknownRegister) == 1)
  }

  @Test("configuration space: identity, class, regions, power management")
  func configuration() {
    for controller in [IntelController.i82540EM, .i82545EM] {
      let space = ModelBench(controller).model.configuration
      #expect(space.vendorID == 0x8086 && space.deviceID == controller.rawValue)
      #expect(space.get(8, size: 4) >> 8 == 0x020000)
      #expect(space.interruptPin == 1)
      #expect(space.bar(0)?.byteCount == 0x2_0000 && space.bar(0)?.isIO == false)
      #expect(space.bar(1)?.byteCount == 64 && space.bar(1)?.isIO == true)
      #expect(space.get(0x34, size: 1) == 0xDC && space.get(0xDC, size: 1) == 1)
      #expect(space.get(0xDD, size: 1) == (controller == .i82545EM ? 0xE4 : 0))
    }
  }

  @Test("the 82545EM is in PCI-X mode, by its capability and by STATUS; the 82540EM knows no PCI-X")
  func pciX() {
    #expect(DeviceStatus(rawValue: ModelBench().read(Register.deviceStatus)).rawValue & 0xF800 == 0x0800, "66 MHz")
    let bench = ModelBench(.i82545EM)
    let status = DeviceStatus(rawValue: bench.read(Register.deviceStatus))
    #expect(status.pciXMode && status.pciXSpeed == 2 && status.bus64Bit && !status.bus66MHz)
    let space = bench.model.configuration
    #expect(space.read(0xE4, size: 4) == 0x0002_0007, "last of the list, relaxed ordering")
    #expect(space.read(0xE8, size: 4) == 0x0443_FFF8, "64 bits, 133 MHz, 2048 bytes; bus FFh, device 1Fh")
    space.write(0xE4, size: 4, value: .max)
    #expect(space.read(0xE4, size: 4) == 0x007F_0007)
    space.write(0xE8, size: 4, value: .max)
    bench.model.configurationWritten(offset: 0xE8, size: 4)
    #expect(space.read(0xE8, size: 4) == 0x0443_0018, "the errors are cleared; the bus told where it is")
    space.set(0x2C00_0000 | space.get(0xE8, size: 4), at: 0xE8, size: 4)
    space.set(0x0C | space.get(0xEA, size: 1), at: 0xEA, size: 1)
    space.write(0xE8, size: 4, value: 0x200C_0000)
    #expect(space.read(0xE8, size: 4) & 0x200C_0000 == 0)
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("PBA gives the transmit side what the receive side leaves")
  func packetBuffer() {
    let bench = ModelBench()
    #expect(bench.read(Register.packetBufferAllocation) == 0x0010_0030)
    bench.write(Register.packetBufferAllocation, 0x28)
    #expect(bench.read(Register.packetBufferAllocation) == 0x0018_0028)
    bench.write(Register.packetBufferAllocation, 0x40)
    #expect(bench.read(Register.packetBufferAllocation) == 0x0000_0040)
  }

  @Test("ring lengths lose their low seven bits")
  func ringLengths() {
    let bench = ModelBench()
    for register in [Register.transmitLength, Register.receiveLength] {
      bench.write(register, 0xFFFF_FFFF)
      #expect(bench.read(register) == 0x000F_FF80)
      bench.write(register, 16)
      #expect(bench.read(register) == 0)
    }
  }

  @Test("a pause frame stops transmission for its time; XON ends it; only with RFCE")
  func pause() {
    let bench = ModelBench.running()
    bench.write(Register.flowControlAddressLow, 0x00C2_8001)
    bench.write(Register.flowControlAddressHigh, 0x0100)
    bench.write(Register.flowControlType, 0x8808)
    bench.deliver(Frames.pause(100))
    bench.transmit(Frames.plain(64))
    #expect(bench.wire.frames.count == 1)
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 27)
    bench.deliver(Frames.pause(100))
    bench.transmit(Frames.plain(64))
    #expect(bench.wire.frames.count == 1)
    #expect(DeviceStatus(rawValue: bench.read(Register.deviceStatus)).transmissionPaused)
    bench.loop.advance(by: .nanoseconds(100 * 512 - 1))
    #expect(bench.wire.frames.count == 1)
    bench.loop.advance(by: .nanoseconds(1))
    #expect(bench.wire.frames.count == 2)
    bench.deliver(Frames.pause(65535))
    bench.transmit(Frames.plain(64))
    #expect(bench.wire.frames.count == 2)
    bench.deliver(Frames.pause(0))
    #expect(bench.wire.frames.count == 3)
    #expect(bench.read(Statistic.xoffReceived) == 3 && bench.read(Statistic.xonReceived) == 1)
    #expect(bench.read(Register.receiveHead) == 0, "not passed to software")
  }

  @Test("SWXOFF sends a pause frame and clears itself")
  func sendPause() {
    let bench = ModelBench.running()
    bench.write(Register.flowControlAddressLow, 0x00C2_8001)
    bench.write(Register.flowControlAddressHigh, 0x0100)
    bench.write(Register.flowControlType, 0x8808)
    bench.write(Register.flowControlTransmitTimer, 0x0680)
    bench.write(Register.transmitControl, 0x0040_000A)
    #expect(bench.read(Register.transmitControl) == 0x0A)
    var expected = Frames.pause(0x0680)
    expected.replaceSubrange(6..<12, with: Frames.octets(ModelBench.address))
    #expect(bench.wire.frames == [expected])
    #expect(bench.read(Statistic.xoffTransmitted) == 1)
  }

  @Test("accesses, descriptors, frames, interrupts and errors are events with names")
  func events() {
    let bench = ModelBench.running()
    var events: [Event] = []
    bench.tap.attach { events.append($0.event) }
    bench.write(Register.interruptMaskSet, 1)
    bench.transmit(Frames.plain(64))
    _ = bench.read(Register.interruptCauseRead)
    _ = bench.model.read(bar: 0, offset: 1, size: 1)
    #expect(events.contains(.registerWrite(bar: 0, offset: 0xD0, name: "IMS", value: 1, size: 4)))
    #expect(events.contains(.registerRead(bar: 0, offset: 0xC0, name: "ICR", value: 3, size: 4)))
    #expect(events.contains(.descriptor(ring: "tx", index: 0, length: 64, status: 0)))
    #expect(events.contains(.frame(direction: "tx", length: 64, summary: "nic0")))
    #expect(events.contains(.interrupt(line: "nic0", asserted: true, causes: 1)))
    #expect(events.contains(.interrupt(line: "nic0", asserted: false, causes: 0)))
    #expect(events.contains(.note("nic0: guest error bad-access-size")))
  }
}
