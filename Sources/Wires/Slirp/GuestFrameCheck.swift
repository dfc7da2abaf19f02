import Packets

/// What is wrong with a frame that was to go into libslirp.
enum GuestFrameFault {
  case length, ignoredType, management, arp, ipv4, fragment, ipv6, icmp, udp, tcp, urgent, dhcp, tftp
}

/// Looks at a frame before libslirp does: a C library with a history of trusting lengths (CVE-2021-3592 to 3595 DHCP
/// and TFTP, CVE-2019-14378 fragments, CVE-2026-9539 urgent data). Only frames whose lengths are consistent down to the
/// transport header, and down to the message for libslirp's own services, go in.
struct GuestFrameCheck {
  /// Largest IP packet, bytes.
  let mtu: Int

  /// Nil if the frame is well formed. Of a fragment of IPv4 only its place is looked at; what the pieces make up is
  /// looked at as a frame of its own, which may be larger than the MTU.
  func fault(in frame: RawSpan, isAssembled: Bool = false) -> GuestFrameFault? {
    guard frame.byteCount >= 14 else { return .length }
    switch frame.loadBigEndian(12, as: UInt16.self) {
    case 0x0800: return ipv4(frame, 14, limit: isAssembled ? 65_535 : mtu)
    case 0x86DD: return ipv6(frame, 14)
    case 0x0806: return arp(frame, 14)
    case 0x88F8: return .management
    default: return .ignoredType
    }
  }

  /// True for a frame that can answer a question of libslirp's for a hardware address: ARP, or ICMPv6.
  func mayResolve(_ frame: RawSpan) -> Bool {
    let type = frame.loadBigEndian(12, as: UInt16.self)
    return type == 0x0806 || type == 0x86DD && frame.octet(20) == 58
  }

  /// RFC 826 for Ethernet and IPv4.
  private func arp(_ frame: RawSpan, _ at: Int) -> GuestFrameFault? {
    guard frame.byteCount >= at + 28, frame.loadBigEndian(at, as: UInt16.self) == 1,
      frame.loadBigEndian(at + 2, as: UInt16.self) == 0x0800, frame.octet(at + 4) == 6, frame.octet(at + 5) == 4
    else { return .arp }
    return nil
  }

  private func ipv4(_ frame: RawSpan, _ at: Int, limit: Int) -> GuestFrameFault? {
    guard frame.byteCount >= at + 20 else { return .ipv4 }
    let first = frame.octet(at)
    let headerLength = Int(first & 15) * 4
    let total = Int(frame.loadBigEndian(at + 2, as: UInt16.self))
    guard first >> 4 == 4, headerLength >= 20, total >= headerLength, total <= frame.byteCount - at, total <= limit
    else {
      return .ipv4
    }
    let fragment = frame.loadBigEndian(at + 6, as: UInt16.self)
    let offset = Int(fragment & 0x1FFF) * 8
    let payload = total - headerLength
    if fragment & 0x3FFF != 0 {
      let more = fragment & 0x2000 != 0
      guard payload > 0, !more || payload % 8 == 0, offset + payload + headerLength <= 65535 else { return .fragment }
      return nil
    }
    switch frame.octet(at + 9) {
    case 1: return payload >= 8 ? nil : .icmp
    case 6: return tcp(frame, at + headerLength, payload)
    case 17: return udp(frame, at + headerLength, payload)
    default: return nil
    }
  }

  /// libslirp follows no extension headers, so none goes in.
  private func ipv6(_ frame: RawSpan, _ at: Int) -> GuestFrameFault? {
    guard frame.byteCount >= at + 40, frame.octet(at) >> 4 == 6 else { return .ipv6 }
    let payload = Int(frame.loadBigEndian(at + 4, as: UInt16.self))
    guard payload <= frame.byteCount - at - 40, payload + 40 <= mtu else { return .ipv6 }
    switch frame.octet(at + 6) {
    case 6: return tcp(frame, at + 40, payload)
    case 17: return udp(frame, at + 40, payload)
    case 58: return icmpv6(frame, at + 40, payload)
    default: return .ipv6
    }
  }

  /// RFC 4443 and RFC 4861: messages of neighbour discovery with their options.
  private func icmpv6(_ frame: RawSpan, _ at: Int, _ length: Int) -> GuestFrameFault? {
    guard length >= 8 else { return .icmp }
    let fixed: Int
    switch frame.octet(at) {
    case 133: fixed = 8
    case 134: fixed = 16
    case 135, 136: fixed = 24
    case 137: fixed = 40
    default: return nil
    }
    guard length >= fixed else { return .icmp }
    var option = fixed
    while option < length {
      guard length - option >= 8 else { return .icmp }
      let size = Int(frame.octet(at + option + 1)) * 8
      guard size > 0, size <= length - option else { return .icmp }
      option += size
    }
    return nil
  }

  private func udp(_ frame: RawSpan, _ at: Int, _ available: Int) -> GuestFrameFault? {
    guard available >= 8 else { return .udp }
    let source = frame.loadBigEndian(at, as: UInt16.self)
    let destination = frame.loadBigEndian(at + 2, as: UInt16.self)
    let length = Int(frame.loadBigEndian(at + 4, as: UInt16.self))
    guard source != 0, destination != 0, length >= 8, length <= available else { return .udp }
    let message = length - 8
    switch destination {
    case 67:
      // RFC 951: 236 bytes, and the cookie of RFC 1497 that makes it DHCP.
      return message >= 240 ? nil : .dhcp
    case 547: return message >= 4 ? nil : .dhcp
    case 69: return isTFTP(frame, at + 8, message) ? nil : .tftp
    default: return nil
    }
  }

  /// RFC 1350: a request's strings end inside the message; other messages have at least a block number.
  private func isTFTP(_ frame: RawSpan, _ at: Int, _ length: Int) -> Bool {
    guard length >= 4 else { return false }
    let operation = frame.loadBigEndian(at, as: UInt16.self)
    return operation > 2 || frame.octet(at + length - 1) == 0
  }

  private func tcp(_ frame: RawSpan, _ at: Int, _ length: Int) -> GuestFrameFault? {
    guard length >= 20 else { return .tcp }
    let headerLength = Int(frame.octet(at + 12) >> 4) * 4
    guard headerLength >= 20, headerLength <= length, frame.loadBigEndian(at, as: UInt16.self) != 0,
      frame.loadBigEndian(at + 2, as: UInt16.self) != 0
    else { return .tcp }
    // URG: the urgent data must lie within the segment.
    if frame.octet(at + 13) & 0x20 != 0 {
      let pointer = Int(frame.loadBigEndian(at + 18, as: UInt16.self))
      guard pointer > 0, pointer <= length - headerLength else { return .urgent }
    }
    return nil
  }
}
