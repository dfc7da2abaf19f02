import Crypto
import Memory
import Packets

/// A key that segments to and from some peers are signed with (RFC 2385; Linux `struct tcp_md5sig_key`).
public struct TCPSignatureKey: Sendable, Equatable {
  public var address: IPv4Address
  /// Bits of the address that a peer's must have: 32 for one peer.
  public var prefixLength: Int
  /// The key is meant for one interface; as none here has others below it, only a number that tells keys apart.
  public var isForInterface: Bool
  public var bytes: [UInt8]

  public init(address: IPv4Address, prefixLength: Int = 32, isForInterface: Bool = false, bytes: [UInt8]) {
    self.address = address
    self.prefixLength = prefixLength
    self.isForInterface = isForInterface
    self.bytes = bytes
  }

  func matches(_ peer: IPv4Address) -> Bool {
    prefixLength == 0 || (peer.rawValue ^ address.rawValue) >> UInt32(32 - prefixLength) == 0
  }

  func isFor(_ other: TCPSignatureKey) -> Bool {
    address == other.address && prefixLength == other.prefixLength && isForInterface == other.isForInterface
  }

  /// The digest of a segment (RFC 2385 2.0): pseudo header, header without options and checksum, payload, key.
  func digest(_ segment: RawSpan, headerLength: Int, source: UInt32, destination: UInt32) -> (high: UInt64, low: UInt64)
  {
    var head = [UInt8]()
    func append<T: FixedWidthInteger>(_ value: T) {
      for byte in 0..<(T.bitWidth / 8) { head.append(UInt8(truncatingIfNeeded: value >> (T.bitWidth - 8 - 8 * byte))) }
    }
    append(source)
    append(destination)
    append(UInt16(IPProtocol.tcp.rawValue))
    append(UInt16(truncatingIfNeeded: segment.byteCount))
    head += segment.clamped(0, 16).array + [0, 0] + segment.clamped(18, 2).array
    var hash = Insecure.MD5()
    hash.update(data: head)
    hash.update(data: segment.clamped(headerLength).array)
    hash.update(data: bytes)
    var result: (high: UInt64, low: UInt64) = (0, 0)
    for (place, byte) in hash.finalize().enumerated() {
      if place < 8 {
        result.high = result.high << 8 | UInt64(byte)
      } else {
        result.low = result.low << 8 | UInt64(byte)
      }
    }
    return result
  }

  /// Writes the option behind the plain header of the segment in `window`, and signs it.
  func sign(_ window: MemoryWindow, length: Int, headerLength: Int, source: UInt32, destination: UInt32) {
    window.storeBigEndian(0x0101_1312 as UInt32, 20)
    let digest = digest(
      window.bytes(0, length), headerLength: headerLength, source: source, destination: destination)
    window.storeBigEndian(digest.high, 24)
    window.storeBigEndian(digest.low, 32)
  }

  /// Octets of the option, with its padding.
  static let optionLength = 20
}

/// The keys of a socket; each set that is made differs from any other.
public final class TCPSignatureKeys: Sendable, Equatable {
  /// The newest first.
  let keys: [TCPSignatureKey]

  private init(_ keys: [TCPSignatureKey]) { self.keys = keys }

  public convenience init(_ key: TCPSignatureKey) { self.init([key]) }

  public static func == (a: TCPSignatureKeys, b: TCPSignatureKeys) -> Bool { a === b }

  /// With another key, or another value of one that is there (Linux `tcp_md5_do_add`).
  public func adding(_ key: TCPSignatureKey) -> TCPSignatureKeys {
    guard let place = keys.firstIndex(where: { $0.isFor(key) }) else { return TCPSignatureKeys([key] + keys) }
    var changed = keys
    changed[place] = key
    return TCPSignatureKeys(changed)
  }

  /// Without a key; nil if it is not there (Linux `tcp_md5_do_del`).
  public func removing(_ key: TCPSignatureKey) -> TCPSignatureKeys? {
    guard let place = keys.firstIndex(where: { $0.isFor(key) }) else { return nil }
    var changed = keys
    changed.remove(at: place)
    return TCPSignatureKeys(changed)
  }

  /// The key for a peer: the one with the longest prefix.
  func key(for peer: IPAddress) -> TCPSignatureKey? {
    guard let peer = peer.v4 else { return nil }
    var best: TCPSignatureKey?
    for key in keys where key.matches(peer) && best.map({ $0.prefixLength < key.prefixLength }) != false { best = key }
    return best
  }

  /// What an accepted connection inherits: the key for its peer alone (Linux `tcp_v4_syn_recv_sock`); nil: none.
  func narrowed(to peer: IPAddress) -> TCPSignatureKeys? {
    guard var key = key(for: peer), let address = peer.v4 else { return nil }
    (key.address, key.prefixLength) = (address, 32)
    return TCPSignatureKeys(key)
  }
}

/// Where the signature of a segment that arrived is.
enum TCPSignaturePlace: Equatable {
  case none
  case at(Int)
  /// A length does not fit, or there are two (Linux `tcp_parse_auth_options`).
  case malformed

  init(_ segment: RawSpan, headerLength: Int) {
    self = .none
    var offset = 20
    while offset < headerLength {
      let kind = segment.octet(offset)
      if kind == 0 { return }
      if kind == 1 {
        offset += 1
        continue
      }
      let length = offset + 1 < headerLength ? Int(segment.octet(offset + 1)) : 0
      guard length >= 2, length <= headerLength - offset, kind != 19 || (length == 18 && self == .none) else {
        self = .malformed
        return
      }
      if kind == 19 { self = .at(offset + 2) }
      offset += length
    }
  }
}
