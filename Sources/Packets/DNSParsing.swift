/// Why bytes are no DNS message; `offset` is where in the message, in bytes.
public enum DNSError: Error, Equatable, Sendable {
  /// The message ends inside a field.
  case truncated(offset: Int)
  /// A compression pointer does not point backwards, or is one of too many: a loop, or nonsense.
  case badPointer(offset: Int)
  /// A label of a kind that RFC 1035 does not know.
  case badLabel(offset: Int)
  /// A name of more than 255 octets.
  case nameTooLong(offset: Int)
  /// The data of a record do not fill its length exactly.
  case badData(offset: Int)
}

extension DNSMessage {
  /// Takes a message apart: at most 65,535 bytes are looked at. Bytes behind the last record are left alone.
  public init(parsing message: RawSpan) throws(DNSError) {
    var reader = DNSReader(message.clamped(0, 65_535))
    let identifier = try reader.number(UInt16.self)
    let flags = try reader.number(UInt16.self)
    let counts = (
      try reader.number(UInt16.self), try reader.number(UInt16.self), try reader.number(UInt16.self),
      try reader.number(UInt16.self)
    )
    self.init(
      identifier: identifier, isResponse: flags & 0x8000 != 0, recursionDesired: flags & 0x100 != 0,
      responseCode: DNSResponseCode(rawValue: UInt8(flags & 15)))
    operationCode = UInt8(flags >> 11 & 15)
    isAuthoritative = flags & 0x400 != 0
    isTruncated = flags & 0x200 != 0
    recursionAvailable = flags & 0x80 != 0
    isAuthenticData = flags & 0x20 != 0
    checkingDisabled = flags & 0x10 != 0
    for _ in 0..<counts.0 {
      questions.append(
        DNSQuestion(
          name: try reader.name(), type: DNSRecordType(rawValue: try reader.number()), classCode: try reader.number()))
    }
    for _ in 0..<counts.1 { answers.append(try reader.record()) }
    for _ in 0..<counts.2 { authorities.append(try reader.record()) }
    for _ in 0..<counts.3 { additionals.append(try reader.record()) }
  }
}

/// A position in a DNS message. Every step takes at least one byte, so that reading ends with the message.
struct DNSReader: ~Escapable {
  /// Most pointers in one name: no name has more labels, and chains of bare pointers cost time for nothing.
  private static var jumpLimit: Int { 127 }

  private let bytes: RawSpan
  private var offset = 0

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) { self.bytes = bytes }

  mutating func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self) throws(DNSError) -> T {
    guard bytes.byteCount - offset >= MemoryLayout<T>.size else { throw .truncated(offset: offset) }
    defer { offset += MemoryLayout<T>.size }
    return bytes.loadBigEndian(offset, as: T.self)
  }

  /// A name, compressed or not (RFC 1035 4.1.4). Each pointer must point before everything that was read of the name so
  /// far, so that the reading ends.
  mutating func name() throws(DNSError) -> DNSName {
    var wire: [UInt8] = []
    var at = offset
    var lowest = offset
    var jumps = 0
    while true {
      guard at < bytes.byteCount else { throw .truncated(offset: at) }
      let length = Int(bytes.octet(at))
      switch length >> 6 {
      case 0:
        guard bytes.byteCount - at > length else { throw .truncated(offset: at) }
        guard wire.count + length + 1 <= (length == 0 ? 255 : 254) else { throw .nameTooLong(offset: at) }
        for index in at...(at + length) { wire.append(bytes.octet(index)) }
        at += length + 1
        if jumps == 0 { offset = at }
        if length == 0 { return DNSName(checked: wire) }
      case 3:
        guard bytes.byteCount - at >= 2 else { throw .truncated(offset: at) }
        let target = Int(bytes.loadBigEndian(at, as: UInt16.self) & 0x3FFF)
        guard target < lowest, jumps < Self.jumpLimit else { throw .badPointer(offset: at) }
        if jumps == 0 { offset = at + 2 }
        jumps += 1
        lowest = target
        at = target
      default:
        throw .badLabel(offset: at)
      }
    }
  }

  mutating func octets(_ count: Int) throws(DNSError) -> [UInt8] {
    guard bytes.byteCount - offset >= count else { throw .truncated(offset: offset) }
    defer { offset += count }
    return bytes.extracting(offset..<(offset + count)).array
  }

  mutating func record() throws(DNSError) -> DNSRecord {
    let owner = try name()
    let type = DNSRecordType(rawValue: try number())
    let classCode: UInt16 = try number()
    let timeToLive: UInt32 = try number()
    let length = Int(try number(UInt16.self))
    let start = offset
    guard bytes.byteCount - start >= length else { throw .truncated(offset: start) }
    let data = try content(type, length: length)
    guard offset == start + length else { throw .badData(offset: start) }
    return DNSRecord(name: owner, type: type, classCode: classCode, timeToLive: timeToLive, data: data)
  }

  private mutating func content(_ type: DNSRecordType, length: Int) throws(DNSError) -> DNSRecord.Content {
    switch type {
    case .a: return .a(IPv4Address(rawValue: try number()))
    case .aaaa: return .aaaa(IPv6Address(high: try number(), low: try number()))
    case .ns: return .ns(try name())
    case .cname: return .cname(try name())
    case .ptr: return .ptr(try name())
    case .mx: return .mx(preference: try number(), exchange: try name())
    case .srv:
      return .srv(priority: try number(), weight: try number(), port: try number(), target: try name())
    case .soa:
      return .soa(
        DNSStartOfAuthority(
          primary: try name(), mailbox: try name(), serial: try number(), refresh: try number(), retry: try number(),
          expire: try number(), minimum: try number()))
    case .txt:
      let end = offset + length
      var strings: [[UInt8]] = []
      while offset < end {
        let count = Int(try number(UInt8.self))
        guard count <= end - offset else { throw .badData(offset: offset) }
        strings.append(try octets(count))
      }
      return .txt(strings)
    default: return .other(try octets(length))
    }
  }
}
