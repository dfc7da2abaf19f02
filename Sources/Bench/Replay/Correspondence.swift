import Packets

/// Which frames of the captured station stand for which frames that the station sends now, exchange by exchange: TCP
/// connections, UDP questions (DNS among them), DHCP transactions, ARP requests.
///
/// It sees three kinds of frames: those that the captured station sent, those that the station sends now, and those
/// that arrive. The last must wait (``obstacle(_:)``) and be translated (``translated(_:_:)``) for the station to take
/// them for answers to its own. What belongs to no exchange of the station's arrives as it is. All tables are bounded;
/// what finds no room any more is not followed.
final class Correspondence {
  private struct FlowKey: Hashable {
    let stationPort: UInt16
    let peer: Endpoint
  }

  /// Connections and questions are paired in order: those of the station by peer, those of peers by both ends.
  private enum PairKey: Hashable {
    case opened(Endpoint)
    case accepted(FlowKey)
    case asked(Endpoint, question: [UInt8])
    case dhcp
    case arp(UInt32)
  }

  private enum CountedKey: Hashable {
    case datagrams(FlowKey, question: [UInt8])
    case dhcp(UInt32)
    case arp(UInt32)
  }

  /// What the peer's SYN or SYN-ACK said.
  private struct PeerOpening {
    let initial: UInt32
    let scales: Bool
  }

  /// What an arriving frame belongs to.
  enum Arrival {
    case stranger
    case segment(StreamExchange, FrameAnatomy)
    case streamError(StreamExchange, icmpAt: Int, quoteAt: Int)
    case counted(CountedExchange, FrameAnatomy?)
    case datagramError(CountedExchange, icmpAt: Int, quoteAt: Int)
  }

  private var streams: [FlowKey: StreamExchange] = [:]
  private var liveStreams: [FlowKey: StreamHalf] = [:]
  private var streamPairs = Pairing<PairKey, StreamExchange, StreamHalf>()
  private var counted: [CountedKey: CountedExchange] = [:]
  private var liveCounted: [CountedKey: CountedHalf] = [:]
  private var countedPairs = Pairing<PairKey, CountedExchange, CountedHalf>()
  /// UDP flows that a peer began: the station's datagrams in them are answers.
  private var served: Set<FlowKey> = []
  private var openings: [FlowKey: PeerOpening] = [:]
  /// Exchanges that were not followed because a table was full.
  private(set) var notFollowed: UInt64 = 0

  /// Most entries of each table.
  private static let limit = 8192

  private func hasRoom(_ count: Int) -> Bool {
    if count < Self.limit { return true }
    notFollowed &+= 1
    return false
  }

  // MARK: Frames of the captured station

  /// A frame that the captured station sent.
  func captured(_ frame: [UInt8]) {
    if let target = Self.arpRequest(frame) { return countCaptured(.arp(target), .arp(target), target) }
    guard let anatomy = FrameAnatomy(frame) else { return }
    let key = FlowKey(
      stationPort: anatomy.sourcePort, peer: Endpoint(anatomy.destination, anatomy.destinationPort))
    switch anatomy.transport {
    case .tcp: capturedSegment(frame, anatomy, key)
    case .udp:
      if let transaction = Self.dhcpTransaction(frame, anatomy, isReply: false) {
        return countCaptured(.dhcp(transaction), .dhcp, transaction)
      }
      guard !served.contains(key) else { return }
      let question = Self.question(frame, anatomy, serverPort: anatomy.destinationPort)
      countCaptured(
        .datagrams(key, question: question), .asked(key.peer, question: question), UInt32(key.stationPort),
        query: question.isEmpty ? nil : frame.number16(anatomy.transportOffset + 8))
    default: break
    }
  }

  private func capturedSegment(_ frame: [UInt8], _ anatomy: FrameAnatomy, _ key: FlowKey) {
    guard let header = TCPHeader(frame.span.bytes.extracting(anatomy.transportOffset..<anatomy.end)) else { return }
    let flags = header.flags
    if let exchange = streams[key], !flags.contains(.syn) || exchange.captured.initial == header.sequenceNumber {
      return exchange.captured.observe(header)
    }
    guard flags.contains(.syn), !flags.contains(.rst), streams[key] != nil || hasRoom(streams.count) else { return }
    let exchange = StreamExchange(StreamHalf(header))
    if flags.contains(.ack), let opening = openings[key] { exchange.note(opening.initial, scales: opening.scales) }
    streams[key] = exchange
    let pair: PairKey = flags.contains(.ack) ? .accepted(key) : .opened(key.peer)
    if let half = streamPairs.addCaptured(exchange, pair) { exchange.live = half }
  }

