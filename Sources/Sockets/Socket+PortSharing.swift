import NetStack

// SO_ATTACH_REUSEPORT_CBPF and SO_DETACH_REUSEPORT_BPF (socket(7); Linux `reuseport_attach_prog`,
// `reuseport_detach_prog`).
extension DatagramSocket {
  public func exchangeSharingProgram(_ program: PacketFilter?) throws(SocketError) -> Bool {
    let isSharing = options.reusePort
    return try networked { () throws(NetworkError) in
      try endpoint.exchangeSharingProgram(program, isSharing: isSharing)
    }
  }
}

extension TCPSocket {
  public func exchangeSharingProgram(_ program: PacketFilter?) throws(SocketError) -> Bool {
    switch role {
    case .listener(let listener):
      if let sharers = listener.sharers { return sharers.exchange(program) }
    case .connection, .unconnected:
      let isPlaced = connection.map { $0.state != .closed } ?? false
      if sharers == nil, program != nil, !isPlaced, storedOptions.reusePort { sharers = PortSharers() }
      if let sharers { return sharers.exchange(program) }
    }
    guard program == nil, storedOptions.reusePort else { throw .invalidArgument }
    return false
  }
}
