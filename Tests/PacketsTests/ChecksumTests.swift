import Packets
import Testing

/// RFC 1071 word by word, as slowly as it is written there.
private func model(_ bytes: ArraySlice<UInt8>) -> UInt16 {
  var sum = 0
  var index = bytes.startIndex
  while index < bytes.endIndex {
    sum += Int(bytes[index]) << 8 + (index + 1 < bytes.endIndex ? Int(bytes[index + 1]) : 0)
    index += 2
  }
  while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
  return UInt16(sum)
}

/// Zero and 0xFFFF are the same number in ones' complement.
private func same(_ a: UInt16, _ b: UInt16) -> Bool { a == b || (a == 0 && b == 0xFFFF) || (a == 0xFFFF && b == 0) }

struct ChecksumTests {
  @Test("the sum is that of RFC 1071's example")
  func example() {
    let bytes: [UInt8] = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]
    var sum = InternetChecksum()
    sum.add(bytes.span.bytes)
    #expect(sum.folded == 0xDDF2 && sum.checksum == 0x220D && !sum.isValid)
    sum.add(UInt16(0x220D))
    #expect(sum.isValid)
  }

  @Test("every length up to 200 bytes at every alignment gives the model's sum", arguments: 0...200)
  func lengths(count: Int) {
    var random = SplitMix(seed: UInt64(count))
    for filling in 0..<3 {
      let bytes: [UInt8] = (0..<(count + 32)).map { _ in filling == 0 ? 0xFF : filling == 1 ? 0 : random.byte() }
      for start in 0..<32 {
        var sum = InternetChecksum()
        sum.add(bytes.span.bytes.extracting(start..<(start + count)))
        #expect(sum.folded == model(bytes[start..<(start + count)]))
      }
    }
  }

  @Test("copying and adding in one pass gives the same sum and the same bytes, and nothing beyond", arguments: 0...200)
  func copying(count: Int) {
    var random = SplitMix(seed: UInt64(count))
    let bytes: [UInt8] = (0..<(count + 32)).map { _ in random.byte() }
    for start in [0, 1, 2, 3, 7, 31] {
      var copy = [UInt8](repeating: 0xEE, count: count + 16)
      var span = copy.mutableSpan
      var memory = span.mutableBytes
      var sum = InternetChecksum()
      sum.add(copying: bytes.span.bytes.extracting(start..<(start + count)), to: &memory, at: start / 3)
      #expect(sum.folded == model(bytes[start..<(start + count)]))
      let end = start / 3 + count
      #expect(copy[(start / 3)..<end] == bytes[start..<(start + count)])
      #expect(copy[..<(start / 3)].allSatisfy { $0 == 0xEE } && copy[end...].allSatisfy { $0 == 0xEE })
    }
  }

  @Test("a large buffer of ones does not overflow the lanes")
  func large() {
    let bytes = [UInt8](repeating: 0xFF, count: 70_001)
    var sum = InternetChecksum()
    sum.add(bytes.span.bytes)
    #expect(sum.folded == model(bytes[...]))
  }

  @Test("pieces of any length add up to the whole, computed in order or apart")
  func pieces() {
    var random = SplitMix(seed: 7)
    for _ in 0..<500 {
      let bytes = (0..<Int(random.next() % 300)).map { _ in random.byte() }
      var inOrder = InternetChecksum()
      var apart = InternetChecksum()
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + Int(random.next() % 70))
        let piece = bytes.span.bytes.extracting(start..<end)
        inOrder.add(piece)
        var own = InternetChecksum()
        own.add(piece)
        apart.append(own, count: end - start)
        start = end
      }
      #expect(inOrder.folded == model(bytes[...]))
      #expect(same(apart.folded, model(bytes[...])))
    }
  }

  @Test("an update of one field gives the checksum of the changed bytes (RFC 1624)")
  func update() {
    // The example of RFC 1624 4.
    #expect(InternetChecksum.updated(0xDD2F, from: UInt16(0x5555), to: 0x3285) == 0x0000)
    var random = SplitMix(seed: 1624)
    for _ in 0..<2000 {
      var bytes = (0..<20).map { _ in random.byte() }
      let before = InternetChecksum.checksum(of: bytes.span.bytes)
      let old = UInt32(bytes[12]) << 24 | UInt32(bytes[13]) << 16 | UInt32(bytes[14]) << 8 | UInt32(bytes[15])
      let new = UInt32(truncatingIfNeeded: random.next())
      for index in 0..<4 { bytes[12 + index] = UInt8(truncatingIfNeeded: new >> UInt32(24 - 8 * index)) }
      let after = InternetChecksum.checksum(of: bytes.span.bytes)
      #expect(same(InternetChecksum.updated(before, from: old, to: new), after))
    }
  }

  @Test("pseudo headers are the bytes of RFC 9293 and RFC 8200")
  func pseudoHeaders() {
    let four: [UInt8] = [10, 0, 2, 15, 192, 168, 1, 1, 0, 17, 0x12, 0x34]
    #expect(
      InternetChecksum(
        source: IPv4Address(10, 0, 2, 15), destination: IPv4Address(192, 168, 1, 1), protocol: .udp, length: 0x1234
      ).folded == model(four[...]))
    let source = IPv6Address(high: 0xFE80_1234_5678_9ABC, low: 0xFFFF_FFFF_FFFF_FFFF)
    let destination = IPv6Address(high: 0x2001_0DB8_FFFF_0001, low: 0x8000_0000_0000_0001)
    var six: [UInt8] = []
    for half in [source.high, source.low, destination.high, destination.low] {
      six += (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(56 - 8 * $0)) }
    }
    six += [0, 1, 0x02, 0x03, 0, 0, 0, 58]
    #expect(
      InternetChecksum(source: source, destination: destination, protocol: .icmpv6, length: 0x10203).folded
        == model(six[...]))
    #expect(InternetChecksum(folded: 0x1234).folded == 0x1234)
  }

  @Test("a transport checksum is never zero")
  func neverZero() {
    let sum = InternetChecksum(folded: 0xFFFF)
    #expect(sum.checksum == 0 && sum.transportChecksum == 0xFFFF)
  }

  @Test("the CRC is that of IEEE 802.3, in one piece or in several")
  func crc() {
    let crc = CRC32()
    let digits = [UInt8]("123456789".utf8)
    #expect(crc.checksum(of: digits.span.bytes) == 0xCBF4_3926)
    #expect(crc.checksum(of: RawSpan()) == 0)
    var random = SplitMix(seed: 32)
    let bytes = (0..<300).map { _ in random.byte() }
    for count in 0..<300 {
      var value: UInt32 = ~0
      for byte in bytes[0..<count] {
        value ^= UInt32(byte)
        for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
      }
      #expect(crc.checksum(of: bytes.span.bytes.extracting(0..<count)) == ~value)
      let first = crc.checksum(of: bytes.span.bytes.extracting(0..<(count / 3)))
      #expect(crc.checksum(of: bytes.span.bytes.extracting((count / 3)..<count), continuing: first) == ~value)
    }
  }

  @Test("the Toeplitz hash gives the values of the RSS verification suite")
  func toeplitz() {
    let key: [UInt8] = [
      0x6D, 0x5A, 0x56, 0xDA, 0x25, 0x5B, 0x0E, 0xC2, 0x41, 0x67, 0x25, 0x3D, 0x43, 0xA3, 0x8F, 0xB0, 0xD0, 0xCA, 0x2B,
      0xCB, 0xAE, 0x7B, 0x30, 0xB4, 0x77, 0xCB, 0x2D, 0xA3, 0x80, 0x30, 0xF2, 0x0C, 0x6A, 0x42, 0xB7, 0x3B, 0xBE, 0xAC,
      0x01, 0xFA,
    ]
    let flow: [UInt8] = [66, 9, 149, 187, 161, 142, 100, 80, 0x0A, 0xEA, 0x06, 0xE6]
    let input = flow.span.bytes
    #expect(ToeplitzHash.hash(input.extracting(0..<8), key: key.span.bytes) == 0x323E_8FC2)
    #expect(ToeplitzHash.hash(input, key: key.span.bytes) == 0x51CC_C178)
  }
}
