import Packets

/// What one station has said on one TCP connection so far, in the capture or now: how far its bytes, its
/// acknowledgements and its window reach. Positions are relative to its initial sequence number: the SYN is at 0.
final class StreamHalf {
  let port: UInt16
  let initial: UInt32
  /// Behind the last byte sent, without FIN.
  private(set) var dataEnd: UInt32 = 1
  private(set) var isFinished = false
  /// The station has broken the connection off: it will say nothing more.
  private(set) var hasReset = false
  /// The last bytes came with PSH or FIN: the application has said what it had to say for now.
  private(set) var hasPaused = false
  /// The identifier of the first DNS message, if the stream begins with one (RFC 1035 4.2.2).
  private(set) var query: UInt16?
  /// SEG.ACK, in the peer's sequence space; nil before the first.
  private(set) var acknowledged: UInt32?
  private(set) var firstTimestamp: UInt32?
  private(set) var lastTimestamp: UInt32 = 0
  private var window: UInt16 = 0
  private var windowScale: UInt8?

  /// From the SYN or SYN-ACK of the station.
  init(_ header: borrowing TCPHeader) {
    port = header.sourcePort
    initial = header.sequenceNumber
    windowScale = header.options.windowScale
    observe(header)
  }

  /// A further segment of the station. A reset says nothing about how far it is.
  func observe(_ header: borrowing TCPHeader) {
    let flags = header.flags
    if flags.contains(.rst) {
      hasReset = true
      return
    }
    let isOpening = flags.contains(.syn)
    let start = header.sequenceNumber &- initial &+ (isOpening ? 1 : 0)
    let payload = header.payload
    if !isFinished {
      let end = start &+ UInt32(truncatingIfNeeded: payload.byteCount)
      if payload.byteCount > 0, Self.distance(from: dataEnd, to: end) > 0 {
        dataEnd = end
        hasPaused = flags.contains(.psh)
      }
      if start == 1, payload.byteCount >= 4, query == nil { query = payload.loadBigEndian(2) }
      if flags.contains(.fin) {
        isFinished = true
        hasPaused = true
      }
    }
    if flags.contains(.ack) {
      let number = header.acknowledgmentNumber
      if acknowledged.map({ Self.distance(from: $0, to: number) >= 0 }) ?? true {
        acknowledged = number
        // The window of a SYN-ACK is never scaled (RFC 7323 2.2).
        window = header.window
        isWindowUnscaled = isOpening
      }
    }
    let options = header.options
    if options.hasTimestamps {
      firstTimestamp = firstTimestamp ?? options.timestampValue
      lastTimestamp = options.timestampValue
    }
  }

  private var isWindowUnscaled = false

  /// The first sequence number of the peer that the station does not take any more; nil before it has acknowledged.
  func windowEnd(peerScales: Bool) -> UInt32? {
    guard let acknowledged else { return nil }
    let shift = peerScales && !isWindowUnscaled ? min(windowScale ?? 0, 14) : 0
    return acknowledged &+ UInt32(window) << UInt32(shift)
  }

  /// How far `to` lies behind `from` in sequence space; negative if before.
  static func distance(from: UInt32, to: UInt32) -> Int32 { Int32(bitPattern: to &- from) }
}
