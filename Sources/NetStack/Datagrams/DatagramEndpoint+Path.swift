import Packets

// The way of a datagram, and what its header says.
extension DatagramEndpoint {
  /// The path to the peer that is being connected to, which is kept; one that was kept before is dropped in any case.
  func connectedPath(to peer: Endpoint) throws(NetworkError) -> Path {
    connectedPath = nil
    let path = try path(to: peer)
    connectedPath = path
    return path
  }

  /// The path to `remote`, if the policies let datagrams go there.
  func path(to remote: Endpoint, _ control: DatagramControl? = nil) throws(NetworkError) -> Path {
    let path = try path(to: remote.address, control)
    guard let policies else { return path }
    do { try policies.checkSending(policyProtocol, from: local.port, to: remote, on: path) } catch {
      self.path = nil
      throw error
    }
    return path
  }

  /// The path to `destination`, kept from the last datagram if it is the same.
  private func path(to destination: IPAddress, _ control: DatagramControl?) throws(NetworkError) -> Path {
    if let control, control.choosesPath { return try freshPath(to: destination, control) }
    if let path, path.isValid, path.destination == destination { return path }
    let fresh = try freshPath(to: destination, DatagramControl())
    path = fresh
    return fresh
  }

  private func freshPath(to destination: IPAddress, _ control: DatagramControl) throws(NetworkError) -> Path {
    let isGroup = destination.v4?.isMulticast == true
    // Nobody speaks from a group's address, or from everybody's, though one can listen there.
    var source = local.address.isUnspecified || stack.isGroup(local.address) ? nil : local.address
    if let wanted = control.source { source = wanted == .any ? nil : IPAddress(wanted) }
    var index = boundIndex
    if control.interfaceIndex != 0 { index = control.interfaceIndex }
    if index == 0 { index = isGroup ? multicastInterface?.index ?? 0 : unicastIndex }
    let fresh = try stack.path(
      to: destination, from: source, via: index, isTransparent: takesAnySource,
      staysOnLink: rules.staysOnLink || control.staysOnLink, headerOptions: control.headerOptions ?? headerOptions)
    if fresh.isBroadcast && !allowsBroadcast { throw .permissionDenied }
    return fresh
  }

  /// Linux finds a datagram too long before it looks at a pending error (`__ip_append_data`).
  ///
  /// - Parameters:
  ///   - length: octets behind the IP header.
  ///   - isCut: it will be cut into datagrams that fit the path.
  func checkLength(_ length: Int, on path: Path, isCut: Bool = false) throws(NetworkError) {
    do { try stack.ip.checkLength(length, on: path, isCut ? .want : pathMTUDiscovery) } catch {
      reportTooLong(error, on: path)
      throw error
    }
  }

  func options(for destination: IPAddress, _ control: DatagramControl?) -> DatagramOptions {
    DatagramOptions(
      tos: control?.typeOfService ?? tos,
      ttl: control?.timeToLive ?? (destination.v4?.isMulticast == true ? multicastTTL : ttl),
      discovery: pathMTUDiscovery)
  }
}
