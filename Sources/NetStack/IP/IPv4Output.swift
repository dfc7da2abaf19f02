import Link
import Memory
import Packets

/// How datagrams are treated that may not fit the path (Linux's `IP_MTU_DISCOVER`).
public enum PathMTUDiscovery: Sendable, Equatable {
  /// Don't Fragment is set while a datagram fits; longer ones are fragmented here. The default.
  case want
  /// Never sets Don't Fragment.
  case never
  /// Always sets it; datagrams that do not fit the path are refused.
  case always
  /// Sets it and does not care for the path's MTU, only the interface's.
  case probe
  /// Never sets it, and refuses what does not fit the interface, whatever is heard of the path.
  case interface
  /// The same, but fragments what does not fit.
  case omit

  /// Only the interface's MTU counts.
  var ignoresPath: Bool { self == .probe || self == .interface || self == .omit }
  /// What does not fit is refused, not fragmented.
  var refusesLong: Bool { self == .always || self == .probe || self == .interface }
  var setsDontFragment: Bool { self == .want || self == .always || self == .probe }
}

/// What an endpoint chooses about the IPv4 header of a datagram.
struct DatagramOptions {
  var tos: UInt8
  var ttl: UInt8
  var discovery: PathMTUDiscovery
}

extension IPv4Layer {
  /// Sends one datagram: `header` (the eight octets of a UDP or ICMP header, as a number; nil: none) and `payload`.
  /// Datagrams beyond the MTU go out in fragments (RFC 791 3.2).
  ///
  /// - Throws: ``NetworkError/messageTooLong``, ``NetworkError/packetTooBig(mtu:)`` if it may not be fragmented,
  ///   ``NetworkError/wouldBlock`` if the device has no buffer, ``NetworkError/noBuffers`` if it had some, but not
  ///   enough.
  func send(
    on path: Path, _ protocol: IPProtocol, header: UInt64?, _ payload: RawSpan, offload: SegmentOffload,
    options: DatagramOptions
  ) throws(NetworkError) {
    let headerLength = header == nil ? 0 : 8
    let length = headerLength + payload.byteCount
    try checkLength(length, on: path, options.discovery)
    let limit = Self.limit(of: path, options.discovery)
    if length + path.networkHeaderLength > limit {
      return try sendFragments(
        on: path, `protocol`, header: header, payload, offload: offload, options: options, limit: limit)
    }
    guard let buffer = path.reserve(transportLength: length) else { throw .wouldBlock }
    if let header { buffer.window.storeBigEndian(header, 0) }
    buffer.window.copy(from: payload, to: headerLength)
    path.submit(
      buffer, transportLength: length, protocol: `protocol`, offload: offload, tos: options.tos, ttl: options.ttl,
      dontFragment: options.discovery.setsDontFragment)
  }

  /// Octets of a datagram that is not fragmented.
  private static func limit(of path: Path, _ discovery: PathMTUDiscovery) -> Int {
    discovery.ignoresPath ? path.interface.mtu : path.mtu
  }

  /// Fails as ``send(on:_:header:_:offload:options:)`` does with `length` octets behind the IP header.
  func checkLength(_ length: Int, on path: Path, _ discovery: PathMTUDiscovery) throws(NetworkError) {
    guard length <= 65535 - path.networkHeaderLength else { throw .messageTooLong }
    guard discovery.refusesLong else { return }
    let limit = Self.limit(of: path, discovery)
    guard length + path.networkHeaderLength <= limit else { throw .packetTooBig(mtu: limit) }
  }

  private func sendFragments(
    on path: Path, _ protocol: IPProtocol, header: UInt64?, _ payload: RawSpan, offload: SegmentOffload,
    options: DatagramOptions, limit: Int
  ) throws(NetworkError) {
    var header = header
    if offload.checksumOffset != nil, let plain = header {
      // No device can fill in a checksum that spans frames. Only UDP comes here: its field is the header's last.
      var sum = path.pseudoHeaderSum(`protocol`, length: 8 + payload.byteCount)
      sum.add(plain)
      sum.add(payload)
      header = plain | UInt64(sum.transportChecksum)
    }
    let headerLength = header == nil ? 0 : 8
    let length = headerLength + payload.byteCount
    let step = (limit - path.networkHeaderLength) & ~7
    guard
      let source = path.source.v4, let destination = path.destination.v4, step >= 8
    else { throw .messageTooLong }
    let id = identifications.next(source.rawValue, destination.rawValue, `protocol`)
    var offset = 0
    while offset < length {
      let count = min(step, length - offset)
      guard let buffer = path.reserve(transportLength: count) else {
        self.count {
          $0.fragFails &+= 1
          $0.outDiscards &+= 1
        }
        if offset == 0 { throw .wouldBlock }
        throw .noBuffers
      }
      var written = 0
      if offset == 0, let header {
        buffer.window.storeBigEndian(header, 0)
        written = 8
      }
      let from = offset + written - headerLength
      buffer.window.copy(from: payload.clamped(from, count - written), to: written)
      let more: UInt16 = offset + count < length ? 0x2000 : 0
      path.submit(
        buffer, transportLength: count, protocol: `protocol`, offload: .none, tos: options.tos, ttl: options.ttl,
        identification: id, fragment: more | UInt16(truncatingIfNeeded: offset / 8))
      offset += count
      self.count { $0.fragCreates &+= 1 }
    }
    self.count { $0.fragOKs &+= 1 }
  }
}
