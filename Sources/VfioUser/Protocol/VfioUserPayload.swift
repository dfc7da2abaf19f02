import Memory

/// The fixed fields of a message behind its header.
public protocol VfioUserPayload: BitwiseCopyable, Sendable, Equatable {
  static var byteCount: Int { get }
  /// Loads the fields from the start of `window`, which has at least ``byteCount`` bytes.
  init(in window: MemoryWindow)
  func store(in window: MemoryWindow)
}

/// DMA_MAP.
public struct DMAMapping: VfioUserPayload {
  public static let byteCount = 32
  public static let readable: UInt32 = 1
  public static let writable: UInt32 = 2

  public var argumentByteCount = UInt32(byteCount)
  public var flags: UInt32
  /// Where in its file the memory begins.
  public var offset: UInt64
  /// Where the device finds it.
  public var address: UInt64
  public var size: UInt64

  public init(flags: UInt32, offset: UInt64, address: UInt64, size: UInt64) {
    self.flags = flags
    self.offset = offset
    self.address = address
    self.size = size
  }

  public init(in window: MemoryWindow) {
    argumentByteCount = window.load(0)
    flags = window.load(4)
    offset = window.load(8)
    address = window.load(16)
    size = window.load(24)
  }

  public func store(in window: MemoryWindow) {
    window.store(argumentByteCount, 0)
    window.store(flags, 4)
    window.store(offset, 8)
    window.store(address, 16)
    window.store(size, 24)
  }
}

/// DMA_UNMAP; the reply repeats it.
public struct DMAUnmapping: VfioUserPayload {
  public static let byteCount = 24
  /// Everything that is mapped goes; address and size are 0 (VFIO_DMA_UNMAP_FLAG_ALL).
  public static let all: UInt32 = 2

  public var argumentByteCount = UInt32(byteCount)
  public var flags: UInt32 = 0
  public var address: UInt64
  public var size: UInt64

  public init(address: UInt64, size: UInt64) {
    self.address = address
    self.size = size
  }

  public init(in window: MemoryWindow) {
    argumentByteCount = window.load(0)
    flags = window.load(4)
    address = window.load(8)
    size = window.load(16)
  }

  public func store(in window: MemoryWindow) {
    window.store(argumentByteCount, 0)
    window.store(flags, 4)
    window.store(address, 8)
    window.store(size, 16)
  }
}

/// DEVICE_GET_INFO, question and answer.
public struct DeviceInfo: VfioUserPayload {
  public static let byteCount = 16
  public static let canReset: UInt32 = 1
  public static let isPCI: UInt32 = 2

  public var argumentByteCount = UInt32(byteCount)
  public var flags: UInt32
  public var regions: UInt32
  public var interrupts: UInt32

  public init(flags: UInt32 = 0, regions: UInt32 = 0, interrupts: UInt32 = 0) {
    self.flags = flags
    self.regions = regions
    self.interrupts = interrupts
  }

  public init(in window: MemoryWindow) {
    argumentByteCount = window.load(0)
    flags = window.load(4)
    regions = window.load(8)
    interrupts = window.load(12)
  }

  public func store(in window: MemoryWindow) {
    window.store(argumentByteCount, 0)
    window.store(flags, 4)
    window.store(regions, 8)
    window.store(interrupts, 12)
  }
}

/// DEVICE_GET_REGION_INFO, question and answer.
public struct RegionInfo: VfioUserPayload {
  public static let byteCount = 32
  public static let readable: UInt32 = 1
  public static let writable: UInt32 = 2

  public var argumentByteCount = UInt32(byteCount)
  public var flags: UInt32
  public var index: UInt32
  public var capabilityOffset: UInt32 = 0
  public var size: UInt64
  public var offset: UInt64 = 0

  public init(index: UInt32, flags: UInt32 = 0, size: UInt64 = 0) {
    self.index = index
    self.flags = flags
    self.size = size
  }

  public init(in window: MemoryWindow) {
    argumentByteCount = window.load(0)
    flags = window.load(4)
    index = window.load(8)
    capabilityOffset = window.load(12)
    size = window.load(16)
    offset = window.load(24)
  }

  public func store(in window: MemoryWindow) {
    window.store(argumentByteCount, 0)
    window.store(flags, 4)
    window.store(index, 8)
    window.store(capabilityOffset, 12)
    window.store(size, 16)
    window.store(offset, 24)
  }
}

