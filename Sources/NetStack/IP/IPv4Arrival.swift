import Packets

/// A datagram that has arrived whole and is for this host, on its way to the layer above.
struct IPv4Arrival: ~Escapable {
  /// From the IPv4 header to the end of the payload.
  let datagram: RawSpan
  let headerLength: Int
  let source: IPv4Address
  let destination: IPv4Address
  /// The frame went to a group address.
  let isLinkGroup: Bool
  /// The destination is a broadcast or multicast address.
  let isGroup: Bool
  /// The device has verified the transport checksum.
  let isChecksumVerified: Bool
  /// Octets of the largest of the datagrams that it was put together from; 0: it came whole.
  let largestFragment: Int

  @_lifetime(copy header)
  init(
    _ header: borrowing IPv4Header, isLinkGroup: Bool, isGroup: Bool, isChecksumVerified: Bool, largestFragment: Int = 0
  ) {
    datagram = header.datagram
    headerLength = header.headerLength
    source = header.source
    destination = header.destination
    self.isLinkGroup = isLinkGroup
    self.isGroup = isGroup
    self.isChecksumVerified = isChecksumVerified
    self.largestFragment = largestFragment
  }

  var tos: UInt8 { datagram.octet(IPv4Field.typeOfService) }
  var ttl: UInt8 { datagram.octet(IPv4Field.timeToLive) }
  var `protocol`: IPProtocol { IPProtocol(rawValue: datagram.octet(IPv4Field.protocol)) }

  var payload: RawSpan {
    @_lifetime(copy self) get { datagram.clamped(headerLength) }
  }
}
