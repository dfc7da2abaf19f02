/// Offsets in configuration space (PCI Local Bus Specification 3.0, chapter 6; PCI-to-PCI Bridge Architecture
/// Specification 1.2, chapter 3).
public enum PCIRegister {
  public static let vendorID = 0x00
  public static let deviceID = 0x02
  public static let command = 0x04
  public static let status = 0x06
  public static let revisionID = 0x08
  /// Three bytes: programming interface, sub-class, base class.
  public static let classCode = 0x09
  public static let cacheLineSize = 0x0C
  public static let latencyTimer = 0x0D
  public static let headerType = 0x0E
  /// The first of six (two in a bridge) base address registers.
  public static let baseAddress0 = 0x10
  public static let subsystemVendorID = 0x2C
  public static let subsystemID = 0x2E
  public static let expansionROM = 0x30
  public static let capabilitiesPointer = 0x34
  public static let interruptLine = 0x3C
  public static let interruptPin = 0x3D
  public static let minimumGrant = 0x3E
  public static let maximumLatency = 0x3F

  // Header type 1.
  public static let primaryBus = 0x18
  public static let secondaryBus = 0x19
  public static let subordinateBus = 0x1A
  public static let ioBase = 0x1C
  public static let ioLimit = 0x1D
  public static let secondaryStatus = 0x1E
  public static let memoryBase = 0x20
  public static let memoryLimit = 0x22
  public static let prefetchableBase = 0x24
  public static let prefetchableLimit = 0x26
  public static let prefetchableBaseUpper = 0x28
  public static let prefetchableLimitUpper = 0x2C
  public static let ioBaseUpper = 0x30
  public static let ioLimitUpper = 0x32
  public static let bridgeExpansionROM = 0x38
  public static let bridgeControl = 0x3E

  /// Where device-specific registers and capabilities begin.
  public static let firstDeviceSpecific = 0x40
}

/// The command register (6.2.2).
public struct PCICommand: OptionSet, Sendable, Hashable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The function answers I/O accesses.
  public static let io = PCICommand(rawValue: 1 << 0)
  /// The function answers memory accesses.
  public static let memory = PCICommand(rawValue: 1 << 1)
  /// The function may do DMA.
  public static let busMaster = PCICommand(rawValue: 1 << 2)
  public static let memoryWriteInvalidate = PCICommand(rawValue: 1 << 4)
  public static let parityErrorResponse = PCICommand(rawValue: 1 << 6)
  public static let systemError = PCICommand(rawValue: 1 << 8)
  /// The function may not assert its INTx pin.
  public static let interruptDisable = PCICommand(rawValue: 1 << 10)
}

/// The status register (6.2.3).
public struct PCIStatus: OptionSet, Sendable, Hashable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The function has an interrupt pending for its pin, whether the pin is disabled or not.
  public static let interrupt = PCIStatus(rawValue: 1 << 3)
  public static let capabilitiesList = PCIStatus(rawValue: 1 << 4)
  public static let capable66MHz = PCIStatus(rawValue: 1 << 5)
  public static let fastBackToBack = PCIStatus(rawValue: 1 << 7)
  public static let masterParityError = PCIStatus(rawValue: 1 << 8)
  public static let signalledTargetAbort = PCIStatus(rawValue: 1 << 11)
  public static let receivedTargetAbort = PCIStatus(rawValue: 1 << 12)
  public static let receivedMasterAbort = PCIStatus(rawValue: 1 << 13)
  public static let signalledSystemError = PCIStatus(rawValue: 1 << 14)
  public static let parityError = PCIStatus(rawValue: 1 << 15)

  /// The bits that software clears by writing 1.
  static let write1ToClear: UInt16 = 0xF900
}

/// Capability identifiers (PCI Code and ID Assignment Specification).
public enum PCICapabilityID {
  public static let powerManagement: UInt8 = 0x01
  public static let msi: UInt8 = 0x05
  public static let pcix: UInt8 = 0x07
  public static let vendorSpecific: UInt8 = 0x09
  public static let express: UInt8 = 0x10
  public static let msix: UInt8 = 0x11
}

/// What an access that nothing answers reads: ones in every bit of `size` (1, 2, 4 or 8) bytes.
@inlinable package func allOnes(_ size: Int) -> UInt64 {
  size >= 8 ? .max : size <= 0 ? 0 : (1 << UInt64(size * 8)) - 1
}