/// DEVICE_GET_IRQ_INFO, question and answer; with `count` as the number of descriptors also GET_REGION_IO_FDS.
public struct InterruptInfo: VfioUserPayload {
  public static let byteCount = 16
  public static let eventfd: UInt32 = 1
  public static let maskable: UInt32 = 2
  /// Masks itself when it fires; the client unmasks it.
  public static let automasked: UInt32 = 4

  public var argumentByteCount = UInt32(byteCount)
  public var flags: UInt32
  public var index: UInt32
  public var count: UInt32

  public init(index: UInt32, flags: UInt32 = 0, count: UInt32 = 0) {
    self.index = index
    self.flags = flags
    self.count = count
  }

  public init(in window: MemoryWindow) {
    argumentByteCount = window.load(0)
    flags = window.load(4)
    index = window.load(8)
    count = window.load(12)
  }

  public func store(in window: MemoryWindow) {
    window.store(argumentByteCount, 0)
    window.store(flags, 4)
    window.store(index, 8)
    window.store(count, 12)
  }
}

/// DEVICE_SET_IRQS without its data.
public struct InterruptSetting: VfioUserPayload {
  public static let byteCount = 20

  public struct Flags: OptionSet, Sendable, BitwiseCopyable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The data of the setting: none, a byte for each interrupt, or a descriptor for each.
    public static let none = Flags(rawValue: 1)
    public static let bool = Flags(rawValue: 2)
    public static let eventfd = Flags(rawValue: 4)
    /// What is set.
    public static let mask = Flags(rawValue: 8)
    public static let unmask = Flags(rawValue: 16)
    public static let trigger = Flags(rawValue: 32)
    static let data: Flags = [.none, .bool, .eventfd]
    static let action: Flags = [.mask, .unmask, .trigger]
  }

  public var argumentByteCount = UInt32(byteCount)
  public var flags: Flags
  public var index: UInt32
  public var start: UInt32
  public var count: UInt32

  public init(flags: Flags, index: UInt32, start: UInt32 = 0, count: UInt32) {
    self.flags = flags
    self.index = index
    self.start = start
    self.count = count
  }

  public init(in window: MemoryWindow) {
    argumentByteCount = window.load(0)
    flags = Flags(rawValue: window.load(4))
    index = window.load(8)
    start = window.load(12)
    count = window.load(16)
  }

  public func store(in window: MemoryWindow) {
    window.store(argumentByteCount, 0)
    window.store(flags.rawValue, 4)
    window.store(index, 8)
    window.store(start, 12)
    window.store(count, 16)
  }
}

/// REGION_READ and REGION_WRITE without their data; with eight bytes of data behind it a record of REGION_WRITE_MULTI.
public struct RegionAccess: VfioUserPayload {
  public static let byteCount = 16
  /// Bytes of a record of REGION_WRITE_MULTI.
  public static let recordByteCount = 24

  public var offset: UInt64
  public var region: UInt32
  public var count: UInt32

  public init(region: UInt32, offset: UInt64, count: UInt32) {
    self.region = region
    self.offset = offset
    self.count = count
  }

  @inline(__always) public init(in window: MemoryWindow) {
    offset = window.load(0)
    region = window.load(8)
    count = window.load(12)
  }

  @inline(__always) public func store(in window: MemoryWindow) {
    window.store(offset, 0)
    window.store(region, 8)
    window.store(count, 12)
  }
}

/// DMA_READ and DMA_WRITE without their data.
public struct DMAAccess: VfioUserPayload {
  public static let byteCount = 16

  public var address: UInt64
  public var count: UInt64

  public init(address: UInt64, count: UInt64) {
    self.address = address
    self.count = count
  }

  public init(in window: MemoryWindow) {
    address = window.load(0)
    count = window.load(8)
  }

  public func store(in window: MemoryWindow) {
    window.store(address, 0)
    window.store(count, 8)
  }
}

/// Numbers of the regions and interrupt types of a PCI device (linux/vfio.h).
public enum VfioUserIndex {
  /// Base address registers are regions 0 to 5.
  public static let rom: UInt32 = 6
  public static let configuration: UInt32 = 7
  public static let vga: UInt32 = 8
  public static let regions: UInt32 = 9
  public static let intx: UInt32 = 0
  public static let interrupts: UInt32 = 5
}
