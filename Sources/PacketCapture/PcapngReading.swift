/// The block types of pcapng (draft-ietf-opsawg-pcapng 11.1).
enum BlockType {
  static let section: UInt32 = 0x0A0D_0D0A
  static let interface: UInt32 = 1
  /// Obsolete.
  static let packet: UInt32 = 2
  static let simplePacket: UInt32 = 3
  static let enhancedPacket: UInt32 = 6
}

/// The options of pcapng blocks that are read or written.
enum BlockOption {
  static let end: UInt16 = 0
  static let comment: UInt16 = 1
  static let sectionHardware: UInt16 = 2
  static let sectionOperatingSystem: UInt16 = 3
  static let sectionApplication: UInt16 = 4
  static let interfaceName: UInt16 = 2
  static let interfaceDescription: UInt16 = 3
  static let interfaceHardwareAddress: UInt16 = 6
  static let interfaceSpeed: UInt16 = 8
  static let interfaceResolution: UInt16 = 9
  static let interfaceTimeOffset: UInt16 = 14
  static let packetFlags: UInt16 = 2
}

extension CaptureReader {
  /// Reads blocks up to the next one with a frame; nil at the end of the file.
  func nextPacketBlock() throws(CaptureError) -> CapturedFrame? {
    while true {
      let start = input.offset
      guard let head = try input.take(4, recordStart: start) else { return nil }
      let type = CaptureFields(bytes: head, isBigEndian: isBigEndian).number32(0)
      switch type {
      case BlockType.section: try readSection(at: start)
      case BlockType.interface: try readInterface(try body(at: start, minimum: 8), at: start)
      case BlockType.enhancedPacket:
        let block = try body(at: start, minimum: 20)
        return try packet(block, interface: block.number32(0), at: start)
      case BlockType.packet:
        let block = try body(at: start, minimum: 20)
        return try packet(block, interface: UInt32(block.number16(0)), at: start)
      case BlockType.simplePacket: return try simplePacket(try body(at: start, minimum: 4), at: start)
      default: try skipBlock(at: start)
      }
    }
  }

  /// A section header behind its type, which reads the same in both byte orders.
  func readSection(at start: UInt64) throws(CaptureError) {
    let head = try input.require(8, recordStart: start)
    switch [UInt8](head[4...]) {
    case [0x4D, 0x3C, 0x2B, 0x1A]: isBigEndian = false
    case [0x1A, 0x2B, 0x3C, 0x4D]: isBigEndian = true
    default: throw .badByteOrder(offset: start)
    }
    let length = CaptureFields(bytes: head, isBigEndian: isBigEndian).number32(0)
    guard length >= 28, length & 3 == 0, Int(length) <= Self.blockLimit else {
      throw .badBlockLength(offset: start, length: length)
    }
    let rest = CaptureFields(
      bytes: try input.require(Int(length) - 12, recordStart: start), isBigEndian: isBigEndian)
    guard rest.number32(rest.bytes.count - 4) == length else { throw .badBlockLength(offset: start, length: length) }
    guard rest.number16(0) == 1 else { throw .unsupportedVersion(offset: start, major: Int(rest.number16(0))) }
    sectionBase = interfaces.count
  }

  /// The total length of the block whose type was read.
  private func blockLength(at start: UInt64) throws(CaptureError) -> UInt32 {
    let length = CaptureFields(bytes: try input.require(4, recordStart: start), isBigEndian: isBigEndian).number32(0)
    guard length >= 12, length & 3 == 0 else { throw .badBlockLength(offset: start, length: length) }
    return length
  }

  private func body(at start: UInt64, minimum: Int) throws(CaptureError) -> CaptureFields {
    let length = try blockLength(at: start)
    guard Int(length) - 12 >= minimum, Int(length) <= Self.blockLimit else {
      throw .badBlockLength(offset: start, length: length)
    }
    var bytes = try input.require(Int(length) - 8, recordStart: start)
    let fields = CaptureFields(bytes: bytes, isBigEndian: isBigEndian)
    guard fields.number32(bytes.count - 4) == length else { throw .badBlockLength(offset: start, length: length) }
    bytes.removeLast(4)
    return CaptureFields(bytes: bytes, isBigEndian: isBigEndian)
  }

