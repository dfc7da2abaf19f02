/// Reads a capture file frame by frame: classic pcap (libpcap's savefile format) in both byte orders with micro- or
/// nanoseconds, and pcapng. Memory is bounded whatever the file says; a damaged file gives the frames before the damage
/// and then an error with the place. After an error the reader is at its end.
public final class CaptureReader {
  public enum Format: Sendable, Equatable {
    case pcap
    case pcapng
  }

  /// Longest frame that is believed, bytes: libpcap's own limit.
  public static let frameLimit = 262_144
  /// Longest body of a pcapng block that is looked into; others are left out unread.
  static let blockLimit = frameLimit + 131_072
  /// Most interfaces of one file.
  public static let interfaceLimit = 4096

  public let format: Format
  /// The interfaces found so far, of all sections.
  public internal(set) var interfaces: [CaptureInterface] = []

  let input: CaptureInput
  var isBigEndian = false
  /// Number of interfaces of earlier sections: a section counts its own from zero.
  var sectionBase = 0
  var lastTime: UInt64 = 0
  private var isAtEnd = false

  /// A reader of a whole file that lies in memory.
  public convenience init(bytes: [UInt8]) throws(CaptureError) { try self.init(CaptureInput(bytes: bytes)) }

  /// A reader of a file, which is closed when the reader goes away.
  public convenience init(path: String) throws(CaptureError) { try self.init(CaptureInput(path: path)) }

  /// A reader of an open descriptor (a pipe, for example), which stays open.
  public convenience init(descriptor: Int32) throws(CaptureError) {
    try self.init(CaptureInput(descriptor: descriptor))
  }

  private init(_ input: CaptureInput) throws(CaptureError) {
    self.input = input
    guard let magic = try input.take(4, recordStart: 0) else { throw .notACapture }
    switch magic {
    case [0x0A, 0x0D, 0x0D, 0x0A]:
      format = .pcapng
      try readSection(at: 0)
    case [0xD4, 0xC3, 0xB2, 0xA1], [0x4D, 0x3C, 0xB2, 0xA1]:
      format = .pcap
      try readFileHeader(isNano: magic[0] == 0x4D)
    case [0xA1, 0xB2, 0xC3, 0xD4], [0xA1, 0xB2, 0x3C, 0x4D]:
      format = .pcap
      isBigEndian = true
      try readFileHeader(isNano: magic[3] == 0x4D)
    default: throw .notACapture
    }
  }

  /// The next frame; nil at the end of the file.
  public func next() throws(CaptureError) -> CapturedFrame? {
    if isAtEnd { return nil }
    do throws(CaptureError) {
      let frame = try format == .pcap ? nextRecord() : nextPacketBlock()
      isAtEnd = frame == nil
      if let frame { lastTime = frame.time }
      return frame
    } catch {
      isAtEnd = true
      throw error
    }
  }

  private func readFileHeader(isNano: Bool) throws(CaptureError) {
    let header = CaptureFields(bytes: try input.require(20, recordStart: 0), isBigEndian: isBigEndian)
    guard header.number16(0) == 2 else { throw .unsupportedVersion(offset: 4, major: Int(header.number16(0))) }
    // The upper bits of the last field are about the FCS.
    interfaces = [
      CaptureInterface(
        linkType: CaptureLinkType(rawValue: UInt16(truncatingIfNeeded: header.number32(16))),
        snapLength: Int(header.number32(12)), resolution: isNano ? .nanoseconds : .microseconds)
    ]
  }

  private func nextRecord() throws(CaptureError) -> CapturedFrame? {
    let start = input.offset
    guard let bytes = try input.take(16, recordStart: start) else { return nil }
    let header = CaptureFields(bytes: bytes, isBigEndian: isBigEndian)
    let length = header.number32(8)
    guard length <= Self.frameLimit else { throw .badFrameLength(offset: start, length: length) }
    let unit: UInt64 = interfaces[0].resolution == .nanoseconds ? 1 : 1000
    let frame = try input.require(Int(length), recordStart: start)
    return CapturedFrame(
      time: UInt64(header.number32(0)) * 1_000_000_000 + UInt64(header.number32(4)) * unit,
      originalLength: Swift.max(Int(header.number32(12)), Int(length)), bytes: frame)
  }
}
