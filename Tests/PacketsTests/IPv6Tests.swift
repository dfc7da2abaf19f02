import Packets
import Testing

struct IPv6Tests {
  private func upper(_ next: UInt8, _ chain: [UInt8]) -> IPv6UpperLayer? {
    let frame = Samples.builder.ipv6(
      from: Samples.client6, to: Samples.server6, IPProtocol(rawValue: next), flowLabel: 0xABCDE, payload: chain)
    guard let header = IPv6Header(frame.span.bytes.clamped(14)) else { return nil }
    return header.upperLayer
  }

  @Test("a header reads back what was written")
  func fields() {
    var builder = Samples.builder
    builder.typeOfService = 0xB3
    builder.timeToLive = 255
    let frame = builder.ipv6(
      from: Samples.client6, to: Samples.server6, .udp, flowLabel: 0xFFABCDE, payload: [1, 2, 3])
    let padded = frame + [0, 0]
    guard let header = IPv6Header(padded.span.bytes.clamped(14)) else {
      Issue.record("refused")
      return
    }
    #expect(header.trafficClass == 0xB3 && header.congestionNotification == 3 && header.flowLabel == 0xABCDE)
    #expect(header.hopLimit == 255 && header.nextHeader == .udp && header.payload.array == [1, 2, 3])
    #expect(header.source == Samples.client6 && header.destination == Samples.server6)
    let isCutAccepted = IPv6Header(frame.span.bytes.clamped(14, 42)) != nil
    let isQuoteAccepted = IPv6Header(quoted: frame.span.bytes.clamped(14, 42)) != nil
    #expect(!isCutAccepted && isQuoteAccepted)
  }

  @Test("no extension headers: the upper layer starts at once")
  func none() {
    let found = upper(17, [0, 1, 0, 2, 0, 8, 0, 0])
    #expect(found?.ending == .upperLayer && found?.protocol == .udp && found?.offset == 0)
    #expect(found?.nextHeaderOffset == -1 && found?.hasFragmentHeader == false)
  }

  @Test("hop-by-hop, destination options and fragment headers are walked over")
  func chain() {
    let found = upper(
      0, [60, 0, 1, 4, 0, 0, 0, 0] + [44, 1, 1, 12] + [UInt8](repeating: 0, count: 12) + [6, 0, 0, 1, 0, 0, 0, 9])
    #expect(found?.ending == .upperLayer && found?.protocol == .tcp && found?.offset == 32)
    #expect(found?.nextHeaderOffset == 24)
    #expect(found?.hasFragmentHeader == true && found?.moreFragments == true && found?.identification == 9)
  }

  @Test("the length of an authentication header counts in words of four bytes")
  func authentication() {
    let found = upper(51, [17, 4] + [UInt8](repeating: 0, count: 22) + [1, 2, 3])
    #expect(found?.ending == .upperLayer && found?.protocol == .udp && found?.offset == 24)
  }

  @Test("the walk ends at a later fragment, at nothing, at damage and at too many headers")
  func endings() {
    let later = upper(44, [17, 0, 0x05, 0xC8, 0, 0, 0, 1, 0xAA])
    #expect(later?.ending == .laterFragment && later?.fragmentOffset == 1480 && later?.offset == 8)
    #expect(upper(59, [1, 2, 3])?.ending == .nothingFollows)
    #expect(upper(60, [17, 1, 0, 0, 0, 0, 0, 0])?.ending == .truncated)
    #expect(upper(43, [17, 0, 0])?.ending == .truncated)
    #expect(upper(44, [17, 0, 0, 0, 0, 0, 0])?.ending == .truncated)
    #expect(upper(60, [0, 0, 0, 0, 0, 0, 0, 0] + [17, 0, 0, 0, 0, 0, 0, 0])?.ending == .refused)
    let limit = IPv6Header.extensionLimit
    func many(_ count: Int) -> [UInt8] {
      (0..<count).flatMap { [UInt8($0 == count - 1 ? 17 : 60), 0, 1, 4, 0, 0, 0, 0] }
    }
    #expect(upper(60, many(limit))?.ending == .upperLayer)
    #expect(upper(60, many(limit + 1))?.ending == .refused)
  }

  @Test("ICMPv6 verifies under the pseudo header and gives up its target and options")
  func neighborAdvertisement() {
    let frame = Samples.neighborAdvertisement
    guard let header = IPv6Header(frame.span.bytes.clamped(14)), let message = ICMPv6Message(header.payload) else {
      Issue.record("refused")
      return
    }
    let isValid = message.isChecksumValid(source: header.source, destination: header.destination)
    let isForOthers = message.isChecksumValid(source: header.source, destination: .allNodes)
    let address = message.linkLayerAddress(2)
    let missing = message.linkLayerAddress(1)
    #expect(isValid && !isForOthers && message.kind == .neighborAdvertisement)
    #expect(message.targetAddress == Samples.server6 && address == Samples.builder.destination && missing == nil)
  }

  @Test("a neighbour discovery option of length zero or beyond the end stops the search", arguments: [0, 2, 255])
  func badOption(length: UInt8) {
    var bytes = [UInt8](repeating: 0, count: 32)
    bytes[0] = 135
    bytes[24] = 1
    bytes[25] = length
    guard let message = ICMPv6Message(bytes.span.bytes) else {
      Issue.record("refused")
      return
    }
    let address = message.linkLayerAddress(1)
    #expect(address == nil)
  }

  @Test("ICMP for IPv4 reads echo, MTU and quoted datagram")
  func icmpv4() {
    let frame = Samples.unreachable
    guard let header = IPv4Header(frame.span.bytes.clamped(14)), let message = ICMPv4Message(header.payload),
      let quoted = IPv4Header(quoted: message.payload), let datagram = UDPHeader(quoted: quoted.payload)
    else {
      Issue.record("refused")
      return
    }
    #expect(message.kind == .destinationUnreachable && message.kind.isError && message.code == 3)
    #expect(message.isChecksumValid && quoted.destination == Samples.client && datagram.destinationPort == 40000)
    let needed = hex("0304 0000 0000 05dc 01")
    if let message = ICMPv4Message(needed.span.bytes) {
      #expect(message.nextHopMTU == 1500 && !message.isChecksumValid)
    }
    let echo = hex("0800 0000 1234 0001")
    if let message = ICMPv4Message(echo.span.bytes) {
      #expect(message.identifier == 0x1234 && message.sequenceNumber == 1 && !message.kind.isError)
    }
  }
}
