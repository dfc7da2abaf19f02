import EventLoop
import Events
import Packets

/// Network address and port translation (RFC 3022): what leaves by one interface gets its address, and ports by which
/// the answers are known again.
///
/// TCP (RFC 5382), UDP (RFC 4787) and ICMP echo (RFC 5508) are translated, with the ICMP errors about them; other
/// protocols are refused by ICMP. Mappings are endpoint-independent and keep the port where that is free; filtering is
/// by address and port, as in Linux. Fragments are put together before they are translated. The table is bounded: when
/// it is full, the session that has been silent longest goes, but never an established connection. Not done:
/// hairpinning (RFC 4787 REQ-9), for an inside that is one network; application-level gateways.
public final class NAPT {
  public let outside: NetworkInterface
  public let configuration: NAPTConfiguration
  private unowned let stack: NetworkStack
  private var table: NAPTTable
  /// The outer address that the sessions belong to.
  private var address: UInt32 = 0
  private var counts = NAPTCounters()
  private var timer: LoopTimer!

  init(stack: NetworkStack, outside: NetworkInterface, configuration: NAPTConfiguration) {
    self.stack = stack
    self.outside = outside
    self.configuration = configuration
    table = NAPT.emptyTable(stack, configuration)
    timer = LoopTimer(on: stack.loop) { [unowned self] in expire() }
  }

  private static func emptyTable(_ stack: NetworkStack, _ configuration: NAPTConfiguration) -> NAPTTable {
    NAPTTable(
      limit: configuration.sessionLimit, ports: configuration.ports, reserved: stack.configuration.ephemeralPorts)
  }

  public var counters: NAPTCounters { counts }
  public var sessionCount: Int { table.count }
  func count(_ change: (inout NAPTCounters) -> Void) { change(&counts) }

  enum Verdict {
    case rewrite(AddressRewrite)
    case drop
    case refuse(ICMPError)
  }

  /// What a datagram says about its flow.
  private enum Content {
    /// TCP's flags, 0 for others.
    case flow(nearPort: UInt16, farPort: UInt16, flags: UInt8)
    case error
    case malformed
    case other
  }

  // MARK: Out

  /// A whole datagram from inside that leaves by ``outside``.
  func leaving(_ header: borrowing IPv4Header) -> Verdict {
    guard outside.primaryAddress != 0 else {
      counts.noAddress &+= 1
      return .refuse(.networkUnreachable)
    }
    if address != outside.primaryAddress { startOver() }
    switch NAPT.content(header, isOutbound: true) {
    case .malformed:
      counts.malformed &+= 1
      return .drop
    case .other:
      counts.notTranslatable &+= 1
      return .refuse(.administrativelyProhibited)
    case .error:
      guard let rewrite = leavingError(header, table: table, address: address) else { return .drop }
      counts.outbound &+= 1
      counts.errorsOutbound &+= 1
      return .rewrite(rewrite)
    case .flow(let nearPort, let farPort, let flags):
      let inner = NAPTFlow(
        header.protocol.rawValue, near: header.source.rawValue, nearPort, far: header.destination.rawValue, farPort)
      guard let place = table.place(inner: inner) ?? open(inner) else { return .drop }
      note(place, header.protocol, flags: flags, isOutbound: true)
      counts.outbound &+= 1
      return .rewrite(AddressRewrite(side: .source, address: address, port: table[place].outerPort))
    }
  }

  private func open(_ inner: NAPTFlow) -> Int32? {
    if table.isFull { expire() }
    if table.isFull {
      guard let victim = table.oldest(.transitory) ?? table.oldest(.icmp) ?? table.oldest(.udp) else {
        counts.tableFull &+= 1
        return nil
      }
      counts.sessionsEvicted &+= 1
      table.close(victim)
    }
    let kind = IPProtocol(rawValue: inner.protocol)
    let timeout: NAPTSession.Timeout = kind == .tcp ? .transitory : kind == .udp ? .udp : .icmp
    let start = UInt16(truncatingIfNeeded: stack.random.next())
    let place = table.open(
      inner, timeout, keepsParity: kind == .udp, start: start,
      isTaken: { [stack] in kind == .icmp && stack.icmp.isInUse(identifier: $0) }, now: stack.loop.now)
    guard let place else {
      counts.portsExhausted &+= 1
      return nil
    }
    counts.sessionsOpened &+= 1
    if table[place].outerPort == inner.nearPort { counts.portsPreserved &+= 1 }
    awaitEnd(of: timeout)
    return place
  }

