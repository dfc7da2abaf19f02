import Machine
import Testing

@Suite struct ConfigurationSpaceTests {
  static func space(header: ConfigurationSpace.Header = .endpoint, byteCount: Int = 256) -> ConfigurationSpace {
    ConfigurationSpace(
      vendor: 0x8086, device: 0x100E, classCode: 0x020000, revision: 3, subsystemVendor: 0x1234, subsystem: 0x5678,
      interruptPin: 1, header: header, byteCount: byteCount)
  }

  @Test("the fixed fields read back at their offsets and cannot be written")
  func fixedFields() {
    let space = Self.space()
    let fields: [(Int, Int, UInt32)] = [
      (0x00, 2, 0x8086), (0x02, 2, 0x100E), (0x00, 4, 0x100E_8086), (0x08, 1, 3), (0x08, 4, 0x0200_0003),
      (0x0B, 1, 0x02), (0x0A, 2, 0x0200), (0x0E, 1, 0), (0x2C, 4, 0x5678_1234), (0x3D, 1, 1), (0x34, 1, 0),
    ]
    for (offset, size, value) in fields {
      #expect(space.read(offset, size: size) == value, "offset \(offset)")
      space.write(offset, size: size, value: .max)
      #expect(space.read(offset, size: size) == value, "offset \(offset) after a write")
    }
  }

  @Test(
    "a BAR written with all ones shows its size and type, and holds an address",
    arguments: [
      (.memory32(prefetchable: false), 128 << 10, 0xFFFE_0000, 0),
      (.memory32(prefetchable: true), 4096, 0xFFFF_F008, 0), (.memory32(prefetchable: false), 16, 0xFFFF_FFF0, 0),
      (.memory32(prefetchable: false), 1 << 31, 0x8000_0000, 0), (.io, 64, 0xFFFF_FFC1, 0), (.io, 4, 0xFFFF_FFFD, 0),
      (.io, 256, 0xFFFF_FF01, 0), (.memory64(prefetchable: true), 1 << 20, 0xFFF0_000C, 0xFFFF_FFFF),
      (.memory64(prefetchable: false), 1 << 33, 0x0000_0004, 0xFFFF_FFFE),
    ] as [(BaseAddressRegister.Kind, UInt64, UInt32, UInt32)])
  func sizing(kind: BaseAddressRegister.Kind, byteCount: UInt64, low: UInt32, high: UInt32) throws {
    let space = Self.space()
    try space.addBAR(2, kind, byteCount: byteCount)
    space.write(0x18, size: 4, value: .max)
    space.write(0x1C, size: 4, value: .max)
    #expect(space.read(0x18, size: 4) == low)
    #expect(space.read(0x1C, size: 4) == high)
    space.write(0x18, size: 4, value: 0x4000_0000)
    space.write(0x1C, size: 4, value: 0x8)
    let bar = try #require(space.bar(2))
    let wanted: UInt64 = bar.is64Bit ? 0x8_4000_0000 : 0x4000_0000
    #expect(space.address(of: bar) == wanted & ~(byteCount - 1))
  }

  @Test("a BAR takes byte and word writes")
  func narrowBARWrites() throws {
    let space = Self.space()
    try space.addBAR(0, .memory32(prefetchable: false), byteCount: 64 << 10)
    space.write(0x13, size: 1, value: 0xE0)
    space.write(0x10, size: 2, value: 0xFFFF)
    space.write(0x12, size: 1, value: 0x12)
    #expect(space.read(0x10, size: 4) == 0xE012_0000)
  }

  @Test("the expansion ROM register keeps its enable bit and address bits only")
  func expansionROM() throws {
    let space = Self.space()
    try space.addExpansionROM(byteCount: 256 << 10)
    space.write(0x30, size: 4, value: .max)
    #expect(space.read(0x30, size: 4) == 0xFFFC_0001)
    let rom = try #require(space.bar(BaseAddressRegister.romIndex))
    #expect(!space.isDecoding(rom))
    space.write(0x04, size: 2, value: 2)
    #expect(space.isDecoding(rom))
    space.write(0x30, size: 4, value: 0xE000_0000)
    #expect(!space.isDecoding(rom))
  }

