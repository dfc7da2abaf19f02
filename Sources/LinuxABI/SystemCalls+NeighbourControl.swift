import NetStack
import Packets
import Sockets

/// A `struct arpreq` (arp(7)): 68 bytes.
private struct NeighbourRequest {
  private let fields: UserStructure
  static let byteCount = 68
  /// ATF_COM, ATF_PERM, ATF_PUBL, ATF_NETMASK, ATF_DONTPUB
  static let complete: Int32 = 0x02
  static let permanent: Int32 = 0x04
  static let published: Int32 = 0x08
  static let netmask: Int32 = 0x20
  static let unpublished: Int32 = 0x40
  /// Flags that mean something only beside ATF_PUBL.
  static let onlyPublished = netmask | unpublished

  init(_ bytes: some Sequence<UInt8>) { fields = UserStructure(bytes) }

  var bytes: [UInt8] { fields.bytes }
  var family: UInt16 { fields.load(0) }
  var address: IPv4Address { fields.ipv4(0) }
  var hardwareType: UInt16 { fields.load(16) }
  var hardwareAddress: MACAddress { fields.hardwareAddress(16) }
  var flags: Int32 { fields.load(32) }
  var device: String { String(octets: fields.name(52..<68)) }

  func has(_ flag: Int32) -> Bool { flags & flag != 0 }

  /// The mask of a published address: every bit, unless it is given.
  var mask: UInt32 { has(Self.netmask) ? UInt32(bigEndian: fields.load(40)) : .max }
}

// ioctl(2) of the neighbour caches: SIOCSARP, SIOCGARP, SIOCDARP (arp(7)), by Linux's rules (`arp_ioctl`).
extension SystemCalls {
  func neighbourControl(_ request: UInt, _ address: UInt, _ memory: UserMemory) throws(Errno) {
    let asked = NeighbourRequest(try memory.bytes(address, NeighbourRequest.byteCount))
    guard asked.family == SocketDomain.AF_INET else { throw .EPFNOSUPPORT }
    guard asked.has(NeighbourRequest.published) || asked.flags & NeighbourRequest.onlyPublished == 0 else {
      throw .EINVAL
    }
    guard asked.mask == 0 || asked.mask == .max else { throw .EINVAL }
    switch request {
    case ControlRequest.SIOCGARP: try memory.copy(try neighbour(asked), to: address)
    case ControlRequest.SIOCSARP:
      let interface = try interface(of: asked)
      if asked.has(NeighbourRequest.published) { return try publish(asked, interface) }
      guard let interface else { throw .ENODEV }
      if asked.device.isEmpty, asked.has(NeighbourRequest.complete | NeighbourRequest.permanent) {
        guard asked.hardwareType == Self.hardwareType(of: interface) else { throw .EINVAL }
      }
      guard interface.supportsIPv4 else { throw .EINVAL }
      let isPermanent = asked.has(NeighbourRequest.permanent)
      let hardware = isPermanent || asked.has(NeighbourRequest.complete) ? asked.hardwareAddress : nil
      try networkErrno { () throws(NetworkError) in
        try interface.neighbours.set(asked.address, hardware, isPermanent: isPermanent)
      }
    default:
      let interface = try interface(of: asked)
      if asked.has(NeighbourRequest.published) { return try unpublish(asked, interface) }
      guard let interface, interface.neighbours.forget(asked.address) else { throw .ENXIO }
    }
  }

  private func neighbour(_ asked: NeighbourRequest) throws(Errno) -> [UInt8] {
    guard !asked.device.isEmpty else { throw .ENODEV }
    let interface = try named(asked)
    guard let entry = interface.neighbours.entry(of: asked.address), entry.state != .noARP else { throw .ENXIO }
    let flags: Int32 =
      switch entry.state {
      case .permanent: NeighbourRequest.permanent | NeighbourRequest.complete
      case .incomplete, .failed: 0
      default: NeighbourRequest.complete
      }
    let hardware = entry.state == .failed ? .zero : entry.hardwareAddress
    var answer = asked.bytes
    answer.replaceSubrange(16..<18, with: Self.bytes(of: Self.hardwareType(of: interface)))
    answer.replaceSubrange(18..<24, with: hardware.octets)
    answer.replaceSubrange(32..<36, with: Self.bytes(of: flags))
    if !asked.has(NeighbourRequest.netmask) { answer.replaceSubrange(40..<44, with: [255, 255, 255, 255]) }
    return answer
  }

  /// The interface that is named, to which the hardware address must fit.
  private func named(_ asked: NeighbourRequest) throws(Errno) -> NetworkInterface {
    guard let interface = stack.interface(named: asked.device) else { throw .ENODEV }
    let type = Self.hardwareType(of: interface)
    guard !asked.has(NeighbourRequest.complete) || asked.hardwareType == 0 || asked.hardwareType == type else {
      throw .EINVAL
    }
    return interface
  }

  /// The interface that is named or, for a neighbour, on whose link the address is.
  private func interface(of asked: NeighbourRequest) throws(Errno) -> NetworkInterface? {
    if !asked.device.isEmpty { return try named(asked) }
    if asked.has(NeighbourRequest.published) { return nil }
    return try networkErrno { () throws(NetworkError) in
      try stack.path(to: IPAddress(asked.address), from: nil, staysOnLink: true).interface
    }
  }

  /// ATF_PUBL: with a mask an address that is answered for, without one all that are elsewhere.
  private func publish(_ asked: NeighbourRequest, _ named: NetworkInterface?) throws(Errno) {
    var interface = named
    if interface == nil, asked.has(NeighbourRequest.complete) {
      interface = stack.interfaces.first {
        Self.hardwareType(of: $0) == asked.hardwareType && $0.hardwareAddress == asked.hardwareAddress
      }
      guard interface != nil else { throw .ENODEV }
    }
    guard asked.mask != 0 else { return try setProxy(true, interface) }
    try networkErrno { () throws(NetworkError) in
      try stack.proxies.insert(asked.address, on: interface?.index ?? 0)
    }
  }

  private func unpublish(_ asked: NeighbourRequest, _ interface: NetworkInterface?) throws(Errno) {
    guard asked.mask != 0 else { return try setProxy(false, interface) }
    guard stack.proxies.remove(asked.address, on: interface?.index ?? 0) else { throw .ENOENT }
  }

  private func setProxy(_ isOn: Bool, _ interface: NetworkInterface?) throws(Errno) {
    guard let interface else { return stack.proxies.answersForAll = isOn }
    guard interface.supportsIPv4 else { throw .ENXIO }
    interface.isARPProxy = isOn
  }
}