  private func countCaptured(_ key: CountedKey, _ pair: PairKey, _ identifier: UInt32, query: UInt16? = nil) {
    if let exchange = counted[key] { return exchange.countCaptured() }
    guard hasRoom(counted.count) else { return }
    let exchange = CountedExchange(identifier, query: query)
    exchange.countCaptured()
    counted[key] = exchange
    if let half = countedPairs.addCaptured(exchange, pair) { exchange.bind(half) }
  }

  // MARK: Frames of the station now

  /// A frame that the station sends now.
  func live(_ frame: [UInt8]) {
    if let target = Self.arpRequest(frame) { return countLive(.arp(target), .arp(target), target) }
    guard let anatomy = FrameAnatomy(frame) else { return }
    let key = FlowKey(
      stationPort: anatomy.sourcePort, peer: Endpoint(anatomy.destination, anatomy.destinationPort))
    switch anatomy.transport {
    case .tcp: liveSegment(frame, anatomy, key)
    case .udp:
      if let transaction = Self.dhcpTransaction(frame, anatomy, isReply: false) {
        return countLive(.dhcp(transaction), .dhcp, transaction)
      }
      guard !served.contains(key) else { return }
      let question = Self.question(frame, anatomy, serverPort: anatomy.destinationPort)
      countLive(
        .datagrams(key, question: question), .asked(key.peer, question: question), UInt32(key.stationPort),
        query: question.isEmpty ? nil : frame.number16(anatomy.transportOffset + 8))
    default: break
    }
  }

  private func liveSegment(_ frame: [UInt8], _ anatomy: FrameAnatomy, _ key: FlowKey) {
    guard let header = TCPHeader(frame.span.bytes.extracting(anatomy.transportOffset..<anatomy.end)) else { return }
    let flags = header.flags
    if let half = liveStreams[key], !flags.contains(.syn) || half.initial == header.sequenceNumber {
      return half.observe(header)
    }
    guard flags.contains(.syn), !flags.contains(.rst), liveStreams[key] != nil || hasRoom(liveStreams.count) else {
      return
    }
    let half = StreamHalf(header)
    liveStreams[key] = half
    let pair: PairKey = flags.contains(.ack) ? .accepted(key) : .opened(key.peer)
    if let exchange = streamPairs.addLive(half, pair) { exchange.live = half }
  }

  private func countLive(_ key: CountedKey, _ pair: PairKey, _ identifier: UInt32, query: UInt16? = nil) {
    if let half = liveCounted[key] { return half.countOne() }
    guard hasRoom(liveCounted.count) else { return }
    let half = CountedHalf(identifier, query: query)
    half.countOne()
    liveCounted[key] = half
    if let exchange = countedPairs.addLive(half, pair) { exchange.bind(half) }
  }

  // MARK: Frames that arrive

  /// What a frame that is to arrive next belongs to.
  func arrival(_ frame: [UInt8]) -> Arrival {
    if let sender = Self.arpReply(frame) {
      return counted[.arp(sender)].map { .counted($0, nil) } ?? .stranger
    }
    guard let anatomy = FrameAnatomy(frame) else { return .stranger }
    let key = FlowKey(stationPort: anatomy.destinationPort, peer: Endpoint(anatomy.source, anatomy.sourcePort))
    switch anatomy.transport {
    case .tcp:
      noteOpening(frame, anatomy, key)
      return streams[key].map { .segment($0, anatomy) } ?? .stranger
    case .udp:
      if let transaction = Self.dhcpTransaction(frame, anatomy, isReply: true) {
        return counted[.dhcp(transaction)].map { .counted($0, anatomy) } ?? .stranger
      }
      let question = Self.question(frame, anatomy, serverPort: anatomy.sourcePort)
      if let exchange = counted[.datagrams(key, question: question)] { return .counted(exchange, anatomy) }
      if question.isEmpty, hasRoom(served.count) { served.insert(key) }
      return .stranger
    case .icmp: return error(frame, anatomy)
    default: return .stranger
    }
  }

