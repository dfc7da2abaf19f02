extension InternetChecksum {
  /// Copies `count` bytes and adds them in the same pass, which costs less than a copy and then a sum. They follow the
  /// bytes added before. The two stretches of memory must be valid for `count` bytes and must not overlap.
  @unsafe @inlinable
  public mutating func add(copying source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
    append(unsafe InternetChecksum(copying: source, to: target, count: count), count: count)
  }

  /// Copies `count` bytes and sums them in the same pass. The two stretches of memory must be valid for `count` bytes
  /// and must not overlap.
  @unsafe @inlinable
  public init(copying source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
    precondition(count >= 0)
    // Everything is read once: what was stored is what the checksum is about, even if another party changes the source
    // meanwhile. Summed are all words as they are, and apart their upper halves, which cannot overflow: the sum of the
    // lower halves follows from the two.
    var offset = 0
    var total: UInt64 = 0
    var upper: UInt64 = 0
    if count >= 64 {
      var words = SIMD4<UInt64>.zero
      var uppers = SIMD4<UInt64>.zero
      let end = count & ~63
      while offset < end {
        let a = unsafe source.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self)
        let b = unsafe source.loadUnaligned(fromByteOffset: offset &+ 32, as: SIMD4<UInt64>.self)
        unsafe target.storeBytes(of: a, toByteOffset: offset, as: SIMD4<UInt64>.self)
        unsafe target.storeBytes(of: b, toByteOffset: offset &+ 32, as: SIMD4<UInt64>.self)
        words &+= a &+ b
        uppers &+= (a &>> 32) &+ (b &>> 32)
        offset &+= 64
      }
      total = words.wrappedSum()
      upper = uppers.wrappedSum()
    }
    // The rest by the bits of its length, without a loop.
    if count & 32 != 0 {
      unsafe Self.move(source, target, &offset, &total, &upper)
      unsafe Self.move(source, target, &offset, &total, &upper)
      unsafe Self.move(source, target, &offset, &total, &upper)
      unsafe Self.move(source, target, &offset, &total, &upper)
    }
    if count & 16 != 0 {
      unsafe Self.move(source, target, &offset, &total, &upper)
      unsafe Self.move(source, target, &offset, &total, &upper)
    }
    if count & 8 != 0 { unsafe Self.move(source, target, &offset, &total, &upper) }
    if count & 4 != 0 {
      let part = unsafe source.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      unsafe target.storeBytes(of: part, toByteOffset: offset, as: UInt32.self)
      total &+= UInt64(part)
      offset &+= 4
    }
    if count & 2 != 0 {
      let part = unsafe source.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
      unsafe target.storeBytes(of: part, toByteOffset: offset, as: UInt16.self)
      total &+= UInt64(part)
      offset &+= 2
    }
    if count & 1 != 0 {
      let part = unsafe source.load(fromByteOffset: offset, as: UInt8.self)
      unsafe target.storeBytes(of: part, toByteOffset: offset, as: UInt8.self)
      total &+= UInt64(UInt16(littleEndian: UInt16(part)))
    }
    total = total &- upper &<< 32 &+ upper
    sum = Self.partlyFolded(total)
    isOdd = count & 1 == 1
  }

  /// Copies and sums one word.
  @unsafe @inline(__always) @inlinable
  static func move(
    _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ offset: inout Int, _ total: inout UInt64,
    _ upper: inout UInt64
  ) {
    let word = unsafe source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    unsafe target.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
    total &+= word
    upper &+= word &>> 32
    offset &+= 8
  }

  /// Copies all of `source` to `offset` of `target` and adds it in the same pass.
  @inlinable @_lifetime(target: copy target)
  public mutating func add(copying source: RawSpan, to target: inout MutableRawSpan, at offset: Int) {
    precondition(offset >= 0 && offset <= target.byteCount && source.byteCount <= target.byteCount &- offset)
    unsafe target.withUnsafeMutableBytes { memory in
      unsafe source.withUnsafeBytes { bytes in
        if let from = bytes.baseAddress, let base = memory.baseAddress {
          unsafe add(copying: from, to: base + offset, count: bytes.count)
        }
      }
    }
  }
}
