import Packets

/// A program of the classic packet filter (S. McCanne and V. Jacobson, 1993; Linux's filter.rst), checked when it is
/// made, so that it ends and touches nothing but the packet and its own memory.
public final class PacketFilter: Sendable, Equatable {
  /// `struct sock_filter`
  public struct Instruction: Sendable, Equatable {
    public var code: UInt16
    public var ifTrue: UInt8
    public var ifFalse: UInt8
    public var k: UInt32

    public init(code: UInt16, ifTrue: UInt8 = 0, ifFalse: UInt8 = 0, k: UInt32) {
      self.code = code
      self.ifTrue = ifTrue
      self.ifFalse = ifFalse
      self.k = k
    }
  }

  public let instructions: [Instruction]

  /// BPF_MAXINSNS, BPF_MEMWORDS
  public static let limit = 4096
  static let memoryWords = 16

  /// Nil for a program that Linux's `bpf_check_classic` refuses.
  public init?(_ instructions: [Instruction]) {
    guard (1...Self.limit).contains(instructions.count), Self.isSafe(instructions) else { return nil }
    self.instructions = instructions
  }

  public static func == (a: PacketFilter, b: PacketFilter) -> Bool { a === b }

  // MARK: Checking

  private static func isSafe(_ program: [Instruction]) -> Bool {
    for (place, step) in program.enumerated() {
      let left = program.count - place - 1
      switch Operation(step.code) {
      case nil: return false
      case .divide(usesX: false), .modulo(usesX: false): if step.k == 0 { return false }
      case .shiftLeft(usesX: false), .shiftRight(usesX: false): if step.k >= 32 { return false }
      case .loadMemory, .loadXMemory, .store, .storeX: if step.k >= UInt32(memoryWords) { return false }
      case .jump: if step.k >= UInt32(left) { return false }
      case .compare: if Int(step.ifTrue) >= left || Int(step.ifFalse) >= left { return false }
      case .loadAbsolute:
        if step.k >= Ancillary.start, Ancillary(rawValue: step.k &- Ancillary.start) == nil { return false }
      default: break
      }
    }
    guard case .finish = Operation(program[program.count - 1].code) else { return false }
    return readsOnlyWhatWasWritten(program)
  }

  /// On every way to a load from memory the word has been stored (Linux `check_load_and_stores`).
  private static func readsOnlyWhatWasWritten(_ program: [Instruction]) -> Bool {
    var known = [UInt16](repeating: .max, count: program.count + 1)
    var written: UInt16 = 0
    for (place, step) in program.enumerated() {
      written &= known[place]
      switch Operation(step.code) {
      case .store, .storeX: written |= 1 << UInt16(step.k)
      case .loadMemory, .loadXMemory: if written & 1 << UInt16(step.k) == 0 { return false }
      case .jump:
        known[place + 1 + Int(step.k)] &= written
        written = .max
      case .compare:
        known[place + 1 + Int(step.ifTrue)] &= written
        known[place + 1 + Int(step.ifFalse)] &= written
        written = .max
      default: break
      }
    }
    return true
  }
}

extension PacketFilter {
  /// What a code of an instruction does (linux/bpf_common.h); those that Linux does not allow have none.
  enum Operation {
    enum Width: Int { case word = 4, half = 2, byte = 1 }
    enum Comparison { case equal, greater, greaterOrEqual, anyBit }

    case loadAbsolute(Width), loadIndirect(Width), loadLength, loadImmediate, loadMemory
    case loadXLength, loadXImmediate, loadXMemory, loadXHeaderLength
    case store, storeX
    case add(usesX: Bool), subtract(usesX: Bool), multiply(usesX: Bool), divide(usesX: Bool), modulo(usesX: Bool)
    case and(usesX: Bool), or(usesX: Bool), exclusiveOr(usesX: Bool)
    case shiftLeft(usesX: Bool), shiftRight(usesX: Bool), negate
    case jump, compare(Comparison, usesX: Bool)
    case finish(usesA: Bool), toX, toA

    init?(_ code: UInt16) {
      guard code <= 0xFF else { return nil }
      let usesX = code & 8 != 0
      switch code {
      case 0x20: self = .loadAbsolute(.word)
      case 0x28: self = .loadAbsolute(.half)
      case 0x30: self = .loadAbsolute(.byte)
      case 0x40: self = .loadIndirect(.word)
      case 0x48: self = .loadIndirect(.half)
      case 0x50: self = .loadIndirect(.byte)
      case 0x80: self = .loadLength
      case 0x00: self = .loadImmediate
      case 0x60: self = .loadMemory
      case 0x81: self = .loadXLength
      case 0x01: self = .loadXImmediate
      case 0x61: self = .loadXMemory
      case 0xB1: self = .loadXHeaderLength
      case 0x02: self = .store
      case 0x03: self = .storeX
      case 0x04, 0x0C: self = .add(usesX: usesX)
      case 0x14, 0x1C: self = .subtract(usesX: usesX)
      case 0x24, 0x2C: self = .multiply(usesX: usesX)
      case 0x34, 0x3C: self = .divide(usesX: usesX)
      case 0x94, 0x9C: self = .modulo(usesX: usesX)
      case 0x54, 0x5C: self = .and(usesX: usesX)
      case 0x44, 0x4C: self = .or(usesX: usesX)
      case 0xA4, 0xAC: self = .exclusiveOr(usesX: usesX)
      case 0x64, 0x6C: self = .shiftLeft(usesX: usesX)
      case 0x74, 0x7C: self = .shiftRight(usesX: usesX)
      case 0x84: self = .negate
      case 0x05: self = .jump
      case 0x15, 0x1D: self = .compare(.equal, usesX: usesX)
      case 0x25, 0x2D: self = .compare(.greater, usesX: usesX)
      case 0x35, 0x3D: self = .compare(.greaterOrEqual, usesX: usesX)
      case 0x45, 0x4D: self = .compare(.anyBit, usesX: usesX)
      case 0x06: self = .finish(usesA: false)
      case 0x16: self = .finish(usesA: true)
      case 0x07: self = .toX
      case 0x87: self = .toA
      default: return nil
      }
    }
  }

  /// What absolute loads from SKF_AD_OFF on ask about the packet (linux/filter.h).
  enum Ancillary: UInt32 {
    case protocolType = 0, packetType = 4, interface = 8, attribute = 12, nestedAttribute = 16, mark = 20, queue = 24
    case hardwareType = 28, hash = 32, processor = 36, exclusiveOrX = 40, vlanTag = 44, hasVLANTag = 48
    case payloadOffset = 52, random = 56, vlanProtocol = 60

    /// SKF_AD_OFF, without sign.
    static let start: UInt32 = 0xFFFF_F000
  }
}
