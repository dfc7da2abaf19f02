import IntelNIC
import Memory
import Packets

/// What the descriptor says about the checksums of a frame (manual section 3.2.9 and table 3-7).
struct ReceiveVerdict {
  var status: ReceiveStatus = .ignoreChecksum
  var errors: ReceiveErrors = []
  /// Inverted sum of the bytes from RXCSUM.PCSS on.
  var packetChecksum: UInt16 = 0

  /// Looks at `frame`, as it is stored, without FCS. One pass over the payload serves both the transport checksum and the
  /// packet checksum.
  init(_ frame: RawSpan, _ control: ReceiveChecksumControl) {
    let size = frame.byteCount
    // The stretch that has been summed already, and its sum.
    var start = size
    var end = size
    var part = InternetChecksum()
    if control.rawValue & 0x700 != 0 {
      let type: UInt16 = frame.loadBigEndian(12)
      var network = 14
      var networkType = type
      if type == 0x8100, size >= 18 {
        networkType = frame.loadBigEndian(16)
        network = 18
      }
      if networkType == 0x0800 {
        checkIPv4(frame, network, control, &start, &end, &part)
      } else if networkType == 0x86DD, control.ipv6Offload {
        checkIPv6(frame, network, control, &start, &end, &part)
      }
    }
    let first = Int(control.start)
    guard first < size else { return }
    if first <= start, start < end {
      var sum = part
      if first < start {
        sum = InternetChecksum()
        sum.add(frame.extracting(first..<start))
        sum.append(part, count: end &- start)
      }
      if end < size { sum.add(frame.extracting(end..<size)) }
      packetChecksum = sum.checksum
    } else {
      packetChecksum = InternetChecksum.checksum(of: frame.extracting(first..<size))
    }
  }

  @inline(__always) private mutating func checkIPv4(
    _ frame: RawSpan, _ network: Int, _ control: ReceiveChecksumControl, _ start: inout Int, _ end: inout Int,
    _ part: inout InternetChecksum
  ) {
    let available = frame.byteCount &- network
    guard available >= 20 else { return }
    // The fixed part of the header in three words.
    let first: UInt64 = frame.loadLittleEndian(network)
    let second: UInt64 = frame.loadLittleEndian(network &+ 8)
    let third: UInt32 = frame.loadLittleEndian(network &+ 16)
    let header = Int(truncatingIfNeeded: first & 15) &* 4
    guard first & 0xF0 == 0x40, header >= 20, header <= available else { return }
    status = []
    if control.ipOffload {
      status.insert(.networkChecked)
      var sum = first & 0xFFFF_FFFF &+ first >> 32 &+ second & 0xFFFF_FFFF &+ second >> 32 &+ UInt64(third)
      sum = sum & 0xFFFF &+ sum >> 16
      sum = sum & 0xFFFF &+ sum >> 16
      sum = sum & 0xFFFF &+ sum >> 16
      if header > 20 {
        var all = InternetChecksum(folded: UInt16(truncatingIfNeeded: sum).byteSwapped)
        all.add(frame.extracting((network &+ 20)..<(network &+ header)))
        sum = all.isValid ? 0xFFFF : 0
      }
      if sum != 0xFFFF { errors.insert(.networkChecksum) }
    }
    let total = Int(UInt16(truncatingIfNeeded: first >> 16).byteSwapped)
    // Neither more fragments nor an offset.
    guard control.transportOffload, first & 0xFF3F_0000_0000_0000 == 0, total <= available, total > header else {
      return
    }
    let length = total &- header
    let number = UInt8(truncatingIfNeeded: second >> 8)
    var sum = second >> 32 &+ UInt64(third) &+ UInt64(number) << 8
    sum = sum &+ UInt64(UInt16(truncatingIfNeeded: length).byteSwapped)
    sum = sum & 0xFFFF &+ sum >> 16
    sum = sum & 0xFFFF &+ sum >> 16
    sum = sum & 0xFFFF &+ sum >> 16
    let pseudo = InternetChecksum(folded: UInt16(truncatingIfNeeded: sum).byteSwapped)
    checkTransport(
      frame, network &+ header, length, IPProtocol(rawValue: number), pseudo, &start, &end, &part)
  }

  private mutating func checkIPv6(
    _ frame: RawSpan, _ network: Int, _ control: ReceiveChecksumControl, _ start: inout Int, _ end: inout Int,
    _ part: inout InternetChecksum
  ) {
    guard let header = IPv6Header(frame.extracting(network..<frame.byteCount)) else { return }
    status = []
    let upper = header.upperLayer
    guard control.transportOffload, upper.ending == .upperLayer, !upper.hasFragmentHeader else { return }
    let length = header.payloadLength &- upper.offset
    let transport = network &+ 40 &+ upper.offset
    guard length > 0, transport &+ length <= frame.byteCount else { return }
    let pseudo = InternetChecksum(
      source: header.source, destination: header.destination, protocol: upper.protocol, length: length)
    checkTransport(frame, transport, length, upper.protocol, pseudo, &start, &end, &part)
  }

  @inline(__always) private mutating func checkTransport(
    _ frame: RawSpan, _ transport: Int, _ length: Int, _ number: IPProtocol, _ pseudo: InternetChecksum,
    _ start: inout Int, _ end: inout Int, _ part: inout InternetChecksum
  ) {
    switch number {
    case .tcp: guard length >= 20 else { return }
    case .udp:
      // No checksum was sent: nothing is calculated.
      guard length >= 8, frame.loadBigEndian(transport &+ 6, as: UInt16.self) != 0 else { return }
    default: return
    }
    start = transport
    end = transport &+ length
    part.add(frame.extracting(start..<end))
    var sum = pseudo
    sum.append(part, count: length)
    status.insert(.transportChecked)
    if !sum.isValid { errors.insert(.transportChecksum) }
  }
}
