import PacketCapture
import Packets
import Testing

struct PcapngTests {
  @Test("every kind of block is read or left out, in both byte orders", arguments: [false, true])
  func blocks(isBigEndian: Bool) throws {
    let reader = try CaptureReader(bytes: Sample.pcapng(isBigEndian: isBigEndian))
    #expect(reader.format == .pcapng)
    #expect(try frames(reader) == Sample.pcapngFrames)
    #expect(reader.interfaces.count == 2)
    #expect(reader.interfaces[0].resolution == .microseconds && reader.interfaces[0].snapLength == 64)
    #expect(reader.interfaces[1].name == "tun0" && reader.interfaces[1].linkType == .raw)
  }

  @Test("sections follow one another in different byte orders, each with its own interfaces")
  func sections() throws {
    let reader = try CaptureReader(bytes: Sample.pcapng(isBigEndian: true) + Sample.pcapng(isBigEndian: false))
    let all = try frames(reader)
    #expect(all.map(\.interface) == [1, 0, 0, 3, 2, 2] && reader.interfaces.count == 4)
    #expect(all.map(\.bytes) == (Sample.pcapngFrames + Sample.pcapngFrames).map(\.bytes))
  }

  @Test("what is written is read back: interfaces, directions, comments, lengths and nanoseconds")
  func roundTrip() throws {
    let sink = CaptureSink()
    let writer = try PcapngWriter(sink, application: "test", hardware: "x", operatingSystem: "y", comment: "z")
    let first = try writer.addInterface(
      name: "enp0s3", snapLength: 0, hardwareAddress: .broadcast, speed: 1_000_000_000)
    let second = try writer.addInterface(name: "cut", linkType: .raw, snapLength: 10, description: "a short one")
    var expected: [CapturedFrame] = []
    for count in 0..<70 {
      let bytes = Sample.bytes(count)
      let direction: FrameDirection? = [nil, .inbound, .outbound][count % 3]
      let comment = count % 2 == 0 ? String(repeating: "c", count: count) : nil
      let interface = count % 5 == 0 ? second : first
      let time = UInt64.max - UInt64(count)
      try writer.write(
        bytes.span.bytes, time: time, interface: interface, direction: direction,
        originalLength: count == 7 ? 9000 : nil, comment: comment)
      expected.append(
        CapturedFrame(
          time: time, interface: interface, originalLength: count == 7 ? 9000 : count,
          bytes: interface == second ? [UInt8](bytes.prefix(10)) : bytes, direction: direction, comment: comment))
    }
    let reader = try CaptureReader(bytes: sink.bytes)
    #expect(try frames(reader) == expected)
    #expect(reader.interfaces.map(\.name) == ["enp0s3", "cut"])
    #expect(reader.interfaces.map(\.snapLength) == [262_144, 10] && reader.interfaces[1].description == "a short one")
    #expect(reader.interfaces.allSatisfy { $0.resolution == .nanoseconds })
    #expect(throws: CaptureError.noSuchInterface(2)) {
      try writer.write(RawSpan(), time: 0, interface: 2)
    }
  }

  @Test(
    "a file cut anywhere gives frames or an error, never a trap, and never a frame too much", arguments: [false, true])
  func truncation(isBigEndian: Bool) {
    let whole = Sample.pcapng(isBigEndian: isBigEndian)
    var last = 0
    for count in 0..<whole.count {
      let outcome = readAll([UInt8](whole[0..<count]))
      #expect(outcome.frames >= last && outcome.frames <= 3)
      last = outcome.frames
      guard let error = outcome.error else { continue }
      switch error {
      case .notACapture: #expect(count == 0)
      case .truncated(let offset): #expect(offset < count)
      default: Issue.record("\(count): \(error)")
      }
    }
    #expect(last == 3)
  }

  @Test(
    "impossible block lengths are refused at once",
    arguments: [0, 4, 8, 11, 13, 31, 0x7FFF_FFF0, 0xFFFF_FFFC, 0xFFFF_FFFF])
  func blockLengths(length: UInt32) {
    let whole = Sample.pcapng(isBigEndian: false)
    // The lengths of the section, of the first interface and of the unknown block.
    for (start, mayBeLong) in [(0, false), (40, false), (116, true)] {
      var bytes = whole
      for index in 0..<4 { bytes[start + 4 + index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index)) }
      let error = readAll(bytes).error
      let isLong = mayBeLong && length % 4 == 0 && length > 12
      #expect(
        error == (isLong ? .truncated(offset: UInt64(start)) : .badBlockLength(offset: UInt64(start), length: length)))
    }
  }

  @Test("a block whose lengths differ at its ends, a frame longer than its block, and unknown interfaces are refused")
  func damage() {
    let order = false
    var section = Fields(isBigEndian: order)
    section.block(0x0A0D_0D0A) {
      $0.put(UInt32(0x1A2B_3C4D))
      $0.put(UInt32(1))
      $0.put(UInt64.max)
    }
    func error(interface: UInt32, length: UInt32, hasInterface: Bool = true, trailer: Bool = true) -> CaptureError? {
      var file = section
      if hasInterface {
        file.block(1) {
          $0.put(UInt32(1))
          $0.put(UInt32(0))
        }
      }
      file.block(6) {
        $0.put(interface)
        $0.put(UInt64(0))
        $0.put(length)
        $0.put(length)
        $0.bytes += [1, 2, 3, 4]
      }
      if !trailer { file.bytes[file.bytes.count - 1] = 1 }
      return readAll(file.bytes).error
    }
    #expect(error(interface: 0, length: 4) == nil)
    #expect(error(interface: 0, length: 5) == .badFrameLength(offset: 48, length: 5))
    #expect(error(interface: 0, length: .max) == .badFrameLength(offset: 48, length: .max))
    #expect(error(interface: 1, length: 4) == .unknownInterface(offset: 48, interface: 1))
    #expect(error(interface: .max, length: 4) == .unknownInterface(offset: 48, interface: .max))
    #expect(error(interface: 0, length: 4, hasInterface: false) == .unknownInterface(offset: 28, interface: 0))
    #expect(error(interface: 0, length: 4, trailer: false) == .badBlockLength(offset: 48, length: 36))
    var bad = section
    bad.bytes[8] = 0
    #expect(readAll(bad.bytes).error == .badByteOrder(offset: 0))
    bad = section
    bad.bytes[12] = 2
    #expect(readAll(bad.bytes).error == .unsupportedVersion(offset: 0, major: 2))
  }

  @Test("interfaces without end are refused")
  func manyInterfaces() {
    var file = Fields(isBigEndian: false)
    file.bytes = [UInt8](Sample.pcapng(isBigEndian: false)[0..<40])
    for _ in 0...CaptureReader.interfaceLimit {
      file.block(1) {
        $0.put(UInt32(1))
        $0.put(UInt32(0))
      }
    }
    #expect(readAll(file.bytes).error == .tooManyInterfaces(offset: UInt64(40 + 20 * CaptureReader.interfaceLimit)))
  }

  @Test("random damage gives frames or a named error", arguments: 0..<4)
  func mutation(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func random(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    for round in 0..<2000 {
      var bytes =
        round % 2 == 0
        ? Sample.pcapng(isBigEndian: round % 4 == 0) : Sample.pcap(isBigEndian: round % 4 == 1, isNano: true)
      for _ in 0...random(6) { bytes[random(bytes.count)] = [0, 0xFF, UInt8(random(256))][random(3)] }
      #expect(readAll(bytes).frames <= 8)
    }
  }

  @Test("time stamps of any resolution become nanoseconds")
  func resolutions() {
    let cases: [(UInt8, UInt64, UInt64?)] = [
      (6, 1, 1000), (9, 1, 1), (0, 1, 1_000_000_000), (3, 5, 5_000_000), (12, 1999, 1), (127, .max, 0),
      (0x80, 2, 2_000_000_000), (0x81, 1, 500_000_000), (0x80 | 30, 1 << 30, 1_000_000_000), (0xFF, .max, 0),
      (0, .max, nil), (6, .max, nil), (0x80, .max, nil), (9, .max, .max), (28, .max, 1), (29, .max, 0),
    ]
    for (raw, ticks, expected) in cases {
      #expect(TimestampResolution(rawValue: raw).nanoseconds(ticks) == expected, "\(raw) \(ticks)")
    }
  }

  @Test("an offset moves the times of its interface, and an impossible time is refused")
  func timeOffset() {
    func file(_ offset: Int64, _ ticks: UInt64) -> [UInt8] {
      var file = Fields(isBigEndian: true)
      file.bytes = [UInt8](Sample.pcapng(isBigEndian: true)[0..<40])
      file.block(1) {
        $0.put(UInt32(0x1_0000))
        $0.put(UInt32(0))
        $0.option(9, [9])
        var value = Fields(isBigEndian: true)
        value.put(offset)
        $0.option(14, value.bytes)
      }
      file.block(6) {
        $0.put(UInt32(0))
        $0.put(ticks)
        $0.put(UInt64(0))
      }
      return file.bytes
    }
    let reader = try? CaptureReader(bytes: file(-2, 2_000_000_005))
    #expect((try? reader?.next())?.time == 5)
    #expect(readAll(file(-3, 2_000_000_005)).error == .timeOutOfRange(offset: 80))
    #expect(readAll(file(.max, 0)).error == .timeOutOfRange(offset: 80))
  }
}
