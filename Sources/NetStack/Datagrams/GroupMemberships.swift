import Packets

/// The groups that a socket has joined, and whom it hears there (RFC 1112, RFC 3376 2; Linux `ip_mc_source`).
public final class GroupMemberships {
  /// Whether the listed sources are the only ones that are heard, or those that are not.
  public enum Mode: Sendable, Equatable { case exclude, include }

  private struct Membership {
    let group: IPv4Address
    let interface: NetworkInterface
    var mode: Mode
    /// Nil: no list was ever given.
    var sources: [IPv4Address]?
  }

  private var memberships: [Membership] = []
  /// Linux's `igmp_max_memberships` and `igmp_max_msf`.
  private static let (mostGroups, mostSources) = (20, 10)
  public static let sourceLimit = mostSources

  public init() {}

  deinit { leaveAll() }

  private func place(_ group: IPv4Address, _ interface: NetworkInterface) -> Int? {
    memberships.firstIndex { $0.group == group && $0.interface === interface }
  }

  /// Joins a group (IP_ADD_MEMBERSHIP); in mode `include` nobody is heard until a source is added.
  ///
  /// - Throws: ``NetworkError/invalidArgument`` if it is not a group, ``NetworkError/addressInUse`` if it is joined
  ///   already, ``NetworkError/noBuffers`` beyond 20 groups.
  public func join(
    _ group: IPv4Address, on interface: NetworkInterface, mode: Mode = .exclude
  ) throws(NetworkError) {
    guard group.isMulticast else { throw .invalidArgument }
    guard place(group, interface) == nil else { throw .addressInUse }
    guard memberships.count < Self.mostGroups else { throw .noBuffers }
    memberships.append(Membership(group: group, interface: interface, mode: mode))
    interface.join(group)
  }

  /// Leaves a group on `interface`; nil: where it was joined first.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable`` if the group is not joined there.
  public func leave(_ group: IPv4Address, on interface: NetworkInterface?) throws(NetworkError) {
    guard
      let place = memberships.firstIndex(where: {
        $0.group == group && (interface == nil || $0.interface === interface)
      })
    else { throw .addressNotAvailable }
    memberships.remove(at: place).interface.leave(group)
  }

  func leaveAll() {
    for membership in memberships { membership.interface.leave(membership.group) }
    memberships = []
  }

  /// Adds a source to the list of a group: one more that is heard, or not heard.
  ///
  /// - Throws: ``NetworkError/invalidArgument`` if the group is not joined or has a list of the other mode,
  ///   ``NetworkError/addressNotAvailable`` if the source is listed, ``NetworkError/noBuffers`` beyond 10 sources.
  public func add(
    source: IPv4Address, _ group: IPv4Address, on interface: NetworkInterface, mode: Mode
  ) throws(NetworkError) {
    let place = try listPlace(group, interface, mode)
    let sources = memberships[place].sources ?? []
    guard sources.count < Self.mostSources else { throw .noBuffers }
    guard !sources.contains(source) else { throw .addressNotAvailable }
    memberships[place].sources = sources + [source]
  }

  /// Takes a source from the list. The last one of those that are heard takes the membership with it.
  ///
  /// - Throws: as ``add(source:_:on:mode:)``, and ``NetworkError/addressNotAvailable`` if it is not listed.
  public func remove(
    source: IPv4Address, _ group: IPv4Address, on interface: NetworkInterface, mode: Mode
  ) throws(NetworkError) {
    let place = try listPlace(group, interface, mode)
    guard let index = memberships[place].sources?.firstIndex(of: source) else { throw .addressNotAvailable }
    if mode == .include, memberships[place].sources?.count == 1 { return try leave(group, on: interface) }
    memberships[place].sources?.remove(at: index)
  }

  /// The membership whose list has the mode, or has none and takes it.
  private func listPlace(
    _ group: IPv4Address, _ interface: NetworkInterface, _ mode: Mode
  ) throws(NetworkError) -> Int {
    guard group.isMulticast, let place = place(group, interface) else { throw .invalidArgument }
    if memberships[place].sources == nil {
      memberships[place].mode = mode
    } else if memberships[place].mode != mode {
      throw .invalidArgument
    }
    return place
  }

  /// Replaces mode and list (IP_MSFILTER). Nobody to be heard means leaving.
  ///
  /// - Throws: ``NetworkError/invalidArgument`` if the group is not joined.
  public func setFilter(
    _ group: IPv4Address, on interface: NetworkInterface, mode: Mode, sources: [IPv4Address]
  ) throws(NetworkError) {
    if mode == .include && sources.isEmpty { return try leave(group, on: interface) }
    guard let place = place(group, interface) else { throw .invalidArgument }
    memberships[place].mode = mode
    memberships[place].sources = sources.isEmpty ? nil : sources
  }

  /// Mode and list of a group.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable`` if it is not joined.
  public func filter(
    of group: IPv4Address, on interface: NetworkInterface
  ) throws(NetworkError) -> (mode: Mode, sources: [IPv4Address]) {
    guard let place = place(group, interface) else { throw .addressNotAvailable }
    return (memberships[place].mode, memberships[place].sources ?? [])
  }

  /// Whether a datagram of `source` to `group` is heard; nil: the group is not joined on `interface`.
  func hears(_ source: IPv4Address, in group: IPv4Address, on interface: NetworkInterface) -> Bool? {
    guard let place = place(group, interface) else { return nil }
    let membership = memberships[place]
    return (membership.sources ?? []).contains(source) == (membership.mode == .include)
  }
}
