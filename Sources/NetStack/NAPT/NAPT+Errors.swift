import Packets

/// ICMP errors about translated datagrams (RFC 5508 4): the quotation tells whose they are.
extension NAPT {
  /// An error from outside about something that an inner host sent: it goes to that host, and quotes what that host
  /// knows.
  func returningError(_ header: borrowing IPv4Header, table: NAPTTable) -> AddressRewrite? {
    guard let message = ICMPv4Message(header.payload), message.isChecksumValid,
      let quote = IPv4Header(quoted: message.payload), quote.source == header.destination,
      let ports = Self.ports(of: quote, echoType: 8)
    else { return nil }
    let outer = NAPTFlow(
      quote.protocol.rawValue, near: 0, ports.source, far: quote.destination.rawValue, ports.destination)
    guard let place = table.place(outer: outer) else { return nil }
    let inner = table[place].inner
    return AddressRewrite(side: .destination, address: inner.near, port: inner.nearPort, isError: true)
  }

  /// An error from inside about something that came in: it speaks from the outer address, and quotes that.
  func leavingError(_ header: borrowing IPv4Header, table: NAPTTable, address: UInt32) -> AddressRewrite? {
    guard let message = ICMPv4Message(header.payload), message.isChecksumValid,
      let quote = IPv4Header(quoted: message.payload), let ports = Self.ports(of: quote, echoType: 0)
    else {
      count { $0.malformed &+= 1 }
      return nil
    }
    let inner = NAPTFlow(
      quote.protocol.rawValue, near: quote.destination.rawValue, ports.destination, far: quote.source.rawValue,
      ports.source)
    guard let place = table.place(inner: inner) else {
      count { $0.unknownErrors &+= 1 }
      return nil
    }
    return AddressRewrite(side: .source, address: address, port: table[place].outerPort, isError: true)
  }

  /// The ports that a quotation shows; nil if it shows none, or is about an error itself. For echo messages both are
  /// placed so that the identifier is the inner host's port.
  private static func ports(
    of quote: borrowing IPv4Header, echoType: UInt8
  ) -> (source: UInt16, destination: UInt16)? {
    let transport = quote.bytes.clamped(quote.headerLength)
    guard transport.byteCount >= 8, quote.fragmentOffset == 0 else { return nil }
    switch quote.protocol {
    case .tcp, .udp: return (transport.loadBigEndian(0), transport.loadBigEndian(2))
    case .icmp where transport.octet(0) == echoType:
      let identifier: UInt16 = transport.loadBigEndian(ICMPField.identifier)
      return echoType == 8 ? (identifier, 0) : (0, identifier)
    default: return nil
    }
  }
}
