extension FrameDescription {
  /// `sum` is the pseudo header's, or nil if the checksum cannot be verified.
  static func transport(
    _ protocol: IPProtocol, _ payload: RawSpan, source: String, destination: String, bracket: Bool,
    sum: InternetChecksum?
  ) -> String {
    func ends(_ a: UInt16, _ b: UInt16) -> String {
      bracket ? "[\(source)]:\(a) > [\(destination)]:\(b)" : "\(source):\(a) > \(destination):\(b)"
    }
    switch `protocol` {
    case .tcp:
      guard let header = TCPHeader(payload) else { break }
      return "\(ends(header.sourcePort, header.destinationPort)) TCP " + tcp(header, sum)
    case .udp:
      guard let header = UDPHeader(quoted: payload) else { break }
      return "\(ends(header.sourcePort, header.destinationPort)) " + udp(header, sum)
    case .icmp:
      guard let message = ICMPv4Message(payload) else { break }
      let mark = sum == nil || message.isChecksumValid ? "" : " [bad ICMP checksum]"
      return "\(source) > \(destination) ICMP " + icmp(message) + mark
    case .icmpv6:
      guard let message = ICMPv6Message(payload) else { break }
      var isValid = true
      if var sum {
        sum.add(payload)
        isValid = sum.isValid
      }
      return "\(source) > \(destination) ICMPv6 " + icmpv6(message) + (isValid ? "" : " [bad ICMPv6 checksum]")
    default: return "\(source) > \(destination) \(`protocol`) length \(payload.byteCount)"
    }
    return "\(source) > \(destination) \(`protocol`) [truncated or bad header: \(payload.byteCount) bytes]"
  }

  static func tcp(_ header: TCPHeader, _ sum: InternetChecksum?) -> String {
    let flags = header.flags
    let length = header.payload.byteCount
    let first = header.sequenceNumber
    var text = "[\(flags)] seq \(first)"
    if length > 0 { text += "..<\(first &+ UInt32(truncatingIfNeeded: length))" }
    if flags.contains(.ack) { text += " ack \(header.acknowledgmentNumber)" }
    text += " win \(header.window)"
    if flags.contains(.urg) { text += " urg \(header.urgentPointer)" }
    let options = header.options
    if let size = options.maximumSegmentSize { text += " mss \(size)" }
    if options.isSACKPermitted { text += " sackOK" }
    if options.hasTimestamps { text += " ts \(options.timestampValue)/\(options.timestampEcho)" }
    if let scale = options.windowScale { text += " wscale \(scale)" }
    for index in 0..<options.sackBlockCount {
      let block = options.sackBlock(index)
      text += " sack \(block.left)..<\(block.right)"
    }
    if let cookie = options.fastOpenCookie { text += cookie.isRequest ? " tfo request" : " tfo \(cookie.count) bytes" }
    if options.unknownCount > 0 { text += " \(options.unknownCount) unknown options" }
    if options.isMalformed { text += " [bad options]" }
    text += " length \(length)"
    if let sum, !header.isChecksumValid(sum) { text += " [bad TCP checksum]" }
    return text
  }

  static func udp(_ header: UDPHeader, _ sum: InternetChecksum?) -> String {
    let payload = header.payload
    var text: String
    switch (header.sourcePort, header.destinationPort) {
    case (53, _), (_, 53): text = "DNS " + dns(payload)
    case (67, _), (68, _), (_, 67), (_, 68): text = "DHCP " + dhcp(payload)
    default: text = "UDP length \(header.length - 8)"
    }
    if payload.byteCount < header.length - 8 {
      text += " [truncated: \(payload.byteCount) of \(header.length - 8) bytes]"
    } else if let sum, !header.isChecksumValid(sum) {
      text += " [bad UDP checksum]"
    }
    return text
  }

  static func icmp(_ message: ICMPv4Message) -> String {
    switch message.kind {
    case .echoRequest: return "echo request id \(message.identifier) seq \(message.sequenceNumber)"
    case .echoReply: return "echo reply id \(message.identifier) seq \(message.sequenceNumber)"
    case .destinationUnreachable where message.code == UnreachableText.fragmentationNeeded:
      return "fragmentation needed, mtu \(message.nextHopMTU)" + quoted(message)
    case .destinationUnreachable: return UnreachableText.of(message.code) + " unreachable" + quoted(message)
    case .timeExceeded: return "time exceeded" + quoted(message)
    case .redirect: return "redirect to \(message.gateway)" + quoted(message)
    case .parameterProblem: return "parameter problem at \(message.pointer)" + quoted(message)
    default: return "type \(message.kind.rawValue) code \(message.code)"
    }
  }

