/// A function as its configuration space describes it: what `lspci` shows, and what `--json` prints.
public struct PCIDevice: Sendable, Equatable, Codable {
  public var address: PCIAddress
  public var vendorID: UInt16
  public var deviceID: UInt16
  public var subsystemVendorID: UInt16
  public var subsystemID: UInt16
  /// Base class, sub-class, programming interface: 0x020000 for Ethernet.
  public var classCode: UInt32
  public var revision: UInt8
  /// Without the multifunction bit.
  public var headerType: UInt8
  public var isMultifunction: Bool
  public var command: UInt16
  public var status: UInt16
  public var resources: [PCIResource]
  public var capabilities: [PCICapability]
  /// 0 for none, 1...4 for INTA#...INTD#.
  public var interruptPin: UInt8
  public var interruptLine: UInt8
  public var bridge: PCIBridgeRouting?
  /// True if the capability list was cut off because it loops or leads into the header.
  public var capabilityListIsBroken = false

  /// The offset at which the capability list broke.
  var brokenAt: Int = 0

  enum CodingKeys: String, CodingKey {
    case address, vendorID, deviceID, subsystemVendorID, subsystemID, classCode, revision, headerType, isMultifunction
    case command, status, resources, capabilities, interruptPin, interruptLine, bridge, capabilityListIsBroken
  }

  /// Describes a function.
  ///
  /// - Parameters:
  ///   - sizes: bytes by index of base address register (6 for the expansion ROM), as far as they are known: a size
  ///     cannot be read without disturbing the function.
  ///   - read: reads 1, 2 or 4 aligned bytes of the first 256 of its configuration space.
  public init(at address: PCIAddress, sizes: [Int: UInt64], read: (_ offset: Int, _ size: Int) -> UInt32) {
    func read16(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: read(offset, 2)) }
    func read8(_ offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: read(offset, 1)) }
    self.address = address
    vendorID = read16(PCIRegister.vendorID)
    deviceID = read16(PCIRegister.deviceID)
    command = read16(PCIRegister.command)
    status = read16(PCIRegister.status)
    let revisionAndClass = read(PCIRegister.revisionID, 4)
    revision = UInt8(truncatingIfNeeded: revisionAndClass)
    classCode = revisionAndClass >> 8
    let header = read8(PCIRegister.headerType)
    headerType = header & 0x7F
    isMultifunction = header & 0x80 != 0
    interruptLine = read8(PCIRegister.interruptLine)
    interruptPin = read8(PCIRegister.interruptPin)
    subsystemVendorID = headerType == 0 ? read16(PCIRegister.subsystemVendorID) : 0
    subsystemID = headerType == 0 ? read16(PCIRegister.subsystemID) : 0
    bridge = headerType == 1 ? PCIBridgeRouting(read: read) : nil
    resources = Self.resources(headerType: headerType, command: command, sizes: sizes, read: read)
    capabilities = []
    guard PCIStatus(rawValue: status).contains(.capabilitiesList) else { return }

    // 48 capabilities of four bytes fill the space behind the header.
    var visited: Set<Int> = []
    var offset = Int(read8(PCIRegister.capabilitiesPointer) & 0xFC)
    while offset != 0 {
      guard offset >= PCIRegister.firstDeviceSpecific, visited.insert(offset).inserted else {
        capabilityListIsBroken = true
        brokenAt = offset
        break
      }
      capabilities.append(PCICapability(at: offset, read: read))
      offset = Int(read8(offset + 1) & 0xFC)
    }
  }

  var capabilityIssues: [PCIScanIssue] {
    guard capabilityListIsBroken else { return [] }
    return brokenAt < PCIRegister.firstDeviceSpecific
      ? [.capabilityInHeader(address, offset: brokenAt)] : [.capabilityLoop(address, offset: brokenAt)]
  }

  private static func resources(
    headerType: UInt8, command: UInt16, sizes: [Int: UInt64], read: (_ offset: Int, _ size: Int) -> UInt32
  ) -> [PCIResource] {
    let enables = PCICommand(rawValue: command)
    let registers = headerType == 0 ? 6 : headerType == 1 ? 2 : 0
    var resources: [PCIResource] = []
    var index = 0
    while index < registers {
      let value = read(PCIRegister.baseAddress0 + 4 * index, 4)
      let size = sizes[index]
      let isWide = value & 0b111 == 0b100 && index + 1 < registers
      defer { index += isWide ? 2 : 1 }
      guard size != nil || value & ~0xF != 0 else { continue }
      let isIO = value & 1 == 1
      let high = isWide ? UInt64(read(PCIRegister.baseAddress0 + 4 * index + 4, 4)) << 32 : 0
      resources.append(
        PCIResource(
          index: index, kind: isIO ? .io : isWide ? .memory64 : .memory32, isPrefetchable: !isIO && value & 8 != 0,
          address: high | UInt64(value & (isIO ? ~0x3 : ~0xF)), byteCount: size,
          isEnabled: enables.contains(isIO ? .io : .memory)))
    }
    guard registers > 0 else { return resources }
    let rom = read(headerType == 0 ? PCIRegister.expansionROM : PCIRegister.bridgeExpansionROM, 4)
    let size = sizes[BaseAddressRegister.romIndex]
    if size != nil || rom & 0xFFFF_F800 != 0 {
      resources.append(
        PCIResource(
          index: BaseAddressRegister.romIndex, kind: .rom, isPrefetchable: false, address: UInt64(rom & 0xFFFF_F800),
          byteCount: size, isEnabled: rom & 1 == 1 && enables.contains(.memory)))
    }
    return resources
  }
}

