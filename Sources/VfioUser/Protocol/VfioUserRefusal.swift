import Glibc

/// What a peer can do wrong, each kind counted apart. A command that is refused gets an error reply (if it wants one),
/// and the connection goes on, except after ``badLength``, where the start of the next message is unknown.
public enum VfioUserRefusal: Int, Error, Sendable, CaseIterable, CustomStringConvertible {
  /// A message shorter than a header, or longer than any message may be.
  case badLength
  /// A command longer than any command of this server.
  case tooLong
  /// A command without all of its fields, or with less data than it says.
  case truncated
  /// A command with more data than it says.
  case excessBytes
  /// Neither command nor reply.
  case badType
  /// A reply to nothing.
  case unexpectedReply
  case unknownCommand
  /// Migration, dirty pages, descriptors for regions, or a command that only servers send.
  case unsupportedCommand
  /// A command before the version was agreed on.
  case notNegotiated
  case negotiatedTwice
  case unsupportedVersion
  /// Capabilities that are no JSON object, or have values of a wrong type.
  case badCapabilities
  /// `argsz` leaves no room for the answer, or not all of the question.
  case argumentSize
  /// A region or interrupt type that does not exist.
  case badIndex
  /// An access that leaves its region.
  case badRange
  /// A register access of a size other than 1, 2, 4 and 8.
  case badWidth
  case readOnlyRegion
  /// Flags, range or data of an interrupt setting that do not go together.
  case badInterruptSetting
  /// DMA flags that do not exist, or memory that may not even be read.
  case badMapping
  /// Memory that is empty, wraps around 2^64, or does not lie in its file.
  case badMappingRange
  case overlappingMapping
  /// No mapping has exactly this address and size.
  case unknownMapping
  case tooManyMappings
  /// The kernel does not map the descriptor.
  case mappingFailed
  case missingDescriptor
  /// Descriptors with a command that takes none, or more than it takes.
  case unexpectedDescriptor
  /// A descriptor that is no eventfd or no file.
  case badDescriptor

  /// The counter's name.
  public var description: String {
    switch self {
    case .badLength: "bad-length"
    case .tooLong: "too-long"
    case .truncated: "truncated"
    case .excessBytes: "excess-bytes"
    case .badType: "bad-type"
    case .unexpectedReply: "unexpected-reply"
    case .unknownCommand: "unknown-command"
    case .unsupportedCommand: "unsupported-command"
    case .notNegotiated: "not-negotiated"
    case .negotiatedTwice: "negotiated-twice"
    case .unsupportedVersion: "unsupported-version"
    case .badCapabilities: "bad-capabilities"
    case .argumentSize: "bad-argument-size"
    case .badIndex: "bad-index"
    case .badRange: "bad-range"
    case .badWidth: "bad-width"
    case .readOnlyRegion: "read-only-region"
    case .badInterruptSetting: "bad-interrupt-setting"
    case .badMapping: "bad-mapping"
    case .badMappingRange: "bad-mapping-range"
    case .overlappingMapping: "overlapping-mapping"
    case .unknownMapping: "unknown-mapping"
    case .tooManyMappings: "too-many-mappings"
    case .mappingFailed: "mapping-failed"
    case .missingDescriptor: "missing-descriptor"
    case .unexpectedDescriptor: "unexpected-descriptor"
    case .badDescriptor: "bad-descriptor"
    }
  }

  /// The Linux error number of the error reply.
  public var errorNumber: UInt32 {
    let code =
      switch self {
      case .unknownCommand: ENOSYS
      case .unsupportedCommand: EOPNOTSUPP
      case .tooLong: E2BIG
      case .unsupportedVersion: EPROTONOSUPPORT
      case .readOnlyRegion: EPERM
      case .overlappingMapping: EEXIST
      case .unknownMapping: ENOENT
      case .tooManyMappings: ENOSPC
      case .mappingFailed: ENOMEM
      case .missingDescriptor, .badDescriptor: EBADF
      default: EINVAL
      }
    return UInt32(code)
  }
}

/// How often each ``VfioUserRefusal`` happened.
public struct VfioUserRefusalCounts: Sendable, Equatable {
  private var counts = [UInt64](repeating: 0, count: VfioUserRefusal.allCases.count)

  public init() {}

  public internal(set) subscript(refusal: VfioUserRefusal) -> UInt64 {
    get { counts[refusal.rawValue] }
    set { counts[refusal.rawValue] = newValue }
  }

  /// All kinds together.
  public var total: UInt64 { counts.reduce(0, &+) }

  /// The kinds that happened, with their numbers.
  public var nonzero: [(refusal: VfioUserRefusal, count: UInt64)] {
    VfioUserRefusal.allCases.compactMap { self[$0] == 0 ? nil : ($0, self[$0]) }
  }
}