  @Test("BARs that cannot be are refused")
  func badBARs() throws {
    let space = Self.space()
    try space.addBAR(1, .memory64(prefetchable: false), byteCount: 4096)
    let bad: [(Int, BaseAddressRegister.Kind, UInt64)] = [
      (-1, .io, 64), (6, .io, 64), (5, .memory64(prefetchable: false), 4096), (2, .io, 64), (1, .io, 64),
      (0, .memory64(prefetchable: false), 4096), (0, .io, 0), (0, .io, 2), (0, .io, 512), (0, .io, 65),
      (0, .memory32(prefetchable: false), 8), (0, .memory32(prefetchable: false), 0),
      (0, .memory32(prefetchable: false), 1 << 32), (3, .memory64(prefetchable: false), 1 << 63), (3, .rom, 4096),
      (3, .memory32(prefetchable: false), 4097),
    ]
    for (index, kind, size) in bad {
      #expect(throws: MachineError.self, "\(index) \(kind) \(size)") {
        try space.addBAR(index, kind, byteCount: size)
      }
    }
    #expect(space.bars.count == 1)
    #expect(throws: MachineError.self) { try space.addExpansionROM(byteCount: 1024) }
    let bridge = Self.space(header: .bridge)
    #expect(throws: MachineError.self) { try bridge.addBAR(2, .io, byteCount: 64) }
  }

  @Test("command keeps its defined bits, status bits are cleared by writing 1")
  func commandAndStatus() {
    let space = Self.space()
    space.write(0x04, size: 2, value: 0xFFFF)
    #expect(space.read(0x04, size: 2) == 0x0557)
    space.set(0xFFFF, at: 0x06, size: 2)
    space.write(0x06, size: 2, value: 0x0800)
    #expect(space.read(0x06, size: 2) == 0xF7FF)
    space.write(0x06, size: 2, value: 0xFFFF)
    #expect(space.read(0x06, size: 2) == 0x06FF)
  }

  @Test("a dword write reaches command and status with their own masks")
  func dwordOverCommandAndStatus() {
    let space = Self.space()
    space.set(0xF900, at: 0x06, size: 2)
    space.write(0x04, size: 4, value: 0x8000_0007)
    #expect(space.read(0x04, size: 4) == 0x7900_0007)
  }

  @Test(
    "a misaligned or outlying access reads ones, writes nothing and is counted",
    arguments: [256, 4096])
  func refusedAccesses(byteCount: Int) {
    let space = Self.space(byteCount: byteCount)
    space.write(0x3C, size: 1, value: 0x0B)
    let bad: [(Int, Int, UInt32)] = [
      (0x3D, 2, 0xFFFF), (0x3D, 4, .max), (0x3E, 4, .max), (-4, 4, .max), (byteCount, 1, 0xFF),
      (byteCount, 4, .max), (byteCount + 2, 2, 0xFFFF), (0, 3, 0xFF_FFFF), (0, 0, 0), (0, 8, .max), (0, -1, 0),
      (.max, 4, .max), (.min, 1, 0xFF), (.max - 3, 4, .max),
    ]
    for (offset, size, ones) in bad {
      #expect(space.read(offset, size: size) == ones, "\(offset) \(size)")
      #expect(!space.write(offset, size: size, value: 0))
    }
    #expect(space.counters.refusedReads == UInt64(bad.count))
    #expect(space.counters.refusedWrites == UInt64(bad.count))
    #expect(space.counters.writes == 1)
    #expect(space.read(0x3C, size: 1) == 0x0B)
    #expect(space.read(byteCount - 4, size: 4) == 0)
  }

  @Test("a reset brings back every byte as it was when the function was plugged in")
  func reset() throws {
    let box = try Box()
    let function = ProbeFunction.nic()
    try function.configuration.addPowerManagement()
    let before = { (0..<256).map { function.configuration.get($0, size: 1) } }
    try box.machine.plug(function, at: at(3), name: "nic")
    let fresh = before()
    box.machine.enumerate()
    function.configuration.write(0x44, size: 2, value: 3)
    #expect(before() != fresh)
    box.machine.reset()
    #expect(before() == fresh)
    #expect(function.resets == 1)
  }
}
