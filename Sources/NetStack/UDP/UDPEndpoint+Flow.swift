import Packets

/// Whom a datagram goes to, and how.
public struct UDPWay {
  let target: Endpoint
  let path: Path
  let control: DatagramControl?
}

/// The addresses that a datagram carries, and the port that it goes to.
struct UDPFlow: Equatable {
  var source: IPAddress
  var destination: Endpoint
}

// A UDP socket of Linux has one place for the addresses of its connected peer and for those of the datagram that it
// gathers (`inet->cork.fl`). connect(2) writes them before it knows whether it succeeds, and gathering for somebody
// else writes them too; what goes to the peer over the path that is kept for it carries what stands there, even if that
// is no longer the peer. Programs see where their datagrams go, so it is the same here.
extension UDPEndpoint {
  /// Whom a datagram goes to, and how. Fails as ``send(_:to:control:)`` does for reasons that are neither the payload's
  /// nor ``checkSendable()``'s.
  public func way(to destination: Endpoint?, control: DatagramControl?) throws(NetworkError) -> UDPWay {
    let (flow, path) = try lookUp(destination, control)
    return UDPWay(target: flow.destination, path: path.carrying(flow, on: stack), control: control)
  }

  /// The same for a datagram that is only begun: ``wayOfGathered(_:)`` says where it goes in the end.
  public func wayToGather(for destination: Endpoint?, control: DatagramControl?) throws(NetworkError) -> UDPWay {
    var (flow, path) = try lookUp(destination, control)
    if destination == nil, let remote { flow.destination = remote }
    self.flow = flow
    return UDPWay(target: flow.destination, path: path, control: control)
  }

  /// Where the datagram that was begun on `way` goes: the addresses may have become others meanwhile, the path has not.
  public func wayOfGathered(_ way: UDPWay) -> UDPWay {
    UDPWay(target: flow.destination, path: way.path.carrying(flow, on: stack), control: way.control)
  }

  private func lookUp(
    _ destination: Endpoint?, _ control: DatagramControl?
  ) throws(NetworkError) -> (flow: UDPFlow, path: Path) {
    try checkOpen()
    guard var target = destination ?? remote else { throw .destinationRequired }
    // Connecting to port 0 is allowed, sending there by name is not (Linux `udp_sendmsg`).
    guard destination?.port != 0 else { throw .invalidArgument }
    if local.port == 0 { try bind(to: Endpoint(local.address, 0)) }
    let isKept = destination == nil && keepsPath(control)
    if isKept, let connectedPath, connectedPath.isValid, connectedPath.headerOptions == nil {
      return (flow, connectedPath)
    }
    let path = try path(to: target, control)
    if isKept { connectedPath = path }
    if target.address.isUnspecified { target.address = path.destination }
    return (UDPFlow(source: path.source, destination: target), path)
  }

  /// Nothing is said about the way to the peer that could lead elsewhere.
  private func keepsPath(_ control: DatagramControl?) -> Bool {
    guard headerOptions == nil, !rules.staysOnLink, remote?.address.v4?.isMulticast == false else { return false }
    guard let control else { return true }
    var plain = DatagramControl()
    plain.segmentSize = control.segmentSize
    return control == plain
  }
}

extension Path {
  /// The same way with other addresses in the header. Whoever is on the link gets it himself.
  fileprivate func carrying(_ flow: UDPFlow, on stack: NetworkStack) -> Path {
    guard flow.source != source || flow.destination.address != destination else { return self }
    guard let from = flow.source.v4, let final = flow.destination.address.v4 else { return self }
    let target = headerOptions?.firstHop ?? final
    let isDirect = IPAddress(nextHop) == destination
    return Path(
      stack: stack, interface: interface, source: from, destination: target, nextHop: isDirect ? target : nextHop,
      station: isDirect ? interface.groupStation(of: target) : nil, mtu: mtu, isBroadcast: isBroadcast,
      headerOptions: headerOptions, final: final, limits: limits)
  }
}
