extension InternetChecksum {
  /// Copies `count` bytes and adds them in the same pass, which costs less than a copy and then a sum. They follow the
  /// bytes added before. The two stretches of memory must be valid for `count` bytes and must not overlap.
  @unsafe @inlinable
  public mutating func add(copying source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
    precondition(count >= 0)
    var offset = 0
    var first = SIMD4<UInt64>.zero
    var second = SIMD4<UInt64>.zero
    let low = SIMD4<UInt64>(repeating: 0xFFFF_FFFF)
    let end = count & ~63
    while offset < end {
      let a = unsafe source.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self)
      let b = unsafe source.loadUnaligned(fromByteOffset: offset &+ 32, as: SIMD4<UInt64>.self)
      unsafe target.storeBytes(of: a, toByteOffset: offset, as: SIMD4<UInt64>.self)
      unsafe target.storeBytes(of: b, toByteOffset: offset &+ 32, as: SIMD4<UInt64>.self)
      first &+= (a & low) &+ (a &>> 32)
      second &+= (b & low) &+ (b &>> 32)
      offset &+= 64
    }
    // The copy is summed, not the source again: what was stored is what the checksum is about, even if another party
    // changes the source meanwhile.
    unsafe (target + offset).copyMemory(from: source + offset, byteCount: count &- offset)
    let tail = unsafe Self.rawTailSum(UnsafeRawPointer(target), from: offset, to: count)
    append(rawSum: (first &+ second).wrappedSum() &+ tail, count: count)
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
