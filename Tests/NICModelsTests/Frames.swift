import IntelNIC
import Packets

/// Frames made byte by byte, and software's own checksums and segmentation to compare the device with. Nothing here
/// uses the code under test.
enum Frames {
  static let peer = MACAddress("02:00:00:00:00:01")!

  static func octets(_ address: MACAddress) -> [UInt8] { address.octets }

  static func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
  static func big(_ value: UInt32) -> [UInt8] { big(UInt16(value >> 16)) + big(UInt16(value & 0xFFFF)) }

  static func payload(_ count: Int, seed: Int = 0) -> [UInt8] { (0..<count).map { UInt8(($0 &* 31 &+ seed) & 255) } }

  static func ethernet(
    to destination: MACAddress = peer, from source: MACAddress = ModelBench.address, type: UInt16, _ payload: [UInt8]
  ) -> [UInt8] {
    octets(destination) + octets(source) + big(type) + payload
  }

  /// A frame of `count` bytes of no particular protocol.
  static func plain(_ count: Int, to destination: MACAddress = peer, seed: Int = 0) -> [UInt8] {
    ethernet(to: destination, type: 0x88B5, payload(count - 14, seed: seed))
  }

  /// Ones' complement sum, word by word (RFC 1071 4.1).
  static func sum(_ bytes: [UInt8], _ start: UInt32 = 0) -> UInt16 {
    var sum = start
    for index in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
      sum = (sum & 0xFFFF) + (sum >> 16)
    }
    return UInt16(sum)
  }

  enum Network { case ipv4, ipv6 }
  enum Transport { case tcp, udp }

  static let v4Addresses: [UInt8] = [10, 0, 2, 15, 10, 0, 2, 2]
  static let v6Addresses: [UInt8] =
    [0xFE, 0xC0] + [UInt8](repeating: 0, count: 13) + [0x15] + [0xFE, 0xC0] + [UInt8](repeating: 0, count: 13) + [2]

  /// Sum of the pseudo header, folded and not inverted; `length` 0 leaves the length out.
  static func pseudo(_ network: Network, _ transport: Transport, length: Int) -> UInt16 {
    let number: UInt16 = transport == .tcp ? 6 : 17
    return sum((network == .ipv4 ? v4Addresses : v6Addresses) + big(number) + big(UInt32(length)))
  }

  struct Packet {
    var bytes: [UInt8]
    /// Offsets of the headers, and the length of all headers.
    var network: Int
    var transport: Int
    var header: Int
    var checksumOffset: Int { transport + (isTCP ? 16 : 6) }
    var isTCP: Bool
  }

  /// A complete packet with right checksums.
  static func packet(
    _ network: Network, _ transport: Transport, payload: [UInt8], identification: UInt16 = 0x1234,
    sequence: UInt32 = 0xFFFF_F000, flags: UInt8 = 0x18, to destination: MACAddress = peer, optionBytes: Int = 12
  ) -> Packet {
    var segment: [UInt8]
    if transport == .tcp {
      segment = big(UInt16(1025)) + big(UInt16(80)) + big(sequence) + big(UInt32(77))
      segment += [UInt8((20 + optionBytes) / 4) << 4, flags, 0x20, 0, 0, 0, 0, 0]
      segment += [UInt8](repeating: 1, count: optionBytes)
    } else {
      segment = big(UInt16(1025)) + big(UInt16(53)) + big(UInt16(8 + payload.count)) + [0, 0]
    }
    let transportHeader = segment.count
    segment += payload
    let check = transport == .tcp ? 16 : 6
    var checksum = ~sum(segment, UInt32(pseudo(network, transport, length: segment.count)))
    if transport == .udp, checksum == 0 { checksum = 0xFFFF }
    segment.replaceSubrange(check..<check + 2, with: big(checksum))
    var header: [UInt8]
    if network == .ipv4 {
      header = [0x45, 0] + big(UInt16(20 + segment.count)) + big(identification) + [0x40, 0, 64]
      header += [transport == .tcp ? 6 : 17, 0, 0] + v4Addresses
      header.replaceSubrange(10..<12, with: big(~sum(header)))
    } else {
      header = [0x60, 0, 0, 0] + big(UInt16(segment.count)) + [transport == .tcp ? 6 : 17, 64] + v6Addresses
    }
    return Packet(
      bytes: ethernet(to: destination, type: network == .ipv4 ? 0x0800 : 0x86DD, header + segment), network: 14,
      transport: 14 + header.count, header: 14 + header.count + transportHeader, isTCP: transport == .tcp)
  }

  /// What software would send instead of one large TCP or UDP packet: the same packet cut at every `size` bytes.
  static func segments(
    _ network: Network, _ transport: Transport, payload: [UInt8], size: Int, identification: UInt16 = 0x1234,
    sequence: UInt32 = 0xFFFF_F000, flags: UInt8 = 0x19
  ) -> [[UInt8]] {
    stride(from: 0, to: payload.count, by: size).enumerated().map { index, start in
      let part = Array(payload[start..<min(start + size, payload.count)])
      let isLast = start + size >= payload.count
      return packet(
        network, transport, payload: part, identification: identification &+ UInt16(index),
        sequence: sequence &+ UInt32(start), flags: isLast ? flags : flags & ~0x09
      ).bytes
    }
  }

  /// The one large packet that a driver gives to the device: lengths and checksums as section 3.5.6 wants them.
  static func large(_ network: Network, _ transport: Transport, payload: [UInt8], flags: UInt8 = 0x19) -> Packet {
    var packet = packet(network, transport, payload: [], flags: flags)
    packet.bytes += payload
    let length = packet.network + (network == .ipv4 ? 2 : 4)
    packet.bytes.replaceSubrange(length..<length + 2, with: [0, 0])
    if network == .ipv4 { packet.bytes.replaceSubrange(packet.network + 10..<packet.network + 12, with: [0, 0]) }
    packet.bytes.replaceSubrange(
      packet.checksumOffset..<packet.checksumOffset + 2, with: big(pseudo(network, transport, length: 0)))
    return packet
  }

  /// The context for `packet`.
  static func context(
    _ packet: Packet, _ network: Network, segmentSize: Int = 0, payloadLength: Int = 0, ipEnd: UInt16? = nil
  ) -> TransmitContext {
    var command: TransmitContextCommand = []
    if packet.isTCP { command.insert(.tcp) }
    if network == .ipv4 { command.insert(.ipv4) }
    if segmentSize > 0 { command.insert(.segment) }
    return TransmitContext(
      ipStart: UInt8(packet.network), ipOffset: UInt8(packet.network + 10),
      ipEnd: ipEnd ?? UInt16(packet.transport - 1), transportStart: UInt8(packet.transport),
      transportOffset: UInt8(packet.checksumOffset), transportEnd: 0, payloadLength: payloadLength,
      headerLength: UInt8(packet.header), maximumSegmentSize: UInt16(segmentSize), command: command)
  }

  /// 802.3x pause frame.
  static func pause(_ quanta: UInt16) -> [UInt8] {
    ethernet(
      to: MACAddress("01:80:c2:00:00:01")!, from: peer, type: 0x8808,
      big(UInt16(1)) + big(quanta) + [UInt8](repeating: 0, count: 42))
  }
}
