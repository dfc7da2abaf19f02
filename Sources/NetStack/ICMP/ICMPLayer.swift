import EventLoop
import Events
import Packets

/// The Internet Control Message Protocol of a host (RFC 792, RFC 1122 3.2.2): answers echo requests, tells senders what
/// was wrong with their datagrams, and hands the errors of others to the flows that they quote.
public final class ICMPLayer {
  unowned let stack: NetworkStack
  private var counts = ICMPCounters()
  private var limit: ICMPRateLimit
  /// By identifier, which is mostly one endpoint's.
  private var endpoints: [UInt16: [ICMPEndpoint]] = [:]
  /// The path of the last answer, which often is that of the next.
  private var path: Path?

  /// Octets of a datagram that an error quotes: as many as fit 576 with IP and ICMP headers (RFC 1812 4.3.2.3).
  static let quoteLimit = 576 - 28

  init(stack: NetworkStack) {
    self.stack = stack
    limit = ICMPRateLimit(stack.configuration, now: stack.loop.now)
  }

  public var counters: ICMPCounters { counts }
  func count(_ change: (inout ICMPCounters) -> Void) { change(&counts) }

  /// A new endpoint for echo requests (Linux's ping socket).
  public func open() -> ICMPEndpoint { ICMPEndpoint(stack: stack) }

  // MARK: Endpoints

  /// Enters `endpoint` under `wanted`, or under a free random identifier if that is 0.
  func bind(_ endpoint: ICMPEndpoint, identifier wanted: UInt16) throws(NetworkError) -> UInt16 {
    if wanted != 0 {
      let others = endpoints[wanted] ?? []
      guard others.allSatisfy({ $0.reusesAddress && endpoint.reusesAddress }) else { throw .addressInUse }
      endpoints[wanted] = others + [endpoint]
      return wanted
    }
    let start = Int(stack.random.uniform(1...65535))
    for step in 0..<65535 {
      let candidate = UInt16((start + step - 1) % 65535 + 1)
      if endpoints[candidate] == nil {
        endpoints[candidate] = [endpoint]
        return candidate
      }
    }
    throw .addressInUse
  }

  func isInUse(identifier: UInt16) -> Bool { endpoints[identifier] != nil }

  func remove(_ endpoint: ICMPEndpoint) {
    let identifier = endpoint.identifier
    endpoints[identifier]?.removeAll { $0 === endpoint }
    if endpoints[identifier]?.isEmpty == true { endpoints[identifier] = nil }
  }

  func transmitReady() {
    for identifier in endpoints.keys.sorted() { endpoints[identifier]?.forEach { $0.transmitReady() } }
  }

  // MARK: In

  func received(_ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface) {
    counts.inMsgs &+= 1
    let payload = arrival.payload
    guard let message = ICMPv4Message(payload) else {
      counts.inErrors &+= 1
      return interface.reportDrop(.ip, "short ICMP message", length: payload.byteCount)
    }
    guard message.isChecksumValid else {
      counts.inCsumErrors &+= 1
      counts.inErrors &+= 1
      return interface.reportDrop(.ip, "ICMP checksum", length: payload.byteCount)
    }
    switch message.kind {
    case .echoRequest:
      counts.inEchos &+= 1
      guard !arrival.isGroup || (!stack.configuration.ignoresBroadcastEcho && !arrival.source.isMulticast) else {
        counts.inIgnored &+= 1
        return
      }
      reply(to: message, arrival)
    case .echoReply:
      counts.inEchoReps &+= 1
      deliverReply(message, arrival, interface)
    case .destinationUnreachable, .timeExceeded, .parameterProblem, .sourceQuench:
      countError(message.kind)
      receivedError(message, arrival, interface)
    case .redirect:
      // A host with one router per network has no use for them, and they are easily forged.
      counts.inRedirects &+= 1
      counts.inIgnored &+= 1
    case .timestampRequest:
      counts.inTimestamps &+= 1
      guard !arrival.isGroup, payload.byteCount >= 20 else {
        counts.inIgnored &+= 1
        return
      }
      replyTimestamp(message, arrival)
    case .timestampReply:
      counts.inTimestampReps &+= 1
    default:
      counts.inErrors &+= 1
      counts.inIgnored &+= 1
    }
  }

  private func countError(_ kind: ICMPv4Message.Kind) {
    switch kind {
    case .destinationUnreachable: counts.inDestUnreachs &+= 1
    case .timeExceeded: counts.inTimeExcds &+= 1
    case .parameterProblem: counts.inParmProbs &+= 1
    default: counts.inSrcQuenchs &+= 1
    }
  }

