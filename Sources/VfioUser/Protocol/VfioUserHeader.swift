import Memory

/// Commands of the vfio-user protocol (QEMU, docs/interop/vfio-user.rst, "Commands").
public enum VfioUserCommand: UInt16, Sendable, CaseIterable {
  case version = 1
  case mapDMA = 2
  case unmapDMA = 3
  case deviceInfo = 4
  case regionInfo = 5
  case regionDescriptors = 6
  case interruptInfo = 7
  case setInterrupts = 8
  case readRegion = 9
  case writeRegion = 10
  /// From server to client, like ``writeDMA``.
  case readDMA = 11
  case writeDMA = 12
  case reset = 13
  /// Dirty pages of protocol drafts; no longer in use.
  case dirtyPages = 14
  case writeRegions = 15
  case feature = 16
  case readMigrationData = 17
  case writeMigrationData = 18
}

/// The 16 bytes at the start of every message. Numbers are in the host's order (little-endian).
public struct VfioUserHeader: Sendable, Equatable, BitwiseCopyable {
  public static let byteCount = 16

  public struct Flags: OptionSet, Sendable, BitwiseCopyable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// A reply; without it a command.
    public static let reply = Flags(rawValue: 1)
    /// The sender does not want a reply: a posted write.
    public static let noReply = Flags(rawValue: 0x10)
    /// The command failed; the header's last field may say why.
    public static let error = Flags(rawValue: 0x20)
    /// Bits that tell commands from replies; values other than 0 and 1 mean nothing.
    static let type: UInt32 = 0xF
  }

  /// Chosen by the sender of a command, echoed in its reply.
  public var identifier: UInt16
  /// A ``VfioUserCommand``, or a number that stands for none.
  public var command: UInt16
  /// Bytes of the whole message, this header included.
  public var messageByteCount: UInt32
  public var flags: Flags
  /// Linux error number of a failed command; 0 if it has none.
  public var errorNumber: UInt32

  public init(
    identifier: UInt16, command: UInt16, bodyByteCount: Int, flags: Flags = [], errorNumber: UInt32 = 0
  ) {
    self.identifier = identifier
    self.command = command
    messageByteCount = UInt32(truncatingIfNeeded: Self.byteCount &+ bodyByteCount)
    self.flags = flags
    self.errorNumber = errorNumber
  }

  /// The header at `offset` of `window`.
  @inline(__always) public init(in window: MemoryWindow, at offset: Int = 0) {
    identifier = window.load(offset)
    command = window.load(offset &+ 2)
    messageByteCount = window.load(offset &+ 4)
    flags = Flags(rawValue: window.load(offset &+ 8))
    errorNumber = window.load(offset &+ 12)
  }

  @inline(__always) public func store(in window: MemoryWindow, at offset: Int = 0) {
    window.store(identifier, offset)
    window.store(command, offset &+ 2)
    window.store(messageByteCount, offset &+ 4)
    window.store(flags.rawValue, offset &+ 8)
    window.store(errorNumber, offset &+ 12)
  }

  public var isReply: Bool { flags.rawValue & Flags.type == 1 }
  var hasUnknownType: Bool { flags.rawValue & Flags.type > 1 }
  public var wantsReply: Bool { !flags.contains(.noReply) }
}
