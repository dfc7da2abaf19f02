import Machine
import Testing

@Suite struct CapabilityTests {
  static func walk(_ space: ConfigurationSpace) -> [PCICapability] {
    PCIDevice(at: at(0), sizes: [:]) { space.read($0, size: $1) }.capabilities
  }

  @Test("capabilities are linked in order of adding, and the status bit announces them")
  func linking() throws {
    let space = ConfigurationSpaceTests.space()
    #expect(!space.status.contains(.capabilitiesList))
    #expect(Self.walk(space).isEmpty)
    try space.addPowerManagement()
    try space.addMSI(vectors: 4)
    try space.addMSIX(vectors: 5, tableBAR: 3, tableOffset: 0, pendingBAR: 3, pendingOffset: 0x2000)
    try space.addCapability(id: 9, bytes: [5, 0xAA, 0xBB])
    try space.addPCIX()
    #expect(space.status.contains(.capabilitiesList))
    #expect(Self.walk(space).map(\.offset) == [0x40, 0x48, 0x58, 0x64, 0x6C])
    #expect(
      Self.walk(space).map(\.summary) == [
        "Power Management version 2", "MSI: Enable- Count=1/4 Maskable- 64bit+", "MSI-X: Enable- Count=5 Masked-",
        "Vendor Specific Information: Len=5", "PCI-X non-bridge device: RBC=512",
      ])
  }

  @Test("capabilities go where a datasheet puts them")
  func fixedPlaces() throws {
    let space = ConfigurationSpaceTests.space(byteCount: 4096)
    try space.addPowerManagement(pmeSupport: 0x19, at: 0xC8)
    try space.addMSI(at: 0xD0)
    try space.addMSIX(vectors: 5, tableBAR: 3, tableOffset: 0, pendingBAR: 3, pendingOffset: 0x2000, at: 0xA0)
    #expect(Self.walk(space).map(\.offset) == [0xC8, 0xD0, 0xA0])
    #expect(space.read(0x34, size: 1) == 0xC8)
  }

  @Test("software writes a capability's bits through the masks only")
  func masks() throws {
    let space = ConfigurationSpaceTests.space()
    let at = try space.addCapability(
      id: 9, bytes: [0x11, 0x22, 0x80], writeMask: [0x0F], clearMask: [0, 0, 0x80])
    space.write(at, size: 4, value: .max)
    #expect(space.read(at, size: 4) == 0x221F_0009)
    space.write(at + 4, size: 1, value: 0x7F)
    #expect(space.read(at + 4, size: 1) == 0x80)
    space.write(at + 4, size: 1, value: 0x80)
    #expect(space.read(at + 4, size: 1) == 0)
    let power = try space.addPowerManagement(pmeSupport: 1)
    space.write(power + 4, size: 2, value: 0x0103)
    #expect(space.read(power + 4, size: 2) == 0x0103)
  }

  @Test("what does not fit or overlaps is refused")
  func refused() throws {
    let space = ConfigurationSpaceTests.space()
    try space.addPowerManagement(at: 0x80)
    let bad: [(Int?, Int)] = [(0x3C, 2), (0x41, 2), (0x80, 2), (0x84, 2), (0x7C, 6), (0xFC, 4), (nil, 300)]
    for (place, length) in bad {
      #expect(throws: MachineError.self, "\(place ?? -1)") {
        try space.addCapability(id: 9, bytes: [UInt8](repeating: 1, count: length), at: place)
      }
    }
    #expect(throws: MachineError.self) { try space.addCapability(id: 9, bytes: [1], writeMask: [1, 1]) }
    #expect(throws: MachineError.self) { try space.addMSI(vectors: 3) }
    #expect(throws: MachineError.self) {
      try space.addMSIX(vectors: 1, tableBAR: 0, tableOffset: 4, pendingBAR: 0, pendingOffset: 8)
    }
    #expect(Self.walk(space).count == 1)
  }

  @Test(
    "a walk ends when the list loops, leads into the header or runs into the last bytes",
    arguments: [
      (0x40, 0x50, 0x40, true), (0x40, 0x40, 0, true), (0x40, 0x50, 0x10, true),
      (0x08, 0, 0, true), (0xFC, 0, 0, false), (0x40, 0x50, 0, false), (0x43, 0x52, 0, false),
    ] as [(UInt32, UInt32, UInt32, Bool)])
  func hostileLists(first: UInt32, second: UInt32, third: UInt32, broken: Bool) {
    let space = ConfigurationSpaceTests.space()
    space.set(0x10, at: 0x06, size: 2)
    space.set(first, at: 0x34, size: 1)
    space.set(second, at: 0x41, size: 1)
    space.set(third, at: 0x51, size: 1)
    let device = PCIDevice(at: at(0), sizes: [:]) { space.read($0, size: $1) }
    #expect(device.capabilityListIsBroken == broken)
    #expect(device.capabilities.count <= 48)
    #expect(device.listing.contains("chain broken") == broken)
  }

  @Test("a list of 48 capabilities is walked whole")
  func longestList() throws {
    let space = ConfigurationSpaceTests.space()
    for _ in 0..<48 { try space.addCapability(id: 9, bytes: [4]) }
    #expect(Self.walk(space).count == 48)
    #expect(throws: MachineError.self) { try space.addCapability(id: 9, bytes: [4]) }
  }
}
