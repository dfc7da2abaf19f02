/// Finds and sets up the functions on PCI buses as a kernel does, through configuration cycles only: probe the vendor
/// of function 0, look at header type and multifunction bit, number the buses behind bridges, size base address
/// registers and give them addresses, and write each function's interrupt line.
///
/// Whatever the configuration spaces say the scan ends: at most 256 buses, ``maximumFunctions`` functions,
/// ``maximumDepth`` bridges in a row and 48 capabilities a function. What it could not make sense of is an issue of the
/// result, not an error: the other functions work.
public struct PCIScan {
  /// Where a scan takes addresses from.
  public struct Windows: Sendable {
    /// Memory below 4 GiB.
    public var memory: ClosedRange<UInt64> = 0xE000_0000...0xFBFF_FFFF
    public var io: ClosedRange<UInt64> = 0xC000...0xFFFF
    /// The lines of INTA# to INTD# of the root bus's device 0.
    public var interruptLines: [Int] = PCIBus.interruptLines
    public init() {}
  }

  public static let maximumFunctions = 1024
  public static let maximumDepth = 16

  /// A function that was found, before it is described.
  struct Found {
    let address: PCIAddress
    let isBridge: Bool
    var bars: [SizedBAR]
    /// INTx rotation that the bridges above add.
    let swizzle: Int
    var secondary: UInt8 = 0
    var unassigned: (memory: Bool, io: Bool) = (false, false)
  }

  struct SizedBAR {
    let index: Int
    let offset: Int
    let isIO: Bool
    let is64Bit: Bool
    let byteCount: UInt64
  }

  let read: (PCIAddress, _ offset: Int, _ size: Int) -> UInt32
  let write: (PCIAddress, _ offset: Int, _ size: Int, _ value: UInt32) -> Void
  var windows: Windows
  var found: [Found] = []
  var issues: [PCIScanIssue] = []
  private var lastBus: UInt8 = 0

  /// A scan by configuration cycles of 1, 2 or 4 aligned bytes.
  public init(
    windows: Windows = Windows(), read: @escaping (PCIAddress, _ offset: Int, _ size: Int) -> UInt32,
    write: @escaping (PCIAddress, _ offset: Int, _ size: Int, _ value: UInt32) -> Void
  ) {
    self.windows = windows
    self.read = read
    self.write = write
  }

  /// Scans from bus 0 on, assigns all resources, and enables memory and I/O decoding. Bus mastering stays with the
  /// drivers, except in bridges.
  public mutating func run() -> PCIScanResult {
    found = []
    issues = []
    lastBus = 0
    scan(bus: 0, depth: 0, swizzle: 0)
    assignResources()
    let devices = found.map { function in
      let sizes = function.bars.map { ($0.index, $0.byteCount) }
      return PCIDevice(at: function.address, sizes: Dictionary(sizes) { a, _ in a }) {
        read(function.address, $0, $1)
      }
    }
    for device in devices { issues += device.capabilityIssues }
    return PCIScanResult(devices: devices, issues: issues)
  }

  private mutating func scan(bus: UInt8, depth: Int, swizzle: Int) {
    let first = found.count
    for device in UInt8(0)..<32 {
      guard probe(PCIAddress(bus: bus, device: device, function: 0), swizzle: swizzle) else { continue }
      let header = read(PCIAddress(bus: bus, device: device, function: 0), PCIRegister.headerType, 1)
      guard header & 0x80 != 0 else { continue }
      for function in UInt8(1)..<8 {
        _ = probe(PCIAddress(bus: bus, device: device, function: function), swizzle: swizzle)
      }
    }
    let bridges = (first..<found.count).filter { found[$0].isBridge }
    // Numbers left over from an earlier scan would lead cycles astray while the new ones are given out.
    for index in bridges { write(found[index].address, PCIRegister.primaryBus, 4, 0) }
    for index in bridges { enter(index, bus: bus, depth: depth) }
  }

  /// Looks for one function; true if one is there.
  private mutating func probe(_ address: PCIAddress, swizzle: Int) -> Bool {
    let ids = read(address, PCIRegister.vendorID, 4)
    // An empty slot, or a device that is broken in one of the ways that kernels know.
    if ids == 0xFFFF_FFFF || ids == 0 || ids == 0x0000_FFFF || ids == 0xFFFF_0000 { return false }
    guard found.count < Self.maximumFunctions else {
      if issues.last != .tooManyFunctions(limit: Self.maximumFunctions) {
        issues.append(.tooManyFunctions(limit: Self.maximumFunctions))
      }
      return false
    }
    let command = read(address, PCIRegister.command, 2)
    // Nothing may answer to the addresses that sizing puts into the registers.
    write(address, PCIRegister.command, 2, command & ~0x7)
    let type = read(address, PCIRegister.headerType, 1) & 0x7F
    var bars: [SizedBAR] = []
    switch type {
    case 0: bars = size(address, registers: 6, rom: PCIRegister.expansionROM)
    case 1: bars = size(address, registers: 2, rom: PCIRegister.bridgeExpansionROM)
    default: issues.append(.unknownHeader(address, type: UInt8(type)))
    }
    found.append(Found(address: address, isBridge: type == 1, bars: bars, swizzle: swizzle))
    return true
  }

