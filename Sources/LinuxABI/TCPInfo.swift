import EventLoop
import NetStack

/// `struct tcp_info` of linux/tcp.h up to `tcpi_total_retrans`: 104 bytes, which every kernel since 2.4 fills.
enum TCPInfo {
  static let byteCount = 104

  /// `segment`: tcpi_snd_mss without a connection.
  static func encode(_ info: TCPInformation?, segment: Int, now: Instant) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    guard let info else {
      bytes[0] = TCPState.closed.rawValue
      bytes.replaceSubrange(16..<20, with: SystemCalls.bytes(of: Int32(clamping: segment)))
      return bytes
    }
    func put(_ value: Int, _ offset: Int) {
      let word = UInt32(clamping: value)
      for i in 0..<4 { bytes[offset + i] = UInt8(truncatingIfNeeded: word >> UInt32(8 * i)) }
    }
    func microseconds(_ span: TimeSpan) -> Int { Int(span.nanoseconds / 1000) }
    func milliseconds(since instant: Instant) -> Int { Int((now - instant).nanoseconds / 1_000_000) }
    let segment = max(info.sendMSS, 1)
    bytes[0] = info.state.rawValue
    bytes[1] = UInt8(clamping: info.recovery)
    bytes[2] = UInt8(clamping: info.retransmitTimeouts)
    bytes[3] = UInt8(clamping: info.probes)
    bytes[4] = UInt8(clamping: info.retransmitTimeouts)
    // TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK, TCPI_OPT_WSCALE.
    bytes[5] =
      (info.usesTimestamps ? 1 : 0) | (info.usesSelectiveAcknowledgement ? 2 : 0)
      | (info.usesWindowScale ? 4 : 0)
    if info.usesWindowScale { bytes[6] = UInt8(clamping: info.sendScale & 15 | (info.receiveScale & 15) << 4) }
    put(microseconds(info.retransmitTimeout), 8)
    put(microseconds(info.ackDelay), 12)
    put(info.sendMSS, 16)
    put(info.receiveMSS, 20)
    put(info.outstandingSegments, 24)
    put(info.sackedBytes / segment, 28)
    put(info.lostBytes / segment, 32)
    put(Int(info.retransmittedSegments), 36)
    put(milliseconds(since: info.lastSentAt), 44)
    put(milliseconds(since: info.lastReceivedAt), 52)
    put(milliseconds(since: info.lastReceivedAt), 56)
    put(info.pathMTU, 60)
    put(info.receiveWindow, 64)
    put(microseconds(info.roundTrip), 68)
    put(microseconds(info.roundTripVariation), 72)
    put(info.slowStartThreshold == .max ? 0x7FFF_FFFF : info.slowStartThreshold / segment, 76)
    put(info.congestionWindow / segment, 80)
    put(info.receiveMSS, 84)
    put(3, 88)
    put(microseconds(info.receiverRoundTrip), 92)
    put(info.receiveBuffer, 96)
    put(Int(info.retransmittedSegments), 100)
    return bytes
  }
}
