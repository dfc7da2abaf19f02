import NetStack
import Packets
import Sockets

// ioctl(2) with a `struct ifreq`: what is asked of interfaces (netdevice(7)).
extension SystemCalls {
  /// ioctl(2) with a `struct ifreq` (netdevice(7)): 40 bytes in, the same with the answer filled in out.
  ///
  /// - Throws: ENODEV for an interface that is not there, EADDRNOTAVAIL for one without the address, EPERM for a change
  ///   (interfaces are configured through the stack, not by programs), ENOTTY for a request that Linux does not know.
  public func ioctl(_ descriptor: Int32, _ request: UInt, interfaceRequest: [UInt8]) throws(Errno) -> [UInt8] {
    _ = try socketFor(.ioctl, descriptor)
    return try traced(.ioctl, "\(descriptor), 0x\(String(request, radix: 16)), ifreq", { _ in 0 }) {
      () throws(Errno) in
      guard interfaceRequest.count >= Self.interfaceRequestSize else { throw .EFAULT }
      guard let kind = Self.kind(of: request) else { throw .ENOTTY }
      if kind == .invalid { throw .EINVAL }
      // SIOCSIFADDR and its kin look at the address first.
      if kind == .address, interfaceRequest[16] != SocketDomain.AF_INET || interfaceRequest[17] != 0 { throw .EINVAL }
      var answer = interfaceRequest
      let index = Int(interfaceRequest[16]) | Int(interfaceRequest[17]) << 8
      let name = String(decoding: interfaceRequest.prefix(16).prefix { $0 != 0 }, as: UTF8.self)
      // lo:1 is another address of lo, as names of addresses once were.
      let (device, isAlias) = (name.prefix { $0 != ":" }, name.contains(":"))
      let interface =
        request == ControlRequest.SIOCGIFNAME
        ? stack.interfaces.first { $0.index == index } : stack.interfaces.first { $0.name == device }
      guard let interface else { throw .ENODEV }
      switch kind {
      case .question: break
      case .address, .change: throw .EPERM
      case .empty: throw .EINVAL
      case .nowhere: throw .EFAULT
      case .unsupported, .invalid: throw .EOPNOTSUPP
      }
      func put(_ bytes: [UInt8]) { answer.replaceSubrange(16..<(16 + bytes.count), with: bytes) }
      func address(_ pick: (IPv4Address, Int) -> IPv4Address) throws(Errno) {
        guard !isAlias, let own = interface.addresses.first else { throw .EADDRNOTAVAIL }
        put(SocketAddress.encode(Endpoint(pick(own.address, Int(own.prefixLength)), 0)))
      }
      func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : ~0 << UInt32(32 - min(length, 32)) }
      switch request {
      case ControlRequest.SIOCGIFNAME:
        let bytes = Array(interface.name.utf8.prefix(15))
        answer.replaceSubrange(0..<16, with: bytes + [UInt8](repeating: 0, count: 16 - bytes.count))
      case ControlRequest.SIOCGIFINDEX: put(Self.bytes(of: Int32(interface.index)))
      case ControlRequest.SIOCGIFMTU: put(Self.bytes(of: Int32(interface.mtu)))
      case ControlRequest.SIOCGIFFLAGS:
        put(Self.bytes(of: interface.isLoopback ? Self.loopbackFlags : Self.ethernetFlags(interface.isUp)))
      // No interface here is one end of a line: the other address is its own.
      case ControlRequest.SIOCGIFADDR, ControlRequest.SIOCGIFDSTADDR: try address { own, _ in own }
      case ControlRequest.SIOCGIFNETMASK: try address { _, length in IPv4Address(rawValue: mask(length)) }
      case ControlRequest.SIOCGIFBRDADDR:
        // The loopback interface has none.
        try address { own, length in interface.isLoopback ? .any : IPv4Address(rawValue: own.rawValue | ~mask(length)) }
      case ControlRequest.SIOCGIFHWADDR:
        // ARPHRD_ETHER 1, ARPHRD_LOOPBACK 772.
        let hardware = interface.device.hardwareAddress
        put(Self.bytes(of: UInt16(interface.isLoopback ? 772 : 1)) + (0..<6).map { hardware[$0] })
      case ControlRequest.SIOCGIFMETRIC: put(Self.bytes(of: Int32(0)))
      case ControlRequest.SIOCGIFTXQLEN: put(Self.bytes(of: Int32(1000)))
      // SIOCGIFMAP: struct ifmap has 24 bytes, in which no device here has anything.
      default: put([UInt8](repeating: 0, count: 24))
      }
      return answer
    }
  }

  /// What Linux does with a request of the socket kind.
  private enum RequestKind {
    case question, change
    /// A change of an address, which is looked at before the interface.
    case address
    /// Refused by every device here.
    case unsupported
    /// Not answered for any interface.
    case invalid
    /// EINVAL for what an interface here is, EFAULT without data.
    case empty, nowhere
  }

  /// Nil for a request that Linux does not know.
  private static func kind(of request: UInt) -> RequestKind? {
    switch request {
    case ControlRequest.SIOCGIFNAME, ControlRequest.SIOCGIFINDEX, ControlRequest.SIOCGIFMTU,
      ControlRequest.SIOCGIFFLAGS, ControlRequest.SIOCGIFADDR, ControlRequest.SIOCGIFNETMASK,
      ControlRequest.SIOCGIFBRDADDR, ControlRequest.SIOCGIFHWADDR, ControlRequest.SIOCGIFDSTADDR,
      ControlRequest.SIOCGIFMETRIC, ControlRequest.SIOCGIFTXQLEN, ControlRequest.SIOCGIFMAP:
      .question
    // SIOCSIFFLAGS, SIOCSIFMTU, SIOCSIFTXQLEN
    case 0x8914, 0x8922, 0x8943: .change
    // SIOCSIFADDR, SIOCSIFDSTADDR, SIOCSIFBRDADDR, SIOCSIFNETMASK
    case 0x8916, 0x8918, 0x891A, 0x891C: .address
    // SIOCSIFPFLAGS, SIOCGIFPFLAGS
    case 0x8934, 0x8935: .invalid
    // SIOCSIFNAME, SIOCSIFHWADDR, SIOCGIFSLAVE, SIOCSIFSLAVE, SIOCADDMULTI, SIOCDELMULTI, SIOCSIFHWBROADCAST
    case 0x8923, 0x8924, 0x8929, 0x8930, 0x8931, 0x8932, 0x8937: .empty
    // SIOCSHWTSTAMP
    case 0x89B0: .nowhere
    // SIOCSIFMETRIC, SIOCETHTOOL, SIOCGMIIPHY and its kin, SIOCWANDEV, SIOCSIFMAP, bonds, bridge ports, SIOCGHWTSTAMP,
    // SIOCDEVPRIVATE
    case 0x891E, 0x8946...0x894A, 0x8971, 0x8990...0x8995, 0x89A2, 0x89A3, 0x89B1, 0x89F0...0x89FF: .unsupported
    default: nil
    }
  }

  /// SIOCGIFCONF: a `struct ifreq` for every interface that has an address (netdevice(7)).
  func interfaceList() -> [UInt8] {
    stack.interfaces.flatMap { interface in
      interface.addresses.flatMap { own -> [UInt8] in
        let name = Array(interface.name.utf8.prefix(15))
        let request =
          name + [UInt8](repeating: 0, count: 16 - name.count) + SocketAddress.encode(Endpoint(own.address, 0))
        return request + [UInt8](repeating: 0, count: Self.interfaceRequestSize - request.count)
      }
    }
  }

  /// sizeof(struct ifreq).
  public static let interfaceRequestSize = 40
  /// IFF_UP | IFF_LOOPBACK | IFF_RUNNING.
  private static let loopbackFlags: Int16 = 0x49
  /// IFF_UP | IFF_BROADCAST | IFF_MULTICAST, and IFF_RUNNING with a carrier.
  private static func ethernetFlags(_ isRunning: Bool) -> Int16 { isRunning ? 0x1043 : 0x1003 }
}
