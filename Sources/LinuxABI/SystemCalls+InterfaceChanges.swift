import NetStack
import Packets

// ioctl(2) that changes an interface (netdevice(7)), but for its addresses and flags.
extension SystemCalls {
  func change(_ request: UInt, _ interface: NetworkInterface, _ asked: InterfaceRequest) throws(Errno) {
    switch request {
    case ControlRequest.SIOCSIFMTU:
      try networkErrno { () throws(NetworkError) in try interface.changeMTU(to: Int(asked.number)) }
    case ControlRequest.SIOCSIFTXQLEN:
      guard asked.number >= 0 else { throw .EINVAL }
      interface.transmitQueueLength = Int(asked.number)
    case ControlRequest.SIOCSIFNAME: try rename(interface, asked.newName)
    case ControlRequest.SIOCSIFHWADDR:
      guard asked.family == Self.hardwareType(of: interface) else { throw .EINVAL }
      try networkErrno { () throws(NetworkError) in try interface.setHardwareAddress(asked.hardwareAddress) }
    case ControlRequest.SIOCSIFHWBROADCAST:
      guard asked.family == Self.hardwareType(of: interface) else { throw .EINVAL }
      interface.setHardwareBroadcast(asked.hardwareAddress)
    case ControlRequest.SIOCADDMULTI, ControlRequest.SIOCDELMULTI:
      // The loopback interface does not filter.
      guard !interface.isLoopback, asked.family == 0 else { throw .EINVAL }
      if request == ControlRequest.SIOCADDMULTI {
        try networkErrno { () throws(NetworkError) in try interface.addHardwareGroup(asked.hardwareAddress) }
      } else if !interface.removeHardwareGroup(asked.hardwareAddress) {
        throw .ENOENT
      }
    // There are no slaves.
    case ControlRequest.SIOCGIFSLAVE, ControlRequest.SIOCSIFSLAVE: throw .EINVAL
    default: throw .EOPNOTSUPP
    }
  }

  /// SIOCSIFNAME: a name, or a template in which `%d` becomes the first number that is free (Linux `dev_valid_name`,
  /// `dev_alloc_name`).
  private func rename(_ interface: NetworkInterface, _ name: [UInt8]) throws(Errno) {
    // White space is that of ISO 8859-1.
    let refused = Set("/:\t\n\u{B}\u{C}\r ".utf8 + [0xA0])
    let text = String(octets: name)
    guard !name.isEmpty, text != ".", text != "..", !name.contains(where: refused.contains) else { throw .EINVAL }
    guard text != interface.name else { return }
    try networkErrno { () throws(NetworkError) in try stack.rename(interface, to: try numbered(text)) }
  }

  private func numbered(_ template: String) throws(NetworkError) -> String {
    let parts = template.split(separator: "%", omittingEmptySubsequences: false)
    guard parts.count > 1 else { return template }
    guard parts.count == 2, parts[1].first == "d" else { throw .invalidArgument }
    for number in 0...stack.interfaces.count {
      let name = "\(parts[0])\(number)\(parts[1].dropFirst())"
      if name.count < 16, stack.interface(named: name) == nil { return name }
    }
    throw .alreadyExists
  }
}
