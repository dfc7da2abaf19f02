import NetStack
import Packets
import Sockets

// ioctl(2) with a `struct ifreq`: interfaces (netdevice(7)). Every capability is taken as held, as by root in a network
// namespace of his own.
extension SystemCalls {
  /// ioctl(2) with a `struct ifreq` (netdevice(7)): 40 bytes in, the same with the answer filled in out. Interfaces are
  /// asked and changed.
  ///
  /// - Throws: ENODEV for an interface that is not there, EADDRNOTAVAIL for one without the address, EINVAL for a value
  ///   that it cannot have, EOPNOTSUPP for what no interface here does (SIOCETHTOOL, which needs memory, among it),
  ///   ENOTTY for a request that Linux does not know.
  public func ioctl(_ descriptor: Int32, _ request: UInt, interfaceRequest: [UInt8]) throws(Errno) -> [UInt8] {
    _ = try socketFor(.ioctl, descriptor)
    return try traced(.ioctl, "\(descriptor), 0x\(String(request, radix: 16)), ifreq", { _ in 0 }) {
      () throws(Errno) in
      var asked = try InterfaceRequest(interfaceRequest)
      try answer(request, &asked)
      return asked.bytes
    }
  }

  func answer(_ request: UInt, _ asked: inout InterfaceRequest) throws(Errno) {
    switch request {
    case ControlRequest.SIOCGIFNAME:
      guard let interface = stack.interface(at: Int(asked.number)) else { throw .ENODEV }
      asked.put(name: interface.name)
    case ControlRequest.SIOCGIFADDR, ControlRequest.SIOCGIFDSTADDR, ControlRequest.SIOCGIFBRDADDR,
      ControlRequest.SIOCGIFNETMASK:
      try askAddress(request, &asked)
    case ControlRequest.SIOCSIFADDR, ControlRequest.SIOCSIFDSTADDR, ControlRequest.SIOCSIFBRDADDR,
      ControlRequest.SIOCSIFNETMASK:
      try changeAddress(request, asked)
    case ControlRequest.SIOCSIFFLAGS: try changeFlags(asked)
    case ControlRequest.SIOCSIFPFLAGS, ControlRequest.SIOCGIFPFLAGS: throw .EINVAL
    default:
      guard Self.isInterfaceRequest(request) else { throw .ENOTTY }
      let interface = try interface(asked)
      if try !question(request, interface, &asked) { try change(request, interface, asked) }
    }
  }

  /// ENODEV if it is not there.
  func interface(_ asked: InterfaceRequest) throws(Errno) -> NetworkInterface {
    guard let interface = stack.interface(named: asked.device) else { throw .ENODEV }
    return interface
  }

  /// False if `request` asks nothing.
  private func question(
    _ request: UInt, _ interface: NetworkInterface, _ asked: inout InterfaceRequest
  ) throws(Errno) -> Bool {
    switch request {
    case ControlRequest.SIOCGIFINDEX: asked.put(Self.bytes(of: Int32(interface.index)))
    case ControlRequest.SIOCGIFMTU: asked.put(Self.bytes(of: Int32(clamping: interface.linkMTU)))
    case ControlRequest.SIOCGIFFLAGS: asked.put(Self.bytes(of: interface.flags.rawValue))
    case ControlRequest.SIOCGIFHWADDR:
      asked.put(Self.bytes(of: Self.hardwareType(of: interface)) + interface.hardwareAddress.octets)
    case ControlRequest.SIOCGIFMETRIC: asked.put(Self.bytes(of: Int32(0)))
    case ControlRequest.SIOCGIFTXQLEN: asked.put(Self.bytes(of: Int32(clamping: interface.transmitQueueLength)))
    // struct ifmap has 24 bytes, in which no device here has anything.
    case ControlRequest.SIOCGIFMAP: asked.put([UInt8](repeating: 0, count: 24))
    default: return false
    }
    return true
  }

  /// ARPHRD_ETHER or ARPHRD_LOOPBACK.
  static func hardwareType(of interface: NetworkInterface) -> UInt16 { interface.isLoopback ? 772 : 1 }

  private static func isInterfaceRequest(_ request: UInt) -> Bool {
    switch request {
    // From SIOCGIFFLAGS to SIOCSIFHWBROADCAST, without what was never more than a number (SIOCGIFMEM and its kin);
    // SIOCGIFTXQLEN, SIOCSIFTXQLEN; SIOCETHTOOL, SIOCGMIIPHY and its kin, SIOCWANDEV; SIOCGIFMAP, SIOCSIFMAP; bonds;
    // bridge ports; SIOCSHWTSTAMP, SIOCGHWTSTAMP; SIOCDEVPRIVATE.
    case ControlRequest.SIOCGIFFLAGS...ControlRequest.SIOCSIFMETRIC,
      ControlRequest.SIOCGIFMTU...ControlRequest.SIOCSIFHWADDR, ControlRequest.SIOCGIFHWADDR,
      ControlRequest.SIOCGIFSLAVE, ControlRequest.SIOCSIFSLAVE...ControlRequest.SIOCGIFPFLAGS,
      ControlRequest.SIOCSIFHWBROADCAST, ControlRequest.SIOCGIFTXQLEN, ControlRequest.SIOCSIFTXQLEN,
      ControlRequest.SIOCETHTOOL...ControlRequest.SIOCWANDEV, ControlRequest.SIOCGIFMAP, ControlRequest.SIOCSIFMAP,
      0x8990...0x8995, 0x89A2, 0x89A3, ControlRequest.SIOCSHWTSTAMP, ControlRequest.SIOCGHWTSTAMP,
      ControlRequest.SIOCDEVPRIVATE...0x89FF:
      true
    default: false
    }
  }

  /// SIOCGIFCONF: a `struct ifreq` for every address of an interface (netdevice(7)).
  func interfaceList() -> [UInt8] {
    stack.interfaces.flatMap { interface in
      interface.addresses.flatMap { own -> [UInt8] in
        var entry = InterfaceRequest(name: own.label)
        entry.put(own.address)
        return entry.bytes
      }
    }
  }

  /// sizeof(struct ifreq).
  public static let interfaceRequestSize = InterfaceRequest.byteCount
}

/// Runs `body` and turns what the stack throws into Linux's number.
func networkErrno<T>(_ body: () throws(NetworkError) -> T) throws(Errno) -> T {
  do { return try body() } catch { throw error.errno }
}
