import IntelNIC
import Memory
import Packets

/// What the descriptor says about the checksums of a frame (manual section 3.2.9 and table 3-7).
///
/// The bytes are summed once, while they are copied. Every checksum is that sum less the sum of what it does not cover,
/// which is short: headers before, padding behind (ones' complement arithmetic, RFC 1071).
///
/// Status, errors and packet checksum are in place in the second half of the descriptor.
struct ReceiveVerdict {
  /// Looks at `frame`, as it is stored, without FCS; `sum` is that of all its bytes.
  @inline(__always)
  static func fields(_ frame: RawSpan, _ control: ReceiveChecksumControl, sum: InternetChecksum) -> UInt64 {
    var fields = ignored
    if control.rawValue & 0x700 != 0 {
      // In memory order.
      let type: UInt16 = frame.loadLittleEndian(12)
      if type == 0x0008 {
        fields = checkIPv4(frame, 14, control, sum)
      } else if type == 0xDD86 || type == 0x0081 {
        fields = checkTaggedOrIPv6(frame, control, sum)
      }
    }
    if control.rawValue & 0xFF == 0 { return fields | UInt64(sum.checksum) << 16 }
    return fields | packetChecksum(frame, Int(control.start), sum)
  }

  private static var ignored: UInt64 { UInt64(ReceiveStatus.ignoreChecksum.rawValue) << 32 }
  private static var networkChecked: UInt64 { UInt64(ReceiveStatus.networkChecked.rawValue) << 32 }
  private static var networkError: UInt64 { UInt64(ReceiveErrors.networkChecksum.rawValue) << 40 }
  private static var transportChecked: UInt64 { UInt64(ReceiveStatus.transportChecked.rawValue) << 32 }
  private static var transportError: UInt64 { UInt64(ReceiveErrors.transportChecksum.rawValue) << 40 }

  /// The inverted sum of the bytes from RXCSUM.PCSS on.
  @inline(never)
  private static func packetChecksum(_ frame: RawSpan, _ start: Int, _ sum: InternetChecksum) -> UInt64 {
    start < frame.byteCount ? UInt64(~sum.rest(of: frame, from: start)) << 16 : 0
  }

  @inline(never) private static func checkTaggedOrIPv6(
    _ frame: RawSpan, _ control: ReceiveChecksumControl, _ sum: InternetChecksum
  ) -> UInt64 {
    var type: UInt16 = frame.loadBigEndian(12)
    var network = 14
    if type == 0x8100 {
      guard frame.byteCount >= 18 else { return ignored }
      type = frame.loadBigEndian(16)
      network = 18
    }
    if type == 0x0800 { return checkIPv4(frame, network, control, sum) }
    if type == 0x86DD, control.ipv6Offload { return checkIPv6(frame, network, control, sum) }
    return ignored
  }

  @inline(__always) private static func checkIPv4(
    _ frame: RawSpan, _ network: Int, _ control: ReceiveChecksumControl, _ all: InternetChecksum
  ) -> UInt64 {
    let available = frame.byteCount &- network
    guard available >= 20 else { return ignored }
    // The fixed part of the header in three words.
    let first: UInt64 = frame.loadLittleEndian(network)
    let second: UInt64 = frame.loadLittleEndian(network &+ 8)
    let third: UInt32 = frame.loadLittleEndian(network &+ 16)
    let header = Int(truncatingIfNeeded: first & 15) &* 4
    guard first & 0xF0 == 0x40, header >= 20, header <= available else { return ignored }
    var fields: UInt64 = 0
    let addresses = second >> 32 &+ UInt64(third)
    var sum = first & 0xFFFF_FFFF &+ first >> 32 &+ second & 0xFFFF_FFFF &+ addresses
    if header > 20 { sum &+= Self.sum(frame.extracting((network &+ 20)..<(network &+ header))) }
    if control.ipOffload { fields = folded(sum) == 0xFFFF ? networkChecked : networkChecked | networkError }
    let total = Int(UInt16(truncatingIfNeeded: first >> 16).byteSwapped)
    // Neither more fragments nor an offset.
    guard control.transportOffload, first & 0xFF3F_0000_0000_0000 == 0, total <= available, total > header else {
      return fields
    }
    let length = total &- header
    let number = UInt8(truncatingIfNeeded: second >> 8)
    return fields
      | checkTransport(
        frame, network &+ header, length, number,
        pseudo: addresses &+ UInt64(number) << 8 &+ UInt64(UInt16(truncatingIfNeeded: length).byteSwapped),
        before: sum &+ linkHeader(frame, network), all)
  }