/// A base address register, decoded.
public struct PCIResource: Sendable, Equatable, Codable {
  public enum Kind: String, Sendable, Codable { case io, memory32, memory64, rom }

  /// 0...5, or 6 for the expansion ROM.
  public var index: Int
  public var kind: Kind
  public var isPrefetchable: Bool
  public var address: UInt64
  /// Nil if nobody told.
  public var byteCount: UInt64?
  /// True if command register and ROM enable let the function answer.
  public var isEnabled: Bool
}

/// An entry of the capability list.
public struct PCICapability: Sendable, Equatable, Codable {
  public var offset: Int
  public var id: UInt8
  /// As `lspci` words it.
  public var summary: String

  init(at offset: Int, read: (_ offset: Int, _ size: Int) -> UInt32) {
    self.offset = offset
    id = UInt8(truncatingIfNeeded: read(offset, 1))
    func sign(_ bit: Bool) -> String { bit ? "+" : "-" }
    let control = offset + 2 <= 254 ? read(offset + 2, 2) : 0
    switch id {
    case PCICapabilityID.powerManagement: summary = "Power Management version \(control & 7)"
    case PCICapabilityID.msi:
      summary =
        "MSI: Enable\(sign(control & 1 != 0)) Count=\(1 << (control >> 4 & 7))/\(1 << (control >> 1 & 7)) "
        + "Maskable\(sign(control & 0x100 != 0)) 64bit\(sign(control & 0x80 != 0))"
    case PCICapabilityID.pcix: summary = "PCI-X non-bridge device: RBC=\(512 << (control >> 2 & 3))"
    case PCICapabilityID.msix:
      summary =
        "MSI-X: Enable\(sign(control & 0x8000 != 0)) Count=\((control & 0x7FF) + 1) "
        + "Masked\(sign(control & 0x4000 != 0))"
    case PCICapabilityID.express: summary = "Express (v\(control & 0xF))"
    case PCICapabilityID.vendorSpecific:
      summary = "Vendor Specific Information: Len=\(String(control & 0xFF, radix: 16))"
    default: summary = "Capability 0x\(String(id, radix: 16))"
    }
  }
}

/// What a bridge forwards.
public struct PCIBridgeRouting: Sendable, Equatable, Codable {
  public struct Window: Sendable, Equatable, Codable {
    public var first: UInt64
    public var last: UInt64
  }

  public var primary: UInt8
  public var secondary: UInt8
  public var subordinate: UInt8
  /// Nil while the window is closed.
  public var io: Window?
  public var memory: Window?
  public var prefetchable: Window?

  init(read: (_ offset: Int, _ size: Int) -> UInt32) {
    let numbers = read(PCIRegister.primaryBus, 4)
    primary = UInt8(truncatingIfNeeded: numbers)
    secondary = UInt8(truncatingIfNeeded: numbers >> 8)
    subordinate = UInt8(truncatingIfNeeded: numbers >> 16)
    func window(_ first: UInt64, _ last: UInt64) -> Window? { first <= last ? Window(first: first, last: last) : nil }
    let ports = UInt64(read(PCIRegister.ioBase, 2))
    io = window((ports & 0xF0) << 8, ports & 0xF000 | 0xFFF)
    let below4G = UInt64(read(PCIRegister.memoryBase, 4))
    memory = window((below4G & 0xFFF0) << 16, below4G & 0xFFF0_0000 | 0xF_FFFF)
    let low = UInt64(read(PCIRegister.prefetchableBase, 4))
    let highs = (
      UInt64(read(PCIRegister.prefetchableBaseUpper, 4)), UInt64(read(PCIRegister.prefetchableLimitUpper, 4))
    )
    prefetchable = window(highs.0 << 32 | (low & 0xFFF0) << 16, highs.1 << 32 | low & 0xFFF0_0000 | 0xF_FFFF)
  }
}
