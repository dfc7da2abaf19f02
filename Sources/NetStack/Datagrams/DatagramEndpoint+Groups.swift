import Packets

// Membership of multicast groups (RFC 1112; ip(7)).
extension DatagramEndpoint {
  /// Receives datagrams to `group` that come in on `interface` (IP_ADD_MEMBERSHIP).
  ///
  /// - Throws: ``NetworkError/invalidArgument`` if it is not a group, ``NetworkError/addressInUse`` if it is joined
  ///   already, ``NetworkError/noBuffers`` beyond 20 groups (Linux's `igmp_max_memberships`).
  public func join(_ group: IPv4Address, on interface: NetworkInterface) throws(NetworkError) {
    guard group.isMulticast else { throw .invalidArgument }
    guard !groups.contains(where: { $0.group == group && $0.interface === interface }) else { throw .addressInUse }
    guard groups.count < 20 else { throw .noBuffers }
    groups.append((group, interface))
    interface.join(group)
  }

  /// Leaves a group on `interface`; nil: where it was joined first.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable`` if the group is not joined there.
  public func leave(_ group: IPv4Address, on interface: NetworkInterface?) throws(NetworkError) {
    guard
      let place = groups.firstIndex(where: { $0.group == group && (interface == nil || $0.interface === interface) })
    else { throw .addressNotAvailable }
    groups.remove(at: place).interface.leave(group)
  }

  func leaveGroups() {
    for (group, interface) in groups { interface.leave(group) }
    groups = []
  }

  /// Datagrams to `group` are for this endpoint too: it has joined, or takes what others have joined.
  func accepts(group: IPv4Address) -> Bool {
    receivesAllGroups || !group.isMulticast || groups.contains { $0.group == group }
      || group == IPv4Address(224, 0, 0, 1)
  }
}