  private func deliverReply(
    _ message: borrowing ICMPv4Message, _ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface
  ) {
    guard let sharers = endpoints[message.identifier] else { return }
    // The latest comes first, as in Linux.
    var receiver: ICMPEndpoint?
    for endpoint in sharers where endpoint.accepts(arrival, interface) { receiver = endpoint }
    guard let endpoint = receiver else { return }
    let record = ReceivedDatagram(
      source: Endpoint(arrival.source, 0), destination: IPAddress(arrival.destination),
      interfaceIndex: interface.index, length: message.bytes.byteCount, tos: arrival.tos, ttl: arrival.ttl,
      largestFragment: UInt16(truncatingIfNeeded: arrival.largestFragment), time: stack.loop.now)
    _ = endpoint.deliver(record, message.bytes, headerLength: 0, of: arrival.datagram)
  }

  // MARK: Answers

  /// Errors are internetwork control (RFC 1812 4.3.2.5).
  private static let errorPrecedence: UInt8 = 0xC0

  private func reply(to message: borrowing ICMPv4Message, _ arrival: borrowing IPv4Arrival) {
    let parameter = UInt64(message.parameter)
    let checksum = InternetChecksum.updated(message.checksum, from: 0x0800 | UInt16(message.code), to: 0)
    // The code of an echo request is 0; whatever it was, the answer's is.
    if answer(arrival, header: UInt64(checksum) << 32 | parameter, message.payload) {
      counts.outEchoReps &+= 1
    }
  }

  private func replyTimestamp(_ message: borrowing ICMPv4Message, _ arrival: borrowing IPv4Arrival) {
    let loop = stack.loop
    let wall = (loop.epochNanoseconds &+ loop.now.nanoseconds) / 1_000_000
    let midnight = UInt32(truncatingIfNeeded: wall % 86_400_000)
    var times = message.payload.clamped(0, 4).array
    for _ in 0..<2 { times.append(contentsOf: (0..<4).map { UInt8(midnight >> UInt32(24 - 8 * $0) & 255) }) }
    var sum = InternetChecksum()
    sum.add(UInt16(0x0E00))
    sum.add(message.parameter)
    unsafe sum.add(times.span.bytes)
    let header = 0x0E00 << 48 | UInt64(sum.checksum) << 32 | UInt64(message.parameter)
    if unsafe answer(arrival, header: header, times.span.bytes) { counts.outTimestampReps &+= 1 }
  }

  /// Sends a message back to the sender of `arrival`, from the address that it was sent to.
  ///
  /// - Parameter tos: bits to set in the type of service besides the arrival's own.
  private func answer(
    _ arrival: borrowing IPv4Arrival, header: UInt64, _ payload: RawSpan, tos: UInt8 = 0
  ) -> Bool {
    let target = IPAddress(arrival.source)
    // What a router says about a datagram for somebody else comes from the interface that it arrived by.
    let isForOther = stack.ip.isRouting && !stack.isLocal(arrival.destination)
    let from = arrival.isGroup || isForOther ? nil : IPAddress(arrival.destination)
    do {
      let path: Path
      if let last = self.path, last.isValid, last.destination == target, from == nil || last.source == from {
        path = last
      } else {
        path = try stack.path(to: target, from: from)
        self.path = path
      }
      try stack.ip.send(
        on: path, .icmp, header: header, payload, offload: .none,
        options: DatagramOptions(
          tos: arrival.tos & 0xFC | tos, ttl: stack.configuration.defaultTTL, discovery: .never))
    } catch {
      counts.outErrors &+= 1
      return false
    }
    counts.outMsgs &+= 1
    return true
  }

