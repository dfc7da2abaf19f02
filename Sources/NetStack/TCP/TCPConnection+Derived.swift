import EventLoop

// What follows from the stored state.
extension TCPConnection {
  /// Sequence numbers sent and not acknowledged.
  @inline(__always) var outstanding: Int { sendNext - sendUnacknowledged }

  /// Bytes queued and not acknowledged.
  @inline(__always) var queuedBytes: Int {
    current.isSynchronized ? max(0, writeEnd - sendUnacknowledged) : 0
  }

  /// What is taken to be in the network (pipe, RFC 6675 2), bytes.
  @inline(__always) var pipe: Int {
    var pipe = outstanding &- records.sackedLength &- records.lostLength &+ records.resentLength
    if !usesSelectiveAcknowledgement, duplicateAcknowledgements > 0 {
      pipe &-= min(duplicateAcknowledgements &* segmentPayload, max(0, pipe &- segmentPayload))
    }
    return pipe
  }

  /// The clock of the timestamps option: milliseconds, with this connection's offset.
  @inline(__always) func timestamp(at now: Instant) -> UInt32 {
    UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ timestampOffset
  }
}
