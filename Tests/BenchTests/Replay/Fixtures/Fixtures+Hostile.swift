import Packets

extension Fixtures {
  /// One segment without a connection.
  private static func segment(
    _ flags: TCPFlags, from: UInt16, to: UInt16, sequence: UInt32 = 0x1000, acknowledging: UInt32 = 0,
    payload: [UInt8] = []
  ) -> [UInt8] {
    CaptureScript.toStation.tcp(
      from: Cast.peer, to: Cast.station,
      TCPHeader.Fields(
        sourcePort: from, destinationPort: to, sequenceNumber: sequence, acknowledgmentNumber: acknowledging,
        flags: flags, window: 1024), payload: payload)
  }

  /// What scanners send, to an open port and to a closed one.
  static var portScan: CaptureScript {
    let script = CaptureScript("portscan", settings: ["listen tcp 80 http", "linger 2"])
    script.peerResolvesStation()
    let probes: [(String, TCPFlags)] = [
      ("SYN", .syn), ("FIN", .fin), ("NULL", []), ("XMAS", [.fin, .psh, .urg]), ("ACK", .ack),
      ("SYN-FIN", [.syn, .fin]), ("SYN-ACK", [.syn, .ack]), ("RST", .rst), ("everything", TCPFlags(rawValue: 0xFF)),
    ]
    for (index, probe) in probes.enumerated() {
      for port in [UInt16(80), 81] {
        let source = UInt16(60_000 + index)
        script.inbound(
          segment(probe.1, from: source, to: port, acknowledging: probe.1.contains(.ack) ? 0x5555 : 0),
          "\(probe.0) to \(port)")
        script.wait(5000)
        // A scanner's own kernel resets what answers.
        if port == 80 { script.inbound(segment(.rst, from: source, to: port, sequence: 0x1001)) }
        script.wait(5000)
      }
    }
    script.inbound(segment(.syn, from: 60_100, to: 81, payload: Array("data".utf8)), "SYN with data to a closed port")
    return script
  }

  /// Attempts to end or confuse a connection from outside (RFC 5961), and one that hits.
  static var resets: CaptureScript {
    let script = CaptureScript("resets", settings: ["listen tcp 7 echo", "linger 2"])
    script.peerResolvesStation()
    let connection = CapturedConnection(script, stationPort: 7, peerPort: 50_007, timestamps: false)
    connection.openedByPeer()
    func echo(_ text: String) {
      let bytes = Array(text.utf8)
      connection.fromPeer([.psh, .ack], bytes)
      script.wait(60)
      connection.fromStation([.psh, .ack], bytes)
      script.wait(300)
      connection.fromPeer(.ack)
      script.wait(600_000)
    }
    echo("before")
    let next = connection.peerNext
    connection.fromPeer(.rst, sequence: next &+ 10_000_000, comment: "reset out of the window: ignored")
    script.wait(600_000)
    connection.fromPeer(.rst, sequence: next &+ 100, comment: "reset inside the window: challenged")
    script.wait(600_000)
    connection.fromPeer(.syn, sequence: next &+ 100, comment: "SYN inside the window: challenged")
    script.wait(600_000)
    connection.fromPeer(.syn, sequence: 0x1234_5678, comment: "SYN out of the window: challenged")
    script.wait(600_000)
    connection.fromPeer(
      [.psh, .ack], Array("blind".utf8), sequence: next, acknowledging: connection.stationNext &+ 1_000_000,
      comment: "acknowledges what was never sent")
    script.wait(600_000)
    connection.fromPeer(
      .ack, Array("old".utf8), sequence: next &- 3, comment: "bytes that came long ago")
    script.wait(600_000)
    echo("still alive")
    connection.fromPeer(.rst, sequence: connection.peerNext, comment: "the exact number: it ends")
    script.wait(100_000)
    connection.fromPeer([.psh, .ack], Array("after".utf8), comment: "nobody is there any more")
    return script
  }

  /// Frames with a fault each; between them and at the end a ping that must be answered.
  static var damaged: CaptureScript {
    let script = CaptureScript("damaged", settings: ["listen tcp 80 http", "listen udp 7 echo"])
    script.peerResolvesStation()
    let ping = CaptureScript.toStation.icmp(
      from: Cast.peer, to: Cast.station, ICMPFields(type: 8, identifier: 1, sequenceNumber: 1), payload: [1, 2, 3, 4])
    let datagram = CaptureScript.toStation.udp(from: Cast.peer, 4000, to: Cast.station, 7, payload: [1, 2, 3, 4])
    let opening = segment(.syn, from: 4000, to: 80)
    func send(_ frame: [UInt8], _ comment: String, _ change: (inout [UInt8]) -> Void) {
      var frame = frame
      change(&frame)
      script.inbound(frame, comment)
      script.wait(1000)
    }
    send(ping, "IP checksum") { $0[24] ^= 1 }
    send(ping, "ICMP checksum") { $0[36] ^= 1 }
    send(datagram, "UDP checksum") { $0[40] ^= 1 }
    send(opening, "TCP checksum") { $0[50] ^= 1 }
    send(datagram, "payload changed on the way") { $0[43] ^= 0x80 }
    send(ping, "IP version 5") { $0[14] = 0x55 }
    send(ping, "IP header of 16 bytes") { $0[14] = 0x44 }
    send(ping, "IP header longer than the frame") { $0[14] = 0x4F }
    send(ping, "total length beyond the frame") { $0.summed(totalLength: 1000) }
    send(ping, "total length less than the header") { $0.summed(totalLength: 19) }
    send(datagram, "UDP length beyond the datagram") { $0.store(500, 38) }
    send(datagram, "UDP length less than its header") { $0.store(7, 38) }
    send(opening, "TCP header of 16 bytes") { $0[46] = 0x40 }
    send(opening, "TCP header beyond the segment") { $0[46] = 0xF0 }
    send(ping, "cut in the IP header") { $0.removeSubrange(24...) }
    send(ping, "cut in the Ethernet header") { $0.removeSubrange(13...) }
    send(opening, "cut in the TCP header") { $0.removeSubrange(40...) }
    send(ping, "from the broadcast address") {
      $0.replaceSubrange(26..<30, with: [255, 255, 255, 255])
      $0.summed()
    }
    send(ping, "from the loopback address") {
      $0.replaceSubrange(26..<30, with: [127, 0, 0, 1])
      $0.summed()
    }
    send(ping, "unknown protocol") {
      $0[23] = 254
      $0.summed()
    }
    send(ping, "padded behind the datagram: good") { $0 += [UInt8](repeating: 0xEE, count: 18) }
    return script
  }

