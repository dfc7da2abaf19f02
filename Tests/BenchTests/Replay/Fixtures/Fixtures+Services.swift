import Packets

extension Fixtures {
  static let nameServer = IPv4Address(192, 0, 2, 53)

  private static func name(_ text: String) -> DNSName { DNSName(text) ?? .root }

  private static func ask(_ script: CaptureScript, _ query: DNSMessage, port: UInt16) {
    script.outbound(
      CaptureScript.toPeer.udp(from: Cast.station, port, to: nameServer, 53, payload: query.encoded()))
  }

  private static func answer(_ script: CaptureScript, _ message: DNSMessage, port: UInt16, _ comment: String) {
    script.inbound(
      CaptureScript.toStation.udp(from: nameServer, 53, to: Cast.station, port, payload: message.encoded()), comment)
  }

  /// The station looks a name up: a forged answer, a truncated one, and the whole one over TCP, through an alias.
  static var dns: CaptureScript {
    let script = CaptureScript("dns", settings: ["resolve www.example.test via 192.0.2.53", "linger 2"])
    script.stationResolvesPeer(as: nameServer)
    let query = DNSMessage.query(identifier: 0x1234, name: name("www.example.test"), type: .a)
    ask(script, query, port: 41_000)
    script.wait(400)
    var forged = query.response([DNSRecord(name: name("www.example.test"), timeToLive: 60, address: Cast.other)])
    forged.identifier = 0x1235
    answer(script, forged, port: 41_000, "another identifier")
    script.wait(400)
    var truncated = query.response()
    truncated.isTruncated = true
    answer(script, truncated, port: 41_000, "truncated")
    script.wait(50)
    let connection = CapturedConnection(script, peer: nameServer, stationPort: 52_000, peerPort: 53)
    connection.openedByStation()
    let second = DNSMessage.query(identifier: 0x4321, name: name("www.example.test"), type: .a)
    let asked = second.encoded()
    connection.fromStation([.psh, .ack], [0, UInt8(asked.count)] + asked)
    script.wait(300)
    connection.fromPeer(.ack)
    script.wait(500)
    return script.answeringOverTCP(connection, second, name("www.example.test"), alias: name("web.example.test"))
  }

  /// The name server's port is closed: the errors quote what the station sent.
  static var unreachable: CaptureScript {
    let script = CaptureScript(
      "unreachable", .pcap, settings: ["resolve www.example.test via 192.0.2.53", "linger 1"])
    script.stationResolvesPeer(as: nameServer)
    let query = DNSMessage.query(identifier: 0x7777, name: name("www.example.test"), type: .a)
    let sent = CaptureScript.toPeer.udp(from: Cast.station, 43_000, to: nameServer, 53, payload: query.encoded())
    script.outbound(sent)
    script.wait(250)
    script.inbound(
      CaptureScript.toStation.icmp(
        from: nameServer, to: Cast.station, ICMPFields(type: 3, code: 3), payload: Array(sent.dropFirst(14))))
    return script
  }

  /// DISCOVER, OFFER, REQUEST, ACK; an offer to somebody else before.
  static var dhcp: CaptureScript {
    let script = CaptureScript("dhcp", base: ["mac 02:00:00:00:00:01"], settings: ["dhcp"])
    let lease = IPv4Address(192, 0, 2, 1)
    let server = IPv4Address(192, 0, 2, 254)
    func send(_ type: DHCPMessageType, _ options: [DHCPOption]) {
      let fields = DHCPMessage.Fields(
        isRequest: true, transactionIdentifier: 0xCAFE_0001, clientHardwareAddress: Cast.stationHardware,
        options: [DHCPOption(type)] + options)
      script.outbound(
        CaptureScript.stationToAll.udp(from: .any, 68, to: .broadcast, 67, payload: fields.encoded()))
    }
    func reply(_ type: DHCPMessageType, transaction: UInt32, to hardware: MACAddress, _ comment: String) {
      let fields = DHCPMessage.Fields(
        isRequest: false, transactionIdentifier: transaction, clientHardwareAddress: hardware, yourAddress: lease,
        options: [
          DHCPOption(type), DHCPOption(.serverIdentifier, server),
          DHCPOption(.leaseTime, number: UInt32(3600)), DHCPOption(.subnetMask, IPv4Address(255, 255, 255, 0)),
          DHCPOption(.router, server), DHCPOption(.domainNameServer, nameServer),
        ])
      script.inbound(
        FrameBuilder(source: Cast.peerHardware, destination: .broadcast).udp(
          from: server, 67, to: .broadcast, 68, payload: fields.encoded()), comment)
    }
    send(.discover, [])
    script.wait(800)
    reply(.offer, transaction: 0xCAFE_0002, to: Cast.otherHardware, "for somebody else")
    script.wait(100)
    reply(.offer, transaction: 0xCAFE_0001, to: Cast.stationHardware, "offer")
    script.wait(100)
    send(.request, [DHCPOption(.requestedAddress, lease), DHCPOption(.serverIdentifier, server)])
    script.wait(700)
    reply(.acknowledge, transaction: 0xCAFE_0001, to: Cast.stationHardware, "lease")
    script.wait(500_000)
    script.inbound(CaptureScript.peerToAll.arpRequest(from: Cast.peer, for: lease), "the station has the address now")
    return script
  }

