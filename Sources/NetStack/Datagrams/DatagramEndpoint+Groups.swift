import Packets

extension DatagramEndpoint {
  /// Datagrams of `source` to `group` are for this endpoint too: it has joined and wants to hear them, or takes what
  /// others have joined (Linux `ip_mc_sf_allow`).
  func accepts(group: IPv4Address, from source: IPv4Address, on interface: NetworkInterface) -> Bool {
    guard group.isMulticast else { return true }
    return groups.hears(source, in: group, on: interface) ?? (receivesAllGroups || group == IPv4Address(224, 0, 0, 1))
  }
}
