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
      var sum = InternetChecksum()
      sum.add(frame.extracting(first..<start))
      sum.append(part, count: end &- start)
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
    let first = frame.octet(network)
    let header = Int(first & 15) &* 4
    guard first >> 4 == 4, header >= 20, header <= available else { return }
    status = []
    if control.ipOffload {
      status.insert(.networkChecked)
      var sum = InternetChecksum()
      sum.add(frame.extracting(network..<(network &+ header)))
      if !sum.isValid { errors.insert(.networkChecksum) }
    }
    let total = Int(frame.loadBigEndian(network &+ 2, as: UInt16.self))
    let fragment: UInt16 = frame.loadBigEndian(network &+ 6)
    guard control.transportOffload, fragment & 0x3FFF == 0, total <= available, total > header else { return }
    let number = IPProtocol(rawValue: frame.octet(network &+ 9))
    let length = total &- header
    let pseudo = InternetChecksum(
      source: frame.ipv4Address(network &+ 12), destination: frame.ipv4Address(network &+ 16), protocol: number,
      length: length)
    checkTransport(frame, network &+ header, length, number, pseudo, &start, &end, &part)
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
