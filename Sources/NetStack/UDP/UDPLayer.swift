import EventLoop
import Events
import Packets

/// What UDP did, with the names of `/proc/net/snmp` (RFC 4113).
public struct UDPCounters: Sendable, Equatable {
  public var inDatagrams: UInt64 = 0
  public var noPorts: UInt64 = 0
  public var inErrors: UInt64 = 0
  public var outDatagrams: UInt64 = 0
  public var rcvbufErrors: UInt64 = 0
  public var sndbufErrors: UInt64 = 0
  public var inCsumErrors: UInt64 = 0

  public init() {}
}

/// The User Datagram Protocol (RFC 768, RFC 1122 4.1): finds the endpoint of a datagram as Linux does, by the best
/// match of remote endpoint, local address and interface.
public final class UDPLayer {
  unowned let stack: NetworkStack
  private var ports: [UInt16: [UDPEndpoint]] = [:]
  private var counts = UDPCounters()
  /// Messages under way over the loopback interface that are cut up when they arrive.
  var trains: [UDPTrain] = []
  /// Counts the receive batches.
  private(set) var batch: UInt64 = 0

  init(stack: NetworkStack) { self.stack = stack }

  public var counters: UDPCounters { counts }

  /// A new endpoint, not bound and not connected.
  public func open() -> UDPEndpoint { UDPEndpoint(stack: stack) }

  /// All bound endpoints, in order of port.
  public var endpoints: [UDPEndpoint] { ports.keys.sorted().flatMap { ports[$0] ?? [] } }

  func count(_ change: (inout UDPCounters) -> Void) { change(&counts) }

  func transmitReady() {
    for endpoint in endpoints { endpoint.transmitReady() }
  }

  // MARK: Ports

  /// Enters `endpoint` under `wanted`; port 0: an ephemeral one, random as RFC 6056 3.3.1 wants it.
  func bind(_ endpoint: UDPEndpoint, to wanted: Endpoint) throws(NetworkError) -> Endpoint {
    var bound = wanted
    if wanted.port == 0 {
      let range = endpoint.rules.ports(within: stack.configuration.ephemeralPorts)
      let count = Int(range.upperBound - range.lowerBound) + 1
      let start = Int(stack.random.uniform(0...Int64(count - 1)))
      var found = false
      for step in 0..<count {
        bound.port = range.lowerBound + UInt16((start + step) % count)
        if isFree(bound, for: endpoint) {
          found = true
          break
        }
      }
      guard found else { throw .addressInUse }
    } else if !isFree(wanted, for: endpoint) {
      throw .addressInUse
    }
    if endpoint.reusesPort {
      endpoint.share(
        with: ports[bound.port]?.first {
          $0.reusesPort && $0.local.address == bound.address && $0.boundIndex == endpoint.boundIndex
        })
    }
    ports[bound.port, default: []].append(endpoint)
    return bound
  }

  /// Linux's `udp_lib_lport_inuse`: everybody with the port must share it by SO_REUSEADDR, up to the newest one that
  /// shares it by SO_REUSEPORT.
  private func isFree(_ wanted: Endpoint, for endpoint: UDPEndpoint) -> Bool {
    for other in (ports[wanted.port] ?? []).reversed() where other.overlaps(wanted, endpoint.boundIndex) {
      if other.reusesAddress && endpoint.reusesAddress { continue }
      // Whoever brings a program of its own joins nobody.
      return other.reusesPort && endpoint.reusesPort && endpoint.sharers == nil
    }
    return true
  }

  func remove(_ endpoint: UDPEndpoint) {
    let port = endpoint.local.port
    endpoint.leaveSharers()
    guard var list = ports[port] else { return }
    list.removeAll { $0 === endpoint }
    ports[port] = list.isEmpty ? nil : list
  }

  // MARK: In

  func receiveBatchEnded() { batch &+= 1 }

