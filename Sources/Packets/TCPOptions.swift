/// One block of a selective acknowledgment (RFC 2018 3): `left ..< right` in sequence space has arrived.
@frozen public struct SACKBlock: BitwiseCopyable, Sendable, Equatable {
  public var left: UInt32
  public var right: UInt32
  @inlinable public init(left: UInt32, right: UInt32) {
    self.left = left
    self.right = right
  }
}

/// The cookie of TCP Fast Open (RFC 7413 4.1.1): 4...16 bytes, or none, which asks for one.
@frozen public struct FastOpenCookie: BitwiseCopyable, Sendable, Equatable {
  /// The bytes in network order, left-aligned; the rest is zero.
  public var high: UInt64
  public var low: UInt64
  /// Number of bytes: 0, or 4...16 and even.
  public var count: UInt8

  @inlinable public init(high: UInt64 = 0, low: UInt64 = 0, count: UInt8 = 0) {
    self.high = high
    self.low = low
    self.count = count
  }
  @inlinable public var isRequest: Bool { count == 0 }

  /// Byte `index` (0 ..< count).
  @inlinable public subscript(index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 &- 8 &* (index & 7)))
  }
}

/// The options of a TCP segment as values: parsed from and written to bytes without allocation.
///
/// Reading follows RFC 9293 3.1 and 3.2: unknown options are skipped and counted; an option whose length does not fit
/// ends the reading and sets ``isMalformed``; a known option with a wrong length is ignored and sets it too.
@frozen public struct TCPOptions: BitwiseCopyable, Sendable {
  /// MSS, option 2 (RFC 9293 3.2).
  public var maximumSegmentSize: UInt16?
  /// Window scale, option 3, as received: more than 14 counts as 14 (RFC 7323 2.3).
  public var windowScale: UInt8?
  /// SACK permitted, option 4 (RFC 2018 2).
  public var isSACKPermitted: Bool
  /// True if timestamps are there: option 8 (RFC 7323 3.2).
  public var hasTimestamps: Bool
  /// TSval
  public var timestampValue: UInt32
  /// TSecr
  public var timestampEcho: UInt32
  /// Option 34, or the experimental form 254 with magic 0xF989.
  public var fastOpenCookie: FastOpenCookie?
  /// An MD5 signature is there: option 19 (RFC 2385 3.0).
  public var hasSignature: Bool
  /// Number of SACK blocks: 0...4.
  @inlinable public var sackBlockCount: Int { Int(blockCount) }
  @usableFromInline var blockCount: UInt8
  /// Options of other kinds.
  public var unknownCount: Int
  /// A length did not fit.
  public var isMalformed: Bool

  @usableFromInline var sack0: SACKBlock
  @usableFromInline var sack1: SACKBlock
  @usableFromInline var sack2: SACKBlock
  @usableFromInline var sack3: SACKBlock

  @inlinable public init() {
    maximumSegmentSize = nil
    windowScale = nil
    isSACKPermitted = false
    hasTimestamps = false
    timestampValue = 0
    timestampEcho = 0
    fastOpenCookie = nil
    hasSignature = false
    blockCount = 0
    unknownCount = 0
    isMalformed = false
    sack0 = SACKBlock(left: 0, right: 0)
    sack1 = sack0
    sack2 = sack0
    sack3 = sack0
  }

  /// Reads options; padding included. Never traps.
  @inlinable public init(_ bytes: RawSpan) {
    self.init()
    // Nearly every segment of an established connection has exactly this.
    if bytes.byteCount == 12, bytes.loadBigEndian(0, as: UInt32.self) == 0x0101_080A {
      hasTimestamps = true
      timestampValue = bytes.loadBigEndian(4)
      timestampEcho = bytes.loadBigEndian(8)
    } else if bytes.byteCount > 0 {
      parse(bytes)
    }
  }

  /// Block `index` (0 ..< ``sackBlockCount``) in the order of the option.
  @inlinable public func sackBlock(_ index: Int) -> SACKBlock {
    switch index {
    case 0: sack0
    case 1: sack1
    case 2: sack2
    default: sack3
    }
  }

  /// Adds a SACK block; a fifth is left out, because no header has room for it.
  public mutating func append(_ block: SACKBlock) {
    switch sackBlockCount {
    case 0: sack0 = block
    case 1: sack1 = block
    case 2: sack2 = block
    case 3: sack3 = block
    default: return
    }
    blockCount += 1
  }

  @usableFromInline mutating func parse(_ bytes: RawSpan) {
    var offset = 0
    while offset < bytes.byteCount {
      let kind = bytes.octet(offset)
      if kind == 0 { return }
      if kind == 1 {
        offset += 1
        continue
      }
      guard bytes.byteCount - offset >= 2 else {
        isMalformed = true
        return
      }
      let length = Int(bytes.octet(offset + 1))
      guard length >= 2, length <= bytes.byteCount - offset else {
        isMalformed = true
        return
      }
      if !read(kind: kind, bytes.extracting((offset + 2)..<(offset + length))) { isMalformed = true }
      offset += length
    }
  }

  /// Takes one option; false if a known one has a wrong length.
  private mutating func read(kind: UInt8, _ body: RawSpan) -> Bool {
    switch (kind, body.byteCount) {
    case (2, 2): maximumSegmentSize = body.loadBigEndian(0)
    case (3, 1): windowScale = body.octet(0)
    case (4, 0): isSACKPermitted = true
    case (5, 8), (5, 16), (5, 24), (5, 32):
      for block in 0..<body.byteCount / 8 {
        append(SACKBlock(left: body.loadBigEndian(8 * block), right: body.loadBigEndian(8 * block + 4)))
      }
    case (8, 8):
      hasTimestamps = true
      timestampValue = body.loadBigEndian(0)
      timestampEcho = body.loadBigEndian(4)
    case (19, 16): hasSignature = true
    case (34, _): return readCookie(body)
    case (254, 2...) where body.loadBigEndian(0, as: UInt16.self) == 0xF989:
      return readCookie(body.extracting(2..<body.byteCount))
    case (2, _), (3, _), (4, _), (5, _), (8, _), (19, _): return false
    default: unknownCount += 1
    }
    return true
  }

  private mutating func readCookie(_ body: RawSpan) -> Bool {
    let count = body.byteCount
    guard count == 0 || (4...16).contains(count) && count & 1 == 0 else { return false }
    var cookie = FastOpenCookie(count: UInt8(count))
    for index in 0..<count {
      let bits = UInt64(body.octet(index)) << UInt64(56 - 8 * (index & 7))
      if index < 8 { cookie.high |= bits } else { cookie.low |= bits }
    }
    fastOpenCookie = cookie
    return true
  }
}
