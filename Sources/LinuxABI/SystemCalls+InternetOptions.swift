import NetStack
import Packets
import Sockets

// Options of the IP level with rules of their own (ip(7); Linux `do_ip_setsockopt`).
extension SystemCalls {
  /// Sets IP_OPTIONS, IP_ROUTER_ALERT, IP_UNICAST_IF or a policy; false for others.
  func setInternet(
    _ socket: any Socket, _ level: Int32, _ name: Int32, _ value: UnsafeRawBufferPointer
  ) throws(Errno) -> Bool {
    guard level == Protocol.IPPROTO_IP else { return false }
    switch name {
    case OptionName.IP_OPTIONS: socket.options.headerOptions = try headerOptions(value)
    case OptionName.IP_ROUTER_ALERT:
      // Datagrams with the option would go to the socket; no router here looks for it.
      guard socket.kind.transport == .raw, socket.kind.protocolNumber != Int(Protocol.IPPROTO_RAW) else {
        throw .EINVAL
      }
      let (key, isOn) = (KeptOption.key(level, name), Self.shortInteger(value) != 0)
      let wasOn = socket.options.kept[key] == 1
      guard isOn != wasOn else { throw isOn ? .EADDRINUSE : .ENOBUFS }
      socket.options.kept[key] = isOn ? 1 : 0
    case OptionName.IP_UNICAST_IF:
      guard value.count == 4 else { throw .EINVAL }
      let given = value.loadUnaligned(as: Int32.self)
      let index = Int(given.byteSwapped)
      if index != 0 {
        guard stack.interface(at: index) != nil else { throw .EADDRNOTAVAIL }
        let bound = socket.options.interfaceIndex
        guard bound == 0 || bound == index else { throw .EINVAL }
      }
      socket.options.unicastInterface = given
    case OptionName.IP_XFRM_POLICY, OptionName.IP_IPSEC_POLICY: try setPolicy(socket, name, value)
    default: return false
    }
    return true
  }

  /// What those options show; nil for others.
  func internetOption(_ socket: any Socket, _ level: Int32, _ name: Int32) throws(Errno) -> [UInt8]? {
    guard level == Protocol.IPPROTO_IP else { return nil }
    switch name {
    case OptionName.IP_OPTIONS: return socket.options.headerOptions?.bytes ?? []
    case OptionName.IP_ROUTER_ALERT: return Self.bytes(of: socket.options.kept[KeptOption.key(level, name)] ?? 0)
    case OptionName.IP_UNICAST_IF: return Self.bytes(of: socket.options.unicastInterface)
    // What an IPv4 stream received last, of which nothing is kept.
    case OptionName.IP_PKTOPTIONS where socket.kind.transport == .stream: return []
    default: return nil
    }
  }

  /// Options of a header as a program gives them; nil for none.
  func headerOptions(_ value: UnsafeRawBufferPointer) throws(Errno) -> IPv4HeaderOptions? {
    guard !value.isEmpty else { return nil }
    return try errnoOf { () throws(SocketError) in
      do throws(NetworkError) { return try IPv4HeaderOptions(Array(value)) { stack.isLocal($0) } } catch {
        throw .network(error)
      }
    }
  }
}
