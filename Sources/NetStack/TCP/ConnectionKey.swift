import Packets

/// The four-tuple that names a connection.
struct ConnectionKey: Hashable, BitwiseCopyable {
  var localAddress: IPAddress
  var remoteAddress: IPAddress
  /// The local port in the high half, the remote one in the low half.
  var ports: UInt32

  init(local: Endpoint, remote: Endpoint) {
    localAddress = local.address
    remoteAddress = remote.address
    ports = UInt32(local.port) << 16 | UInt32(remote.port)
  }

  var localPort: UInt16 { UInt16(truncatingIfNeeded: ports >> 16) }
  var remotePort: UInt16 { UInt16(truncatingIfNeeded: ports) }
  var local: Endpoint { Endpoint(localAddress, localPort) }
  var remote: Endpoint { Endpoint(remoteAddress, remotePort) }

  /// "10.0.2.15:32768 > 10.0.2.2:80", for events.
  var description: String {
    func text(_ address: IPAddress) -> String { address.v4?.description ?? "\(address)" }
    return "\(text(localAddress)):\(localPort) > \(text(remoteAddress)):\(remotePort)"
  }

  @inline(__always) static func == (a: ConnectionKey, b: ConnectionKey) -> Bool {
    // Without branches between the words: one segment, one comparison.
    (a.remoteAddress.low ^ b.remoteAddress.low) | (a.localAddress.low ^ b.localAddress.low)
      | UInt64(a.ports ^ b.ports) | (a.remoteAddress.high ^ b.remoteAddress.high)
      | (a.localAddress.high ^ b.localAddress.high) == 0
  }
}
