import Packets
import Testing

/// Reads every field of every view over `bytes`; the result only keeps the reads alive.
private func readEverything(_ bytes: RawSpan) -> Int {
  var total = 0
  if let ethernet = EthernetHeader(bytes) {
    total &+= ethernet.payload.byteCount &+ Int(ethernet.etherType.rawValue) &+ Int(ethernet.tag?.rawValue ?? 0)
    total &+= Int(ethernet.innerTag?.rawValue ?? 0) &+ Int(ethernet.source[0]) &+ Int(ethernet.destination[5])
  }
  if let arp = ARPPacket(bytes) { total &+= arp.fields.hashValue(of: arp) }
  if let header = IPv4Header(bytes) {
    total &+= header.options.byteCount &+ header.payload.byteCount &+ header.datagram.byteCount
    total &+= header.isChecksumValid ? 1 : 0
  }
  if let header = IPv4Header(quoted: bytes) { total &+= header.payload.byteCount &+ header.fragmentOffset }
  if let header = IPv6Header(bytes) { total &+= header.upperLayerPayload(header.upperLayer).byteCount }
  if let header = IPv6Header(quoted: bytes) { total &+= header.upperLayerPayload(header.upperLayer).byteCount }
  if let header = UDPHeader(bytes) { total &+= header.payload.byteCount &+ Int(header.checksum) }
  if let header = UDPHeader(quoted: bytes) {
    total &+= header.payload.byteCount &+ (header.isChecksumValid(InternetChecksum()) ? 1 : 0)
  }
  if let header = TCPHeader(bytes) {
    total &+= header.payload.byteCount &+ header.options.sackBlockCount &+ header.sequenceLength
    total &+= Int(header.urgentPointer) &+ (header.isChecksumValid(InternetChecksum()) ? 1 : 0)
  }
  total &+= TCPOptions(bytes).unknownCount
  if let message = ICMPv4Message(bytes) { total &+= message.payload.byteCount &+ (message.isChecksumValid ? 1 : 0) }
  if let message = ICMPv6Message(bytes) {
    total &+= message.payload.byteCount &+ (message.targetAddress == nil ? 0 : 1)
    for type in 0...6 { total &+= message.linkLayerAddress(UInt8(type)) == nil ? 0 : 1 }
  }
  if let message = DHCPMessage(bytes) {
    total &+= message.domainNameServers.count &+ message.routers.count &+ (message.hostName?.count ?? 0)
    total &+= message.joinedOption(.domainName)?.count ?? 0
  }
  if let message = try? DNSMessage(parsing: bytes) { total &+= message.encoded().count }
  return total
}

extension ARPPacket.Fields {
  fileprivate func hashValue(of packet: borrowing ARPPacket) -> Int {
    Int(packet.operation.rawValue) &+ Int(senderAddress.rawValue)
  }
}

struct HostileInputTests {
  @Test("no length of any sample frame, from any header on, traps a view or the describer")
  func truncation() {
    for (name, frame) in Samples.all {
      let bytes = frame.span.bytes
      let whole = FrameDescription.describe(bytes)
      #expect(!whole.contains("bad") && !whole.contains("truncated"), "\(name): \(whole)")
      for start in [0, 14, 18, 22, 34, 42, 54, 62] where start < frame.count {
        for count in 0...(frame.count - start) {
          let cut = bytes.extracting(start..<(start + count))
          _ = readEverything(cut)
          #expect(!FrameDescription.describe(cut).isEmpty)
          #expect(!FrameDescription.describe(packet: cut).isEmpty)
        }
      }
      for count in 0..<14 {
        #expect(FrameDescription.describe(bytes.extracting(0..<count)) == "[truncated Ethernet: \(count) bytes]")
      }
    }
  }

  @Test("frames with random changes never trap, and their description stays one line", arguments: 0..<8)
  func mutation(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let samples = Samples.all.map(\.frame)
    for _ in 0..<2500 {
      var frame = samples[Int(random.next() % UInt64(samples.count))]
      for _ in 0..<(1 + random.next() % 8) {
        let index = Int(random.next() % UInt64(frame.count))
        switch random.next() % 4 {
        case 0: frame[index] = random.byte()
        case 1: frame[index] ^= 1 << UInt8(random.next() % 8)
        case 2: frame[index] = random.next() % 2 == 0 ? 0 : 0xFF
        default: frame.removeSubrange(index...)
        }
        if frame.isEmpty { break }
      }
      let bytes = frame.span.bytes
      _ = readEverything(bytes)
      for start in [14, 34, 42, 54] { _ = readEverything(bytes.clamped(start)) }
      let line = FrameDescription.describe(bytes)
      #expect(!line.isEmpty && !line.contains("\n") && line.utf8.count < 4000)
    }
  }

  @Test("random bytes never trap")
  func noise() {
    var random = SplitMix(seed: 99)
    for _ in 0..<4000 {
      let bytes = (0..<Int(random.next() % 120)).map { _ in random.byte() }
      _ = readEverything(bytes.span.bytes)
      #expect(!FrameDescription.describe(bytes.span.bytes).isEmpty)
    }
  }

  @Test("a clamped span never reaches beyond its source")
  func clamped() {
    let bytes: [UInt8] = [1, 2, 3, 4]
    for (offset, count, expected) in [
      (0, 4, 4), (1, 9, 3), (4, 1, 0), (9, 9, 0), (-5, 2, 2), (1, -1, 0), (Int.max, Int.max, 0), (Int.min, Int.max, 4),
    ] {
      #expect(bytes.span.bytes.clamped(offset, count).byteCount == expected)
    }
  }
}
