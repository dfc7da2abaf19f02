import Memory

/// The configuration space of a PCI function: 256 bytes (conventional PCI) or 4 KiB (PCI Express), with a type-0 header
/// (a device) or a type-1 header (a PCI-to-PCI bridge).
///
/// Every byte lives in ``window``: private memory at first, then the function's slot in the machine's shared memory, so
/// that another process can read it. Beside each byte stand two masks: the bits that software may write, and the bits
/// that software clears by writing 1; everything else is read-only. The function itself stores with
/// ``set(_:at:size:)``, which knows no masks.
///
/// Build it in the function's initialiser: base address registers, expansion ROM and capabilities can be added until
/// the function is plugged in.
///
/// Source: PCI Local Bus Specification 3.0, chapter 6.
public final class ConfigurationSpace {
  public enum Header: UInt8, Sendable {
    /// Type 0: a device.
    case endpoint = 0
    /// Type 1: a PCI-to-PCI bridge.
    case bridge = 1
  }

  public let header: Header
  /// Length in bytes: 256 or 4096.
  public let byteCount: Int
  /// The bytes themselves.
  public private(set) var window: MemoryWindow
  /// The base address registers in order of their index; the expansion ROM, if any, last (index 6).
  public internal(set) var bars: [BaseAddressRegister] = []
  /// Called after the command register, a base address register or a bridge's routing has changed. Set by whoever
  /// plugs the function in.
  public var decodeChanged: (() -> Void)?

  private var writable: [UInt8]
  private var write1ToClear: [UInt8]
  /// The bytes as they were when the function was plugged in: what a bus reset brings back.
  private var resetValues: [UInt8]?
  /// Where the bytes are until the function is plugged in.
  private let ownMemory: MemoryWindow
  /// Offset of the list's last capability; 0 while the list is empty.
  var lastCapability = 0
  /// The bytes that capabilities use.
  var capabilityExtents: [Range<Int>] = []
  /// Where the next capability goes if it may choose.
  var nextCapability = PCIRegister.firstDeviceSpecific
  private var count = ConfigurationCounters()

  /// A space without base address registers or capabilities.
  ///
  /// - Parameters:
  ///   - classCode: base class, sub-class and programming interface: 0x020000 for Ethernet.
  ///   - interruptPin: 0 for none, 1...4 for INTA#...INTD#.
  ///   - byteCount: 256, or 4096 for a PCI Express function.
  public init(
    vendor: UInt16, device: UInt16, classCode: UInt32, revision: UInt8 = 0, subsystemVendor: UInt16 = 0,
    subsystem: UInt16 = 0, interruptPin: UInt8 = 0, header: Header = .endpoint, byteCount: Int = 256
  ) {
    precondition(byteCount == 256 || byteCount == 4096)
    precondition(interruptPin <= 4 && classCode < 1 << 24)
    self.header = header
    self.byteCount = byteCount
    ownMemory = unsafe MemoryWindow(.allocate(byteCount: byteCount, alignment: 16), count: byteCount)
    window = ownMemory
    window.fill(0, at: 0, count: byteCount)
    writable = [UInt8](repeating: 0, count: byteCount)
    write1ToClear = [UInt8](repeating: 0, count: byteCount)

    window.store(vendor, PCIRegister.vendorID)
    window.store(device, PCIRegister.deviceID)
    window.store(classCode << 8 | UInt32(revision), PCIRegister.revisionID)
    window.store(header.rawValue, PCIRegister.headerType)
    window.store(interruptPin, PCIRegister.interruptPin)
    let command: PCICommand = [
      .io, .memory, .busMaster, .memoryWriteInvalidate, .parityErrorResponse, .systemError, .interruptDisable,
    ]
    allowWrites(UInt32(command.rawValue), at: PCIRegister.command, size: 2)
    allowClearing(UInt32(PCIStatus.write1ToClear), at: PCIRegister.status, size: 2)
    allowWrites(0xFF, at: PCIRegister.cacheLineSize, size: 1)
    allowWrites(0xFF, at: PCIRegister.latencyTimer, size: 1)
    allowWrites(0xFF, at: PCIRegister.interruptLine, size: 1)
    switch header {
    case .endpoint:
      window.store(subsystemVendor, PCIRegister.subsystemVendorID)
      window.store(subsystem, PCIRegister.subsystemID)
    case .bridge: defineBridgeRegisters()
    }
  }

  deinit { unsafe ownMemory.baseAddress.deallocate() }

  /// Accesses so far.
  public var counters: ConfigurationCounters { count }

  // MARK: What software does

  /// Reads 1, 2 or 4 bytes at an offset aligned to their size; all ones (counted) otherwise.
  public func read(_ offset: Int, size: Int) -> UInt32 {
    guard accepts(offset, size) else {
      count.refusedReads += 1
      return UInt32(truncatingIfNeeded: allOnes(size))
    }
    count.reads += 1
    return get(offset, size: size)
  }

  /// Writes 1, 2 or 4 bytes at an offset aligned to their size, as far as the masks let them through. Returns false
  /// (counted) for any other access.
  @discardableResult
  public func write(_ offset: Int, size: Int, value: UInt32) -> Bool {
    guard accepts(offset, size) else {
      count.refusedWrites += 1
      return false
    }
    count.writes += 1
    for index in 0..<size {
      let place = offset + index
      let byte = UInt8(truncatingIfNeeded: value >> UInt32(index * 8))
      let old = window.load(place, as: UInt8.self)
      let mask = writable[place]
      window.store((old & ~mask | byte & mask) & ~(byte & write1ToClear[place]), place)
    }
    if offset < PCIRegister.firstDeviceSpecific { decodeChanged?() }
    return true
  }

