import Foundation
import Machine
import Testing

@Suite struct PCIListingTests {
  static func box() throws -> Box {
    let box = try Box()
    let nic = ProbeFunction.nic()
    try nic.configuration.addPowerManagement(at: 0xDC)
    try box.machine.plug(nic, at: at(3), name: "nic")
    let bridge = PCIBridge()
    try box.machine.plug(bridge, at: at(4), name: "bridge")
    try box.machine.plug(ProbeFunction.nic(), at: at(0), behind: bridge, name: "behind")
    box.machine.enumerate()
    return box
  }

  @Test("a function is listed as lspci does")
  func listing() throws {
    let box = try Self.box()
    let device = try #require(box.machine.devices.first { $0.address == at(3) })
    let none = " SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx-"
    #expect(
      device.listing
        == [
          "00:03.0 Ethernet controller [0200]: Intel Corporation 82540EM Gigabit Ethernet Controller "
            + "[8086:100e] (rev 02)",
          "Subsystem: Intel Corporation Device [8086:001e]",
          "Control: I/O+ Mem+ BusMaster-" + none,
          "Status: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-",
          "Interrupt: pin A routed to IRQ 19",
          "Region 0: Memory at e0000000 (32-bit, non-prefetchable) [size=128K]",
          "Region 1: I/O ports at c000 [size=64]",
          "Capabilities: [dc] Power Management version 2",
        ].joined(separator: "\n\t"))
  }

  @Test("a bridge is listed with its buses and windows")
  func bridge() throws {
    let listing = try Self.box().machine.devices.listing
    #expect(listing.contains("00:04.0 PCI bridge [0604]: Intel Corporation 82801 Mobile PCI Bridge [8086:2448]"))
    #expect(listing.contains("Bus: primary=00, secondary=01, subordinate=01"))
    #expect(listing.contains("I/O behind bridge: d000-dfff [size=4K]"))
    #expect(listing.contains("Memory behind bridge: e0100000-e01fffff [size=1M]"))
    #expect(listing.contains("Prefetchable memory behind bridge: [disabled]"))
    #expect(listing.contains("\n\n01:00.0 Ethernet controller"))
  }

  @Test("the description survives JSON")
  func json() throws {
    let devices = try Self.box().machine.devices
    let data = try JSONEncoder().encode(devices)
    #expect(try JSONDecoder().decode([PCIDevice].self, from: data) == devices)
    #expect(String(decoding: data, as: UTF8.self).contains(#""address":"00:03.0""#))
  }

  @Test(
    "PCI addresses are read from text",
    arguments: [
      ("00:03.0", at(3)), ("ff:1f.7", at(31, 7, bus: 255)), ("0:3.1", at(3, 1)), ("00:20.0", nil), ("00:03.8", nil),
      ("00:03", nil), ("", nil), ("100:00.0", nil), ("00:03.0.0", nil), ("-1:00.0", nil),
    ] as [(String, PCIAddress?)])
  func addresses(text: String, address: PCIAddress?) {
    #expect(PCIAddress(text) == address)
    if let address { #expect(PCIAddress(routingID: address.routingID) == address) }
  }
}