  private static func response(_ count: Int) -> [UInt8] {
    Array("HTTP/1.1 200 OK\r\nServer: fixture\r\nContent-Length: \(count)\r\nConnection: close\r\n\r\n".utf8)
      + CaptureScript.pattern(count)
  }

  /// A fetch as another client made it, with a longer request than the station's own.
  static var fetch: CaptureScript {
    let script = CaptureScript("fetch", settings: ["fetch http://192.0.2.2/index.html", "linger 2"])
    script.stationResolvesPeer()
    let connection = CapturedConnection(script, stationPort: 40_404, peerPort: 80)
    connection.openedByStation()
    let agent = "User-Agent: another-client/8.14.1 (some-platform)\r\nAccept-Language: en\r\nAccept: */*\r\n"
    let request = "GET /index.html HTTP/1.1\r\nHost: 192.0.2.2\r\n\(agent)Connection: close\r\n\r\n"
    connection.fromStation([.psh, .ack], Array(request.utf8))
    script.wait(300)
    connection.fromPeer(.ack)
    script.wait(900)
    let bytes = response(6000)
    for start in stride(from: 0, to: bytes.count, by: 1448) {
      let end = min(start + 1448, bytes.count)
      connection.fromPeer(end == bytes.count ? [.psh, .ack] : .ack, Array(bytes[start..<end]))
      script.wait(15)
      if start == 1448 { connection.fromStation(.ack) }
    }
    connection.fromStation(.ack)
    script.wait(40)
    connection.fromPeer([.fin, .ack])
    script.wait(60)
    connection.fromStation([.fin, .ack])
    script.wait(300)
    connection.fromPeer(.ack)
    return script
  }

  /// Nobody listens where the station connects to.
  static var refused: CaptureScript {
    let script = CaptureScript("refused", settings: ["fetch http://192.0.2.2:8080/"])
    script.stationResolvesPeer()
    let connection = CapturedConnection(script, stationPort: 40_405, peerPort: 8080)
    connection.fromStation(.syn)
    script.wait(300)
    connection.hasTimestamps = false
    connection.fromPeer([.rst, .ack], sequence: 0, window: 0)
    return script
  }

  /// Two requests to the station's server; without directions in the file.
  static var serve: CaptureScript {
    let script = CaptureScript("serve", .pcap, settings: ["listen tcp 80 http", "linger 2"])
    script.peerResolvesStation()
    for (port, path, status, count) in [
      (UInt16(50_001), "/bytes/5000", "200 OK", 5000), (50_002, "/missing", "404 Not Found", 10),
    ] {
      let connection = CapturedConnection(
        script, stationPort: 80, peerPort: port, stationInitial: 0x9000_0000 + UInt32(port))
      connection.openedByPeer()
      connection.fromPeer([.psh, .ack], Array("GET \(path) HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".utf8))
      script.wait(60)
      connection.fromStation(.ack)
      script.wait(200)
      let body = count == 10 ? Array("not found\n".utf8) : (0..<count).map { UInt8(truncatingIfNeeded: $0) }
      let head = "HTTP/1.1 \(status)\r\nContent-Length: \(count)\r\nConnection: close\r\n\r\n"
      let bytes = Array(head.utf8) + body
      for start in stride(from: 0, to: bytes.count, by: 1448) {
        connection.fromStation([.psh, .ack], Array(bytes[start..<min(start + 1448, bytes.count)]))
      }
      connection.fromStation([.fin, .ack])
      script.wait(300)
      connection.fromPeer(.ack)
      script.wait(50)
      connection.fromPeer([.fin, .ack])
      script.wait(100)
      connection.fromStation(.ack)
      script.wait(100_000)
    }
    return script
  }
}

extension CaptureScript {
  /// The rest of a DNS exchange over TCP: the answer through an alias, in two segments, and the close.
  func answeringOverTCP(
    _ connection: CapturedConnection, _ query: DNSMessage, _ name: DNSName, alias: DNSName
  ) -> CaptureScript {
    let message = query.response([
      DNSRecord(name: name, timeToLive: 300, alias: alias),
      DNSRecord(name: alias, timeToLive: 60, address: IPv4Address(192, 0, 2, 80)),
      DNSRecord(name: alias, timeToLive: 60, address: IPv4Address(192, 0, 2, 81)),
    ]).encoded()
    let framed = [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
    connection.fromPeer(.ack, Array(framed[..<30]))
    wait(20)
    connection.fromPeer([.psh, .ack], Array(framed[30...]))
    wait(60)
    connection.fromStation(.ack)
    wait(20)
    connection.fromStation([.fin, .ack])
    wait(300)
    connection.fromPeer([.fin, .ack])
    wait(20)
    connection.fromStation(.ack)
    return self
  }
}
