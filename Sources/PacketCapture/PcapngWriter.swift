import Packets

/// Writes one section of pcapng, little-endian, with time stamps in nanoseconds.
///
///     let writer = try PcapngWriter(CaptureSink(path: "wire.pcapng"), application: "workbench")
///     let nic = try writer.addInterface(name: "enp0s3")
///     try writer.write(frame, time: now, interface: nic, direction: .outbound)
///     try writer.close()
public final class PcapngWriter {
  public let sink: CaptureSink
  private var snapLengths: [Int] = []
  /// The part of a block in front of or behind the frame: kept, so that a frame costs no allocation.
  private var scratch: [UInt8] = []

  /// Writes the section header.
  public init(
    _ sink: CaptureSink, application: String, hardware: String? = nil, operatingSystem: String? = nil,
    comment: String? = nil
  ) throws(CaptureError) {
    self.sink = sink
    scratch.reserveCapacity(256)
    var body: [UInt8] = []
    body.append(little: UInt32(0x1A2B_3C4D))
    body.append(little: UInt16(1))
    body.append(little: UInt16(0))
    // The length of the section is not known beforehand.
    body.append(little: UInt64.max)
    if let comment { body.append(option: BlockOption.comment, text: comment) }
    if let hardware { body.append(option: BlockOption.sectionHardware, text: hardware) }
    if let operatingSystem { body.append(option: BlockOption.sectionOperatingSystem, text: operatingSystem) }
    body.append(option: BlockOption.sectionApplication, text: application)
    body.append(little: UInt32(0))
    try write(block: BlockType.section, body)
  }

  /// Describes an interface; returns its number for ``write(_:time:interface:direction:originalLength:comment:)``.
  /// Frames are cut to `snapLength` bytes. `speed` in bits a second.
  public func addInterface(
    name: String, linkType: CaptureLinkType = .ethernet, snapLength: Int = 262_144, description: String? = nil,
    hardwareAddress: MACAddress? = nil, speed: UInt64? = nil
  ) throws(CaptureError) -> Int {
    let limit = snapLength > 0 ? Swift.min(snapLength, CaptureReader.frameLimit) : CaptureReader.frameLimit
    var body: [UInt8] = []
    body.append(little: linkType.rawValue)
    body.append(little: UInt16(0))
    body.append(little: UInt32(limit))
    body.append(option: BlockOption.interfaceName, text: name)
    if let description { body.append(option: BlockOption.interfaceDescription, text: description) }
    if let hardwareAddress {
      body.append(option: BlockOption.interfaceHardwareAddress, hardwareAddress.octets)
    }
    if let speed {
      var bytes: [UInt8] = []
      bytes.append(little: speed)
      body.append(option: BlockOption.interfaceSpeed, bytes)
    }
    body.append(option: BlockOption.interfaceResolution, [TimestampResolution.nanoseconds.rawValue])
    body.append(little: UInt32(0))
    try write(block: BlockType.interface, body)
    snapLengths.append(limit)
    return snapLengths.count - 1
  }

  /// Writes a frame. `time` in nanoseconds since 1970; `originalLength` only for a frame that is not whole; a comment
  /// is cut to 65,535 bytes.
  public func write(
    _ frame: RawSpan, time: UInt64, interface: Int = 0, direction: FrameDirection? = nil, originalLength: Int? = nil,
    comment: String? = nil
  ) throws(CaptureError) {
    guard snapLengths.indices.contains(interface) else { throw .noSuchInterface(interface) }
    let kept = Swift.min(frame.byteCount, snapLengths[interface])
    let padding = -kept & 3
    let commentLength = comment.map { Swift.min($0.utf8.count, 65_535) }
    var optionLength = 0
    if let commentLength { optionLength += 4 + (commentLength + 3) & ~3 }
    if direction != nil { optionLength += 8 }
    if optionLength > 0 { optionLength += 4 }
    let length = UInt32(32 + kept + padding + optionLength)

    scratch.removeAll(keepingCapacity: true)
    scratch.append(little: BlockType.enhancedPacket)
    scratch.append(little: length)
    scratch.append(little: UInt32(interface))
    scratch.append(little: UInt32(time >> 32))
    scratch.append(little: UInt32(truncatingIfNeeded: time))
    scratch.append(little: UInt32(kept))
    scratch.append(little: UInt32(clamping: Swift.max(originalLength ?? 0, frame.byteCount)))
    try sink.append(scratch)
    try sink.append(frame.extracting(0..<kept))

    scratch.removeAll(keepingCapacity: true)
    for _ in 0..<padding { scratch.append(0) }
    if let comment { scratch.append(option: BlockOption.comment, text: comment) }
    if let direction {
      scratch.append(little: BlockOption.packetFlags)
      scratch.append(little: UInt16(4))
      scratch.append(little: UInt32(direction.rawValue))
    }
    if optionLength > 0 { scratch.append(little: UInt32(0)) }
    scratch.append(little: length)
    try sink.append(scratch)
  }

  /// Writes everything that waits to the file.
  public func flush() throws(CaptureError) { try sink.flush() }

  /// Flushes and closes the sink.
  public func close() throws(CaptureError) { try sink.close() }

  private func write(block type: UInt32, _ body: [UInt8]) throws(CaptureError) {
    scratch.removeAll(keepingCapacity: true)
    scratch.append(little: type)
    scratch.append(little: UInt32(body.count + 12))
    scratch += body
    scratch.append(little: UInt32(body.count + 12))
    try sink.append(scratch)
  }
}

extension [UInt8] {
  /// Appends an option of a pcapng block with its padding; a value is cut to 65,535 bytes.
  mutating func append(option code: UInt16, _ value: some Sequence<UInt8>) {
    append(little: code)
    let lengthAt = count
    append(little: UInt16(0))
    append(contentsOf: value.lazy.prefix(65_535))
    let length = count - lengthAt - 2
    self[lengthAt] = UInt8(truncatingIfNeeded: length)
    self[lengthAt + 1] = UInt8(truncatingIfNeeded: length >> 8)
    for _ in 0..<(-length & 3) { append(0) }
  }

  mutating func append(option code: UInt16, text: String) { append(option: code, text.utf8) }
}