  /// Data of a peer whose segments overtake each other, arrive twice, and leave holes.
  static var outOfOrder: CaptureScript {
    let script = CaptureScript("sack", settings: ["listen tcp 9 discard", "linger 2"])
    script.peerResolvesStation()
    let connection = CapturedConnection(script, stationPort: 9, peerPort: 50_009, stationInitial: 77)
    connection.openedByPeer()
    let first = connection.peerNext
    let size = 1000
    func send(_ number: Int, _ comment: String) {
      connection.fromPeer(
        .ack, CaptureScript.pattern(size), sequence: first &+ UInt32(number * size), comment: comment)
      script.wait(2000)
    }
    for number in [0, 2, 4, 6] { send(number, "segment \(number)") }
    send(4, "segment 4 again")
    send(1, "fills the first hole")
    send(0, "long acknowledged")
    send(5, "fills the third hole")
    send(3, "fills the second hole")
    connection.peerNext = first &+ UInt32(7 * size)
    connection.fromPeer(
      [.fin, .ack], sequence: connection.peerNext &+ UInt32(size), comment: "FIN before the last segment")
    script.wait(2000)
    send(7, "the last segment")
    script.wait(200_000)
    connection.fromPeer([.fin, .ack], sequence: first &+ UInt32(8 * size), comment: "FIN again")
    connection.peerNext = first &+ UInt32(8 * size + 1)
    script.wait(60)
    connection.fromStation([.fin, .ack])
    script.wait(200_000)
    connection.fromPeer(.ack)
    return script
  }

  /// What a switch port sees that is not for an IPv4 host, and a ping at the end.
  static var noise: CaptureScript {
    let script = CaptureScript("noise")
    script.peerResolvesStation()
    var tagged = CaptureScript.toStation
    tagged.tag = VLANTag(identifier: 42)
    script.ping(1, builder: tagged)
    tagged.tag = VLANTag(identifier: 0, priority: 5)
    script.ping(2, builder: tagged)
    script.wait(1000)
    let toBridges = FrameBuilder(
      source: Cast.peerHardware, destination: MACAddress(rawValue: 0x0180_C200_0000))
    script.inbound(
      toBridges.ethernet(EtherType(rawValue: 38), [0x42, 0x42, 3] + [UInt8](repeating: 0, count: 43)), "spanning tree")
    script.inbound(toBridges.ethernet(.lldp, [2, 7, 4, 2, 0, 0, 0, 0, 2, 0, 0]), "LLDP")
    script.inbound(toBridges.ethernet(.macControl, [0, 1, 0, 0] + [UInt8](repeating: 0, count: 42)), "pause of zero")
    script.inbound(CaptureScript.toStation.ethernet(EtherType(rawValue: 0x88B5), [1, 2, 3]), "experimental type")
    script.inbound(CaptureScript.toStation.ethernet(EtherType(rawValue: 1501), [1, 2, 3]), "neither length nor type")
    script.inbound(CaptureScript.toStation.ethernet(.ipv6, [0x60] + [UInt8](repeating: 0, count: 39)), "empty IPv6")
    let toGroup = FrameBuilder(source: Cast.peerHardware, destination: MACAddress(rawValue: 0x0100_5E01_0203))
    script.inbound(
      toGroup.udp(from: Cast.peer, 5000, to: IPv4Address(239, 1, 2, 3), 5000, payload: [1]), "a group not joined")
    script.wait(1000)
    let toOther = FrameBuilder(source: Cast.peerHardware, destination: Cast.otherHardware)
    script.ping(3, builder: toOther)
    script.ping(4, builder: CaptureScript.toStation, to: IPv4Address(198, 51, 100, 9))
    script.inbound([], "no bytes at all")
    script.inbound([UInt8](repeating: 0xFF, count: 14), "only a header")
    script.inbound(
      CaptureScript.toStation.ethernet(EtherType(rawValue: 0x88B5), [UInt8](repeating: 7, count: 3000)), "oversized")
    script.wait(1000)
    script.ping(5)
    return script
  }
}

extension [UInt8] {
  /// Stores a number in network order.
  mutating func store(_ value: UInt16, _ offset: Int) {
    self[offset] = UInt8(value >> 8)
    self[offset + 1] = UInt8(value & 255)
  }

  /// Corrects the checksum of the IPv4 header, which is 20 bytes, behind a change.
  mutating func summed(totalLength: UInt16? = nil) {
    if let totalLength { store(totalLength, 16) }
    store(0, 24)
    store(InternetChecksum.checksum(of: span.bytes.extracting(14..<34)), 24)
  }
}
