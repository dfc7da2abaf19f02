import Memory
import Packets

extension MemoryWindow {
  /// Copies all of `source` to the start of the window and returns the sum of what was stored: both in one pass over
  /// the memory.
  @inline(__always) func copySumming(_ source: RawSpan) -> InternetChecksum {
    let target = slice(0, source.byteCount)
    var sum = InternetChecksum()
    unsafe source.withUnsafeBytes { bytes in
      if let from = bytes.baseAddress {
        unsafe sum.add(copying: from, to: target.baseAddress, count: bytes.count)
      }
    }
    return sum
  }
}

extension InternetChecksum {
  /// The folded sum of `bytes` from `start` on, if this is the sum of all of them: what comes before is taken off,
  /// which costs less than to sum the rest if `start` is small.
  @inline(__always) func rest(of bytes: RawSpan, from start: Int) -> UInt16 {
    if start & 1 == 0 {
      var before = InternetChecksum()
      before.add(bytes.extracting(0..<start))
      var rest = self
      rest.add(~before.folded)
      // All ones may be a zero that went around.
      if rest.folded != 0xFFFF { return rest.folded }
    }
    var rest = InternetChecksum()
    rest.add(bytes.extracting(start..<bytes.byteCount))
    return rest.folded
  }
}
