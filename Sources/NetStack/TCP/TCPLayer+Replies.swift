import EventLoop
import Memory
import Packets

// Segments that no connection sends: resets for strangers (RFC 9293 3.5.2, 3.10.7.1), and what TIME-WAIT answers
// (RFC 9293 3.10.7.4, RFC 6191; Linux `tcp_timewait_state_process`).
extension TCPLayer {
  /// Answers a segment that belongs to no connection, or that a connection being opened does not believe. Never called
  /// for a reset.
  func sendReset(answering segment: ArrivedSegment, _ key: ConnectionKey, signing: TCPSignatureKey? = nil) {
    counted.outResets &+= 1
    if segment.flags.contains(.ack) {
      send(
        key, flags: .rst, sequence: segment.acknowledgement, acknowledgement: SequenceNumber(0), signing: signing)
    } else {
      send(
        key, flags: [.rst, .ack], sequence: SequenceNumber(0), acknowledgement: segment.end, signing: signing)
    }
  }

  /// What a segment for a TIME-WAIT leads to.
  enum TimeWaitOutcome {
    case done
    /// A new connection may begin, with this initial sequence number.
    case reopen(SequenceNumber)
  }

  func receivedInTimeWait(
    _ segment: ArrivedSegment, _ bytes: RawSpan, _ entry: TimeWait, _ now: Instant
  ) -> TimeWaitOutcome {
    var segment = segment
    var entry = entry
    if segment.hasOtherOptions, let header = TCPHeader(bytes) { segment.read(header.options) }
    var isOld = false
    if entry.usesTimestamps, segment.hasTimestamps {
      isOld = Int32(bitPattern: segment.timestampValue &- entry.recentTimestamp) < 0
    }
    if !isOld, segment.sequence == entry.receiveNext,
      segment.length == 0 || segment.flags.contains(.rst)
    {
      if segment.flags.contains(.rst) {
        // RFC 1337 warns of this; Linux does it unless told otherwise, and a reset at RCV.NXT is no accident.
        forgetTimeWait(entry.key)
        return .done
      }
      if segment.flags.contains(.ack) {
        if segment.hasTimestamps {
          entry.recentTimestamp = segment.timestampValue
          entry.recentAt = now
        }
        entry.expiresAt = now + configuration.timeWait
        timeWaits.update(entry)
        return .done
      }
    }
    if segment.flags.contains(.syn), !segment.flags.contains(.rst), !segment.flags.contains(.ack), !isOld {
      let isNewer =
        entry.usesTimestamps && segment.hasTimestamps
        && Int32(bitPattern: segment.timestampValue &- entry.recentTimestamp) > 0
      if segment.sequence > entry.receiveNext || isNewer { return .reopen(entry.sendNext + 65_537) }
    }
    if isOld { counted.pawsEstablished &+= 1 }
    if segment.flags.contains(.rst) { return .done }
    // A repeated FIN starts the wait again (RFC 9293 3.10.7.4, eighth).
    if isOld || segment.flags.contains(.ack) { entry.expiresAt = now + configuration.timeWait }
    if let last = entry.lastAckAt, now - last < configuration.invalidAckInterval {
      counted.skippedAcks &+= 1
    } else {
      entry.lastAckAt = now
      let stamp = UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ entry.timestampOffset
      send(
        entry.key, flags: .ack, sequence: entry.sendNext, acknowledgement: entry.receiveNext,
        window: entry.windowField, timestamps: entry.usesTimestamps ? (stamp, entry.recentTimestamp) : nil,
        signing: entry.signingKey)
    }
    timeWaits.update(entry)
    return .done
  }

  private func send(
    _ key: ConnectionKey, flags: TCPFlags, sequence: SequenceNumber, acknowledgement: SequenceNumber,
    window field: UInt16 = 0, timestamps: (UInt32, UInt32)? = nil, signing: TCPSignatureKey? = nil
  ) {
    let base = signing == nil ? 20 : 20 + TCPSignatureKey.optionLength
    let length = timestamps == nil ? base : base + 12
    guard let path = pathForReply(key), let buffer = path.reserve(transportLength: length) else {
      counted.unsentReplies &+= 1
      return
    }
    let window = buffer.window
    window.storeBigEndian(key.ports, 0)
    window.storeBigEndian(sequence.rawValue, 4)
    window.storeBigEndian(acknowledgement.rawValue, 8)
    window.storeBigEndian(UInt32(length) << 26 | UInt32(flags.rawValue) << 16 | UInt32(field), 12)
    window.storeBigEndian(0 as UInt32, 16)
    if let timestamps {
      window.storeBigEndian(0x0101_080A as UInt32, base)
      window.storeBigEndian(timestamps.0, base + 4)
      window.storeBigEndian(timestamps.1, base + 8)
    }
    if let signing, let source = path.source.v4, let destination = path.destination.v4 {
      signing.sign(
        window, length: length, headerLength: length, source: source.rawValue, destination: destination.rawValue)
    }
    path.submit(
      buffer, transportLength: length, protocol: .tcp, offload: .tcp(headerLength: length), tos: 0, ttl: defaultTTL)
    counted.outSegments &+= 1
    if tap.isOn { tapReply(key, flags, sequence, acknowledgement) }
  }
}

extension TCPConnection {
  /// What TIME-WAIT remembers of this connection.
  func timeWait(until expiry: Instant, _ use: PortUse) -> TimeWait {
    let window = max(0, receiveEdge - receiveNext)
    return TimeWait(
      key: key, number: number, portUse: use, sendNext: sendNext, receiveNext: receiveNext,
      windowField: UInt16(min(window >> receiveScale, 65_535)), window: window, usesTimestamps: usesTimestamps,
      timestampOffset: timestampOffset, recentTimestamp: recentTimestamp, recentAt: recentTimestampAt,
      expiresAt: expiry, lastAckAt: nil, signingKey: signingKey)
  }
}
