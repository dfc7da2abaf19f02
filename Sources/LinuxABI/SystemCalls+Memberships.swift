import NetStack
import Packets
import Sockets

// Options of the IP and raw levels whose values are addresses and groups (ip(7), raw(7)).
extension SystemCalls {
  /// `struct ip_mreq` (group, address) or `struct ip_mreqn` (group, address, index); nil if it is too short.
  private func request(_ value: UnsafeRawBufferPointer, least: Int) -> (
    group: IPv4Address, address: IPv4Address, index: Int
  )? {
    guard value.count >= least else { return nil }
    func address(_ offset: Int) -> IPv4Address {
      IPv4Address(rawValue: UInt32(bigEndian: value.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    if value.count < 8 { return (.any, address(0), 0) }
    let index = value.count >= 12 ? Int(value.loadUnaligned(fromByteOffset: 8, as: Int32.self)) : 0
    return (address(0), address(4), index)
  }

  /// The interface that a request means; nil if there is none.
  func interface(_ address: IPv4Address, _ index: Int, group: IPv4Address?) -> NetworkInterface? {
    if index != 0 { return stack.interface(at: index) }
    if address != .any { return stack.interfaces.first { $0.addresses.contains { $0.address == address } } }
    // The way to one's own addresses, and to none, leads over lo.
    return group.flatMap { $0 == .any || stack.isLocal($0) ? stack.loopback : stack.routes.lookUp($0).route?.interface }
  }

  /// Sets IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF, IP_MULTICAST_ALL or ICMP_FILTER; false for others.
  func setMembership(
    _ socket: any Socket, _ level: Int32, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) -> Bool {
    let datagrams = socket as? DatagramSocket
    switch (level, name) {
    case (Protocol.IPPROTO_IP, OptionName.IP_ADD_MEMBERSHIP), (Protocol.IPPROTO_IP, OptionName.IP_DROP_MEMBERSHIP):
      guard datagrams != nil else { throw .EPROTO }
      guard let wanted = request(value, least: 8) else { throw .EINVAL }
      try changeMembership(
        socket, wanted.group, wanted.address, wanted.index, joins: name == OptionName.IP_ADD_MEMBERSHIP)
    case (Protocol.IPPROTO_IP, OptionName.IP_MULTICAST_IF):
      guard let datagrams else { throw .EINVAL }
      guard let wanted = request(value, least: 4) else { throw .EINVAL }
      if wanted.index == 0 && wanted.address == .any {
        datagrams.setMulticastInterface(nil, address: .any)
        return true
      }
      guard let interface = interface(wanted.address, wanted.index, group: nil) else { throw .EADDRNOTAVAIL }
      if socket.options.interfaceIndex != 0 && socket.options.interfaceIndex != interface.index { throw .EINVAL }
      datagrams.setMulticastInterface(interface, address: wanted.address)
    case (Protocol.IPPROTO_IP, OptionName.IP_MULTICAST_ALL):
      let number = Self.shortInteger(value)
      guard !value.isEmpty, number == 0 || number == 1 else { throw .EINVAL }
      socket.options.receivesAllGroups = number == 1
    case (OptionName.SOL_RAW, OptionName.ICMP_FILTER):
      guard let raw = socket as? RawSocket else { return false }
      guard raw.kind.protocolNumber == Int(Protocol.IPPROTO_ICMP) else { throw .EOPNOTSUPP }
      var mask = Self.bytes(of: raw.filteredICMPTypes)
      for (i, byte) in value.prefix(4).enumerated() { mask[i] = byte }
      raw.filteredICMPTypes = mask.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    case (Protocol.IPPROTO_IP, _): return try setSourceMembership(socket, name, value)
    default: return false
    }
    return true
  }

  /// What those options show; nil for others.
  func membershipOption(_ socket: any Socket, _ level: Int32, _ name: Int32) throws(Errno) -> [UInt8]? {
    switch (level, name) {
    case (Protocol.IPPROTO_IP, OptionName.IP_MULTICAST_IF):
      let address = (socket as? DatagramSocket)?.multicastAddress ?? .any
      return Self.bytes(of: address.rawValue.bigEndian)
    case (Protocol.IPPROTO_IP, OptionName.IP_MULTICAST_ALL):
      return Self.bytes(of: Int32(socket.options.receivesAllGroups ? 1 : 0))
    case (Protocol.IPPROTO_IP, OptionName.IP_PROTOCOL):
      // Linux keeps a raw socket's protocol where others have their port.
      if socket.kind.transport == .raw { return Self.bytes(of: Int32(socket.kind.protocolNumber)) }
      return Self.bytes(of: Int32((socket as? TCPSocket)?.ownPort ?? socket.localEndpoint.port))
    case (OptionName.SOL_RAW, _):
      guard let raw = socket as? RawSocket else { return nil }
      guard name == OptionName.ICMP_FILTER else { throw .ENOPROTOOPT }
      guard raw.kind.protocolNumber == Int(Protocol.IPPROTO_ICMP) else { throw .EOPNOTSUPP }
      return Self.bytes(of: raw.filteredICMPTypes)
    default: return nil
    }
  }
}
