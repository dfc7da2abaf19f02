import PacketCapture

enum Sample {
  static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) } }

  /// Two frames of 3 and 60 bytes; the first was cut from 100.
  static func pcap(isBigEndian: Bool, isNano: Bool) -> [UInt8] {
    var file = Fields(isBigEndian: isBigEndian)
    file.put(UInt32(isNano ? 0xA1B2_3C4D : 0xA1B2_C3D4))
    file.put(UInt16(2))
    file.put(UInt16(4))
    file.put(UInt64(0))
    file.put(UInt32(65535))
    file.put(UInt32(1))
    for (time, original, frame) in [
      ((UInt32(1_700_000_000), UInt32(5)), UInt32(100), [UInt8]([1, 2, 3])),
      ((1_700_000_001, 999_999), 60, [UInt8](0..<60)),
    ] {
      file.put(time.0)
      file.put(time.1)
      file.put(UInt32(frame.count))
      file.put(original)
      file.bytes += frame
    }
    return file.bytes
  }

  /// A section with two interfaces (micro- and nanoseconds) and a block of each kind.
  static func pcapng(isBigEndian: Bool) -> [UInt8] {
    let order = isBigEndian
    var file = Fields(isBigEndian: order)
    file.block(0x0A0D_0D0A) {
      $0.put(UInt32(0x1A2B_3C4D))
      $0.put(UInt16(1))
      $0.put(UInt16(0))
      $0.put(UInt64.max)
      $0.option(4, [UInt8]("sample".utf8))
    }
    file.block(1) {
      $0.put(UInt16(1))
      $0.put(UInt16(0))
      $0.put(UInt32(64))
    }
    file.block(1) {
      $0.put(UInt16(101))
      $0.put(UInt16(0))
      $0.put(UInt32(0))
      $0.option(2, [UInt8]("tun0".utf8))
      $0.option(9, [9])
      $0.option(0, [])
    }
    // Name resolution and an unknown block: not for us.
    file.block(4) { $0.put(UInt32(0)) }
    file.block(0xBAD) { $0.bytes += [UInt8](repeating: 1, count: 20) }
    file.block(6) {
      $0.put(UInt32(1))
      $0.put(UInt32(0x1796_2A4A))
      $0.put(UInt32(0x4F9B_C005))
      $0.put(UInt32(5))
      $0.put(UInt32(9))
      $0.bytes += [1, 2, 3, 4, 5, 0, 0, 0]
      $0.option(1, [UInt8]("odd".utf8))
      $0.option(2, order ? [0, 0, 0, 2] : [2, 0, 0, 0])
      $0.option(0, [])
    }
    file.block(3) {
      $0.put(UInt32(70))
      $0.bytes += bytes(64)
    }
    file.block(2) {
      $0.put(UInt16(0))
      $0.put(UInt16(7))
      $0.put(UInt32(0))
      $0.put(UInt32(1_000_000))
      $0.put(UInt32(2))
      $0.put(UInt32(2))
      $0.bytes += [8, 9, 0, 0]
    }
    // Interface statistics.
    file.block(5) { $0.bytes += [UInt8](repeating: 0, count: 12) }
    return file.bytes
  }

  static let pcapngFrames = [
    CapturedFrame(
      time: 0x1796_2A4A_4F9B_C005, interface: 1, originalLength: 9, bytes: [1, 2, 3, 4, 5], direction: .outbound,
      comment: "odd"),
    CapturedFrame(time: 0x1796_2A4A_4F9B_C005, interface: 0, originalLength: 70, bytes: bytes(64)),
    CapturedFrame(time: 1_000_000_000, interface: 0, bytes: [8, 9]),
  ]
}

/// Numbers in one byte order, for files that the writers do not make.
struct Fields {
  let isBigEndian: Bool
  var bytes: [UInt8] = []

  init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

  mutating func put<T: FixedWidthInteger>(_ value: T) {
    let octets = (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
    bytes += isBigEndian ? octets.reversed() : octets
  }

  mutating func option(_ code: UInt16, _ value: [UInt8]) {
    put(code)
    put(UInt16(value.count))
    bytes += value + [UInt8](repeating: 0, count: -value.count & 3)
  }

  mutating func block(_ type: UInt32, _ fill: (inout Fields) -> Void) {
    var body = Fields(isBigEndian: isBigEndian)
    fill(&body)
    put(type)
    put(UInt32(body.bytes.count + 12))
    bytes += body.bytes
    put(UInt32(body.bytes.count + 12))
  }
}

func frames(_ reader: CaptureReader) throws -> [CapturedFrame] {
  var result: [CapturedFrame] = []
  while let frame = try reader.next() { result.append(frame) }
  return result
}

/// How many frames come out, and the error that ends them.
func readAll(_ bytes: [UInt8]) -> (frames: Int, error: CaptureError?) {
  var count = 0
  do throws(CaptureError) {
    let reader = try CaptureReader(bytes: bytes)
    while try reader.next() != nil { count += 1 }
    return (count, nil)
  } catch { return (count, error) }
}
