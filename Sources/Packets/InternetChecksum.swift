/// The Internet checksum (RFC 1071): a running ones' complement sum of 16-bit words, to which bytes, numbers and pseudo
/// headers are added in any order of whole fields.
///
///     var sum = InternetChecksum(source: a, destination: b, protocol: .udp, length: segment.byteCount)
///     sum.add(segment)
///     sum.isValid           // over a segment that holds its checksum
///     sum.transportChecksum // over a segment whose checksum field is zero
@frozen public struct InternetChecksum: BitwiseCopyable, Sendable {
  /// Sum of words in memory order (RFC 1071 2B: the sum does not depend on byte order), at most 35 bits between calls.
  @usableFromInline var sum: UInt64
  /// True if an odd number of bytes has been added: the next byte is the low half of a word.
  @usableFromInline var isOdd: Bool

  @inlinable public init() {
    sum = 0
    isOdd = false
  }

  /// Continues with a sum that was folded earlier, for example one found in a checksum field by a device.
  @inlinable public init(folded: UInt16) {
    sum = UInt64(folded.bigEndian)
    isOdd = false
  }

  /// The sum of the pseudo header of TCP and UDP over IPv4 (RFC 9293 3.1). `length` counts the transport header and its
  /// payload, bytes.
  @inlinable
  public init(source: IPv4Address, destination: IPv4Address, protocol: IPProtocol, length: Int) {
    sum =
      UInt64(source.rawValue.bigEndian) &+ UInt64(destination.rawValue.bigEndian)
      &+ UInt64(UInt16(`protocol`.rawValue).bigEndian) &+ UInt64(UInt32(truncatingIfNeeded: length).bigEndian)
    isOdd = false
  }

  /// The sum of the pseudo header of upper-layer packets over IPv6 (RFC 8200 8.1). `length` counts the upper-layer
  /// header and its payload, bytes.
  @inlinable
  public init(source: IPv6Address, destination: IPv6Address, protocol: IPProtocol, length: Int) {
    self.init()
    add(source.high)
    add(source.low)
    add(destination.high)
    add(destination.low)
    add(UInt32(truncatingIfNeeded: length))
    add(UInt16(`protocol`.rawValue))
  }

  /// Adds a 16-bit field. Only after an even number of bytes.
  @inlinable public mutating func add(_ field: UInt16) {
    sum = Self.partlyFolded(sum &+ UInt64(field.bigEndian))
  }
  /// Adds a 32-bit field. Only after an even number of bytes.
  @inlinable public mutating func add(_ field: UInt32) {
    sum = Self.partlyFolded(sum &+ UInt64(field.bigEndian))
  }
  /// Adds a 64-bit field. Only after an even number of bytes.
  @inlinable public mutating func add(_ field: UInt64) {
    let word = field.bigEndian
    sum = Self.partlyFolded(sum &+ word & 0xFFFF_FFFF &+ word >> 32)
  }

  /// Adds bytes that follow those added before; an odd number of bytes before is allowed for.
  @inlinable public mutating func add(_ bytes: RawSpan) {
    let part = unsafe bytes.withUnsafeBytes { unsafe Self.rawSum($0) }
    append(rawSum: part, count: bytes.byteCount)
  }

  /// Adds the sum of `count` bytes that was computed apart, as if the bytes followed those added before.
  @inlinable public mutating func append(_ other: InternetChecksum, count: Int) {
    append(rawSum: other.sum, count: count)
  }

  @inlinable mutating func append(rawSum part: UInt64, count: Int) {
    var part = Self.partlyFolded(part)
    if isOdd {
      // Sums of bytes at odd offsets are byte-swapped (RFC 1071 2B).
      part = UInt64(Self.folded(part).byteSwapped)
    }
    sum = Self.partlyFolded(sum &+ part)
    isOdd = isOdd != (count & 1 == 1)
  }

  /// The sum in 16 bits, not inverted, as a number to be stored in network order.
  @inlinable public var folded: UInt16 { UInt16(bigEndian: Self.folded(sum)) }

