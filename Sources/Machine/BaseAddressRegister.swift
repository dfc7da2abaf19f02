import Memory

/// One base address register of a function: what it decodes, and how much.
public struct BaseAddressRegister: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    case memory32(prefetchable: Bool)
    /// Takes the next register as its upper half.
    case memory64(prefetchable: Bool)
    case io
    /// The expansion ROM, index ``romIndex``.
    case rom
  }

  /// The index under which the expansion ROM goes.
  public static let romIndex = 6

  /// 0...5, or 6 for the expansion ROM.
  public let index: Int
  public let kind: Kind
  /// A power of two.
  public let byteCount: UInt64
  /// Where the register is in configuration space.
  public let offset: Int

  public var isIO: Bool { kind == .io }
  public var is64Bit: Bool { if case .memory64 = kind { true } else { false } }
  public var isPrefetchable: Bool {
    switch kind {
    case .memory32(let prefetchable), .memory64(let prefetchable): prefetchable
    case .io, .rom: false
    }
  }
  /// The register's read-only type bits (6.2.5.1).
  var typeBits: UInt32 {
    switch kind {
    case .io: 1
    case .rom: 0
    case .memory32(let prefetchable): prefetchable ? 8 : 0
    case .memory64(let prefetchable): prefetchable ? 12 : 4
    }
  }
}

extension ConfigurationSpace {
  /// Defines base address register `index` to decode `byteCount` bytes: a power of two, at least 16 of memory or
  /// 4...256 of I/O. Software finds the size by writing all ones and reading back (6.2.5.1).
  public func addBAR(_ index: Int, _ kind: BaseAddressRegister.Kind, byteCount: UInt64) throws(MachineError) {
    let registers = header == .endpoint ? 6 : 2
    let width = if case .memory64 = kind { 2 } else { 1 }
    guard !isSettled else { throw .badBAR(index: index, reason: "the function is already plugged in") }
    guard kind != .rom else { throw .badBAR(index: index, reason: "a ROM goes into the expansion ROM register") }
    guard index >= 0, index + width <= registers else {
      throw .badBAR(index: index, reason: "this header has \(registers) registers")
    }
    for other in bars where other.kind != .rom {
      let end = other.index + (other.is64Bit ? 2 : 1)
      guard index + width <= other.index || index >= end else {
        throw .badBAR(index: index, reason: "it is taken by register \(other.index)")
      }
    }
    let isPowerOfTwo = byteCount != 0 && byteCount & (byteCount - 1) == 0
    switch kind {
    case .io where !isPowerOfTwo || byteCount < 4 || byteCount > 256:
      throw .badBAR(index: index, reason: "\(byteCount) bytes of I/O: not a power of two from 4 to 256")
    case .memory32 where !isPowerOfTwo || byteCount < 16 || byteCount > 1 << 31:
      throw .badBAR(index: index, reason: "\(byteCount) bytes of memory: not a power of two from 16 to 2^31")
    case .memory64 where !isPowerOfTwo || byteCount < 16 || byteCount > 1 << 62:
      throw .badBAR(index: index, reason: "\(byteCount) bytes of memory: not a power of two from 16 to 2^62")
    default: break
    }
    let register = BaseAddressRegister(
      index: index, kind: kind, byteCount: byteCount, offset: PCIRegister.baseAddress0 + 4 * index)
    set(register.typeBits, at: register.offset, size: 4)
    let mask = ~(byteCount - 1)
    allowWrites(UInt32(truncatingIfNeeded: mask), at: register.offset, size: 4)
    if register.is64Bit { allowWrites(UInt32(truncatingIfNeeded: mask >> 32), at: register.offset + 4, size: 4) }
    bars.append(register)
    bars.sort { $0.index < $1.index }
  }

  /// Defines the expansion ROM register for `byteCount` bytes: a power of two from 2 KiB to 16 MiB (6.2.5.2).
  public func addExpansionROM(byteCount: UInt64) throws(MachineError) {
    let index = BaseAddressRegister.romIndex
    guard !isSettled else { throw .badBAR(index: index, reason: "the function is already plugged in") }
    guard bar(index) == nil else { throw .badBAR(index: index, reason: "there is an expansion ROM already") }
    guard byteCount & (byteCount &- 1) == 0, byteCount >= 2048, byteCount <= 1 << 24 else {
      throw .badBAR(index: index, reason: "\(byteCount) bytes of ROM: not a power of two from 2 KiB to 16 MiB")
    }
    let offset = header == .endpoint ? PCIRegister.expansionROM : PCIRegister.bridgeExpansionROM
    bars.append(BaseAddressRegister(index: index, kind: .rom, byteCount: byteCount, offset: offset))
    allowWrites(UInt32(truncatingIfNeeded: ~(byteCount - 1)) | 1, at: offset, size: 4)
  }

  /// The definition of base address register `index`, if there is one.
  public func bar(_ index: Int) -> BaseAddressRegister? { bars.first { $0.index == index } }

  /// The address that software gave `bar`.
  public func address(of bar: BaseAddressRegister) -> UInt64 {
    let low = window.load(bar.offset, as: UInt32.self)
    let high = bar.is64Bit ? UInt64(window.load(bar.offset + 4, as: UInt32.self)) << 32 : 0
    return (high | UInt64(low)) & ~(bar.byteCount - 1)
  }

  /// True if the command register (and a ROM's own enable bit) lets the function answer to `bar`.
  public func isDecoding(_ bar: BaseAddressRegister) -> Bool {
    switch bar.kind {
    case .io: command.contains(.io)
    case .rom: command.contains(.memory) && window.load(bar.offset, as: UInt32.self) & 1 == 1
    case .memory32, .memory64: command.contains(.memory)
    }
  }
}
