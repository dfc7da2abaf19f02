/// The Toeplitz hash of receive-side scaling: each set bit of the input adds the 32 bits of the key that start at the
/// bit's own position.
public enum ToeplitzHash {
  /// The hash of `input` under `key`, which is at least four bytes longer (RSS keys have 40 bytes); bits of the input
  /// beyond the key's reach are hashed with zeros.
  public static func hash(_ input: RawSpan, key: RawSpan) -> UInt32 {
    var result: UInt32 = 0
    func keyByte(_ index: Int) -> UInt64 { index < key.byteCount ? UInt64(key.octet(index)) : 0 }
    var window = keyByte(0) << 32 | keyByte(1) << 24 | keyByte(2) << 16 | keyByte(3) << 8 | keyByte(4)
    for index in 0..<input.byteCount {
      let byte = input.octet(index)
      for bit in 0..<8 where byte & 0x80 >> UInt8(bit) != 0 {
        result ^= UInt32(truncatingIfNeeded: window >> UInt64(8 - bit))
      }
      window = window << 8 & 0xFF_FFFF_FFFF | keyByte(index + 5)
    }
    return result
  }
}
