import EventLoop

/// The two ends of a flow as seen from one side of the translator. For ICMP echo the identifier stands for the port,
/// and the far port is 0.
struct NAPTFlow: Hashable, BitwiseCopyable {
  /// The near end's address and the far end's.
  var addresses: UInt64
  /// Near port, far port, protocol.
  var ports: UInt64

  init(_ protocol: UInt8, near: UInt32, _ nearPort: UInt16, far: UInt32, _ farPort: UInt16) {
    addresses = UInt64(near) << 32 | UInt64(far)
    ports = UInt64(nearPort) << 32 | UInt64(farPort) << 16 | UInt64(`protocol`)
  }

  var near: UInt32 { UInt32(truncatingIfNeeded: addresses >> 32) }
  var nearPort: UInt16 { UInt16(truncatingIfNeeded: ports >> 32) }
  var `protocol`: UInt8 { UInt8(truncatingIfNeeded: ports) }

  /// The same flow with another near end.
  func with(near: UInt32, _ nearPort: UInt16) -> NAPTFlow {
    var flow = self
    flow.addresses = UInt64(near) << 32 | addresses & 0xFFFF_FFFF
    flow.ports = UInt64(nearPort) << 32 | ports & 0xFFFF_FFFF
    return flow
  }

  /// The near end alone, with the protocol: what an outer port belongs to.
  var nearEnd: UInt64 { UInt64(near) << 32 | UInt64(nearPort) << 8 | UInt64(`protocol`) }
}

/// One translated flow.
struct NAPTSession {
  /// Which timeout counts; sessions of one class wait in one list, the oldest first.
  enum Timeout: Int, CaseIterable {
    case transitory, icmp, udp, established
  }

  /// As the inside sees it.
  var inner: NAPTFlow
  var outerPort: UInt16
  var timeout: Timeout
  var lastUse: Instant
  /// TCP: the far end has answered, and which ends have closed.
  var isAnswered = false
  var hasInnerEnd = false
  var hasOuterEnd = false
  /// Neighbours in the list of the class; -1 at its ends.
  var previous: Int32 = -1
  var next: Int32 = -1

  /// The class that a TCP segment brings the session to (RFC 5382 REQ-5; RFC 7857 2 for resets).
  mutating func noteSegment(flags: UInt8, isOutbound: Bool) -> Timeout {
    let isReset = flags & 0x04 != 0
    let isOpening = flags & 0x02 != 0
    if isReset {
      hasInnerEnd = true
      hasOuterEnd = true
      return .transitory
    }
    if isOpening && isOutbound && (hasInnerEnd || hasOuterEnd) {
      // The ports are used again.
      hasInnerEnd = false
      hasOuterEnd = false
      isAnswered = false
    }
    if flags & 0x01 != 0 {
      if isOutbound { hasInnerEnd = true } else { hasOuterEnd = true }
    }
    if !isOutbound { isAnswered = true }
    if hasInnerEnd && hasOuterEnd { return .transitory }
    if timeout == .established { return .established }
    return isAnswered && isOutbound && !isOpening ? .established : .transitory
  }
}
