import Foundation
import Machine
import Memory
import Testing

@Suite struct PCIScanTests {
  @Test("the host bridge is found at 00:00.0 of a fresh machine, and nothing else")
  func fresh() throws {
    let result = try Box().machine.enumerate()
    #expect(result.devices.map(\.address) == [at(0)])
    #expect(result.devices.first?.classCode == 0x060000)
    #expect(result.issues.isEmpty)
  }

  @Test("functions of a multifunction device are found, function 0 showing the bit; a lone function 1 is not")
  func multifunction() throws {
    let box = try Box()
    for function in [0, 2, 7] as [UInt8] { try box.machine.plug(ProbeFunction(), at: at(4, function), name: "f") }
    try box.machine.plug(ProbeFunction(), at: at(6, 1), name: "lone")
    let result = box.machine.enumerate()
    #expect(result.devices.map(\.address) == [at(0), at(4, 0), at(4, 2), at(4, 7)])
    #expect(result.devices.map(\.isMultifunction) == [false, true, true, true])
  }

  @Test("BARs are sized, placed on multiples of their size without overlap, and decoding is enabled")
  func assignment() throws {
    let box = try Box()
    try box.machine.plug(ProbeFunction.nic(), at: at(3), name: "a")
    let wide = ProbeFunction(
      bars: [(0, .memory64(prefetchable: true), 1 << 20), (2, .memory32(prefetchable: false), 4096), (3, .io, 32)])
    try wide.configuration.addExpansionROM(byteCount: 64 << 10)
    try box.machine.plug(wide, at: at(5), name: "b")
    let result = box.machine.enumerate()
    #expect(result.issues.isEmpty)
    let resources = result.devices.flatMap(\.resources)
    #expect(resources.map(\.byteCount) == [128 << 10, 64, 1 << 20, 4096, 32, 64 << 10])
    for (index, one) in resources.enumerated() {
      let size = try #require(one.byteCount)
      #expect(one.address % size == 0 && one.address != 0)
      for other in resources[(index + 1)...] where (other.kind == .io) == (one.kind == .io) {
        let end = try #require(other.byteCount) + other.address
        #expect(one.address + size <= other.address || end <= one.address)
      }
    }
    #expect(result.devices.dropFirst().allSatisfy { $0.command == 3 })
    #expect(resources.map(\.isEnabled) == [true, true, true, true, true, false])
  }