  private static func checkIPv6(
    _ frame: RawSpan, _ network: Int, _ control: ReceiveChecksumControl, _ all: InternetChecksum
  ) -> UInt64 {
    guard let header = IPv6Header(frame.extracting(network..<frame.byteCount)) else { return ignored }
    let upper = header.upperLayer
    guard control.transportOffload, upper.ending == .upperLayer, !upper.hasFragmentHeader else { return 0 }
    let length = header.payloadLength &- upper.offset
    let transport = network &+ 40 &+ upper.offset
    guard length > 0, transport &+ length <= frame.byteCount else { return 0 }
    let pseudo = InternetChecksum(
      source: header.source, destination: header.destination, protocol: upper.protocol, length: length)
    return checkTransport(
      frame, transport, length, upper.protocol.rawValue, pseudo: UInt64(pseudo.folded.byteSwapped),
      before: Self.sum(frame.extracting(0..<transport)), all)
  }

  /// `pseudo` and `before` are the sums of the pseudo header, which is not zero, and of everything in front of the
  /// transport header, in memory order.
  @inline(__always) private static func checkTransport(
    _ frame: RawSpan, _ transport: Int, _ length: Int, _ number: UInt8, pseudo: UInt64, before: UInt64,
    _ all: InternetChecksum
  ) -> UInt64 {
    if number == IPProtocol.tcp.rawValue {
      guard length >= 20 else { return 0 }
    } else {
      // Without a checksum nothing is calculated.
      guard number == IPProtocol.udp.rawValue, length >= 8,
        frame.loadBigEndian(transport &+ 6, as: UInt16.self) != 0
      else { return 0 }
    }
    let end = transport &+ length
    // A sum of zero comes as all ones here; the pseudo header keeps the difference out of the result.
    let sum =
      end == frame.byteCount
      ? UInt64(all.folded.byteSwapped) &+ UInt64(~folded(before)) : Self.sum(frame.extracting(transport..<end))
    return folded(sum &+ pseudo) == 0xFFFF ? transportChecked : transportChecked | transportError
  }

  /// The sum of some bytes in memory order, in 16 bits.
  @inline(never) private static func sum(_ bytes: RawSpan) -> UInt64 {
    var sum = InternetChecksum()
    sum.add(bytes)
    return UInt64(sum.folded.byteSwapped)
  }

  /// The sum of the addresses and types in front of the network header, in memory order.
  @inline(__always) private static func linkHeader(_ frame: RawSpan, _ network: Int) -> UInt64 {
    let first: UInt64 = frame.loadLittleEndian(0)
    let second: UInt32 = frame.loadLittleEndian(8)
    let type: UInt16 = frame.loadLittleEndian(network &- 2)
    let sum = first & 0xFFFF_FFFF &+ first >> 32 &+ UInt64(second) &+ UInt64(type)
    return network == 14 ? sum : sum &+ UInt64(frame.loadLittleEndian(12, as: UInt32.self))
  }

  /// A sum of a few words in memory order, in 16 bits.
  @inline(__always) private static func folded(_ sum: UInt64) -> UInt16 {
    // The upper half of a number plus itself with its halves exchanged is the sum of the halves, carry included.
    let word = UInt32(truncatingIfNeeded: (sum &+ (sum &<< 32 | sum &>> 32)) &>> 32)
    return UInt16(truncatingIfNeeded: (word &+ (word &<< 16 | word &>> 16)) &>> 16)
  }
}
