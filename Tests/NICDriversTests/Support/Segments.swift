import Link

/// TCP and UDP frames for offload tests, with checksums worked out the slow and obvious way.
enum Segments {
  /// Ones-complement sum of 16-bit big-endian words, folded.
  static func sum(_ bytes: some Collection<UInt8>) -> UInt32 {
    var total: UInt32 = 0
    for (index, byte) in bytes.enumerated() {
      total += index % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte)
      total = total & 0xFFFF + total >> 16
    }
    return total
  }

  static func pseudoHeader(isIPv6: Bool, isTCP: Bool, length: Int) -> [UInt8] {
    let number: UInt8 = isTCP ? 6 : 17
    if isIPv6 { return addresses6 + [0, 0, UInt8(length >> 8), UInt8(length & 255), 0, 0, 0, number] }
    return addresses4 + [0, number, UInt8(length >> 8), UInt8(length & 255)]
  }
  static let addresses4: [UInt8] = [10, 0, 2, 15, 10, 0, 2, 2]
  static let addresses6: [UInt8] = (0..<32).map { UInt8($0 * 3 + 1) }

  /// A frame with `payload`. With `finished` every field is as on the wire; else the checksum field holds the pseudo
  /// header's sum, and with `segments` lengths and IP checksum are zero too: what the device is given.
  static func frame(
    _ payload: [UInt8], isIPv6: Bool = false, isTCP: Bool = true, sequence: UInt32 = 1000, identification: UInt16 = 7,
    flags: UInt8 = 0x18, finished: Bool, segments: Bool = false
  ) -> [UInt8] {
    let headerLength = isTCP ? 32 : 8
    let length = headerLength + payload.count
    var transport: [UInt8] = [0x30, 0x39, 0, 80]
    if isTCP {
      transport += (0..<4).map { UInt8(truncatingIfNeeded: sequence >> UInt32(24 - 8 * $0)) }
      transport += [0, 0, 0, 9, 0x80, flags, 0x20, 0, 0, 0, 0, 0, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]
    } else {
      transport += [UInt8(length >> 8), UInt8(length & 255), 0, 0]
    }
    let field = isTCP ? 16 : 6
    let pseudo = pseudoHeader(isIPv6: isIPv6, isTCP: isTCP, length: segments ? 0 : length)
    var value = sum(pseudo)
    if finished {
      value = ~(sum(pseudo + transport + payload)) & 0xFFFF
      if value == 0, !isTCP { value = 0xFFFF }
    }
    transport[field] = UInt8(value >> 8)
    transport[field + 1] = UInt8(value & 255)
    return ethernet(isIPv6) + network(isIPv6, isTCP, segments ? nil : length, identification) + transport + payload
  }

  static func ethernet(_ isIPv6: Bool) -> [UInt8] {
    [0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1] + (isIPv6 ? [0x86, 0xDD] : [8, 0])
  }

  static func network(_ isIPv6: Bool, _ isTCP: Bool, _ length: Int?, _ identification: UInt16) -> [UInt8] {
    let number: UInt8 = isTCP ? 6 : 17
    if isIPv6 {
      let payload = length ?? 0
      return [0x60, 0, 0, 0, UInt8(payload >> 8), UInt8(payload & 255), number, 64] + addresses6
    }
    let total = length.map { $0 + 20 } ?? 0
    var header: [UInt8] = [
      0x45, 0, UInt8(total >> 8), UInt8(total & 255), UInt8(identification >> 8), UInt8(identification & 255), 0x40, 0,
      64,
      number, 0, 0,
    ]
    header += addresses4
    if length != nil {
      let checksum = ~sum(header) & 0xFFFF
      header[10] = UInt8(checksum >> 8)
      header[11] = UInt8(checksum & 255)
    }
    return header
  }

  static func offload(isIPv6: Bool = false, isTCP: Bool = true, segmentSize: UInt16 = 0) -> TransmitOffload {
    TransmitOffload(
      insertsTransportChecksum: true, isTCP: isTCP, isIPv6: isIPv6, networkHeaderLength: isIPv6 ? 40 : 20,
      transportHeaderLength: isTCP ? 32 : 8, segmentSize: segmentSize)
  }
}
