import EventLoop
import IntelNIC
import NICModels
import Testing

@Suite struct PHYTests {
  @Test("identifiers are those of the 88E1011 that drivers expect in an 82540")
  func identifiers() {
    let bench = ModelBench()
    #expect(bench.readPHY(PHYRegister.identifier1) == 0x0141)
    #expect(bench.readPHY(PHYRegister.identifier2) == 0x0C20)
  }

  @Test("no PHY answers at other addresses: error bit, still ready")
  func otherAddresses() {
    let bench = ModelBench()
    for address: UInt8 in 0..<32 where address != 1 {
      bench.write(Register.mdiControl, MDIControl(read: 2, phy: address).rawValue)
      let result = MDIControl(rawValue: bench.read(Register.mdiControl))
      #expect(result.ready && result.error)
    }
    bench.write(Register.mdiControl, 1 << 21)
    #expect(MDIControl(rawValue: bench.read(Register.mdiControl)).error)
    #expect(bench.errors(.mdiAccess) == 1)
  }

  @Test("an MDI access with I raises MDAC")
  func interrupt() {
    let bench = ModelBench()
    var access = MDIControl(read: 2)
    access.interrupt = true
    bench.write(Register.mdiControl, access.rawValue)
    #expect(bench.read(Register.interruptCauseRead) == InterruptCauses.mdiAccessComplete.rawValue)
  }

