import EventLoop
import Events
import Packets

// Segments from IP: whose they are.
extension TCPLayer {
  /// A segment arrived for one of this host's addresses, behind the first `headerLength` octets of `datagram`.
  func received(
    _ datagram: RawSpan, headerLength: Int, source: IPAddress, destination: IPAddress, interface: NetworkInterface,
    checksumVerified: Bool
  ) {
    counted.inSegments &+= 1
    let segment = datagram.clamped(headerLength)
    guard let header = TCPHeader(segment) else {
      counted.inErrors &+= 1
      return
    }
    if !checksumVerified, !isChecksumValid(header, source, destination) {
      counted.inErrors &+= 1
      counted.inChecksumErrors &+= 1
      return
    }
    let arrived = ArrivedSegment(header)
    let key = ConnectionKey(
      local: Endpoint(destination, header.destinationPort), remote: Endpoint(source, header.sourcePort))
    if tap.isOn { tapReceived(key, arrived, segment) }
    let now = loop.now
    if let recent, recent.key == key, recent.accepts(interface) {
      if recent.isSelective { return receivedSelectively(recent, arrived, datagram, headerLength, interface, now) }
      recent.received(arrived, segment, at: now)
    } else if let connection = table[key], connection.accepts(interface) {
      recent = connection
      if connection.isSelective {
        return receivedSelectively(connection, arrived, datagram, headerLength, interface, now)
      }
      connection.received(arrived, segment, at: now)
    } else {
      receivedByNoConnection(arrived, datagram, headerLength, key, interface, now)
    }
  }

  private func isChecksumValid(
    _ header: borrowing TCPHeader, _ source: IPAddress, _ destination: IPAddress
  ) -> Bool {
    guard let from = source.v4, let to = destination.v4 else { return false }
    return header.isChecksumValid(
      InternetChecksum(source: from, destination: to, protocol: .tcp, length: header.bytes.byteCount))
  }

  private func receivedByNoConnection(
    _ segment: ArrivedSegment, _ datagram: RawSpan, _ headerLength: Int, _ key: ConnectionKey,
    _ device: NetworkInterface, _ now: Instant
  ) {
    let interface = device.index
    let bytes = datagram.clamped(headerLength)
    if let entry = timeWaits[key], entry.portUse.reuse.interface == 0 || entry.portUse.reuse.interface == interface {
      switch receivedInTimeWait(segment, bytes, entry, now) {
      case .done: return
      case .reopen(let first):
        if let listener = listener(for: key.local, interface, segment, datagram, headerLength) {
          counted.timeWaitsRecycled &+= 1
          forgetTimeWait(key)
          return receivedByListener(listener, segment, bytes, key, first, now)
        }
      }
    }
    guard let listener = listener(for: key.local, interface, segment, datagram, headerLength) else {
      if !segment.flags.contains(.rst) { sendReset(toStranger: segment, datagram, headerLength, key) }
      return
    }
    if listener.parameters.isSelective, admitted(datagram, headerLength, listener.parameters, device) == 0 { return }
    receivedByListener(listener, segment, bytes, key, nil, now)
    if listener.parameters.savesSyn, let connection = table[key], connection.state == .synReceived {
      connection.savedSyn = datagram.clamped(0, headerLength + segment.headerLength).array
    }
  }

  // MARK: LISTEN (RFC 9293 3.10.7.2)

  private func receivedByListener(
    _ listener: TCPListener, _ segment: ArrivedSegment, _ bytes: RawSpan, _ key: ConnectionKey,
    _ initialSequence: SequenceNumber?, _ now: Instant
  ) {
    if segment.flags.contains(.rst) { return }
    var parameters = listener.parameters
    if segment.flags.contains(.ack) {
      return sendReset(answering: segment, key, signing: parameters.signatureKeys?.key(for: key.remoteAddress))
    }
    // A SYN with FIN is a probe or worse (Linux drops it too).
    guard segment.flags.contains(.syn), !segment.flags.contains(.fin), let header = TCPHeader(bytes) else { return }
    if parameters.signatureKeys == nil, header.options.hasSignature {
      counted.signatureUnexpected &+= 1
      return
    }
    guard listener.hasRoom else {
      counted.listenOverflows &+= 1
      counted.listenDrops &+= 1
      return
    }
    guard listener.takesSyns else {
      counted.requestQueueFullDrops &+= 1
      counted.listenDrops &+= 1
      return
    }
    let path: Path
    do {
      path = try stack.path(
        to: key.remoteAddress, from: key.localAddress, via: listener.parameters.interfaceIndex,
        isTransparent: listener.parameters.rules.isTransparent,
        staysOnLink: listener.parameters.rules.staysOnLink, headerOptions: listener.parameters.headerOptions)
      try listener.parameters.policies?.checkSending(.tcp, from: key.localPort, to: key.remote, on: path)
    } catch {
      counted.listenDrops &+= 1
      return
    }
    counted.passiveOpens &+= 1
    parameters.signatureKeys = parameters.signatureKeys?.narrowed(to: key.remoteAddress)
    let connection = make(key, path, parameters, initialSequence, now)
    listener.handshakeBegan()
    connection.open(answering: segment, header.options, of: listener, at: now)
  }

  private func listener(
    for local: Endpoint, _ interface: Int, _ segment: ArrivedSegment, _ datagram: RawSpan, _ headerLength: Int
  ) -> TCPListener? {
    guard var candidates = listeners[local.port] else { return nil }
    candidates.removeAll { $0.parameters.interfaceIndex != 0 && $0.parameters.interfaceIndex != interface }
    // The more specific address wins, then who is bound to the interface; among equals (SO_REUSEPORT) the one that
    // their program chooses, or the one with the shortest queue.
    let exact = candidates.filter { $0.local.address == local.address }
    var fitting = exact.isEmpty ? candidates.filter { $0.local.address.isUnspecified } : exact
    if fitting.contains(where: { $0.parameters.interfaceIndex != 0 }) {
      fitting.removeAll { $0.parameters.interfaceIndex == 0 }
    }
    if let sharers = fitting.first?.sharers, sharers.program != nil,
      let chosen = sharers.choose(
        datagram.clamped(headerLength + segment.headerLength), datagram: datagram, interface: interface)
    {
      return chosen
    }
    return fitting.min { $0.acceptableCount + $0.halfOpenCount < $1.acceptableCount + $1.halfOpenCount }
  }
}
