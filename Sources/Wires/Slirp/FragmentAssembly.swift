import EventLoop
import Packets

/// Puts the guest's IPv4 fragments together, so that libslirp sees whole datagrams only.
///
/// libslirp 4.7 loses its way in its own reassembly when a piece is missing or comes out of order, and ends the
/// process. Of each stretch of eight bytes the first arrival counts; what overlaps it is refused. Bounded: ``limit``
/// datagrams at a time, of 65,535 bytes each; the oldest is given up for a new one, and each after 30 s (RFC 1122
/// 3.3.2: 60 to 120 s are advised; libslirp and Linux wait 30).
struct FragmentAssembly {
  enum Outcome: Equatable {
    /// More is to come.
    case waiting
    /// The frame that the pieces make up.
    case whole([UInt8])
    /// The piece overlaps another, contradicts the end of the datagram, or makes it too long.
    case refused
  }

  private struct Datagram {
    let key: UInt128
    let began: Instant
    /// Ethernet and IP header of the first piece.
    var headers: [UInt8] = []
    var payload: [UInt8] = []
    /// A bit for each eight bytes.
    var units = [UInt64](repeating: 0, count: 128)
    /// Bytes that have arrived, and of how many (known from the last piece).
    var arrived = 0
    var length = Int.max
  }

  static let limit = 16
  static let lifetime = TimeSpan.seconds(30)

  /// In order of their beginning.
  private var datagrams: [Datagram] = []
  /// Datagrams that were given up.
  private(set) var abandoned: UInt64 = 0

  /// Takes a checked IPv4 frame, untagged, of which ``isFragment(_:)`` is true.
  mutating func add(_ frame: RawSpan, now: Instant) -> Outcome {
    let at = Self.ethernetHeader
    let headerLength = Int(frame.octet(at) & 15) * 4
    let count = Int(frame.loadBigEndian(at + 2, as: UInt16.self)) - headerLength
    let field = frame.loadBigEndian(at + 6, as: UInt16.self)
    let offset = Int(field & 0x1FFF) * 8
    let end = offset + count
    let index = index(of: Self.key(frame), now: now)
    let units = offset / 8...(end - 1) / 8
    let isLast = field & 0x2000 == 0
    // A last piece must end the datagram, and nothing may lie behind its end.
    guard end <= datagrams[index].length,
      !isLast || datagrams[index].length == .max && end >= datagrams[index].payload.count,
      units.allSatisfy({ datagrams[index].units[$0 / 64] & 1 << UInt64($0 % 64) == 0 })
    else { return .refused }
    for unit in units { datagrams[index].units[unit / 64] |= 1 << UInt64(unit % 64) }
    if isLast { datagrams[index].length = end }
    if offset == 0 { datagrams[index].headers = frame.clamped(0, at + headerLength).array }
    let missing = end - datagrams[index].payload.count
    if missing > 0 { datagrams[index].payload.append(contentsOf: repeatElement(0, count: missing)) }
    datagrams[index].payload.replaceSubrange(offset..<end, with: frame.clamped(at + headerLength, count).array)
    datagrams[index].arrived += count
    guard datagrams[index].arrived == datagrams[index].length else { return .waiting }
    return Self.frame(of: datagrams.remove(at: index)).map { .whole($0) } ?? .refused
  }

  /// MF is set, or the offset is not zero.
  static func isFragment(_ frame: RawSpan) -> Bool {
    frame.octet(12) == 8 && frame.octet(13) == 0
      && frame.loadBigEndian(ethernetHeader + 6, as: UInt16.self) & 0x3FFF != 0
  }

  private static let ethernetHeader = 14

  /// Source, destination, protocol and identification tell datagrams apart (RFC 791 3.2).
  private static func key(_ frame: RawSpan) -> UInt128 {
    let at = ethernetHeader
    return UInt128(frame.loadBigEndian(at + 12, as: UInt64.self)) << 24
      | UInt128(frame.loadBigEndian(at + 4, as: UInt16.self)) << 8 | UInt128(frame.octet(at + 9))
  }

  private mutating func index(of key: UInt128, now: Instant) -> Int {
    let living = datagrams.firstIndex { $0.began + Self.lifetime > now } ?? datagrams.count
    abandoned &+= UInt64(living)
    datagrams.removeFirst(living)
    if let index = datagrams.firstIndex(where: { $0.key == key }) { return index }
    if datagrams.count == Self.limit {
      datagrams.removeFirst()
      abandoned &+= 1
    }
    datagrams.append(Datagram(key: key, began: now))
    return datagrams.count - 1
  }

  /// The pieces behind the header of the first one; nil if that makes more than IPv4 can say.
  private static func frame(of datagram: Datagram) -> [UInt8]? {
    let total = datagram.headers.count - ethernetHeader + datagram.payload.count
    guard total <= 65_535 else { return nil }
    var frame = datagram.headers
    let at = ethernetHeader
    frame[at + 2] = UInt8(total >> 8)
    frame[at + 3] = UInt8(total & 255)
    for i in [6, 7, 10, 11] { frame[at + i] = 0 }
    let checksum = InternetChecksum.checksum(of: frame.span.bytes.clamped(at))
    frame[at + 10] = UInt8(checksum >> 8)
    frame[at + 11] = UInt8(checksum & 255)
    return frame + datagram.payload
  }
}
