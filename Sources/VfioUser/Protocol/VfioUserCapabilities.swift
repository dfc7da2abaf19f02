import Memory

/// What one side of a connection can do: the JSON text of VERSION, as far as it is understood here.
public struct VfioUserCapabilities: Sendable, Equatable {
  /// Descriptors that the sender takes with one message.
  public var maximumDescriptors: UInt64 = 1
  /// Bytes of data that the sender takes with one message.
  public var maximumTransfer: UInt64 = 1 << 20
  /// DMA mappings at one time.
  public var maximumMappings: UInt64 = 65_535
  /// Page sizes, each a bit.
  public var pageSizes: UInt64 = 4096
  /// REGION_WRITE_MULTI may be sent.
  public var writesMultiple = false

  public init() {}

  /// Reads the text, which ends with a zero byte; without text the protocol's defaults hold. Names that are unknown
  /// are passed over, whatever their value.
  public init(parsing text: MemoryWindow) throws(VfioUserRefusal) {
    guard text.count > 0 else { return }
    guard text.load(text.count - 1, as: UInt8.self) == 0 else { throw .badCapabilities }
    var reader = JSONReader(text.slice(0, text.count - 1))
    try reader.readObject { (reader, name) throws(VfioUserRefusal) in
      guard name == "capabilities" else { return try reader.skipValue() }
      try reader.readObject { (reader, name) throws(VfioUserRefusal) in
        switch name {
        case "max_msg_fds": maximumDescriptors = try reader.readNumber()
        case "max_data_xfer_size": maximumTransfer = try reader.readNumber()
        case "max_dma_maps": maximumMappings = try reader.readNumber()
        case "pgsizes": pageSizes = try reader.readNumber()
        case "write_multiple": writesMultiple = try reader.readBool()
        default: try reader.skipValue()
        }
      }
    }
    try reader.expectEnd()
  }

  /// The text, with its zero byte.
  public var text: [UInt8] {
    var fields = [
      "\"max_msg_fds\":\(maximumDescriptors)", "\"max_data_xfer_size\":\(maximumTransfer)",
      "\"max_dma_maps\":\(maximumMappings)", "\"pgsizes\":\(pageSizes)",
    ]
    if writesMultiple { fields.append("\"write_multiple\":true") }
    return Array("{\"capabilities\":{\(fields.joined(separator: ","))}}".utf8) + [0]
  }
}

/// Reads JSON (RFC 8259) as it goes, without building it up. Nesting is limited, so hostile text ends soon.
struct JSONReader {
  private static let deepest = 16

  private let text: MemoryWindow
  private var place = 0
  private var depth = 0

  init(_ text: MemoryWindow) { self.text = text }

  private func peek() -> UInt8 { place < text.count ? text.load(place) : 0 }

  private mutating func skipSpace() {
    while place < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(peek()) { place += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) throws(VfioUserRefusal) {
    skipSpace()
    guard peek() == UInt8(ascii: character) else { throw .badCapabilities }
    place += 1
  }

  private mutating func takes(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard peek() == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  /// Calls `member` for each name, behind which it reads the value.
  mutating func readObject(
    _ member: (inout JSONReader, String) throws(VfioUserRefusal) -> Void
  ) throws(VfioUserRefusal) {
    try take("{")
    depth += 1
    guard depth <= Self.deepest else { throw .badCapabilities }
    if !takes("}") {
      repeat {
        let name = try readString()
        try take(":")
        try member(&self, name)
      } while takes(",")
      try take("}")
    }
    depth -= 1
  }

  /// A whole number of at most 64 bits.
  mutating func readNumber() throws(VfioUserRefusal) -> UInt64 {
    skipSpace()
    var value: UInt64 = 0
    let start = place
    while peek() >= 0x30, peek() <= 0x39 {
      let (product, over) = value.multipliedReportingOverflow(by: 10)
      let (sum, beyond) = product.addingReportingOverflow(UInt64(peek() - 0x30))
      guard !over, !beyond else { throw .badCapabilities }
      value = sum
      place += 1
    }
    guard place > start, ![UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(peek()) else {
      throw .badCapabilities
    }
    return value
  }

  mutating func readBool() throws(VfioUserRefusal) -> Bool {
    skipSpace()
    switch try readWord() {
    case "true": return true
    case "false": return false
    default: throw .badCapabilities
    }
  }

  /// Anything at all.
  mutating func skipValue() throws(VfioUserRefusal) {
    skipSpace()
    switch peek() {
    case UInt8(ascii: "{"): try readObject { (reader, _) throws(VfioUserRefusal) in try reader.skipValue() }
    case UInt8(ascii: "["): try skipArray()
    case UInt8(ascii: "\""): _ = try readString()
    default: _ = try readWord()
    }
  }

  mutating func expectEnd() throws(VfioUserRefusal) {
    skipSpace()
    guard place == text.count else { throw .badCapabilities }
  }

  private mutating func skipArray() throws(VfioUserRefusal) {
    try take("[")
    depth += 1
    guard depth <= Self.deepest else { throw .badCapabilities }
    if !takes("]") {
      repeat { try skipValue() } while takes(",")
      try take("]")
    }
    depth -= 1
  }

  /// A string; escapes stay as they are, since no name that matters has one.
  private mutating func readString() throws(VfioUserRefusal) -> String {
    try take("\"")
    var bytes: [UInt8] = []
    while peek() != UInt8(ascii: "\"") {
      guard place < text.count, peek() >= 0x20 else { throw .badCapabilities }
      if peek() == UInt8(ascii: "\\") {
        bytes.append(peek())
        place += 1
        guard place < text.count else { throw .badCapabilities }
      }
      bytes.append(peek())
      place += 1
    }
    place += 1
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A number, `true`, `false` or `null`.
  private mutating func readWord() throws(VfioUserRefusal) -> String {
    var bytes: [UInt8] = []
    while place < text.count {
      let byte = peek()
      let isLetter = (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "E")
      let isNumber = (0x30...0x39).contains(byte) || [0x2B, 0x2D, 0x2E].contains(byte)
      guard isLetter || isNumber else { break }
      bytes.append(byte)
      place += 1
    }
    guard !bytes.isEmpty else { throw .badCapabilities }
    return String(decoding: bytes, as: UTF8.self)
  }
}