  private func skipBlock(at start: UInt64) throws(CaptureError) {
    let length = try blockLength(at: start)
    try input.skip(Int(length) - 12, recordStart: start)
    let trailer = CaptureFields(bytes: try input.require(4, recordStart: start), isBigEndian: isBigEndian)
    guard trailer.number32(0) == length else { throw .badBlockLength(offset: start, length: length) }
  }

  private func readInterface(_ block: CaptureFields, at start: UInt64) throws(CaptureError) {
    guard interfaces.count < Self.interfaceLimit else { throw .tooManyInterfaces(offset: start) }
    var interface = CaptureInterface(
      linkType: CaptureLinkType(rawValue: block.number16(0)), snapLength: Int(block.number32(4)),
      resolution: .microseconds)
    eachOption(of: block, from: 8) { code, range in
      switch (code, range.count) {
      case (BlockOption.interfaceName, _): interface.name = Self.text(block, range)
      case (BlockOption.interfaceDescription, _): interface.description = Self.text(block, range)
      case (BlockOption.interfaceResolution, 1):
        interface.resolution = TimestampResolution(rawValue: block.bytes[range.lowerBound])
      case (BlockOption.interfaceTimeOffset, 8):
        interface.timeOffset = Int64(bitPattern: block.number64(range.lowerBound))
      default: break
      }
    }
    interfaces.append(interface)
  }

  /// An enhanced packet block, or an obsolete packet block, which differs in its first word only.
  private func packet(
    _ block: CaptureFields, interface: UInt32, at start: UInt64
  ) throws(CaptureError) -> CapturedFrame {
    let index = sectionBase + Int(interface)
    guard index < interfaces.count else { throw .unknownInterface(offset: start, interface: interface) }
    let length = block.number32(12)
    guard length <= Self.frameLimit, Int(length) <= block.bytes.count - 20 else {
      throw .badFrameLength(offset: start, length: length)
    }
    let ticks = UInt64(block.number32(4)) << 32 | UInt64(block.number32(8))
    var frame = CapturedFrame(
      time: try time(ticks, interfaces[index], at: start), interface: index,
      originalLength: Swift.max(Int(block.number32(16)), Int(length)),
      bytes: [UInt8](block.bytes[20..<(20 + Int(length))]))
    eachOption(of: block, from: 20 + (Int(length) + 3) & ~3) { code, range in
      if code == BlockOption.comment, frame.comment == nil { frame.comment = Self.text(block, range) }
      if code == BlockOption.packetFlags, range.count == 4 {
        frame.direction = FrameDirection(rawValue: UInt8(block.number32(range.lowerBound) & 3))
      }
    }
    return frame
  }

  private func simplePacket(_ block: CaptureFields, at start: UInt64) throws(CaptureError) -> CapturedFrame {
    guard sectionBase < interfaces.count else { throw .unknownInterface(offset: start, interface: 0) }
    let original = block.number32(0)
    let snapLength = interfaces[sectionBase].snapLength
    let length = snapLength > 0 ? Swift.min(Int(original), snapLength) : Int(original)
    guard length <= Self.frameLimit, length <= block.bytes.count - 4 else {
      throw .badFrameLength(offset: start, length: original)
    }
    return CapturedFrame(
      time: lastTime, interface: sectionBase, originalLength: Int(original),
      bytes: [UInt8](block.bytes[4..<(4 + length)]))
  }

  private func time(
    _ ticks: UInt64, _ interface: CaptureInterface, at start: UInt64
  ) throws(CaptureError) -> UInt64 {
    guard let nanoseconds = interface.resolution.nanoseconds(ticks),
      let time = UInt64(exactly: Int128(nanoseconds) + Int128(interface.timeOffset) * 1_000_000_000)
    else { throw .timeOutOfRange(offset: start) }
    return time
  }

  /// Gives each option's code and where its value lies; ends at the end option, at the end of the block or at an option
  /// that does not fit.
  private func eachOption(of block: CaptureFields, from start: Int, _ take: (UInt16, Range<Int>) -> Void) {
    var offset = start
    while block.bytes.count - offset >= 4 {
      let code = block.number16(offset)
      let length = Int(block.number16(offset + 2))
      guard code != BlockOption.end, block.bytes.count - offset - 4 >= length else { return }
      take(code, (offset + 4)..<(offset + 4 + length))
      offset += 4 + (length + 3) & ~3
    }
  }

  private static func text(_ block: CaptureFields, _ range: Range<Int>) -> String {
    String(decoding: block.bytes[range], as: UTF8.self)
  }
}
