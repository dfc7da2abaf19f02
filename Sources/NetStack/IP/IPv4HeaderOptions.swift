import Packets

/// The options that an application puts into the IPv4 header of what it sends (IP_OPTIONS, RFC 791 3.1), checked and
/// made ready as Linux's `ip_options_compile` does for a local sender.
public struct IPv4HeaderOptions: Sendable, Equatable {
  /// As they are shown to the application: a whole number of words.
  public private(set) var bytes: [UInt8]
  /// The first router of a source route: what the datagram's destination field holds.
  public private(set) var firstHop: IPv4Address?
  /// As they stand in the header but for addresses and times.
  private var prepared: [UInt8]
  /// Where a source route ends; the destination goes there.
  private var routeEnd: Int?
  /// Where this host's address goes (record route, time stamps), and its time.
  private var ownAddressAt: [Int] = []
  private var ownTimeAt: Int?

  /// Octets that options may have.
  public static let limit = 40

  /// Checks `given`. An empty list means no options.
  ///
  /// - Parameter isOwn: whether an address is this host's: a prespecified time stamp of another is left alone.
  /// - Throws: ``NetworkError/invalidArgument``.
  public init(_ given: [UInt8], isOwn: (IPv4Address) -> Bool) throws(NetworkError) {
    guard given.count <= Self.limit else { throw .invalidArgument }
    bytes = given + [UInt8](repeating: 0, count: (4 - given.count & 3) & 3)
    prepared = bytes
    var (offset, seen) = (0, Set<UInt8>())
    while offset < bytes.count {
      let kind = bytes[offset]
      if kind == 0 {
        // Nothing follows the end.
        for i in offset..<bytes.count { (bytes[i], prepared[i]) = (0, 0) }
        break
      }
      if kind == 1 {
        offset += 1
        continue
      }
      guard offset + 1 < bytes.count else { throw .invalidArgument }
      let length = Int(bytes[offset + 1])
      guard length >= 2, offset + length <= bytes.count else { throw .invalidArgument }
      let group: UInt8 = kind == 0x83 ? 0x89 : kind
      if [0x89, 0x07, 0x44, 0x86].contains(group), !seen.insert(group).inserted { throw .invalidArgument }
      switch kind {
      case 0x83, 0x89: try prepareRoute(offset, length)
      case 0x07: try prepareRecord(offset, length)
      case 0x44: try prepareTimestamp(offset, length, isOwn)
      case 0x94: guard length >= 4 else { throw .invalidArgument }
      // Labels of RFC 1108 and CIPSO: no policy here knows any.
      case 0x86: throw .invalidArgument
      default: break
      }
      offset += length
    }
  }

  /// Loose and strict source routes: the first hop moves to the destination field, the destination to the end.
  private mutating func prepareRoute(_ at: Int, _ length: Int) throws(NetworkError) {
    guard length >= 7, bytes[at + 2] == 4, (length - 3) & 3 == 0 else { throw .invalidArgument }
    firstHop = Self.address(bytes, at + 3)
    prepared.replaceSubrange((at + 3)..<(at + length - 4), with: bytes[(at + 7)..<(at + length)])
    routeEnd = at + length - 4
  }

  private mutating func prepareRecord(_ at: Int, _ length: Int) throws(NetworkError) {
    guard length >= 3, bytes[at + 2] >= 4 else { throw .invalidArgument }
    let pointer = Int(bytes[at + 2])
    guard pointer <= length else { return }
    guard pointer + 3 <= length else { throw .invalidArgument }
    take(at, pointer, address: 4, time: 0)
  }

  private mutating func prepareTimestamp(
    _ at: Int, _ length: Int, _ isOwn: (IPv4Address) -> Bool
  ) throws(NetworkError) {
    guard length >= 4, bytes[at + 2] >= 5 else { throw .invalidArgument }
    let (pointer, kind) = (Int(bytes[at + 2]), bytes[at + 3] & 15)
    guard pointer <= length else {
      guard kind == 3 || bytes[at + 3] >> 4 < 15 else { throw .invalidArgument }
      return
    }
    guard pointer + 3 <= length, kind != 1 && kind != 3 || pointer + 7 <= length else { throw .invalidArgument }
    switch kind {
    case 0: take(at, pointer, address: 0, time: 4)
    case 1: take(at, pointer, address: 4, time: 4)
    case 3:
      guard isOwn(Self.address(bytes, at + pointer - 1)) else { return }
      ownTimeAt = at + pointer + 3
      prepared[at + 2] += 8
      for i in (at + pointer + 3)..<(at + pointer + 7) { bytes[i] = 0 }
    default: break
    }
  }

  /// A slot at `pointer` is this host's: what stood there is forgotten.
  private mutating func take(_ at: Int, _ pointer: Int, address: Int, time: Int) {
    let slot = at + pointer - 1
    if address > 0 { ownAddressAt.append(slot) }
    if time > 0 { ownTimeAt = slot + address }
    prepared[at + 2] += UInt8(address + time)
    for i in slot..<(slot + address + time) { bytes[i] = 0 }
  }

  private static func address(_ bytes: [UInt8], _ at: Int) -> IPv4Address {
    IPv4Address(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
  }

  /// The options as they go out.
  ///
  /// - Parameters:
  ///   - time: milliseconds since midnight UTC.
  ///   - isLater: of a fragment that is not the first: options that are not copied become no operation.
  func encoded(source: IPv4Address, destination: IPv4Address, time: UInt32, isLater: Bool) -> [UInt8] {
    var result = prepared
    func put(_ word: UInt32, _ at: Int) {
      for i in 0..<4 { result[at + i] = UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * i)) }
    }
    if let routeEnd { put(destination.rawValue, routeEnd) }
    for place in ownAddressAt { put(source.rawValue, place) }
    if let ownTimeAt { put(time, ownTimeAt) }
    guard isLater else { return result }
    var offset = 0
    while offset < result.count, result[offset] != 0 {
      let length = result[offset] == 1 ? 1 : Int(result[offset + 1])
      if result[offset] & 0x80 == 0 { for i in offset..<(offset + length) { result[i] = 1 } }
      offset += length
    }
    return result
  }
}
