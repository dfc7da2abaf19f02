/// Which way a captured frame went, as its interface saw it (pcapng `epb_flags`, bits 0-1).
public enum FrameDirection: UInt8, Sendable, Equatable {
  case inbound = 1
  case outbound = 2
}

/// A frame of a capture file.
public struct CapturedFrame: Sendable, Equatable {
  /// Nanoseconds since 1970-01-01 00:00 UTC. Simple packet blocks have no time: they get that of the frame before.
  public var time: UInt64
  /// Index into ``CaptureReader/interfaces``.
  public var interface: Int
  /// Length of the frame on the wire, bytes; more than `bytes.count` if the capture cut it.
  public var originalLength: Int
  public var bytes: [UInt8]
  /// Nil if the file does not say.
  public var direction: FrameDirection?
  public var comment: String?

  public init(
    time: UInt64, interface: Int = 0, originalLength: Int? = nil, bytes: [UInt8], direction: FrameDirection? = nil,
    comment: String? = nil
  ) {
    self.time = time
    self.interface = interface
    self.originalLength = originalLength ?? bytes.count
    self.bytes = bytes
    self.direction = direction
    self.comment = comment
  }
}

/// What kind of frames an interface has (the LINKTYPE registry). Open to values without a name.
public struct CaptureLinkType: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let ethernet = CaptureLinkType(rawValue: 1)
  /// IPv4 or IPv6 without a link layer.
  public static let raw = CaptureLinkType(rawValue: 101)
}

/// An interface that a capture file describes; a classic file has exactly one.
public struct CaptureInterface: Sendable, Equatable {
  public var linkType: CaptureLinkType
  /// Longest part of a frame that is kept, bytes; 0 is without limit.
  public var snapLength: Int
  public var name: String?
  public var description: String?
  /// What the file's time stamps count.
  public var resolution: TimestampResolution
  /// Seconds to be added to each time stamp (`if_tsoffset`).
  public var timeOffset: Int64

  public init(
    linkType: CaptureLinkType = .ethernet, snapLength: Int = 262_144, name: String? = nil, description: String? = nil,
    resolution: TimestampResolution = .nanoseconds, timeOffset: Int64 = 0
  ) {
    self.linkType = linkType
    self.snapLength = snapLength
    self.name = name
    self.description = description
    self.resolution = resolution
    self.timeOffset = timeOffset
  }
}

/// The unit of time stamps in the coding of pcapng's `if_tsresol`: 10 to the power of -n, or with the top bit set 2 to
/// the power of -n.
public struct TimestampResolution: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let microseconds = TimestampResolution(rawValue: 6)
  public static let nanoseconds = TimestampResolution(rawValue: 9)

  /// Nanoseconds of `ticks`, rounded down; nil above 64 bits.
  public func nanoseconds(_ ticks: UInt64) -> UInt64? {
    let exponent = Int(rawValue & 0x7F)
    let wide = UInt128(ticks)
    if rawValue & 0x80 != 0 { return UInt64(exactly: (wide * 1_000_000_000) >> UInt128(exponent)) }
    if exponent <= 9 { return UInt64(exactly: wide * Self.power(9 - exponent)) }
    return exponent - 9 < 20 ? UInt64(wide / Self.power(exponent - 9)) : 0
  }

  private static func power(_ exponent: Int) -> UInt128 { (0..<exponent).reduce(1) { value, _ in value * 10 } }
}