  // MARK: In

  /// A whole datagram for the outer address: how it is to be changed, nil if it belongs to no session.
  func returning(_ header: borrowing IPv4Header) -> AddressRewrite? {
    guard table.count > 0, header.destination.rawValue == address else { return nil }
    switch NAPT.content(header, isOutbound: false) {
    case .malformed, .other: return nil
    case .error:
      guard let rewrite = returningError(header, table: table) else { return nil }
      counts.inbound &+= 1
      counts.errorsInbound &+= 1
      return rewrite
    case .flow(let nearPort, let farPort, let flags):
      let outer = NAPTFlow(header.protocol.rawValue, near: 0, nearPort, far: header.source.rawValue, farPort)
      guard let place = table.place(outer: outer) else { return nil }
      note(place, header.protocol, flags: flags, isOutbound: false)
      counts.inbound &+= 1
      let inner = table[place].inner
      return AddressRewrite(side: .destination, address: inner.near, port: inner.nearPort)
    }
  }

  /// Near is the inside's end or, for what comes in, the outer one.
  private static func content(_ header: borrowing IPv4Header, isOutbound: Bool) -> Content {
    let payload = header.payload
    let isTCP = header.protocol == .tcp
    guard isTCP || header.protocol == .udp || header.protocol == .icmp else { return .other }
    guard payload.byteCount >= (isTCP ? 20 : 8) else { return .malformed }
    if header.protocol == .icmp {
      switch payload.octet(0) {
      case isOutbound ? 8 : 0:
        return .flow(nearPort: payload.loadBigEndian(ICMPField.identifier), farPort: 0, flags: 0)
      case 3, 11, 12: return .error
      default: return .other
      }
    }
    let source: UInt16 = payload.loadBigEndian(0)
    let destination: UInt16 = payload.loadBigEndian(2)
    return .flow(
      nearPort: isOutbound ? source : destination, farPort: isOutbound ? destination : source,
      flags: isTCP ? payload.octet(13) : 0)
  }

  private func note(_ place: Int32, _ protocol: IPProtocol, flags: UInt8, isOutbound: Bool) {
    let now = stack.loop.now
    switch `protocol` {
    case .tcp:
      let before = table[place].timeout
      table.note(place, flags: flags, isOutbound: isOutbound, now: now)
      let after = table[place].timeout
      if after != before { awaitEnd(of: after) }
    case .udp: table.touch(place, .udp, now: now)
    default: table.touch(place, .icmp, now: now)
    }
  }

  // MARK: Ends

  private func span(_ timeout: NAPTSession.Timeout) -> TimeSpan {
    switch timeout {
    case .transitory: configuration.tcpTransitory
    case .icmp: configuration.icmp
    case .udp: configuration.udp
    case .established: configuration.tcpEstablished
    }
  }

  /// A session that was used just now ends in this time, if it is not used again: the timer fires no later.
  private func awaitEnd(of timeout: NAPTSession.Timeout) {
    let end = stack.loop.now + span(timeout)
    if end < timer.deadline { timer.arm(at: end) }
  }

  /// Ends what has been silent for its time, and comes back when the next one may be due.
  private func expire() {
    let now = stack.loop.now
    var next = Instant.distantFuture
    for timeout in NAPTSession.Timeout.allCases {
      let span = span(timeout)
      while let place = table.oldest(timeout) {
        let end = table[place].lastUse + span
        guard end <= now else {
          next = min(next, end)
          break
        }
        counts.sessionsExpired &+= 1
        table.close(place)
      }
    }
    timer.arm(at: next)
  }

  /// The outer address is another one: nothing that was sent from the old one comes back.
  private func startOver() {
    table = NAPT.emptyTable(stack, configuration)
    timer.cancel()
    address = outside.primaryAddress
  }
}
