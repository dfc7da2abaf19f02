import EventLoop
import Events
import Link
import Packets

/// IPv4 of a host (RFC 791, RFC 1122 3.2): what arrives is checked, reassembled and handed up; what is for others goes
/// to the router, if the host is one.
public final class IPv4Layer {
  unowned let stack: NetworkStack
  let tap: EventTap
  let identifications: IdentificationCounters
  private(set) var reassembly: IPv4Reassembly!
  private var icmp: ICMPLayer!
  private var udp: UDPLayer!
  private var raw: RawLayer!
  /// Raw endpoints want copies; said by ``RawLayer``.
  var hasRawEndpoints = false
  /// Forwards what is for others; nil on a host. `isRouting` says the same in one load.
  private(set) var router: IPv4Router?
  private(set) var isRouting = false
  private var counts = IPv4Counters()

  init(stack: NetworkStack) {
    self.stack = stack
    tap = stack.tap
    identifications = IdentificationCounters(on: stack.loop)
    reassembly = IPv4Reassembly(ip: self, loop: stack.loop, configuration: stack.configuration.reassembly)
  }

  func connect(icmp: ICMPLayer, udp: UDPLayer, raw: RawLayer) {
    self.icmp = icmp
    self.udp = udp
    self.raw = raw
  }

  /// The stack goes away: paths that others still hold keep nothing else alive.
  func disconnect() {
    icmp = nil
    udp = nil
    raw = nil
    hasRawEndpoints = false
    setRouter(nil)
  }

  func setRouter(_ router: IPv4Router?) {
    self.router = router
    isRouting = router != nil
  }

  public var counters: IPv4Counters { counts }
  /// Bytes held by incomplete datagrams, and their number.
  public var reassemblyUse: (bytes: Int, datagrams: Int) { (reassembly.bytesHeld, reassembly.count) }

  // MARK: In

  func received(_ bytes: RawSpan, _ metadata: ReceiveMetadata, _ interface: NetworkInterface, isLinkGroup: Bool) {
    counts.inReceives &+= 1
    guard let header = IPv4Header(bytes) else { return refuseMalformed(bytes, interface) }
    guard metadata.networkChecksum == .good || header.isChecksumValid else {
      counts.inCsumErrors &+= 1
      counts.inHdrErrors &+= 1
      return interface.reportDrop(.ip, "IP checksum", length: bytes.byteCount)
    }
    if isRouting, !isLinkGroup, let router, router.takes(header, interface) { return }
    let destination = header.destination
    var isGroup = false
    // The usual case first: one comparison, and nothing else is looked at.
    let isForUs = destination.rawValue == interface.primaryAddress && !isLinkGroup
    if !isForUs {
      guard acceptDestination(of: header, interface, isLinkGroup: isLinkGroup, isGroup: &isGroup) else { return }
    }
    let source = header.source
    if source.rawValue != interface.acceptedSource || source == .any {
      guard acceptSource(source, destination, interface, isGroup: isGroup) else {
        counts.inHdrErrors &+= 1
        counts.inMartianSources &+= 1
        return interface.reportDrop(.ip, "martian source \(source)", length: bytes.byteCount)
      }
      interface.acceptedSource = source.rawValue
    }
    if header.headerLength > IPv4Field.minimumLength {
      guard acceptOptions(header, interface, isGroup: isGroup || isLinkGroup) else { return }
    }
    if header.isFragment {
      counts.reasmReqds &+= 1
      reassembly.add(header, interface, isLinkGroup: isLinkGroup, isGroup: isGroup)
      return
    }
    deliver(
      IPv4Arrival(
        header, isLinkGroup: isLinkGroup, isGroup: isGroup, isChecksumVerified: metadata.transportChecksum == .good),
      interface)
  }

  /// Takes a fragment that is on its way to somebody else; the whole datagram comes back to the router.
  func reassemble(_ header: borrowing IPv4Header, _ interface: NetworkInterface) {
    counts.reasmReqds &+= 1
    reassembly.add(header, interface, isLinkGroup: false, isGroup: false)
  }

  /// A datagram has been put together.
  func reassembled(
    _ header: borrowing IPv4Header, _ interface: NetworkInterface, isLinkGroup: Bool, isGroup: Bool,
    largestFragment: Int
  ) {
    if isRouting, !isLinkGroup, !isGroup, let router, router.takes(header, interface) { return }
    deliver(
      IPv4Arrival(
        header, isLinkGroup: isLinkGroup, isGroup: isGroup, isChecksumVerified: false,
        largestFragment: largestFragment),
      interface)
  }

