import PacketCapture
import Testing

struct PcapTests {
  @Test(
    "classic files are read in both byte orders with micro- and nanoseconds", arguments: [false, true], [false, true])
  func variants(isBigEndian: Bool, isNano: Bool) throws {
    let reader = try CaptureReader(bytes: Sample.pcap(isBigEndian: isBigEndian, isNano: isNano))
    #expect(reader.format == .pcap && reader.interfaces[0].linkType == .ethernet)
    #expect(reader.interfaces[0].snapLength == 65535)
    let unit: UInt64 = isNano ? 1 : 1000
    #expect(
      try frames(reader) == [
        CapturedFrame(time: 1_700_000_000_000_000_000 + 5 * unit, originalLength: 100, bytes: [1, 2, 3]),
        CapturedFrame(time: 1_700_000_001_000_000_000 + 999_999 * unit, bytes: [UInt8](0..<60)),
      ])
  }

  @Test("what is written is read back, cut to the snap length with the right lengths", arguments: [true, false])
  func roundTrip(isNano: Bool) throws {
    let sink = CaptureSink()
    let writer = try PcapWriter(sink, snapLength: 50, nanoseconds: isNano)
    try writer.write(Sample.bytes(80).span.bytes, time: 1_234_567_890_123_456_789)
    try writer.write(Sample.bytes(0).span.bytes, time: 0)
    try writer.write(Sample.bytes(50).span.bytes, time: 1, originalLength: 1500)
    let read = try frames(CaptureReader(bytes: sink.bytes))
    #expect(
      read == [
        CapturedFrame(
          time: isNano ? 1_234_567_890_123_456_789 : 1_234_567_890_123_456_000, originalLength: 80,
          bytes: [UInt8](Sample.bytes(80)[0..<50])),
        CapturedFrame(time: 0, bytes: []),
        CapturedFrame(time: isNano ? 1 : 0, originalLength: 1500, bytes: Sample.bytes(50)),
      ])
    #expect(sink.byteCount == UInt64(sink.bytes.count))
  }

  @Test("a file cut anywhere gives the frames before the cut, then the place", arguments: [false, true])
  func truncation(isBigEndian: Bool) throws {
    let whole = Sample.pcap(isBigEndian: isBigEndian, isNano: true)
    for count in 0..<whole.count {
      let outcome = readAll([UInt8](whole[0..<count]))
      switch count {
      case 0: #expect(outcome.error == .notACapture)
      case 1..<24: #expect(outcome.error == .truncated(offset: 0))
      case 24: #expect(outcome.error == nil && outcome.frames == 0)
      case 25..<43: #expect(outcome.error == .truncated(offset: 24) && outcome.frames == 0)
      case 43: #expect(outcome.error == nil && outcome.frames == 1)
      default: #expect(outcome.error == .truncated(offset: 43) && outcome.frames == 1)
      }
    }
  }

  @Test("a frame longer than any is refused before memory is taken", arguments: [262_145, 0x7FFF_FFFF, 0xFFFF_FFFF])
  func hostileLength(length: UInt32) {
    var bytes = Sample.pcap(isBigEndian: false, isNano: false)
    for index in 0..<4 { bytes[32 + index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index)) }
    #expect(readAll(bytes).error == .badFrameLength(offset: 24, length: length))
  }

  @Test("other files and versions are refused by name")
  func refused() {
    #expect(readAll([UInt8]("#!/bin/sh".utf8)).error == .notACapture)
    var bytes = Sample.pcap(isBigEndian: false, isNano: false)
    bytes[4] = 3
    #expect(readAll(bytes).error == .unsupportedVersion(offset: 4, major: 3))
  }

  @Test("a reader is at its end after an error")
  func endAfterError() throws {
    let reader = try CaptureReader(bytes: [UInt8](Sample.pcap(isBigEndian: false, isNano: false).dropLast()))
    #expect(try reader.next() != nil)
    #expect(throws: CaptureError.truncated(offset: 43)) { try reader.next() }
    #expect(try reader.next() == nil)
  }
}
