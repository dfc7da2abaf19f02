import Packets

extension RawSpan {
  /// The one's complement sum of the span as 32-bit words in the order of x86 memory, padded with zeros (Linux
  /// `csum_partial`).
  var partialSum: UInt32 {
    var (sum, offset) = (UInt64(0), 0)
    while offset &+ 4 <= byteCount {
      sum &+= UInt64(loadLittleEndian(offset, as: UInt32.self))
      offset &+= 4
    }
    for place in offset..<byteCount { sum &+= UInt64(octet(place)) << UInt64(8 * (place - offset)) }
    while sum >> 32 != 0 { sum = sum & 0xFFFF_FFFF &+ sum >> 32 }
    return UInt32(truncatingIfNeeded: sum)
  }
}
