import Packets

/// Raw endpoints: each gets a copy of every datagram of its protocol, and may write whole datagrams.
public final class RawLayer {
  unowned let stack: NetworkStack
  private var endpoints: [RawEndpoint] = []
  /// True if there is nobody to give copies to.
  public var isIdle: Bool { endpoints.isEmpty }

  init(stack: NetworkStack) { self.stack = stack }

  /// A new endpoint for `protocol`; 255 (IPPROTO_RAW) only sends.
  public func open(_ protocol: IPProtocol) -> RawEndpoint {
    let endpoint = RawEndpoint(stack: stack, protocol: `protocol`)
    endpoints.append(endpoint)
    stack.ip.hasRawEndpoints = true
    return endpoint
  }

  func remove(_ endpoint: RawEndpoint) {
    endpoints.removeAll { $0 === endpoint }
    stack.ip.hasRawEndpoints = !isIdle
  }

  /// Gives copies of a datagram to those who want it; true if anybody did.
  func received(_ arrival: borrowing IPv4Arrival, _ interface: NetworkInterface) -> Bool {
    let record = ReceivedDatagram(
      source: Endpoint(arrival.source, 0), destination: IPAddress(arrival.destination),
      interfaceIndex: interface.index, length: arrival.datagram.byteCount, tos: arrival.tos, ttl: arrival.ttl,
      largestFragment: UInt16(truncatingIfNeeded: arrival.largestFragment), time: stack.loop.now)
    var taken = false
    for endpoint in endpoints where endpoint.accepts(arrival, interface) {
      taken = true
      _ = endpoint.deliver(record, arrival.datagram, headerLength: 0, of: arrival.datagram)
    }
    return taken
  }

  func pathError(
    _ problem: ICMPProblem, protocol: IPProtocol, from source: IPv4Address, to destination: IPv4Address,
    _ quote: RawSpan, headerLength: Int
  ) {
    guard !isIdle else { return }
    for endpoint in endpoints where endpoint.protocol == `protocol` {
      endpoint.pathError(
        problem, from: source, to: destination, quote.clamped(endpoint.includesHeader ? 0 : headerLength))
    }
  }

  func transmitReady() {
    for endpoint in endpoints { endpoint.transmitReady() }
  }
}
