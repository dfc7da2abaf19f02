import NetStack
import Packets
import Sockets

// Memberships with lists of sources, and those that name their interface by index (ip(7); RFC 3678 4 and 5).
extension SystemCalls {
  /// Whom a group request is about.
  private struct GroupRequest {
    let group: IPv4Address
    var source = IPv4Address.any
    /// The interface by address, or by index.
    var address = IPv4Address.any
    var index = 0
  }

  private static func address(_ value: UnsafeRawBufferPointer, _ offset: Int) -> IPv4Address {
    IPv4Address(rawValue: UInt32(bigEndian: value.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }

  /// The address of a `struct sockaddr_storage`; nil for another family.
  private static func storedAddress(_ value: UnsafeRawBufferPointer, _ offset: Int) -> IPv4Address? {
    let family = value.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
    return family == UInt16(SocketDomain.AF_INET) ? address(value, offset + 4) : nil
  }

  /// Offsets and sizes of `struct ip_msfilter` and `struct group_filter`.
  private static let (filterSize, groupFilterSize) = (16, 144)
  private static let (storageSize, groupRequestSize, sourceRequestSize) = (128, 136, 264)

  /// Sets one of these options; false for others.
  func setSourceMembership(
    _ socket: any Socket, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) -> Bool {
    switch name {
    case OptionName.IP_BLOCK_SOURCE, OptionName.IP_UNBLOCK_SOURCE, OptionName.IP_ADD_SOURCE_MEMBERSHIP,
      OptionName.IP_DROP_SOURCE_MEMBERSHIP:
      // struct ip_mreq_source: group, interface, source.
      guard value.count == 12 else { throw .EINVAL }
      try changeSource(
        socket, name,
        GroupRequest(
          group: Self.address(value, 0), source: Self.address(value, 8), address: Self.address(value, 4)))
    case OptionName.MCAST_BLOCK_SOURCE, OptionName.MCAST_UNBLOCK_SOURCE, OptionName.MCAST_JOIN_SOURCE_GROUP,
      OptionName.MCAST_LEAVE_SOURCE_GROUP:
      // struct group_source_req: interface, group, source.
      guard value.count >= Self.sourceRequestSize else { throw .EINVAL }
      guard let group = Self.storedAddress(value, 8), let source = Self.storedAddress(value, 8 + Self.storageSize)
      else { throw .EADDRNOTAVAIL }
      let index = Int(value.loadUnaligned(as: Int32.self))
      try changeSource(socket, name, GroupRequest(group: group, source: source, index: index))
    case OptionName.MCAST_JOIN_GROUP, OptionName.MCAST_LEAVE_GROUP:
      guard value.count >= Self.groupRequestSize, let group = Self.storedAddress(value, 8) else { throw .EINVAL }
      let index = Int(value.loadUnaligned(as: Int32.self))
      try changeMembership(
        socket, group, .any, index, joins: name == OptionName.MCAST_JOIN_GROUP)
    case OptionName.IP_MSFILTER: try setFilter(socket, value)
    case OptionName.MCAST_MSFILTER: try setGroupFilter(socket, value)
    default: return false
    }
    return true
  }

  /// What setsockopt(2) says of a value of `count` bytes before it looks at it; nil: nothing.
  static func sourceRefusal(_ name: Int32, _ count: Int) -> Errno? {
    switch name {
    case OptionName.IP_MSFILTER: count < filterSize ? .EINVAL : nil
    case OptionName.MCAST_MSFILTER: count < groupFilterSize ? .EINVAL : nil
    case OptionName.MCAST_JOIN_GROUP, OptionName.MCAST_LEAVE_GROUP:
      count < groupRequestSize ? .EINVAL : nil
    case OptionName.IP_UNBLOCK_SOURCE...OptionName.IP_DROP_SOURCE_MEMBERSHIP: count != 12 ? .EINVAL : nil
    default: count < sourceRequestSize ? .EINVAL : nil
    }
  }

  /// Joins or leaves a group with all of its sources.
  func changeMembership(
    _ socket: any Socket, _ group: IPv4Address, _ address: IPv4Address, _ index: Int, joins: Bool
  ) throws(Errno) {
    guard group.isMulticast || !joins else { throw .EINVAL }
    let interface = interface(address, index, group: group)
    let memberships = socket.memberships
    if joins {
      guard let interface else { throw .ENODEV }
      try networkErrno { () throws(NetworkError) in try memberships.join(group, on: interface) }
    } else {
      if interface == nil { throw index == 0 && address == .any ? .ENODEV : .EADDRNOTAVAIL }
      try networkErrno { () throws(NetworkError) in try memberships.leave(group, on: interface) }
    }
  }

  private func changeSource(_ socket: any Socket, _ name: Int32, _ request: GroupRequest) throws(Errno) {
    let memberships = socket.memberships
    let isJoin = name == OptionName.IP_ADD_SOURCE_MEMBERSHIP || name == OptionName.MCAST_JOIN_SOURCE_GROUP
    guard request.group.isMulticast else { throw .EINVAL }
    guard let interface = interface(request.address, request.index, group: request.group) else { throw .ENODEV }
    let mode: GroupMemberships.Mode
    switch name {
    case OptionName.IP_BLOCK_SOURCE, OptionName.IP_UNBLOCK_SOURCE, OptionName.MCAST_BLOCK_SOURCE,
      OptionName.MCAST_UNBLOCK_SOURCE:
      mode = .exclude
    default: mode = .include
    }
    let adds = isJoin || name == OptionName.IP_BLOCK_SOURCE || name == OptionName.MCAST_BLOCK_SOURCE
    try networkErrno { () throws(NetworkError) in
      if isJoin {
        do throws(NetworkError) { try memberships.join(request.group, on: interface, mode: .include) } catch {
          guard error == .addressInUse else { throw error }
        }
      }
      if adds {
        try memberships.add(source: request.source, request.group, on: interface, mode: mode)
      } else {
        try memberships.remove(source: request.source, request.group, on: interface, mode: mode)
      }
    }
  }

  // MARK: Whole lists

  /// MCAST_EXCLUDE 0, MCAST_INCLUDE 1.
  private static func mode(_ number: UInt32) throws(Errno) -> GroupMemberships.Mode {
    switch number {
    case 0: .exclude
    case 1: .include
    default: throw .EINVAL
    }
  }

  private func setFilter(_ socket: any Socket, _ value: UnsafeRawBufferPointer) throws(Errno) {
    guard value.count >= Self.filterSize else { throw .EINVAL }
    let count = value.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
    guard count <= UInt32(GroupMemberships.sourceLimit) else { throw .ENOBUFS }
    guard value.count >= Self.filterSize + 4 * Int(count) else { throw .EINVAL }
    try setFilter(
      socket, GroupRequest(group: Self.address(value, 0), address: Self.address(value, 4)),
      value.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
      (0..<Int(count)).map { Self.address(value, Self.filterSize + 4 * $0) })
  }

  private func setGroupFilter(_ socket: any Socket, _ value: UnsafeRawBufferPointer) throws(Errno) {
    guard value.count >= Self.groupFilterSize else { throw .EINVAL }
    let count = value.loadUnaligned(fromByteOffset: 140, as: UInt32.self)
    guard count <= UInt32(GroupMemberships.sourceLimit) else { throw .ENOBUFS }
    guard value.count >= Self.groupFilterSize + Self.storageSize * Int(count) else { throw .EINVAL }
    guard let group = Self.storedAddress(value, 8) else { throw .EADDRNOTAVAIL }
    let sources = (0..<Int(count)).compactMap {
      Self.storedAddress(value, Self.groupFilterSize + Self.storageSize * $0)
    }
    guard sources.count == Int(count) else { throw .EADDRNOTAVAIL }
    try setFilter(
      socket, GroupRequest(group: group, index: Int(value.loadUnaligned(as: Int32.self))),
      value.loadUnaligned(fromByteOffset: 136, as: UInt32.self), sources)
  }

  private func setFilter(
    _ socket: any Socket, _ request: GroupRequest, _ number: UInt32, _ sources: [IPv4Address]
  ) throws(Errno) {
    guard request.group.isMulticast else { throw .EINVAL }
    let mode = try Self.mode(number)
    guard let interface = interface(request.address, request.index, group: request.group) else { throw .ENODEV }
    let memberships = socket.memberships
    try networkErrno { () throws(NetworkError) in
      try memberships.setFilter(request.group, on: interface, mode: mode, sources: sources)
    }
  }

  /// getsockopt(2) of IP_MSFILTER and MCAST_MSFILTER, which are asked with what `asked` says; nil for other options.
  func sourceFilter(
    _ socket: any Socket, _ name: Int32, _ asked: UnsafeRawBufferPointer
  ) throws(Errno) -> [UInt8]? {
    switch name {
    case OptionName.IP_MSFILTER:
      guard asked.count >= Self.filterSize else { throw .EINVAL }
      let (group, address) = (Self.address(asked, 0), Self.address(asked, 4))
      guard group.isMulticast else { throw .EINVAL }
      guard let interface = interface(address, 0, group: group) else { throw .ENODEV }
      let found = try filter(socket, group, interface)
      let room = Int(asked.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
      return Array(asked.prefix(8)) + Self.bytes(of: UInt32(found.mode == .include ? 1 : 0))
        + Self.bytes(of: UInt32(found.sources.count))
        + found.sources.prefix(room).flatMap { Self.bytes(of: $0.rawValue.bigEndian) }
    case OptionName.MCAST_MSFILTER:
      guard asked.count >= Self.groupFilterSize, let group = Self.storedAddress(asked, 8), group.isMulticast else {
        throw .EINVAL
      }
      guard let interface = stack.interface(at: Int(asked.loadUnaligned(as: Int32.self))) else {
        throw .EADDRNOTAVAIL
      }
      let found = try filter(socket, group, interface)
      let room = Int(asked.loadUnaligned(fromByteOffset: 140, as: UInt32.self))
      return Array(asked.prefix(136)) + Self.bytes(of: UInt32(found.mode == .include ? 1 : 0))
        + Self.bytes(of: UInt32(found.sources.count))
        + found.sources.prefix(room).flatMap {
          SocketAddress.encode(Endpoint($0, 0)) + [UInt8](repeating: 0, count: Self.storageSize - 16)
        }
    default: return nil
    }
  }

  private func filter(
    _ socket: any Socket, _ group: IPv4Address, _ interface: NetworkInterface
  ) throws(Errno) -> (mode: GroupMemberships.Mode, sources: [IPv4Address]) {
    let memberships = socket.memberships
    return try networkErrno { () throws(NetworkError) in try memberships.filter(of: group, on: interface) }
  }
}
