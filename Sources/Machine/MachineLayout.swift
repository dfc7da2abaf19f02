import Memory

/// How a machine lies in its shared memory (version 1). All numbers are little-endian.
///
/// | offset | length | contents |
/// |---|---|---|
/// | 0x0000_0000 | 16 KiB | header and table of regions |
/// | 0x0010_0000 | 16 MiB | configuration spaces |
/// | 0x0110_0000 | 16 MiB | register files: the plain registers of BARs, each at its own offset |
/// | 0x0210_0000 | as asked | guest memory |
///
/// Of the configuration spaces each bus has 1 MiB (in order of their making, the root bus first), in it a function's
/// 4 KiB at `device << 15 | function << 12`, as in ECAM.
///
/// Header: magic `WIREBNCH` at 0, version (UInt32) at 8, generation (UInt32) at 12, number of table entries (UInt32) at
/// 16, entry size 64 (UInt32) at 20, length of the whole (UInt64) at 24. The generation is odd while the table is being
/// changed.
///
/// Table entry, the first at offset 64: kind (UInt32) at 0, routing ID of the function (UInt16) at 4, BAR (UInt8, 255
/// for none) at 6, flags (UInt8: 1 I/O space, 2 64-bit, 4 prefetchable) at 7, bus address (UInt64) at 8, offset of the
/// bytes in the file (UInt64) at 16, length (UInt64) at 24, name (UTF-8, padded with zeros, 24 bytes) at 32, bytes that
/// the BAR decodes (UInt64) at 56. A function's BARs come right behind its configuration space.
enum MachineLayout {
  static let magic: UInt64 = 0x4843_4E42_4552_4957  // "WIREBNCH"
  static let version: UInt32 = 1

  static let versionOffset = 8
  static let generationOffset = 12
  static let entryCountOffset = 16
  static let entrySizeOffset = 20
  static let byteCountOffset = 24

  static let headerByteCount = 16 << 10
  static let firstEntry = 64
  static let entryByteCount = 64
  static let maximumEntries = (headerByteCount - firstEntry) / entryByteCount
  static let nameOffset = 32
  static let nameByteCount = 24
  static let decodedOffset = 56
  static let noBAR: UInt8 = 255

  static let configurationOffset = 1 << 20
  static let segmentByteCount = 1 << 20
  static let maximumSegments = 16
  static let slotByteCount = 4096
  static let registersOffset = configurationOffset + maximumSegments * segmentByteCount
  static let registersByteCount = 16 << 20
  static let memoryOffset = registersOffset + registersByteCount
}

/// What a region of the shared memory is.
public enum MachineRegionKind: UInt32, Sendable, Codable {
  /// The configuration space of a function.
  case configuration = 1
  /// The register file of a base address register.
  case registers = 2
  /// Guest memory.
  case memory = 3
  /// A base address register without bytes of its own in the file.
  case aperture = 4
}

/// The table at the start of a machine's shared memory, as its owner writes it.
final class MachineTable {
  private let memory: SharedMemory
  private var window: MemoryWindow { memory.window }
  private var entryCount = 0
  private var nextRegisters = MachineLayout.registersOffset
  private var generation: UInt32 = 0

  init(in memory: SharedMemory) {
    self.memory = memory
    window.store(MachineLayout.version, MachineLayout.versionOffset)
    window.store(UInt32(MachineLayout.entryByteCount), MachineLayout.entrySizeOffset)
    window.store(UInt64(window.count), MachineLayout.byteCountOffset)
    // The magic comes last: a reader that sees it sees the rest.
    window.store(MachineLayout.magic, 0)
  }

  /// Appends an entry and returns its index.
  func add(
    _ kind: MachineRegionKind, function: UInt16, bar: UInt8 = MachineLayout.noBAR, flags: UInt8 = 0, busAddress: UInt64,
    offset: Int, byteCount: UInt64, decodedByteCount: UInt64 = 0, name: String
  ) throws(MachineError) -> Int {
    guard entryCount < MachineLayout.maximumEntries else {
      throw .sharedMemory("the machine's table has no room for more than \(entryCount) regions")
    }
    let index = entryCount
    let at = place(index)
    change {
      window.store(kind.rawValue, at)
      window.store(function, at + 4)
      window.store(bar, at + 6)
      window.store(flags, at + 7)
      window.store(busAddress, at + 8)
      window.store(UInt64(offset), at + 16)
      window.store(byteCount, at + 24)
      window.store(decodedByteCount, at + MachineLayout.decodedOffset)
      for (index, byte) in name.utf8.prefix(MachineLayout.nameByteCount).enumerated() {
        window.store(byte, at + MachineLayout.nameOffset + index)
      }
      entryCount += 1
      window.store(UInt32(entryCount), MachineLayout.entryCountOffset)
    }
    return index
  }

  /// Software has moved a region, or the bus its function is on.
  func update(_ index: Int, function: UInt16, busAddress: UInt64) {
    guard index >= 0 else { return }
    let at = place(index)
    guard window.load(at + 4, as: UInt16.self) != function || window.load(at + 8, as: UInt64.self) != busAddress else {
      return
    }
    change {
      window.store(function, at + 4)
      window.store(busAddress, at + 8)
    }
  }

  /// The bytes of a configuration slot.
  func configurationSlot(segment: Int, device: UInt8, function: UInt8) -> (offset: Int, window: MemoryWindow) {
    let offset =
      MachineLayout.configurationOffset + segment * MachineLayout.segmentByteCount + Int(device) << 15 + Int(function)
      << 12
    return (offset, window.slice(offset, MachineLayout.slotByteCount))
  }

  /// Takes `byteCount` bytes (rounded up to pages) for a register file.
  func takeRegisters(byteCount: Int) throws(MachineError) -> (offset: Int, window: MemoryWindow) {
    let end = MachineLayout.registersOffset + MachineLayout.registersByteCount
    guard byteCount > 0, byteCount <= end - nextRegisters else {
      throw .sharedMemory("the machine has no room for a register file of \(byteCount) bytes")
    }
    let offset = nextRegisters
    nextRegisters += (byteCount + 4095) & ~4095
    return (offset, window.slice(offset, byteCount))
  }

  private func place(_ index: Int) -> Int { MachineLayout.firstEntry + index * MachineLayout.entryByteCount }

  private func change(_ body: () -> Void) {
    generation &+= 1
    window.store(generation, MachineLayout.generationOffset)
    body()
    generation &+= 1
    window.store(generation, MachineLayout.generationOffset)
  }
}
