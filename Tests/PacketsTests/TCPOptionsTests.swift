import Packets
import Testing

struct TCPOptionsTests {
  private func parse(_ text: String) -> TCPOptions {
    let bytes = hex(text)
    return TCPOptions(bytes.span.bytes)
  }

  @Test("the options of a Linux SYN are read and written bit for bit")
  func linuxSYN() {
    let wire = hex("0204 05b4 0402 080a 0000 03e8 0000 0000 0103 0307")
    let options = TCPOptions(wire.span.bytes)
    #expect(options.maximumSegmentSize == 1460 && options.isSACKPermitted && options.windowScale == 7)
    #expect(options.hasTimestamps && options.timestampValue == 1000 && options.timestampEcho == 0)
    #expect(!options.isMalformed && options.unknownCount == 0)
    #expect(written(options) == wire)
  }

  @Test("timestamps alone take the short way and give the same")
  func timestamps() {
    let options = parse("0101 080a 0001 0002 0003 0004")
    #expect(options.hasTimestamps && options.timestampValue == 0x10002 && options.timestampEcho == 0x30004)
    let padded = parse("0101 080a 0001 0002 0003 0004 0101 0000")
    #expect(padded.timestampValue == 0x10002 && padded.timestampEcho == 0x30004)
  }

  @Test("SACK blocks keep their order and are limited to the room behind the other options")
  func sack() {
    var options = TCPOptions()
    options.hasTimestamps = true
    for index in 0..<6 { options.append(SACKBlock(left: UInt32(index), right: UInt32(index) + 10)) }
    #expect(options.sackBlockCount == 4 && options.fittingSACKBlocks == 3 && options.encodedLength == 40)
    let bytes = written(options)
    let back = TCPOptions(bytes.span.bytes)
    #expect(back.sackBlockCount == 3 && back.sackBlock(2) == SACKBlock(left: 2, right: 12) && back.hasTimestamps)
    options.hasTimestamps = false
    #expect(options.fittingSACKBlocks == 4 && options.encodedLength == 36)
  }

  @Test("a fast open cookie is read in both codings and written in the first")
  func fastOpen() throws {
    let cookie = try #require(parse("220a 0102 0304 0506 0708 0101").fastOpenCookie)
    #expect(cookie.count == 8 && cookie[0] == 1 && cookie[7] == 8)
    #expect(parse("fe0c f989 0102 0304 0506 0708").fastOpenCookie == cookie)
    #expect(parse("2202 0101").fastOpenCookie?.isRequest == true)
    var options = TCPOptions()
    options.fastOpenCookie = cookie
    #expect(written(options) == hex("220a 0102 0304 0506 0708 0101"))
    #expect(parse("2205 010203 00").isMalformed && parse("2205 010203 00").fastOpenCookie == nil)
  }

  @Test(
    "damaged options are marked, and what came before stays",
    arguments: ["0204 05b4 05", "0204 05b4 0500", "0204 05b4 0501", "0204 05b4 050a 0000", "0204 05b4 0303 0000"])
  func damaged(text: String) {
    let options = parse(text)
    #expect(options.maximumSegmentSize == 1460)
    #expect(options.isMalformed == (text != "0204 05b4 0303 0000"))
  }

  @Test("a known option with a wrong length is ignored, unknown ones are counted, and the end option ends")
  func lenient() {
    let options = parse("0203 05 0304 0101 1412 00000000000000000000000000000000 0204 05b4 00 0402")
    #expect(options.isMalformed && options.maximumSegmentSize == 1460 && options.windowScale == nil)
    #expect(options.unknownCount == 1 && !options.isSACKPermitted)
  }

  private func written(_ options: TCPOptions) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: options.encodedLength)
    var span = bytes.mutableSpan
    var memory = span.mutableBytes
    let end = options.write(into: &memory, at: 0)
    #expect(end == options.encodedLength)
    return bytes
  }
}
