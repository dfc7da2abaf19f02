/// The CRC of the Ethernet frame check sequence (IEEE 802.3 3.2.9; polynomial 0x04C11DB7 reflected, as in zlib).
///
/// An instance holds its tables (8 KiB, eight bytes a step); make one and keep it.
public struct CRC32: Sendable {
  private let table: [UInt32]

  public init() {
    var table = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var value = UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
      table[byte] = value
    }
    for index in 256..<2048 {
      let previous = table[index - 256]
      table[index] = previous >> 8 ^ table[Int(previous & 255)]
    }
    self.table = table
  }

  /// The CRC of `bytes`; the FCS is this number in little-endian order at the end of the frame. With `continuing`, the
  /// CRC of the bytes before followed by these.
  public func checksum(of bytes: RawSpan, continuing: UInt32 = 0) -> UInt32 {
    var crc = ~continuing
    let table = table.span
    let count = bytes.byteCount
    var offset = 0
    while count &- offset >= 8 {
      let word = bytes.loadLittleEndian(offset, as: UInt64.self) ^ UInt64(crc)
      crc =
        table[1792 &+ Int(word & 255)] ^ table[1536 &+ Int(word >> 8 & 255)]
        ^ table[1280 &+ Int(word >> 16 & 255)] ^ table[1024 &+ Int(word >> 24 & 255)]
        ^ table[768 &+ Int(word >> 32 & 255)] ^ table[512 &+ Int(word >> 40 & 255)]
        ^ table[256 &+ Int(word >> 48 & 255)] ^ table[Int(word >> 56)]
      offset &+= 8
    }
    while offset < count {
      crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes.octet(offset))) & 255)]
      offset &+= 1
    }
    return ~crc
  }
}
