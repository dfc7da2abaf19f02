import Packets

extension Fixtures {
  /// Requests for the station and for others, probes, announcements, nonsense.
  static var arp: CaptureScript {
    let script = CaptureScript("arp")
    script.peerResolvesStation()
    script.inbound(CaptureScript.peerToAll.arpRequest(from: Cast.peer, for: Cast.other), "for somebody else")
    script.wait(100_000)
    script.inbound(CaptureScript.toStation.arpRequest(from: Cast.peer, for: Cast.station), "unicast request")
    script.wait(40)
    script.outbound(CaptureScript.toPeer.arpReply(from: Cast.station, to: Cast.peer))
    script.wait(100_000)
    script.inbound(CaptureScript.peerToAll.arpRequest(from: .any, for: Cast.station), "probe (RFC 5227)")
    script.wait(100_000)
    script.inbound(CaptureScript.peerToAll.arpRequest(from: Cast.peer, for: Cast.peer), "announcement")
    script.wait(100_000)
    let claim = FrameBuilder(source: Cast.otherHardware, destination: .broadcast)
    script.inbound(claim.arpRequest(from: Cast.station, for: Cast.station), "somebody claims the station's address")
    script.wait(100_000)
    script.inbound(CaptureScript.toStation.arpReply(from: Cast.other, to: Cast.station), "nobody asked")
    script.wait(100_000)
    var odd = CaptureScript.peerToAll.arpRequest(from: Cast.peer, for: Cast.station)
    odd[15] = 6
    script.inbound(odd, "hardware type of IEEE 802 networks")
    odd = CaptureScript.peerToAll.arpRequest(from: Cast.peer, for: Cast.station)
    odd[21] = 9
    script.inbound(odd, "unknown operation")
    script.inbound(Array(CaptureScript.peerToAll.arpRequest(from: Cast.peer, for: Cast.station).prefix(30)), "cut")
    script.wait(100_000)
    script.inbound(CaptureScript.peerToAll.arpRequest(from: Cast.peer, for: Cast.station))
    return script
  }