  /// Tells the sender of `arrival` what was wrong with it, unless RFC 1122 3.2.2 forbids it or the limit is reached.
  func sendError(_ error: ICMPError, about arrival: borrowing IPv4Arrival) {
    let source = arrival.source
    guard !arrival.isGroup, !arrival.isLinkGroup, source != .any, !source.isMulticast, !stack.isBroadcast(source),
      !source.isLoopback || arrival.destination.isLoopback, arrival.datagram.byteCount >= IPv4Field.minimumLength,
      arrival.datagram.loadBigEndian(IPv4Field.fragment, as: UInt16.self) & 0x1FFF == 0
    else { return }
    if arrival.protocol == .icmp {
      // No error about an error, nor about a message whose type cannot be seen.
      guard arrival.payload.byteCount > 0, !ICMPv4Message.Kind(rawValue: arrival.payload.octet(0)).isError else {
        return
      }
    }
    switch stack.isLocal(source) ? .allowed : limit.take(for: source, now: stack.loop.now) {
    case .allowed: break
    case .globalLimit:
      counts.outRateLimitGlobal &+= 1
      return
    case .hostLimit:
      counts.outRateLimitHost &+= 1
      return
    }
    let fields = error.fields
    let quote = arrival.datagram.clamped(0, ICMPLayer.quoteLimit)
    let start = UInt16(fields.type) << 8 | UInt16(fields.code)
    var sum = InternetChecksum()
    sum.add(start)
    sum.add(fields.parameter)
    sum.add(quote)
    let header = UInt64(start) << 48 | UInt64(sum.checksum) << 32 | UInt64(fields.parameter)
    guard answer(arrival, header: header, quote, tos: ICMPLayer.errorPrecedence) else { return }
    switch fields.type {
    case 3: counts.outDestUnreachs &+= 1
    case 11: counts.outTimeExcds &+= 1
    default: counts.outParmProbs &+= 1
    }
  }

  // MARK: Errors of others

  private func receivedError(
    _ message: borrowing ICMPv4Message, _ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface
  ) {
    guard var problem = ICMPProblem(message) else { return }
    problem.offender = arrival.source
    problem.interfaceIndex = interface.index
    var quoted = problem
    if case .packetTooBig(let mtu) = problem.error {
      guard let header = IPv4Header(quoted: message.payload), stack.isLocal(header.source) else {
        counts.inUnmatchedErrors &+= 1
        return
      }
      // Routers older than RFC 1191 do not say the MTU; the datagram was too long, so it is less than that.
      let claimed = mtu == 0 ? ICMPLayer.plateau(below: header.totalLength) : mtu
      guard claimed < header.totalLength else {
        counts.inUnmatchedErrors &+= 1
        return
      }
      quoted = problem.saying(.packetTooBig(mtu: stack.lowerPathMTU(to: header.destination, mtu: claimed)))
    }
    // Without the beginning of what was in the datagram nobody is told (Linux `icmp_socket_deliver`).
    guard let header = IPv4Header(quoted: message.payload), message.payload.byteCount >= header.headerLength + 8 else {
      counts.inErrors &+= 1
      return
    }
    report(quoted, about: message.payload)
  }

  /// The next smaller MTU of those that are common (RFC 1191 7.1).
  private static func plateau(below length: Int) -> Int {
    [32000, 17914, 8166, 4352, 2002, 1492, 1006, 508].first { $0 < length } ?? 296
  }

  /// The neighbour that a datagram should have gone to does not answer: the flow of this host that it belongs to is
  /// told, or the host that it was forwarded for.
  func reportUnreachable(_ datagram: RawSpan) {
    if stack.ip.isRouting, let header = IPv4Header(quoted: datagram), !stack.isLocal(header.source) {
      return sendError(
        .hostUnreachable,
        about: IPv4Arrival(header, isLinkGroup: false, isGroup: false, isChecksumVerified: false))
    }
    reportLocally(.hostUnreachable, about: datagram)
  }

  /// Hands an error of this host's own making to the flow that the datagram belongs to.
  func reportLocally(_ error: NetworkError, about datagram: RawSpan) {
    report(ICMPProblem(error, isFatal: false), about: datagram)
  }

  private func report(_ problem: ICMPProblem, about quote: RawSpan) {
    guard let header = IPv4Header(quoted: quote), stack.isLocal(header.source) || header.source == .any else {
      counts.inUnmatchedErrors &+= 1
      return
    }
    var problem = problem
    if problem.offender == nil { problem.offender = header.source }
    stack.raw.pathError(
      problem, protocol: header.protocol, from: header.source, to: header.destination, quote,
      headerLength: header.headerLength)
    let payload = quote.clamped(header.headerLength)
    guard payload.byteCount >= 8, header.fragmentOffset == 0 else { return }
    let first: UInt16 = payload.loadBigEndian(0)
    let second: UInt16 = payload.loadBigEndian(2)
    switch header.protocol {
    case .tcp:
      stack.tcp.pathError(
        problem, local: Endpoint(header.source, first), remote: Endpoint(header.destination, second), payload)
    case .udp:
      stack.udp.pathError(
        problem, local: Endpoint(header.source, first), remote: Endpoint(header.destination, second),
        payload.clamped(UDPField.headerLength))
    case .icmp where first >> 8 == 8:
      let identifier: UInt16 = payload.loadBigEndian(ICMPField.identifier)
      endpoints[identifier]?.forEach { $0.pathError(problem, from: header.destination, payload) }
    default:
      break
    }
  }
}
