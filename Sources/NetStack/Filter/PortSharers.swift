import Packets

/// Those who have one address and port in common by SO_REUSEPORT (Linux `struct sock_reuseport`), in the order in which
/// a program that chooses among them counts them.
public final class PortSharers<Member: AnyObject> {
  private(set) var members: [Member] = []
  /// SO_ATTACH_REUSEPORT_CBPF
  var program: PacketFilter?

  public init(program: PacketFilter? = nil) { self.program = program }

  func add(_ member: Member) { members.append(member) }

  /// The last one takes the place of one who leaves.
  func remove(_ member: Member) {
    guard let place = members.firstIndex(where: { $0 === member }) else { return }
    members.swapAt(place, members.count - 1)
    members.removeLast()
  }

  /// Whom the program chooses (Linux `run_bpf_filter`); nil if there is none, or it names nobody.
  ///
  /// - Parameter packet: behind the header of the transport.
  func choose(_ packet: RawSpan, datagram: RawSpan, interface: Int) -> Member? {
    guard let program else { return nil }
    let place = program.run(packet, datagram: datagram, interface: interface)
    return place < members.count ? members[place] : nil
  }

  /// Sets the program, or (nil) takes it away; false if there was none to be taken away.
  public func exchange(_ program: PacketFilter?) -> Bool {
    defer { self.program = program }
    return program != nil || self.program != nil
  }
}

extension DatagramEndpoint {
  /// Enters among those who share the address and port, the program of the others being the one that counts (Linux
  /// `udp_reuseport_add_sock`).
  func share(with other: DatagramEndpoint?) {
    if let other {
      if other.sharers == nil {
        other.sharers = PortSharers()
        other.sharers?.add(other)
      }
      sharers = other.sharers
    } else if sharers == nil {
      sharers = PortSharers()
    }
    sharers?.add(self)
  }

  /// Whoever connects or gives the port back is not to be chosen any more.
  func leaveSharers() {
    sharers?.remove(self)
    sharers = nil
  }

  /// SO_ATTACH_REUSEPORT_CBPF, or SO_DETACH_REUSEPORT_BPF (nil): false if there was no program.
  ///
  /// - Parameter isSharing: SO_REUSEPORT is set.
  /// - Throws: ``NetworkError/invalidArgument`` if it shares no port.
  public func exchangeSharingProgram(_ program: PacketFilter?, isSharing: Bool) throws(NetworkError) -> Bool {
    if sharers == nil, program != nil, !hasPlace, isSharing { sharers = PortSharers() }
    guard let sharers else {
      guard program == nil, isSharing else { throw .invalidArgument }
      return false
    }
    return sharers.exchange(program)
  }
}

extension TCPListener {
  /// The same address and interface, and both share.
  func sharesPort(with other: TCPListener) -> Bool {
    parameters.reusePort && other.parameters.reusePort && local == other.local
      && parameters.interfaceIndex == other.parameters.interfaceIndex
  }

  /// As ``DatagramEndpoint/share(with:)`` (Linux `inet_reuseport_add_sock`).
  ///
  /// - Parameter own: what was made for a program before the socket listened.
  func share(with other: TCPListener?, own: PortSharers<TCPListener>?) {
    if let other {
      if other.sharers == nil {
        other.sharers = PortSharers()
        other.sharers?.add(other)
      }
      sharers = other.sharers
    } else {
      sharers = own ?? PortSharers()
    }
    sharers?.add(self)
  }
}
