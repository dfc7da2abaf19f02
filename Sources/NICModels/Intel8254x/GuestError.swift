/// What a guest can do wrong, each kind counted apart. The device refuses the input and goes on.
public enum GuestError: Int, Sendable, CaseIterable, CustomStringConvertible {
  /// A register access that is not 32 bits wide and aligned.
  case accessSize
  /// An access where there is no register, or in a base address register that does not exist.
  case unknownRegister
  /// IODATA was used while IOADDR pointed outside of the register file.
  case ioAddress
  /// A ring or buffer outside the memory that the device may reach.
  case dmaRefused
  /// TDH, TDT, RDH or RDT beyond the end of their ring.
  case pointerOutsideRing
  /// A frame of more than 16 KiB, or one made of more bytes than that.
  case oversizeTransmit
  /// A frame shorter than an Ethernet header.
  case shortTransmit
  /// A transmit descriptor with a length but a null address.
  case nullTransmitBuffer
  /// A free receive descriptor with a null address.
  case nullReceiveBuffer
  /// A descriptor of a type that does not exist.
  case unknownDescriptor
  /// A context descriptor between the descriptors of one frame.
  case contextInsideFrame
  /// A legacy descriptor among the data descriptors of one frame, or the reverse.
  case mixedDescriptors
  /// Checksum start, offset or end beyond the frame, or an end before the start.
  case checksumRange
  /// Segmentation with an MSS of 0 or frames of more than 16 KiB.
  case segmentSize
  /// Segmentation with a header length that does not hold the headers it names.
  case segmentHeader
  /// Segmentation of something that is not the IP version the context names.
  case segmentProtocol
  /// More or less data than header length and payload length announce.
  case segmentLength
  /// Software's own FCS (IFCS = 0) is wrong.
  case frameCheckSequence
  /// A receive ring that cannot hold one frame.
  case receiveRingTooSmall
  /// An MDI access to a PHY that is not there, or an undefined operation.
  case mdiAccess
  /// An EEPROM command that does not exist, or a write without write enable.
  case eepromCommand

  /// The counter's name.
  public var description: String {
    switch self {
    case .accessSize: "bad-access-size"
    case .unknownRegister: "unknown-register"
    case .ioAddress: "bad-io-address"
    case .dmaRefused: "dma-refused"
    case .pointerOutsideRing: "pointer-outside-ring"
    case .oversizeTransmit: "oversize-transmit"
    case .shortTransmit: "short-transmit"
    case .nullTransmitBuffer: "null-transmit-buffer"
    case .nullReceiveBuffer: "null-receive-buffer"
    case .unknownDescriptor: "unknown-descriptor"
    case .contextInsideFrame: "context-inside-frame"
    case .mixedDescriptors: "mixed-descriptors"
    case .checksumRange: "checksum-range"
    case .segmentSize: "segment-size"
    case .segmentHeader: "segment-header"
    case .segmentProtocol: "segment-protocol"
    case .segmentLength: "segment-length"
    case .frameCheckSequence: "bad-fcs"
    case .receiveRingTooSmall: "receive-ring-too-small"
    case .mdiAccess: "bad-mdi-access"
    case .eepromCommand: "bad-eeprom-command"
    }
  }
}

/// How often each ``GuestError`` happened.
public struct GuestErrorCounts: Sendable, Equatable {
  private var counts = [UInt64](repeating: 0, count: GuestError.allCases.count)

  public init() {}

  public internal(set) subscript(error: GuestError) -> UInt64 {
    get { counts[error.rawValue] }
    set { counts[error.rawValue] = newValue }
  }

  /// All kinds together.
  public var total: UInt64 { counts.reduce(0, &+) }

  /// The kinds that happened, with their numbers.
  public var nonzero: [(error: GuestError, count: UInt64)] {
    GuestError.allCases.compactMap { self[$0] == 0 ? nil : ($0, self[$0]) }
  }
}