  @Test("buses behind bridges are numbered depth first, and accesses pass through the bridges' windows")
  func bridges() throws {
    let box = try Box()
    let (outer, inner, second) = (PCIBridge(), PCIBridge(), PCIBridge())
    try box.machine.plug(outer, at: at(1), name: "outer")
    try box.machine.plug(second, at: at(2), name: "second")
    try box.machine.plug(inner, at: at(1), behind: outer, name: "inner")
    let deep = ProbeFunction.nic()
    let slot = try box.machine.plug(deep, at: at(4), behind: inner, name: "deep")
    let side = ProbeFunction.nic()
    try box.machine.plug(side, at: at(0), behind: second, name: "side")
    for _ in 0..<2 {
      let result = box.machine.enumerate()
      #expect(result.issues.isEmpty)
      #expect(
        result.devices.map(\.address) == [at(0), at(1), at(2), at(1, bus: 1), at(4, bus: 2), at(0, bus: 3)])
      #expect(
        result.devices.compactMap(\.bridge).map { [$0.primary, $0.secondary, $0.subordinate] } == [
          [0, 1, 2], [0, 3, 3], [1, 2, 2],
        ])
    }
    #expect(slot.address == at(4, bus: 2))
    let resources = try #require(box.machine.devices.first { $0.address == at(4, bus: 2) }).resources
    #expect(box.bus.readMemory(resources[0].address, size: 4) == 0x5566_7788)
    #expect(box.bus.readPort(UInt16(resources[1].address), size: 4) == 0x5566_7788)

    // Pin A of device 4, behind device 1, behind device 1: 4 + 1 + 1 turns.
    #expect(slot.interruptLine?.number == PCIBus.interruptLines[(4 + 1 + 1) % 4])
    #expect(deep.configuration.get(0x3C, size: 1) == UInt32(PCIBus.interruptLines[2]))

    let handle = try #require(box.machine.handle(at: at(4, bus: 2)))
    handle.writeConfiguration(4, size: 2, value: 7)
    #expect(slot.dma.resolve(1 << 20, 4, .read) != nil)
    box.bus.writeConfiguration(at(1), 4, size: 2, value: 3)
    #expect(slot.dma.resolve(1 << 20, 4, .read) == nil)
    #expect(handle.read32(bar: 0, offset: 0) != .max)
    box.bus.writeConfiguration(at(1), 4, size: 2, value: 1)
    #expect(handle.read32(bar: 0, offset: 0) == .max)
    #expect(handle.read32(bar: 1, offset: 0) != .max)
  }

  @Test("every pin and device reaches the line that the scan writes down", arguments: 0..<32)
  func swizzle(device: Int) throws {
    guard device > 0 else { return }
    for pin in UInt8(1)...4 {
      let box = try Box()
      let function = ProbeFunction(pin: pin)
      let slot = try box.machine.plug(function, at: at(UInt8(device)), name: "f")
      box.machine.enumerate()
      #expect(function.configuration.get(0x3C, size: 1) == UInt32(slot.interruptLine?.number ?? -1))
      #expect(slot.interruptLine?.number == 16 + (device + Int(pin) - 1) % 4)
    }
  }

  @Test("a BAR that does not fit stays without address, and its space stays off")
  func noRoom() throws {
    let box = try Box()
    try box.machine.plug(
      ProbeFunction(bars: [(0, .memory32(prefetchable: false), 1 << 31), (1, .io, 64)]), at: at(3), name: "big")
    let result = box.machine.enumerate()
    #expect(result.issues == [.noAddressSpace(at(3), bar: 0, byteCount: 1 << 31)])
    #expect(result.devices.last?.command == 1)
    #expect(result.devices.last?.resources.first?.address == 0)
  }

  // MARK: Hostile configuration spaces

  /// A scan of spaces that answer by rule.
  static func scan(
    _ read: @escaping (PCIAddress, Int) -> UInt32, writes: ((PCIAddress, Int, UInt32) -> Void)? = nil
  ) -> PCIScanResult {
    var scan = PCIScan(
      read: { address, offset, size in
        let word = read(address, offset & ~3) >> UInt32((offset & 3) * 8)
        return size == 4 ? word : word & ((1 << UInt32(size * 8)) - 1)
      }, write: { address, offset, _, value in writes?(address, offset, value) })
    return scan.run()
  }

  @Test(
    "one device whose every register reads the same is scanned in bounded time",
    arguments: [
      0, 1, 0xFFFF_FFFE, 0x1234_5678, 0x8086_8086, 0x0001_0001, 0x7F7F_7F7F, 0xFF00_FF00, 0x8080_8080,
    ] as [UInt32])
  func constantSpaces(word: UInt32) {
    let result = Self.scan { address, _ in address == at(3) ? word : .max }
    #expect(result.devices.count == (word == 0 ? 0 : 1))
  }

  @Test(
    "BARs that keep all ones, holes or reserved types are named",
    arguments: [
      (0xFFFF_FFFF, true), (0xFFFF_0FF0, true), (0xFFFF_0002, true), (0xFFFF_0006, true), (0x0000_FFF0, true),
      (0xFFFF_F001, false), (0x0000_FFC1, false), (0xFFFF_0000, false), (0x0000_0001, true), (0x0000_0008, true),
    ] as [(UInt32, Bool)])
  func oddBARs(mask: UInt32, isIssue: Bool) {
    var bar: UInt32 = 0
    let result = Self.scan(
      { address, offset in
        guard address == at(3) else { return .max }
        return switch offset {
        case 0: 0x100E_8086
        case 0x10: bar & mask
        default: 0
        }
      }, writes: { if $0 == at(3), $1 == 0x10 { bar = $2 } })
    #expect(result.issues == (isIssue ? [.unusableBAR(at(3), bar: 0, mask: UInt64(mask))] : []))
    #expect(result.devices.first?.resources.first?.byteCount == nil || !isIssue)
  }

  @Test("a bridge that shows itself on every bus ends at the depth limit")
  func bridgeLoop() {
    var numbers: [UInt8: UInt32] = [:]
    let result = Self.scan(
      { address, offset in
        guard address.device == 1, address.function == 0 else { return .max }
        return switch offset {
        case 0: 0x2448_8086
        case 0x0C: 0x0001_0000
        case 0x18: numbers[address.bus] ?? 0
        default: 0
        }
      }, writes: { if $1 == 0x18 { numbers[$0.bus] = $2 } })
    #expect(result.issues.contains { if case .bridgesTooDeep = $0 { true } else { false } })
    #expect(result.devices.count == PCIScan.maximumDepth + 1)
  }

  @Test("bridges on every slot of every bus end at the limits")
  func bridgesEverywhere() {
    var numbers: [PCIAddress: UInt32] = [:]
    let result = Self.scan(
      { address, offset in
        switch offset {
        case 0: 0x2448_8086
        case 0x0C: 0x0081_0000
        case 0x18: numbers[address] ?? 0
        default: 0
        }
      }, writes: { if $1 == 0x18 { numbers[$0] = $2 } })
    #expect(result.devices.count == PCIScan.maximumFunctions)
    #expect(result.issues.contains(.tooManyFunctions(limit: PCIScan.maximumFunctions)))
  }

  @Test("a bridge that does not keep its numbers is named and not entered")
  func forgetfulBridge() {
    let result = Self.scan { address, offset in
      guard address == at(1) else { return .max }
      return offset == 0 ? 0x2448_8086 : offset == 0x0C ? 0x0001_0000 : 0
    }
    #expect(result.issues == [.bridgeKeepsNoNumbers(at(1))])
  }

  @Test("a capability loop, a fifth pin and an unknown header are named")
  func namedIssues() {
    let result = Self.scan { address, offset in
      guard address == at(3) else { return .max }
      return switch offset {
      case 0: 0x100E_8086
      case 4: 0x0010_0000
      case 0x0C: 0x0005_0000
      case 0x34: 0x40
      case 0x3C: 0x0500
      case 0x40: 0x0000_4009
      default: 0
      }
    }
    #expect(
      Set(result.issues) == [
        .unknownHeader(at(3), type: 5), .unknownInterruptPin(at(3), pin: 5), .capabilityLoop(at(3), offset: 0x40),
      ])
    #expect(result.issues.allSatisfy { $0.description.contains("00:03.0") })
  }
}