  func received(_ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface) {
    let payload = arrival.payload
    guard let header = UDPHeader(payload) else {
      counts.inErrors &+= 1
      return interface.reportDrop(.udp, "UDP header", length: payload.byteCount)
    }
    guard
      arrival.isChecksumVerified || header.checksum == 0
        || header.isChecksumValid(
          InternetChecksum(
            source: arrival.source, destination: arrival.destination, protocol: .udp, length: header.length))
    else {
      counts.inCsumErrors &+= 1
      counts.inErrors &+= 1
      return interface.reportDrop(.udp, "UDP checksum", length: payload.byteCount)
    }
    let record = ReceivedDatagram(
      source: Endpoint(arrival.source, header.sourcePort), destination: IPAddress(arrival.destination),
      interfaceIndex: interface.index, length: header.length - UDPField.headerLength, tos: arrival.tos,
      ttl: arrival.ttl, largestFragment: UInt16(truncatingIfNeeded: arrival.largestFragment), time: stack.loop.now)
    let pieces = trains.isEmpty || !interface.isLoopback ? 0 : takeTrain(record, port: header.destinationPort)
    if arrival.isGroup {
      // Everybody who matches gets a copy (Linux's `__udp4_lib_mcast_deliver`).
      var taken = false
      for endpoint in ports[header.destinationPort] ?? []
      where endpoint.score(record, interface) != nil
        && endpoint.accepts(group: arrival.destination, from: arrival.source, on: interface)
      {
        taken = true
        deliver(record, inPiecesOf: pieces, arrival.payload.clamped(0, header.length), arrival, to: endpoint)
      }
      if !taken { counts.noPorts &+= 1 }
      return
    }
    guard var endpoint = endpoint(for: record, port: header.destinationPort, interface) else {
      counts.noPorts &+= 1
      interface.reportDrop(.udp, "no endpoint on port \(header.destinationPort)", length: payload.byteCount)
      stack.icmp.sendError(.portUnreachable, about: arrival)
      return
    }
    let packet = arrival.payload.clamped(0, header.length)
    if let sharers = endpoint.sharers, sharers.program != nil,
      let chosen = sharers.choose(
        packet.clamped(UDPField.headerLength), datagram: arrival.datagram, interface: interface.index) as? UDPEndpoint
    {
      endpoint = chosen
    }
    deliver(record, inPiecesOf: pieces, packet, arrival, to: endpoint)
  }

  private func endpoint(for record: ReceivedDatagram, port: UInt16, _ interface: NetworkInterface) -> UDPEndpoint? {
    guard let list = ports[port] else { return nil }
    var best: UDPEndpoint?
    var bestScore = -1
    var sharers = 0
    // The latest of equals wins, as at the head of Linux's hash chains.
    for endpoint in list {
      guard let score = endpoint.score(record, interface) else { continue }
      if score > bestScore || (score == bestScore && !endpoint.reusesPort) {
        best = endpoint
        bestScore = score
        sharers = 1
      } else if score == bestScore {
        sharers += 1
      }
    }
    guard sharers > 1, best?.reusesPort == true else { return best }
    return sharer(list, record, interface, bestScore, count: sharers)
  }

  /// Endpoints that share a port by SO_REUSEPORT each get a part of the flows.
  private func sharer(
    _ list: [UDPEndpoint], _ record: ReceivedDatagram, _ interface: NetworkInterface, _ score: Int, count: Int
  ) -> UDPEndpoint? {
    let flow = (record.source.address.low ^ UInt64(record.source.port) << 32) &* 0x9E37_79B9_7F4A_7C15
    var left = Int(flow >> 33) % count
    for endpoint in list where endpoint.score(record, interface) == score {
      if left == 0 { return endpoint }
      left -= 1
    }
    return nil
  }

  /// With the sum, if it was not the device that has checked it.
  private func summed(
    _ record: ReceivedDatagram, _ packet: RawSpan, _ arrival: borrowing IPv4Arrival
  ) -> ReceivedDatagram {
    var record = record
    let isSummed = !arrival.isChecksumVerified && packet.loadBigEndian(UDPField.checksum, as: UInt16.self) != 0
    if isSummed { record.partialSum = packet.partialSum }
    return record
  }

  func deliver(
    _ record: ReceivedDatagram, _ packet: RawSpan, _ arrival: borrowing IPv4Arrival, to endpoint: UDPEndpoint
  ) {
    let record = endpoint.keepsSums ? summed(record, packet, arrival) : record
    if endpoint.joinsDatagrams, record.segmentSize == 0, join(record, packet, arrival, to: endpoint) {
      counts.inDatagrams &+= 1
    } else if endpoint.deliver(record, packet, headerLength: UDPField.headerLength, of: arrival.datagram) {
      counts.inDatagrams &+= 1
    } else {
      counts.rcvbufErrors &+= 1
      counts.inErrors &+= 1
      if stack.tap.isOn {
        stack.tap.emit(.udp, .dropped(reason: "receive queue of port \(endpoint.local.port)", length: record.length))
      }
    }
  }

  /// An ICMP error about a datagram that went from `local` to `remote`, of whose payload it quotes `payload`.
  func pathError(_ problem: ICMPProblem, local: Endpoint, remote: Endpoint, _ payload: RawSpan) {
    for endpoint in ports[local.port] ?? []
    where (endpoint.local.address.isUnspecified || endpoint.local.address == local.address)
      && endpoint.isPeer(remote)
    {
      if case .packetTooBig(let mtu) = problem.error { endpoint.lowerPathMTU(mtu) }
      endpoint.report(problem, to: remote, payload)
    }
  }
}
