import Link
import Packets

/// What a network card does to IPv4 frames by itself, in software.
enum FrameOffload {
  /// The frames that leave the card for one submitted buffer.
  static func finish(_ bytes: [UInt8], _ offload: TransmitOffload) -> [[UInt8]] {
    guard offload.insertsTransportChecksum else { return [bytes] }
    let network = Int(offload.networkOffset)
    let transport = network + Int(offload.networkHeaderLength)
    let field = transport + (offload.isTCP ? 16 : 6)
    guard offload.segmentSize > 0 else {
      var frame = bytes
      insertChecksum(&frame, transport: transport, field: field, pseudoLength: 0)
      return [frame]
    }
    let headerEnd = transport + Int(offload.transportHeaderLength)
    let size = Int(offload.segmentSize)
    var frames: [[UInt8]] = []
    var offset = headerEnd
    repeat {
      let end = min(offset + size, bytes.count)
      var frame = Array(bytes[..<headerEnd] + bytes[offset..<end])
      store(UInt16(frame.count - network), &frame, network + 2)
      store(load(frame, network + 4) &+ UInt16(frames.count), &frame, network + 4)
      store(0, &frame, network + 10)
      let header = InternetChecksum.checksum(of: Array(frame[network..<transport]).span.bytes)
      store(header, &frame, network + 10)
      let sequence = UInt32(load(frame, transport + 4)) << 16 | UInt32(load(frame, transport + 6))
      let shifted = sequence &+ UInt32(offset - headerEnd)
      store(UInt16(shifted >> 16), &frame, transport + 4)
      store(UInt16(truncatingIfNeeded: shifted), &frame, transport + 6)
      // FIN and PSH belong to the last segment, CWR to the first.
      if end < bytes.count { frame[transport + 13] &= ~0x09 }
      if offset > headerEnd { frame[transport + 13] &= ~0x80 }
      insertChecksum(&frame, transport: transport, field: field, pseudoLength: frame.count - transport)
      frames.append(frame)
      offset = end
    } while offset < bytes.count
    return frames
  }

  /// The field holds the pseudo header's sum, without `pseudoLength`.
  private static func insertChecksum(_ frame: inout [UInt8], transport: Int, field: Int, pseudoLength: Int) {
    var sum = InternetChecksum()
    sum.add(UInt32(pseudoLength))
    sum.add(Array(frame[transport...]).span.bytes)
    store(sum.transportChecksum, &frame, field)
  }

  /// What a card that verifies checksums says about a frame.
  static func verify(_ bytes: [UInt8]) -> ReceiveMetadata {
    var result = ReceiveMetadata()
    guard bytes.count > 34, load(bytes, 12) == 0x0800 else { return result }
    let packet = Array(bytes[14...])
    guard let header = IPv4Header(packet.span.bytes) else { return result }
    result.networkChecksum = header.isChecksumValid ? .good : .bad
    guard !header.isFragment, header.protocol == .tcp || header.protocol == .udp else { return result }
    let payload = header.payload
    if header.protocol == .udp && payload.byteCount >= 8 && payload.loadBigEndian(6, as: UInt16.self) == 0 {
      return result
    }
    var sum = header.pseudoHeader(length: payload.byteCount)
    sum.add(payload)
    result.transportChecksum = sum.isValid ? .good : .bad
    return result
  }

  private static func load(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
    UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
  }

  private static func store(_ value: UInt16, _ bytes: inout [UInt8], _ offset: Int) {
    bytes[offset] = UInt8(value >> 8)
    bytes[offset + 1] = UInt8(value & 255)
  }
}