  /// Hands a whole datagram up: raw endpoints get copies, then the protocol its due.
  func deliver(_ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface) {
    let wasTakenRaw = hasRawEndpoints ? raw.received(arrival, interface) : false
    switch arrival.protocol {
    case .tcp:
      counts.inDelivers &+= 1
      // TCP speaks with one host only (RFC 9293 3.10.7.2, RFC 1122 4.2.3.10).
      guard !arrival.isGroup && !arrival.isLinkGroup else {
        counts.inDiscards &+= 1
        return
      }
      interface.tcp.received(
        arrival.datagram, headerLength: arrival.headerLength, source: IPAddress(arrival.source),
        destination: IPAddress(arrival.destination), interface: interface,
        checksumVerified: arrival.isChecksumVerified)
    case .udp:
      counts.inDelivers &+= 1
      udp.received(arrival, interface)
    case .icmp:
      counts.inDelivers &+= 1
      icmp.received(arrival, interface)
    default:
      if wasTakenRaw {
        counts.inDelivers &+= 1
      } else {
        counts.inUnknownProtos &+= 1
        icmp.sendError(.protocolUnreachable, about: arrival)
      }
    }
  }

  private func refuseMalformed(_ bytes: RawSpan, _ interface: NetworkInterface) {
    counts.inHdrErrors &+= 1
    if let header = IPv4Header(quoted: bytes), header.totalLength > bytes.byteCount {
      counts.inTruncatedPkts &+= 1
      interface.reportDrop(.ip, "truncated datagram", length: bytes.byteCount)
    } else {
      interface.reportDrop(.ip, "IP header", length: bytes.byteCount)
    }
  }

  /// Addresses other than the interface's first (RFC 1122 3.2.1.3): all of the host's, broadcasts and groups joined.
  private func acceptDestination(
    of header: borrowing IPv4Header, _ interface: NetworkInterface, isLinkGroup: Bool, isGroup: inout Bool
  ) -> Bool {
    let destination = header.destination
    if destination.isLoopback && !interface.isLoopback {
      counts.inHdrErrors &+= 1
      counts.inMartianSources &+= 1
      interface.reportDrop(.ip, "martian destination \(destination)", length: header.totalLength)
      return false
    }
    if stack.isLocal(destination) { return true }
    if destination.isMulticast {
      isGroup = true
      counts.inMcastPkts &+= 1
      if interface.isMember(of: destination) { return true }
    } else if stack.isBroadcast(destination) {
      isGroup = true
      counts.inBcastPkts &+= 1
      return true
    } else if interface.acceptsUnconfigured && !isLinkGroup && isForDHCPClient(header) {
      return true
    }
    counts.inAddrErrors &+= 1
    interface.reportDrop(.ip, "not for us: \(destination)", length: header.totalLength)
    return false
  }

  private func isForDHCPClient(_ header: borrowing IPv4Header) -> Bool {
    let payload = header.payload
    return header.protocol == .udp && !header.isFragment && payload.byteCount >= 8
      && payload.loadBigEndian(UDPField.destinationPort, as: UInt16.self) == 68
  }

  /// False for sources that no datagram from this interface can have (RFC 1122 3.2.1.3, Linux's martians).
  func acceptSource(
    _ source: IPv4Address, _ destination: IPv4Address, _ interface: NetworkInterface, isGroup: Bool
  ) -> Bool {
    // Unicast space without 0/8 and 127/8 is the fast way out.
    let first = source.rawValue >> 24
    if first == 0 { return source == .any && isGroup }
    if first >= 224 { return false }
    if interface.isLoopback { return true }
    if first == 127 { return false }
    if source.rawValue == interface.primaryAddress { return false }
    return !stack.isLocal(source) && !stack.isBroadcast(source)
  }

  /// Walks the options (RFC 791 3.1); false if the datagram is refused.
  func acceptOptions(_ header: borrowing IPv4Header, _ interface: NetworkInterface, isGroup: Bool) -> Bool {
    switch IPv4OptionScan(header.options) {
    case .fine:
      return true
    case .sourceRoute:
      counts.inSourceRoutes &+= 1
      counts.inHdrErrors &+= 1
      interface.reportDrop(.ip, "source route", length: header.totalLength)
      return false
    case .malformed(let offset):
      counts.inHdrErrors &+= 1
      interface.reportDrop(.ip, "IP options", length: header.totalLength)
      icmp.sendError(
        .parameterProblem(pointer: UInt8(truncatingIfNeeded: IPv4Field.minimumLength + offset)),
        about: IPv4Arrival(header, isLinkGroup: isGroup, isGroup: isGroup, isChecksumVerified: false))
      return false
    }
  }

  // MARK: Counting for others

  @inline(__always)
  func countSent() { counts.outRequests &+= 1 }

  /// By way of a copy: a change in place would cost every other access to the counters a dynamic exclusivity check.
  func count(_ change: (inout IPv4Counters) -> Void) {
    var changed = counts
    change(&changed)
    counts = changed
  }
}