  private mutating func enter(_ index: Int, bus: UInt8, depth: Int) {
    let address = found[index].address
    guard depth < Self.maximumDepth else {
      issues.append(.bridgesTooDeep(address, limit: Self.maximumDepth))
      return
    }
    guard lastBus < 255 else {
      issues.append(.noBusNumbers(address))
      return
    }
    let secondary = lastBus + 1
    let numbers = UInt32(0xFF) << 16 | UInt32(secondary) << 8 | UInt32(bus)
    write(address, PCIRegister.primaryBus, 4, numbers)
    guard read(address, PCIRegister.primaryBus, 4) & 0xFF_FFFF == numbers else {
      issues.append(.bridgeKeepsNoNumbers(address))
      return
    }
    lastBus = secondary
    found[index].secondary = secondary
    scan(bus: secondary, depth: depth + 1, swizzle: found[index].swizzle + Int(address.device))
    write(address, PCIRegister.subordinateBus, 1, UInt32(lastBus))
  }

  // MARK: Sizing (6.2.5.1)

  private mutating func size(_ address: PCIAddress, registers: Int, rom: Int) -> [SizedBAR] {
    var bars: [SizedBAR] = []
    var index = 0
    while index < registers {
      let offset = PCIRegister.baseAddress0 + 4 * index
      let mask = sizingMask(address, offset, ones: .max)
      let isWide = mask & 0b111 == 0b100
      var high: UInt32 = 0
      if isWide, index + 1 < registers { high = sizingMask(address, offset + 4, ones: .max) }
      if mask != 0 {
        if let bar = interpret(index, offset, mask, high, hasNext: index + 1 < registers) {
          bars.append(bar)
        } else {
          issues.append(.unusableBAR(address, bar: index, mask: UInt64(high) << 32 | UInt64(mask)))
        }
      }
      index += isWide ? 2 : 1
    }
    let mask = sizingMask(address, rom, ones: 0xFFFF_F800) & 0xFFFF_F800
    if mask != 0 {
      let byteCount = mask & (~mask &+ 1)
      if ~mask &+ 1 == byteCount {
        bars.append(
          SizedBAR(
            index: BaseAddressRegister.romIndex, offset: rom, isIO: false, is64Bit: false, byteCount: UInt64(byteCount))
        )
      } else {
        issues.append(.unusableBAR(address, bar: BaseAddressRegister.romIndex, mask: UInt64(mask)))
      }
    }
    return bars
  }

  private func sizingMask(_ address: PCIAddress, _ offset: Int, ones: UInt32) -> UInt32 {
    let old = read(address, offset, 4)
    write(address, offset, 4, ones)
    let mask = read(address, offset, 4)
    write(address, offset, 4, old)
    return mask
  }

  /// What the bits that stayed mean; nil if they make no sense.
  private func interpret(_ index: Int, _ offset: Int, _ mask: UInt32, _ high: UInt32, hasNext: Bool) -> SizedBAR? {
    // A register that reads all ones is no register: the device does not work.
    guard mask != .max else { return nil }
    let isIO = mask & 1 == 1
    let is64Bit = !isIO && mask & 0b110 == 0b100
    guard isIO || mask & 0b110 == 0 || (is64Bit && hasNext) else { return nil }
    var extent = isIO ? mask & ~0x3 : mask & ~0xF
    // A function may decode only 16 bits of I/O addresses.
    if isIO, extent & 0xFFFF_0000 == 0, extent != 0 { extent |= 0xFFFF_0000 }
    let upper: UInt64 = is64Bit && high != 0 ? UInt64(high) : 0xFFFF_FFFF
    let whole = upper << 32 | UInt64(extent)
    let byteCount = whole & (~whole &+ 1)
    guard extent != 0 || (is64Bit && high != 0), ~whole &+ 1 == byteCount else { return nil }
    return SizedBAR(index: index, offset: offset, isIO: isIO, is64Bit: is64Bit, byteCount: byteCount)
  }
}

extension PCIBus {
  /// Finds, numbers and sets up everything on the buses, as firmware and kernel do at boot.
  public func enumerate(_ windows: PCIScan.Windows = .init()) -> PCIScanResult {
    var scan = PCIScan(
      windows: windows, read: { [self] in readConfiguration($0, $1, size: $2) },
      write: { [self] in writeConfiguration($0, $1, size: $2, value: $3) })
    return scan.run()
  }

  /// What is plugged in, as it is set up at present; disturbs nothing.
  public var devices: [PCIDevice] {
    allSlots.map { slot in
      let sizes = Dictionary(uniqueKeysWithValues: slot.configuration.bars.map { ($0.index, $0.byteCount) })
      return PCIDevice(at: slot.address, sizes: sizes) { offset, size in
        slot.configuration.get(offset, size: size)
      }
    }.sorted { $0.address < $1.address }
  }
}
