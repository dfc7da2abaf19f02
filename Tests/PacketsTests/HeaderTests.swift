import Packets
import Testing

struct HeaderTests {
  @Test("an Ethernet header is read behind no tag, one tag and two")
  func ethernet() {
    let plain = hex("ffffffffffff 525400123456 0800 01")
    let one = hex("ffffffffffff 525400123456 8100 b02a 0800 01")
    let two = hex("ffffffffffff 525400123456 88a8 0064 8100 002a 86dd 01")
    guard let a = EthernetHeader(plain.span.bytes), let b = EthernetHeader(one.span.bytes),
      let c = EthernetHeader(two.span.bytes)
    else {
      Issue.record("a whole header was refused")
      return
    }
    #expect(a.destination == .broadcast && a.source.rawValue == 0x5254_0012_3456)
    #expect(a.etherType == .ipv4 && a.headerLength == 14 && a.tag == nil && a.payload.byteCount == 1)
    #expect(b.tag == VLANTag(identifier: 42, priority: 5, isDropEligible: true) && b.innerTag == nil)
    #expect(b.etherType == .ipv4 && b.headerLength == 18 && b.payload.byteCount == 1)
    #expect(c.tag?.identifier == 100 && c.innerTag?.identifier == 42 && c.etherType == .ipv6 && c.headerLength == 22)
  }

  @Test("the payload in the length form ends at the length")
  func lengthForm() {
    let frame = Samples.builder.ethernet(EtherType(rawValue: 3), [1, 2, 3, 0, 0, 0])
    guard let header = EthernetHeader(frame.span.bytes) else {
      Issue.record("refused")
      return
    }
    #expect(header.etherType.isLength && header.payload.array == [1, 2, 3])
  }

  @Test("an ARP packet reads back what was written, and other hardware is refused")
  func arp() {
    var frame = Samples.builder.arpReply(from: Samples.client, to: Samples.server)
    #expect(Array(frame[14..<22]) == hex("0001 0800 06 04 0002"))
    if let packet = ARPPacket(frame.span.bytes.extracting(14..<42)) {
      #expect(packet.operation == .reply && packet.senderAddress == Samples.client)
      #expect(packet.senderHardwareAddress == Samples.builder.source && packet.targetAddress == Samples.server)
      #expect(packet.fields.targetHardwareAddress == Samples.builder.destination)
    } else {
      Issue.record("refused")
    }
    frame[15] = 6
    #expect(!isARP(frame))
  }

  private func isARP(_ frame: [UInt8]) -> Bool { ARPPacket(frame.span.bytes.clamped(14)) != nil }

  @Test("a known IPv4 header is read field by field and its checksum fits")
  func ipv4() {
    let packet = hex("4500 0073 1234 4000 4011 a62d c0a8 0001 c0a8 00c7") + [UInt8](repeating: 1, count: 100)
    guard let header = IPv4Header(packet.span.bytes) else {
      Issue.record("refused")
      return
    }
    #expect(header.totalLength == 0x73 && header.headerLength == 20 && header.identification == 0x1234)
    #expect(header.dontFragment && !header.isFragment && header.timeToLive == 64 && header.protocol == .udp)
    #expect(header.source.description == "192.168.0.1" && header.destination.description == "192.168.0.199")
    #expect(header.payload.byteCount == 0x73 - 20 && header.isChecksumValid)
  }

  @Test(
    "an IPv4 header with impossible lengths is refused",
    arguments: [(0x45, 19), (0x44, 30), (0x46, 23), (0x65, 30), (0x45, 31), (0x4F, 30)])
  func badIPv4(first: UInt8, total: UInt8) {
    var packet = [UInt8](repeating: 0, count: 30)
    packet[0] = first
    packet[3] = total
    let isAccepted = IPv4Header(packet.span.bytes) != nil
    #expect(!isAccepted)
  }

  @Test("options, fragments and the quoted form of IPv4")
  func ipv4Facets() {
    let frame = Samples.fragment
    guard let header = IPv4Header(frame.span.bytes.clamped(14)),
      let cut = IPv4Header(quoted: frame.span.bytes.clamped(14, 30))
    else {
      Issue.record("refused")
      return
    }
    #expect(header.options.array == [7, 3, 4, 0] && header.headerLength == 24 && header.isChecksumValid)
    #expect(header.isFragment && header.moreFragments && header.fragmentOffset == 1480 && !header.dontFragment)
    #expect(header.payload.byteCount == 24 && cut.payload.byteCount == 6 && cut.totalLength == 48)
  }

  @Test("a UDP length beyond the end or below the header is refused; a missing checksum counts as good")
  func udp() {
    var datagram: [UInt8] = [0, 53, 0x30, 0x39, 0, 10, 0, 0, 1, 2, 0xFF]
    if let header = UDPHeader(datagram.span.bytes) {
      #expect(header.sourcePort == 53 && header.destinationPort == 12345 && header.payload.array == [1, 2])
      let isValid = header.isChecksumValid(InternetChecksum(folded: 0x1234))
      #expect(isValid)
    } else {
      Issue.record("refused")
    }
    for length: UInt8 in [7, 12] {
      datagram[5] = length
      let isAccepted = UDPHeader(datagram.span.bytes) != nil
      #expect(!isAccepted)
    }
  }

  @Test("a TCP segment reads back what was written, with its checksum")
  func tcp() {
    let frame = Samples.data
    guard let ip = IPv6Header(frame.span.bytes.clamped(14)), let header = TCPHeader(ip.payload) else {
      Issue.record("refused")
      return
    }
    #expect(header.sourcePort == 49152 && header.destinationPort == 80)
    #expect(header.sequenceNumber == 7 && header.acknowledgmentNumber == 9 && header.flags == [.psh, .ack])
    #expect(header.window == 502 && header.payload.array == [UInt8]("hello".utf8) && header.sequenceLength == 5)
    let isValid = header.isChecksumValid(ip.pseudoHeader(protocol: .tcp, length: ip.payload.byteCount))
    let atOffset = header.bytes.loadBigEndian(TCPField.checksum, as: UInt16.self)
    #expect(isValid && atOffset == header.checksum)
    #expect(header.flags.description == "P.")
  }

  @Test("a data offset below five words or beyond the segment is refused", arguments: [0, 4, 6, 15])
  func badDataOffset(words: UInt8) {
    var segment = [UInt8](repeating: 0, count: 20)
    segment[12] = words << 4
    let isAccepted = TCPHeader(segment.span.bytes) != nil
    #expect(!isAccepted)
  }

  @Test("a changed bit anywhere in a frame breaks one of its checksums")
  func damage() {
    for frame in [Samples.syn, Samples.dns, Samples.unreachable] {
      for index in 14..<frame.count {
        var damaged = frame
        damaged[index] ^= 0x10
        let line = FrameDescription.describe(damaged.span.bytes)
        #expect(line.contains("bad") || line.contains("["), "\(index): \(line)")
        #expect(line != FrameDescription.describe(frame.span.bytes))
      }
    }
  }
}
