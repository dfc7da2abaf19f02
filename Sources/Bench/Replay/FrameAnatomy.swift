import Packets

/// Where the parts of an untagged IPv4 frame lie: enough to follow an exchange and to change the frame. Nil for frames
/// that belong to no exchange (fragments, damaged headers, other protocols).
struct FrameAnatomy {
  static let networkOffset = 14

  let transport: IPProtocol
  let source: IPv4Address
  let destination: IPv4Address
  /// From the start of the frame; the transport's bytes are `transportOffset ..< end`.
  let transportOffset: Int
  let end: Int
  let sourcePort: UInt16
  let destinationPort: UInt16

  init?(_ frame: [UInt8]) {
    self.init(frame, networkOffset: Self.networkOffset, isQuoted: false)
    guard frame.number16(12) == EtherType.ipv4.rawValue else { return nil }
  }

  /// The datagram that an ICMP error quotes: its end may be missing, but not its ports.
  init?(_ frame: [UInt8], quotedAt offset: Int) { self.init(frame, networkOffset: offset, isQuoted: true) }

  private init?(_ frame: [UInt8], networkOffset: Int, isQuoted: Bool) {
    let bytes = frame.span.bytes
    guard let header = IPv4Header(quoted: bytes.clamped(networkOffset)), !header.isFragment else { return nil }
    let last = networkOffset + header.totalLength
    guard isQuoted || last <= frame.count else { return nil }
    transport = header.protocol
    source = header.source
    destination = header.destination
    transportOffset = networkOffset + header.headerLength
    end = min(last, frame.count)
    guard end - transportOffset >= 8 else { return nil }
    sourcePort = frame.number16(transportOffset)
    destinationPort = frame.number16(transportOffset + 2)
    if !isQuoted && transport == .tcp && TCPHeader(bytes.extracting(transportOffset..<end)) == nil { return nil }
  }
}

extension [UInt8] {
  /// The number at `offset` in network order.
  func number16(_ offset: Int) -> UInt16 {
    offset + 2 <= count ? UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) : 0
  }

  func number32(_ offset: Int) -> UInt32 { UInt32(number16(offset)) << 16 | UInt32(number16(offset + 2)) }

  /// Stores `value` at `offset` in network order and corrects the checksum at `checksum` (nil: there is none) by the
  /// change alone (RFC 1624), so that a checksum that was wrong stays wrong by as much. `start`: where the checksummed
  /// bytes begin, as words are counted from there.
  mutating func replace<T: FixedWidthInteger>(_ offset: Int, with value: T, checksum: Int?, start: Int) {
    for index in 0..<(T.bitWidth / 8) {
      let place = offset + index
      let word = place - ((place - start) & 1)
      let old = number16(word)
      self[place] = UInt8(truncatingIfNeeded: value >> T(T.bitWidth - 8 - 8 * index))
      guard let checksum else { continue }
      let new = number16(word)
      let sum = InternetChecksum.updated(number16(checksum), from: old, to: new)
      self[checksum] = UInt8(sum >> 8)
      self[checksum + 1] = UInt8(sum & 255)
    }
  }
}