  private enum UnreachableText {
    static let fragmentationNeeded = ICMPv4Message.UnreachableCode.fragmentationNeeded
    static func of(_ code: UInt8) -> String {
      switch code {
      case ICMPv4Message.UnreachableCode.network: "network"
      case ICMPv4Message.UnreachableCode.host: "host"
      case ICMPv4Message.UnreachableCode.protocol: "protocol"
      case ICMPv4Message.UnreachableCode.port: "port"
      default: "destination (code \(code))"
      }
    }
  }

  private static func quoted(_ message: ICMPv4Message) -> String {
    guard let header = IPv4Header(quoted: message.payload) else { return " [truncated quote]" }
    return " for \(header.source) > \(header.destination) \(header.protocol)"
  }

  static func icmpv6(_ message: ICMPv6Message) -> String {
    switch message.kind {
    case .echoRequest: return "echo request id \(message.identifier) seq \(message.sequenceNumber)"
    case .echoReply: return "echo reply id \(message.identifier) seq \(message.sequenceNumber)"
    case .destinationUnreachable: return "unreachable (code \(message.code))"
    case .packetTooBig: return "packet too big, mtu \(message.parameter)"
    case .timeExceeded: return "time exceeded"
    case .parameterProblem: return "parameter problem at \(message.parameter)"
    case .routerSolicitation: return "router solicitation"
    case .routerAdvertisement: return "router advertisement"
    case .neighborSolicitation:
      return "neighbor solicitation " + (message.targetAddress.map { "who has \($0)?" } ?? "[truncated]")
    case .neighborAdvertisement:
      guard let target = message.targetAddress else { return "neighbor advertisement [truncated]" }
      return "neighbor advertisement \(target)" + (message.linkLayerAddress(2).map { " is at \($0)" } ?? "")
    default: return "type \(message.kind.rawValue) code \(message.code)"
    }
  }

  static func dhcp(_ payload: RawSpan) -> String {
    guard let message = DHCPMessage(payload) else { return "[truncated or bad message: \(payload.byteCount) bytes]" }
    var text =
      "\(message.messageType.map { "\($0)" } ?? "BOOTP") xid \(hexadecimal(message.transactionIdentifier, digits: 8))"
    if let address = message.clientHardwareAddress { text += " from \(address)" }
    if message.yourAddress != .any { text += " your address \(message.yourAddress)" }
    if let address = message.requestedAddress { text += " wants \(address)" }
    if let address = message.serverIdentifier { text += " server \(address)" }
    if let lease = message.leaseTime { text += " lease \(lease) s" }
    return text
  }

  static func dns(_ payload: RawSpan) -> String {
    do throws(DNSError) {
      let message = try DNSMessage(parsing: payload)
      var text = "\(message.isResponse ? "response" : "query") \(message.identifier)"
      if let question = message.questions.first { text += " \(question.type) \(question.name)?" }
      if message.isResponse {
        if message.responseCode != .noError { text += " code \(message.responseCode.rawValue)" }
        for answer in message.answers.prefix(4) { text += " \(answer.type) \(answer.data.shortText)" }
        if message.answers.count > 4 { text += " and \(message.answers.count - 4) more" }
      }
      return text + (message.isTruncated ? " [TC]" : "")
    } catch {
      return "[truncated or bad message: \(payload.byteCount) bytes]"
    }
  }
}

extension DNSRecord.Content {
  fileprivate var shortText: String {
    switch self {
    case .a(let address): "\(address)"
    case .aaaa(let address): "\(address)"
    case .ns(let name), .cname(let name), .ptr(let name): "\(name)"
    case .mx(let preference, let exchange): "\(preference) \(exchange)"
    case .txt(let strings): "\(strings.count) strings"
    case .srv(_, _, let port, let target): "\(target):\(port)"
    case .soa(let authority): "\(authority.primary)"
    case .other(let octets): "\(octets.count) bytes"
    }
  }
}

extension TCPFlags: CustomStringConvertible {
  /// tcpdump's letters: `S`, `S.`, `P.`, `F.`, `R` ...; `none` without flags.
  public var description: String {
    var text = ""
    for (flag, letter) in [
      (TCPFlags.fin, "F"), (.syn, "S"), (.rst, "R"), (.psh, "P"), (.ack, "."), (.urg, "U"), (.ece, "E"), (.cwr, "W"),
      (.ae, "e"),
    ] where contains(flag) { text += letter }
    return text.isEmpty ? "none" : text
  }
}
