import Packets

// What a connection means for others who want its port.
extension TCPConnection {
  /// The connection as the port table sees it.
  var portUse: PortUse {
    PortUse(
      address: key.localAddress,
      reuse: PortReuse(address: chosen.reuseAddress, port: chosen.reusePort, interface: chosen.interfaceIndex),
      isConnectBound: isConnectBound)
  }

  /// Segments that come in on `interface` are for this connection (SO_BINDTODEVICE).
  @inline(__always) func accepts(_ interface: NetworkInterface) -> Bool {
    !isSelective || chosen.interfaceIndex == 0 || chosen.interfaceIndex == interface.index
  }

  /// The connection has the port without a binding of its own: `connect` chose it, or it is a listener's.
  func takePort() {
    guard isRegistered, !isPortCounted else { return }
    isPortCounted = true
    layer.ports.add(portUse, key.localPort)
  }

  func leavePort() {
    guard isPortCounted else { return }
    isPortCounted = false
    layer.ports.remove(portUse, key.localPort)
  }

  /// SO_REUSEADDR, SO_REUSEPORT and SO_BINDTODEVICE changed.
  func changeSharing(_ parameters: TCPParameters) {
    let wasCounted = isPortCounted
    leavePort()
    chosen.reuseAddress = parameters.reuseAddress
    chosen.reusePort = parameters.reusePort
    if chosen.interfaceIndex != parameters.interfaceIndex {
      chosen.interfaceIndex = parameters.interfaceIndex
      isSelective = chosen.isSelective
      // The way that it had is none any more, even if there is no other.
      if current != .closed, !findPath() { path.invalidate() }
    }
    if wasCounted { takePort() }
  }
}