  private func noteOpening(_ frame: [UInt8], _ anatomy: FrameAnatomy, _ key: FlowKey) {
    guard let header = TCPHeader(frame.span.bytes.extracting(anatomy.transportOffset..<anatomy.end)),
      header.flags.contains(.syn)
    else { return }
    let scales = header.options.windowScale != nil
    if header.flags.contains(.ack) {
      streams[key]?.note(header.sequenceNumber, scales: scales)
    } else if openings[key] != nil || hasRoom(openings.count) {
      // The captured station's answer makes an exchange of it.
      openings[key] = PeerOpening(initial: header.sequenceNumber, scales: scales)
    }
  }

  /// An ICMP error about something that the captured station sent.
  private func error(_ frame: [UInt8], _ anatomy: FrameAnatomy) -> Arrival {
    guard ICMPv4Message.Kind(rawValue: frame[anatomy.transportOffset]).isError else { return .stranger }
    guard let quoted = FrameAnatomy(frame, quotedAt: anatomy.transportOffset + ICMPField.headerLength) else {
      return .stranger
    }
    let key = FlowKey(stationPort: quoted.sourcePort, peer: Endpoint(quoted.destination, quoted.destinationPort))
    if quoted.transport == .tcp, let exchange = streams[key] {
      return .streamError(exchange, icmpAt: anatomy.transportOffset, quoteAt: quoted.transportOffset)
    }
    let question = Self.question(frame, quoted, serverPort: quoted.destinationPort)
    if quoted.transport == .udp, let exchange = counted[.datagrams(key, question: question)] {
      return .datagramError(exchange, icmpAt: anatomy.transportOffset, quoteAt: quoted.transportOffset)
    }
    return .stranger
  }

  /// Why the frame must not arrive yet; nil if it may.
  func obstacle(_ arrival: Arrival, _ frame: [UInt8]) -> Obstacle? {
    switch arrival {
    case .stranger: return nil
    case .segment(let exchange, let anatomy):
      guard let header = TCPHeader(frame.span.bytes.extracting(anatomy.transportOffset..<anatomy.end)) else {
        return nil
      }
      return exchange.obstacle(header)
    case .streamError(let exchange, _, _): return exchange.live == nil && !exchange.isExcused ? .silence : nil
    case .counted(let exchange, _), .datagramError(let exchange, _, _): return exchange.obstacle
    }
  }

  /// A wait was in vain: nothing of the exchange waits any more.
  func excuse(_ arrival: Arrival) {
    switch arrival {
    case .stranger: break
    case .segment(let exchange, _), .streamError(let exchange, _, _): exchange.isExcused = true
    case .counted(let exchange, _), .datagramError(let exchange, _, _): exchange.isExcused = true
    }
  }

  /// The frame as the peer would have sent it to the station as it is now.
  func translated(_ arrival: Arrival, _ frame: [UInt8]) -> [UInt8] {
    var frame = frame
    switch arrival {
    case .stranger: break
    case .segment(let exchange, let anatomy):
      exchange.translate(&frame, at: anatomy.transportOffset, end: anatomy.end)
    case .streamError(let exchange, let icmp, let quote): exchange.translateQuote(&frame, at: quote, icmp: icmp)
    case .counted(let exchange, let anatomy):
      guard let anatomy, let live = exchange.live else { break }
      Self.translate(&frame, anatomy, exchange, live)
    case .datagramError(let exchange, let icmp, let quote):
      guard let live = exchange.live else { break }
      let checksum = icmp + ICMPField.checksum
      frame.replace(quote, with: UInt16(truncatingIfNeeded: live.identifier), checksum: checksum, start: icmp)
    }
    return frame
  }

  private static func translate(
    _ frame: inout [UInt8], _ anatomy: FrameAnatomy, _ exchange: CountedExchange, _ live: CountedHalf
  ) {
    let start = anatomy.transportOffset
    // A UDP checksum of zero means that there is none, and stays.
    let checksum = frame.number16(start + UDPField.checksum) == 0 ? nil : start + UDPField.checksum
    if dhcpTransaction(frame, anatomy, isReply: true) != nil {
      frame.replace(
        start + UDPField.headerLength + DHCPField.transactionIdentifier, with: live.identifier, checksum: checksum,
        start: start)
    } else {
      let port = UInt16(truncatingIfNeeded: live.identifier)
      frame.replace(start + UDPField.destinationPort, with: port, checksum: checksum, start: start)
      let identifier = start + UDPField.headerLength
      if let old = exchange.query, let new = live.query, frame.number16(identifier) == old {
        frame.replace(identifier, with: new, checksum: checksum, start: start)
      }
    }
    if let checksum, frame.number16(checksum) == 0 {
      frame[checksum] = 0xFF
      frame[checksum + 1] = 0xFF
    }
  }
}
