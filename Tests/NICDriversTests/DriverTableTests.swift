import EventLoop
import Events
import Machine
import NICDrivers
import Testing

@Suite struct DriverTableTests {
  private func probe(vendor: UInt32, device: UInt32) -> Result<E1000Driver, DriverError> {
    let loop = VirtualLoop(seed: 1)
    let fake = FakeController(on: loop, address: PCIAddress(bus: 2, device: 17, function: 1))
    fake.vendorID = vendor
    fake.deviceID = device
    return Result { () throws(DriverError) in try DriverTable.standard.probe(fake, on: loop, tap: EventTap(on: loop)) }
  }

  @Test("the 82540EM and 82545EM get the e1000 driver", arguments: [0x100E, 0x100F] as [UInt32])
  func driven(device: UInt32) throws {
    let driver = try probe(vendor: 0x8086, device: device).get()
    #expect(driver.name == "enp2s17f1")
    #expect(driver.hardwareAddress.description == "52:54:00:12:34:56")
    #expect(driver.state == .stopped)
  }

  @Test("the 82574L is known, but not yet driven")
  func notYetDriven() {
    #expect(throws: DriverError.notYetDriven(device: 0x10D3, name: "82574L")) {
      try probe(vendor: 0x8086, device: 0x10D3).get()
    }
  }

  @Test("other IDs have no driver, and an empty slot is named as such")
  func refused() {
    #expect(throws: DriverError.unsupported(vendor: 0x8086, device: 0x1237)) {
      try probe(vendor: 0x8086, device: 0x1237).get()
    }
    #expect(throws: DriverError.unsupported(vendor: 0x1AF4, device: 0x100E)) {
      try probe(vendor: 0x1AF4, device: 0x100E).get()
    }
    #expect(throws: DriverError.functionAbsent) { try probe(vendor: 0xFFFF, device: 0xFFFF).get() }
  }
}