  /// Echo requests of several sizes, in fragments, to the broadcast address, to others; without directions in the file.
  static var ping: CaptureScript {
    let script = CaptureScript("ping", .pcap)
    script.peerResolvesStation()
    for (sequence, count) in [(UInt16(1), 56), (2, 0), (3, 1), (4, 1472)] {
      script.ping(sequence, count: count)
      script.wait(80)
      script.outbound(
        CaptureScript.toPeer.icmp(
          from: Cast.station, to: Cast.peer, ICMPFields(type: 0, identifier: 77, sequenceNumber: sequence),
          payload: CaptureScript.pattern(count)))
      script.wait(250_000)
    }
    for fragment in fragmented(echo(5, count: 4000), protocol: .icmp, size: 1480, identification: 500) {
      script.inbound(fragment)
      script.wait(12)
    }
    script.wait(250_000)
    script.ping(6, builder: CaptureScript.peerToAll, to: IPv4Address(192, 0, 2, 255))
    script.wait(1000)
    script.ping(7, builder: CaptureScript.peerToAll, to: .broadcast)
    script.wait(1000)
    script.ping(8, to: Cast.other)
    script.wait(1000)
    // Overheard: neither for the station nor from it.
    let overheard = FrameBuilder(source: Cast.peerHardware, destination: Cast.otherHardware)
    script.ping(9, builder: overheard, to: Cast.other)
    script.wait(1000)
    script.inbound(
      CaptureScript.toStation.icmp(
        from: Cast.peer, to: Cast.station, ICMPFields(type: 13, identifier: 1, sequenceNumber: 1),
        payload: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
    script.wait(1000)
    script.ping(10)
    return script
  }

  /// Datagrams to an echo server and to closed ports.
  static var udp: CaptureScript {
    let script = CaptureScript("udp", settings: ["listen udp 7 echo", "listen udp 9 discard", "linger 2"])
    script.peerResolvesStation()
    func send(_ port: UInt16, _ payload: [UInt8], to: IPv4Address = Cast.station, _ comment: String) {
      let builder = to == Cast.station ? CaptureScript.toStation : CaptureScript.peerToAll
      script.inbound(builder.udp(from: Cast.peer, 40_000, to: to, port, payload: payload), comment)
      script.wait(100_000)
    }
    send(7, Array("hello".utf8), "echo")
    send(7, [], "empty")
    send(7, CaptureScript.pattern(1472), "a whole frame")
    send(9, [1, 2, 3], "discard")
    send(9999, [1, 2, 3], "closed port")
    send(9999, [1], to: IPv4Address(192, 0, 2, 255), "closed port, broadcast: no error (RFC 1122 3.2.2)")
    send(7, [42], to: IPv4Address(192, 0, 2, 255), "echo to the broadcast address")
    var unsummed = CaptureScript.toStation.udp(from: Cast.peer, 40_001, to: Cast.station, 7, payload: [9, 9, 9])
    unsummed[40] = 0
    unsummed[41] = 0
    script.inbound(unsummed, "without checksum")
    return script
  }

  /// Pieces of datagrams in odd order, twice, overlapping, and too few.
  static var fragments: CaptureScript {
    let script = CaptureScript("fragments", settings: ["listen udp 7 echo", "linger 35"])
    script.peerResolvesStation()
    func datagram(_ count: Int, port: UInt16) -> [UInt8] {
      Array(
        CaptureScript.toStation.udp(
          from: Cast.peer, port, to: Cast.station, 7, payload: CaptureScript.pattern(count)
        ).dropFirst(34))
    }
    func send(_ order: [Int], of pieces: [[UInt8]], _ comment: String) {
      for index in order {
        script.inbound(pieces[index], comment)
        script.wait(50)
      }
      script.wait(200_000)
    }
    var pieces = fragmented(datagram(3000, port: 1), protocol: .udp, size: 1024, identification: 1)
    send([0, 1, 2], of: pieces, "in order")
    pieces = fragmented(datagram(3000, port: 2), protocol: .udp, size: 1024, identification: 2)
    send([2, 1, 0], of: pieces, "last first")
    pieces = fragmented(datagram(3000, port: 3), protocol: .udp, size: 1024, identification: 3)
    send([1, 1, 0, 0, 2], of: pieces, "each twice")
    pieces = fragmented(datagram(64, port: 4), protocol: .udp, size: 8, identification: 4)
    send(Array(pieces.indices.reversed()), of: pieces, "eight bytes each, backwards")
    let first = fragmented(datagram(2000, port: 5), protocol: .udp, size: 1024, identification: 5)
    let second = fragmented(datagram(2000, port: 5), protocol: .udp, size: 512, identification: 5)
    script.inbound(first[0], "overlapping")
    script.inbound(second[1], "overlapping: bytes that came already")
    script.inbound(first[1], "overlapping: the rest")
    script.wait(200_000)
    let whole = datagram(2000, port: 8)
    let third = fragmented(whole, protocol: .udp, size: 1024, identification: 8)
    let across = FrameBuilder(source: Cast.peerHardware, destination: Cast.stationHardware, identification: 8)
    script.inbound(third[0], "overlapping in part")
    script.inbound(
      across.ipv4(
        from: Cast.peer, to: Cast.station, .udp, moreFragments: true, fragmentOffset: 512,
        payload: Array(whole[512..<1536])), "overlapping in part: across the border")
    script.inbound(third[1], "overlapping in part: the rest")
    script.wait(200_000)
    let other = fragmented(datagram(1500, port: 6), protocol: .udp, size: 1024, identification: 6)
    script.inbound(other[1], "the first piece is missing")
    let lost = fragmented(datagram(1500, port: 7), protocol: .udp, size: 1024, identification: 7)
    script.inbound(lost[0], "the last piece is missing")
    script.wait(200_000)
    script.inbound(
      CaptureScript.toStation.ipv4(
        from: Cast.peer, to: Cast.station, .udp, fragmentOffset: 65_528, payload: CaptureScript.pattern(100)),
      "behind the end of every datagram")
    script.wait(1000)
    script.ping(1)
    return script
  }

  static func echo(_ sequence: UInt16, count: Int) -> [UInt8] {
    let frame = CaptureScript.toStation.icmp(
      from: Cast.peer, to: Cast.station, ICMPFields(type: 8, identifier: 77, sequenceNumber: sequence),
      payload: CaptureScript.pattern(count))
    return Array(frame.dropFirst(34))
  }

  /// A datagram's payload in pieces of `size` bytes, a multiple of eight.
  static func fragmented(
    _ payload: [UInt8], protocol: IPProtocol, size: Int, identification: UInt16
  ) -> [[UInt8]] {
    let builder = FrameBuilder(
      source: Cast.peerHardware, destination: Cast.stationHardware, identification: identification)
    return stride(from: 0, to: payload.count, by: size).map { offset in
      let end = min(offset + size, payload.count)
      return builder.ipv4(
        from: Cast.peer, to: Cast.station, `protocol`, moreFragments: end < payload.count,
        fragmentOffset: UInt16(offset), payload: Array(payload[offset..<end]))
    }
  }
}