  private func accepts(_ offset: Int, _ size: Int) -> Bool {
    (size == 1 || size == 2 || size == 4) && offset >= 0 && offset <= byteCount - size && offset & (size - 1) == 0
  }

  // MARK: What the function does

  /// The bytes at `offset`, which must lie inside the space: 1, 2 or 4 of them.
  public func get(_ offset: Int, size: Int) -> UInt32 {
    switch size {
    case 1: UInt32(window.load(offset, as: UInt8.self))
    case 2: UInt32(window.load(offset, as: UInt16.self))
    default: window.load(offset, as: UInt32.self)
    }
  }

  /// Stores 1, 2 or 4 bytes whatever the masks say: the function changes its own registers.
  public func set(_ value: UInt32, at offset: Int, size: Int) {
    switch size {
    case 1: window.store(UInt8(truncatingIfNeeded: value), offset)
    case 2: window.store(UInt16(truncatingIfNeeded: value), offset)
    default: window.store(value, offset)
    }
  }

  /// Lets software write the bits of `mask` in the 1, 2 or 4 bytes at `offset`.
  public func allowWrites(_ mask: UInt32, at offset: Int, size: Int) {
    for index in 0..<size { writable[offset + index] |= UInt8(truncatingIfNeeded: mask >> UInt32(index * 8)) }
  }

  /// Lets software clear the bits of `mask` in the 1, 2 or 4 bytes at `offset` by writing 1.
  public func allowClearing(_ mask: UInt32, at offset: Int, size: Int) {
    for index in 0..<size { write1ToClear[offset + index] |= UInt8(truncatingIfNeeded: mask >> UInt32(index * 8)) }
  }

  public var vendorID: UInt16 { window.load(PCIRegister.vendorID) }
  public var deviceID: UInt16 { window.load(PCIRegister.deviceID) }
  public var command: PCICommand { PCICommand(rawValue: window.load(PCIRegister.command)) }
  public var status: PCIStatus { PCIStatus(rawValue: window.load(PCIRegister.status)) }
  /// 0 for none, 1...4 for INTA#...INTD#.
  public var interruptPin: UInt8 { window.load(PCIRegister.interruptPin) }

  /// Sets the status register's interrupt bit.
  public func setInterruptStatus(_ pending: Bool) {
    let rest = status.subtracting(.interrupt)
    window.store((pending ? rest.union(.interrupt) : rest).rawValue, PCIRegister.status)
  }

  /// Sets the header type's multifunction bit, which function 0 of a device with several functions shows.
  public func setMultifunction(_ several: Bool) {
    window.store(header.rawValue | (several ? 0x80 : 0), PCIRegister.headerType)
    resetValues?[PCIRegister.headerType] = header.rawValue | (several ? 0x80 : 0)
  }

  // MARK: What the machine does

  /// Moves the bytes into `slot`, the function's place in shared memory, and ends the building phase.
  public func settle(in slot: MemoryWindow) {
    precondition(slot.count >= byteCount)
    slot.copy(from: window, at: 0, count: byteCount, to: 0)
    window = slot.slice(0, byteCount)
    resetValues = (0..<byteCount).map { window.load($0, as: UInt8.self) }
  }

  /// Ends the building phase where the bytes are: of a function that is on no bus of this process.
  public func settle() { settle(in: ownMemory) }

  /// True once the function is plugged in.
  public var isSettled: Bool { resetValues != nil }

  /// Bus reset: every byte that software or the function changed has its first value again.
  public func reset() {
    guard let resetValues else { return }
    for (offset, byte) in resetValues.enumerated() { window.store(byte, offset) }
    decodeChanged?()
  }

  private func defineBridgeRegisters() {
    for offset in [PCIRegister.primaryBus, PCIRegister.secondaryBus, PCIRegister.subordinateBus, 0x1B] {
      allowWrites(0xFF, at: offset, size: 1)
    }
    // I/O windows of 4 KiB decoded with 16 bits; memory windows of 1 MiB; prefetchable ones with 64 bits.
    allowWrites(0xF0, at: PCIRegister.ioBase, size: 1)
    allowWrites(0xF0, at: PCIRegister.ioLimit, size: 1)
    allowClearing(UInt32(PCIStatus.write1ToClear), at: PCIRegister.secondaryStatus, size: 2)
    allowWrites(0xFFF0_FFF0, at: PCIRegister.memoryBase, size: 4)
    window.store(UInt32(0x0001_0001), PCIRegister.prefetchableBase)
    allowWrites(0xFFF0_FFF0, at: PCIRegister.prefetchableBase, size: 4)
    allowWrites(0xFFFF_FFFF, at: PCIRegister.prefetchableBaseUpper, size: 4)
    allowWrites(0xFFFF_FFFF, at: PCIRegister.prefetchableLimitUpper, size: 4)
    allowWrites(0x0FDF, at: PCIRegister.bridgeControl, size: 2)
  }
}

/// How often a configuration space was accessed.
public struct ConfigurationCounters: Sendable, Equatable {
  public var reads: UInt64 = 0
  public var writes: UInt64 = 0
  /// Misaligned, beyond the end, or of a size other than 1, 2 and 4.
  public var refusedReads: UInt64 = 0
  public var refusedWrites: UInt64 = 0
  public init() {}
}
