extension RawSpan {
  /// The integer at `offset`, stored in network byte order. Traps outside of the span: header views check their length
  /// once, before the first field is read.
  @inline(__always) @inlinable
  public func loadBigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    T(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
  }

  /// The integer at `offset`, stored in little-endian order.
  @inline(__always) @inlinable
  public func loadLittleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    T(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
  }

  /// The octet at `offset`.
  @inline(__always) @inlinable
  public func octet(_ offset: Int) -> UInt8 {
    unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
  }

  /// The IPv4 address at `offset`.
  @inline(__always) @inlinable
  public func ipv4Address(_ offset: Int) -> IPv4Address { IPv4Address(rawValue: loadBigEndian(offset)) }

  /// The IPv6 address at `offset`.
  @inline(__always) @inlinable
  public func ipv6Address(_ offset: Int) -> IPv6Address {
    IPv6Address(high: loadBigEndian(offset), low: loadBigEndian(offset &+ 8))
  }

  /// The hardware address at `offset`.
  @inline(__always) @inlinable
  public func macAddress(_ offset: Int) -> MACAddress {
    MACAddress(
      rawValue: UInt64(loadBigEndian(offset, as: UInt16.self)) << 32
        | UInt64(loadBigEndian(offset &+ 2, as: UInt32.self)))
  }

  /// The part of the span that starts at `offset` and is `count` bytes long, cut to what there is: never traps.
  @inlinable @_lifetime(copy self)
  public func clamped(_ offset: Int, _ count: Int = Int.max) -> RawSpan {
    let start = Swift.min(Swift.max(offset, 0), byteCount)
    let length = Swift.min(Swift.max(count, 0), byteCount &- start)
    return extracting(start..<(start &+ length))
  }

  /// A copy of the bytes, for cold paths.
  public var array: [UInt8] {
    unsafe withUnsafeBytes { unsafe [UInt8]($0) }
  }
}

extension MutableRawSpan {
  /// Stores `value` at `offset` in network byte order.
  @inline(__always) @inlinable @_lifetime(self: copy self)
  public mutating func storeBigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, _ offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
  }

  /// Stores a hardware address at `offset`.
  @inline(__always) @inlinable @_lifetime(self: copy self)
  public mutating func store(_ address: MACAddress, _ offset: Int) {
    storeBigEndian(UInt16(truncatingIfNeeded: address.rawValue >> 32), offset)
    storeBigEndian(UInt32(truncatingIfNeeded: address.rawValue), offset &+ 2)
  }

  /// Stores an IPv6 address at `offset`.
  @inline(__always) @inlinable @_lifetime(self: copy self)
  public mutating func store(_ address: IPv6Address, _ offset: Int) {
    storeBigEndian(address.high, offset)
    storeBigEndian(address.low, offset &+ 8)
  }

  /// Copies all of `source` to `offset`.
  @inlinable @_lifetime(self: copy self)
  public mutating func copy(_ source: RawSpan, to offset: Int) {
    precondition(offset >= 0 && offset <= byteCount && source.byteCount <= byteCount &- offset)
    unsafe withUnsafeMutableBytes { target in
      unsafe source.withUnsafeBytes { from in
        if let start = from.baseAddress, let base = target.baseAddress {
          unsafe (base + offset).copyMemory(from: start, byteCount: from.count)
        }
      }
    }
  }
}