  @Test("auto-negotiation completes after its time, with LSC; register 1 latches the time without link")
  func negotiation() {
    var options = Intel8254x.Options()
    options.negotiation = .milliseconds(500)
    let bench = ModelBench(options: options)
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 0x40)
    bench.loop.advance(by: .milliseconds(499))
    #expect(!bench.model.isLinkUp)
    #expect(bench.readPHY(PHYRegister.status) == PHYStatus.abilities.rawValue)
    #expect(bench.read(Register.interruptCauseRead) == 0)
    bench.loop.advance(by: .milliseconds(1))
    #expect(bench.model.isLinkUp)
    #expect(bench.read(Register.interruptCauseRead) == InterruptCauses.linkStatusChange.rawValue)
    #expect(!PHYStatus(rawValue: bench.readPHY(PHYRegister.status)).contains(.linkUp), "latched")
    #expect(PHYStatus(rawValue: bench.readPHY(PHYRegister.status)).isSuperset(of: [.linkUp, .negotiationComplete]))
    #expect(bench.readPHY(PHYRegister.gigabitStatus) & 0x3800 == 0x3800, "receivers fine, partner full duplex")
    #expect(bench.readPHY(PHYRegister.specificStatus) & 0xAC00 == 0xAC00, "1000 Mbit/s, full duplex, resolved, up")
    let status = DeviceStatus(rawValue: bench.read(Register.deviceStatus))
    #expect(status.linkUp && status.fullDuplex && status.speed == 2)
  }

  @Test("STATUS shows the link only with SLU")
  func setLinkUp() {
    let bench = ModelBench()
    bench.loop.advance(by: .seconds(1))
    #expect(!bench.model.isLinkUp)
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 0x40)
    #expect(bench.model.isLinkUp)
  }

  @Test("the cable pulled and put back: link down at once, up after negotiation, LSC each time")
  func carrier() {
    let bench = ModelBench.running()
    _ = bench.readPHY(PHYRegister.status)
    _ = bench.readPHY(PHYRegister.status)
    bench.wire.hasCarrier = false
    #expect(!bench.model.isLinkUp)
    #expect(bench.read(Register.interruptCauseRead) == InterruptCauses.linkStatusChange.rawValue)
    bench.wire.hasCarrier = true
    bench.loop.advance(by: .seconds(1))
    #expect(bench.model.isLinkUp)
    #expect(bench.read(Register.interruptCauseRead) & 4 != 0)
    #expect(!PHYStatus(rawValue: bench.readPHY(PHYRegister.status)).contains(.linkUp))
    #expect(PHYStatus(rawValue: bench.readPHY(PHYRegister.status)).contains(.linkUp))
  }

  @Test(
    "speed and duplex are the best of what is advertised",
    arguments: [
      (0x0200, 0x01E1, 2, true), (0, 0x01E1, 1, true), (0, 0x00E1, 1, false), (0, 0x0061, 0, true),
      (0, 0x0021, 0, false),
    ] as [(UInt16, UInt16, UInt32, Bool)])
  func abilities(_ gigabit: UInt16, _ advertisement: UInt16, _ speed: UInt32, _ fullDuplex: Bool) {
    let bench = ModelBench.running()
    bench.writePHY(PHYRegister.gigabitControl, gigabit)
    bench.writePHY(PHYRegister.advertisement, advertisement)
    bench.writePHY(PHYRegister.control, 0x1340)
    #expect(!bench.model.isLinkUp)
    bench.loop.advance(by: .seconds(1))
    let status = DeviceStatus(rawValue: bench.read(Register.deviceStatus))
    #expect(status.linkUp && status.speed == speed && status.fullDuplex == fullDuplex)
  }

  @Test("nothing in common: no link")
  func nothingInCommon() {
    let bench = ModelBench.running()
    bench.writePHY(PHYRegister.gigabitControl, 0)
    bench.writePHY(PHYRegister.advertisement, 1)
    bench.writePHY(PHYRegister.control, 0x1340)
    bench.loop.advance(by: .seconds(5))
    #expect(!bench.model.isLinkUp)
  }

  @Test("PHY reset, by register 0 and by CTRL, restores its registers and negotiates again", arguments: [false, true])
  func phyReset(_ byControl: Bool) {
    let bench = ModelBench.running()
    bench.writePHY(PHYRegister.advertisement, 0x21)
    if byControl {
      bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 31)
      #expect(bench.read(Register.deviceControl) >> 31 == 0)
    } else {
      bench.writePHY(PHYRegister.control, 0x9140)
    }
    #expect(bench.readPHY(PHYRegister.control) == 0x1140)
    #expect(bench.readPHY(PHYRegister.advertisement) == 0x0DE1)
    #expect(!bench.model.isLinkUp)
    bench.loop.advance(by: .seconds(1))
    #expect(bench.model.isLinkUp)
  }

  @Test("in PHY loopback frames come back and nothing leaves; the wire is not heard")
  func loopback() {
    let bench = ModelBench.running()
    bench.wire.hasCarrier = false
    bench.writePHY(PHYRegister.control, 0x4140)
    #expect(bench.model.isLinkUp)
    let frame = Frames.plain(100, to: ModelBench.address)
    bench.transmit(frame)
    bench.transmit(Array(frame[..<20]))
    #expect(bench.wire.frames.isEmpty)
    #expect(bench.get(ModelBench.receiveBuffers, 100) == frame)
    #expect(bench.receiveDescriptor(0).length == 100 && bench.receiveDescriptor(1).length == 60)
    bench.deliver(frame)
    #expect(bench.read(Register.receiveHead) == 2)
  }

  @Test("looped frames without descriptors wait in the packet buffer, and are missed when that is full")
  func loopbackOverrun() {
    let bench = ModelBench.running()
    bench.setUpReceive(free: 0)
    bench.write(Register.packetBufferAllocation, 8)
    bench.writePHY(PHYRegister.control, 0x4140)
    for _ in 0..<5 { bench.transmit(Frames.plain(1514, to: ModelBench.address)) }
    #expect(bench.read(Register.receiveFIFOPacketCount) == 5)
    bench.transmit(Frames.plain(1514, to: ModelBench.address))
    #expect(bench.read(Statistic.missedPackets) == 1)
    #expect(bench.read(Register.transmitHead) == 6)
    bench.write(Register.receiveTail, 15)
    #expect(bench.read(Register.receiveHead) == 5)
  }

  @Test("registers 18 and 19: changes of the link interrupt with PHYINT, if they are asked for; reading clears")
  func interrupts() {
    let bench = ModelBench()
    bench.bringLinkUp()
    #expect(bench.readPHY(PHYRegister.interruptStatus) & 0x0C00 == 0x0C00, "link and negotiation")
    #expect(bench.readPHY(PHYRegister.interruptStatus) == 0)
    bench.wire.hasCarrier = false
    #expect(bench.read(Register.interruptCauseRead) & 0x1000 == 0, "not asked for")
    #expect(bench.readPHY(PHYRegister.interruptStatus) == 0x0400)
    bench.writePHY(PHYRegister.interruptEnable, 0x0800)
    bench.wire.hasCarrier = true
    #expect(bench.read(Register.interruptCauseRead) & 0x1000 == 0)
    bench.loop.advance(by: .seconds(1))
    #expect(bench.read(Register.interruptCauseRead) & 0x1000 != 0, "negotiation complete")
  }
}