  /// What belongs in the checksum field of IPv4, ICMP and TCP.
  @inlinable public var checksum: UInt16 { ~folded }

  /// What belongs in the checksum field of UDP, where zero means that there is none (RFC 768); as good for TCP and
  /// ICMP.
  @inlinable public var transportChecksum: UInt16 {
    let value = ~folded
    return value == 0 ? 0xFFFF : value
  }

  /// True if the bytes that were added, with their checksum field, are undamaged.
  @inlinable public var isValid: Bool { Self.folded(sum) == 0xFFFF }

  /// The checksum of one stretch of bytes.
  @inlinable public static func checksum(of bytes: RawSpan) -> UInt16 {
    var sum = InternetChecksum()
    sum.add(bytes)
    return sum.checksum
  }

  /// The new checksum after a 16-bit field changed (RFC 1624 3: HC' = ~(~HC + ~m + m')).
  @inlinable public static func updated(_ checksum: UInt16, from old: UInt16, to new: UInt16) -> UInt16 {
    ~numberFolded(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
  }

  /// The new checksum after a 32-bit field at an even offset changed (RFC 1624 3).
  @inlinable public static func updated(_ checksum: UInt16, from old: UInt32, to new: UInt32) -> UInt16 {
    ~numberFolded(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
  }

  @inline(__always) @inlinable static func partlyFolded(_ sum: UInt64) -> UInt64 {
    sum & 0xFFFF_FFFF &+ sum >> 32
  }

  @inline(__always) @inlinable static func folded(_ sum: UInt64) -> UInt16 { numberFolded(sum) }

  @inline(__always) @inlinable static func numberFolded(_ sum: UInt64) -> UInt16 {
    // The upper half of a number plus itself with its halves exchanged is the sum of the halves, carry included.
    let word = UInt32(truncatingIfNeeded: (sum &+ (sum &<< 32 | sum &>> 32)) &>> 32)
    return UInt16(truncatingIfNeeded: (word &+ (word &<< 16 | word &>> 16)) &>> 16)
  }
}

extension InternetChecksum {
  /// The sum of the words of `bytes` in memory order, the last odd byte padded with zero.
  ///
  /// 32-bit words are added into 64-bit lanes, which cannot overflow below 16 GiB: without carries between additions
  /// the loop runs in vector registers.
  @inlinable static func rawSum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    guard let start = bytes.baseAddress else { return 0 }
    let count = bytes.count
    var offset = 0
    var total: UInt64 = 0
    if count >= 64 {
      var first = SIMD4<UInt64>.zero
      var second = SIMD4<UInt64>.zero
      let low = SIMD4<UInt64>(repeating: 0xFFFF_FFFF)
      let end = count & ~63
      while offset < end {
        let a = unsafe start.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self)
        let b = unsafe start.loadUnaligned(fromByteOffset: offset &+ 32, as: SIMD4<UInt64>.self)
        first &+= (a & low) &+ (a &>> 32)
        second &+= (b & low) &+ (b &>> 32)
        offset &+= 64
      }
      total = (first &+ second).wrappedSum()
    }
    return unsafe total &+ rawTailSum(start, from: offset, to: count)
  }

  /// The sum of the last, fewer than 64 bytes.
  @inline(__always) @inlinable
  static func rawTailSum(_ start: UnsafeRawPointer, from: Int, to count: Int) -> UInt64 {
    var offset = from
    var total: UInt64 = 0
    while count &- offset >= 8 {
      let word = unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      total &+= word & 0xFFFF_FFFF &+ word >> 32
      offset &+= 8
    }
    if count &- offset >= 4 {
      total &+= UInt64(unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      offset &+= 4
    }
    if count &- offset >= 2 {
      total &+= UInt64(unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      offset &+= 2
    }
    if count > offset {
      let last = unsafe start.load(fromByteOffset: offset, as: UInt8.self)
      total &+= UInt64(UInt16(littleEndian: UInt16(last)))
    }
    return total
  }
}
