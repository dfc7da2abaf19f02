import EventLoop
import Packets

// Signed segments (RFC 2385; Linux `tcp_inbound_hash`, `tcp_v4_send_reset`).
extension TCPLayer {
  /// False for a segment that is to be dropped: one that is not signed as the key for its peer wants it, or that is
  /// signed though there is no key.
  func isSignedRight(_ datagram: RawSpan, _ headerLength: Int, _ keys: TCPSignatureKeys) -> Bool {
    let segment = datagram.clamped(headerLength)
    let source = datagram.loadBigEndian(IPv4Field.source, as: UInt32.self)
    let length = Int(segment.octet(12) >> 4) * 4
    let key = keys.key(for: IPAddress(IPv4Address(rawValue: source)))
    switch TCPSignaturePlace(segment, headerLength: length) {
    case .malformed: return false
    case .none:
      if key != nil { counted.signatureMissing &+= 1 }
      return key == nil
    case .at(let place):
      guard let key else {
        counted.signatureUnexpected &+= 1
        return false
      }
      let digest = key.digest(
        segment, headerLength: length, source: source,
        destination: datagram.loadBigEndian(IPv4Field.destination, as: UInt32.self))
      let isRight =
        segment.loadBigEndian(place, as: UInt64.self) == digest.high
        && segment.loadBigEndian(place + 8, as: UInt64.self) == digest.low
      if !isRight { counted.signatureFailures &+= 1 }
      return isRight
    }
  }

  /// Answers a segment for which nobody listens. One that is signed is answered only if somebody listens on the port it
  /// came from (both ends of such a connection do) who has the key, and the signature is right: the reset is signed
  /// too.
  func sendReset(toStranger segment: ArrivedSegment, _ datagram: RawSpan, _ headerLength: Int, _ key: ConnectionKey) {
    guard segment.hasOtherOptions else { return sendReset(answering: segment, key) }
    let bytes = datagram.clamped(headerLength)
    switch TCPSignaturePlace(bytes, headerLength: segment.headerLength) {
    case .malformed: return
    case .none: sendReset(answering: segment, key)
    case .at:
      let candidates = listeners[key.remotePort] ?? []
      let listener =
        candidates.first { $0.local.address == key.localAddress } ?? candidates.first { $0.local.address.isUnspecified }
      guard let keys = listener?.parameters.signatureKeys, let own = keys.key(for: key.remoteAddress),
        isSignedRight(datagram, headerLength, keys)
      else { return }
      sendReset(answering: segment, key, signing: own)
    }
  }
}

extension TCPConnection {
  /// Takes over the keys that were chosen.
  func chooseSignatureKeys(_ keys: TCPSignatureKeys?) {
    chosen.signatureKeys = keys
    signingKey = keys?.key(for: key.remoteAddress)
    if current.isSynchronized { adoptSegmentSize() }
  }

  /// The rest of ``transmit(_:from:count:flags:segmentSize:at:)`` for segments that are signed: signature, timestamps,
  /// SACK blocks, payload.
  func submitSigned(
    _ buffer: DatagramBuffer, _ path: Path, from sequence: SequenceNumber, count: Int, flags: TCPFlags,
    headerLength: Int, extra: Int, at now: Instant
  ) {
    let window = buffer.window
    if usesTimestamps {
      window.storeBigEndian(0x0101_080A as UInt32, 40)
      window.storeBigEndian(timestamp(at: now), 44)
      window.storeBigEndian(recentTimestamp, 48)
    }
    if extra > 0 {
      writeReport(window, at: headerLength - extra, length: extra)
    } else {
      // Beside timestamps there is no room for it.
      duplicateBlock = nil
    }
    if count > 0 { sendRing.copy(count, from: sequence, to: window, at: headerLength) }
    sign(buffer, path, length: headerLength + count, headerLength: headerLength)
    path.submit(
      buffer, transportLength: headerLength + count, protocol: .tcp, offload: .tcp(headerLength: headerLength),
      tos: chosen.typeOfService, ttl: chosen.timeToLive ?? layer.defaultTTL)
  }

  func sign(_ buffer: DatagramBuffer, _ path: Path, length: Int, headerLength: Int) {
    guard let source = path.source.v4, let destination = path.destination.v4 else { return }
    signingKey?.sign(
      buffer.window, length: length, headerLength: headerLength, source: source.rawValue,
      destination: destination.rawValue)
  }
}
