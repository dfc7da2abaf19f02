import Packets
import Testing

struct DHCPMessageTests {
  private func base(_ options: [UInt8]) -> [UInt8] {
    [2, 1, 6, 0] + [UInt8](repeating: 0, count: 232) + [0x63, 0x82, 0x53, 0x63] + options
  }

  @Test("an offer reads back what was written")
  func offer() {
    let frame = Samples.dhcp
    guard let ip = IPv4Header(frame.span.bytes.clamped(14)), let udp = UDPHeader(ip.payload),
      let message = DHCPMessage(udp.payload)
    else {
      Issue.record("refused")
      return
    }
    #expect(message.isReply && !message.isRequest && message.transactionIdentifier == 0xDEAD_BEEF)
    #expect(message.messageType == .offer && message.yourAddress == Samples.client)
    #expect(message.serverAddress == Samples.server && message.serverIdentifier == Samples.server)
    #expect(message.clientHardwareAddress == Samples.builder.source && message.leaseTime == 86400)
    #expect(message.subnetMask == IPv4Address(255, 255, 255, 0) && message.routers == [Samples.server])
    #expect(message.domainNameServers == [IPv4Address(10, 0, 2, 3), IPv4Address(1, 1, 1, 1)])
    #expect(message.domainName == "example.test" && message.interfaceMTU == 1400 && message.hostName == nil)
    #expect(message.bytes.byteCount >= 300)
  }

  @Test("options in the file and server name fields are found if option 52 says so", arguments: [0, 1, 2, 3])
  func overload(value: UInt8) {
    var bytes = base([0, 52, 1, value, 255])
    bytes.replaceSubrange(108..<112, with: [51, 1, 9, 255])
    bytes.replaceSubrange(44..<51, with: [51, 4, 0, 0, 1, 0, 255])
    guard let message = DHCPMessage(bytes.span.bytes) else {
      Issue.record("refused")
      return
    }
    // The file field comes first and holds a lease time of the wrong size.
    let expected: [[UInt8]?] = [nil, [9], [0, 0, 1, 0], [9, 0, 0, 1, 0]]
    let joined = message.joinedOption(.leaseTime)
    #expect(joined == expected[Int(value)])
    #expect(message.leaseTime == (value == 2 ? 256 : nil))
  }

  @Test("a long option is cut in parts and joined again (RFC 3396)")
  func long() {
    let text = String(repeating: "x", count: 600)
    let bytes = DHCPMessage.Fields(
      isRequest: true, transactionIdentifier: 1, clientHardwareAddress: .zero,
      options: [DHCPOption(.discover), DHCPOption(.domainName, text: text)]
    ).encoded()
    guard let message = DHCPMessage(bytes.span.bytes) else {
      Issue.record("refused")
      return
    }
    let joined = message.joinedOption(.domainName)
    #expect(message.messageType == .discover && joined == [UInt8](text.utf8) && message.domainName?.count == 255)
  }

  @Test(
    "options that run over the end are not there, those before are",
    arguments: [[53, 1, 5, 51], [53, 1, 5, 51, 4], [53, 1, 5, 51, 4, 0, 0, 0], [53, 1, 5, 255, 51, 4, 0, 0, 0, 1]])
  func truncated(options: [UInt8]) {
    let bytes = base(options)
    guard let message = DHCPMessage(bytes.span.bytes) else {
      Issue.record("refused")
      return
    }
    #expect(message.messageType == .acknowledge && message.leaseTime == nil)
  }

  @Test("a message without magic cookie or an unknown type is not taken for DHCP")
  func unknown() {
    var bytes = base([53, 1, 99, 255])
    if let message = DHCPMessage(bytes.span.bytes) { #expect(message.messageType == nil) }
    bytes[236] = 0
    let isAccepted = DHCPMessage(bytes.span.bytes) != nil
    #expect(!isAccepted)
  }
}
