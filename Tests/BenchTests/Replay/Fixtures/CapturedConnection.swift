import Packets

/// Both sides of a TCP connection as a capture holds them. The captured station has its own initial sequence number,
/// port and clock, none of which the station of a replay will choose.
final class CapturedConnection {
  let script: CaptureScript
  let peer: IPv4Address
  let stationPort: UInt16
  let peerPort: UInt16
  /// SND.NXT of both sides.
  var stationNext: UInt32
  var peerNext: UInt32
  var hasTimestamps: Bool
  private var stationStamp: UInt32 = 0
  private var peerStamp: UInt32 = 0
  let stationInitial: UInt32
  let peerInitial: UInt32

  init(
    _ script: CaptureScript, peer: IPv4Address = Cast.peer, stationPort: UInt16, peerPort: UInt16,
    stationInitial: UInt32 = 0xFFFF_FF00, peerInitial: UInt32 = 0x2000_0000, timestamps: Bool = true
  ) {
    self.script = script
    self.peer = peer
    self.stationPort = stationPort
    self.peerPort = peerPort
    self.stationInitial = stationInitial
    self.peerInitial = peerInitial
    stationNext = stationInitial
    peerNext = peerInitial
    hasTimestamps = timestamps
  }

  private func options(isPeer: Bool, isOpening: Bool) -> TCPOptions {
    var options = TCPOptions()
    if isOpening {
      options.maximumSegmentSize = 1460
      options.isSACKPermitted = true
      options.windowScale = 7
    }
    if hasTimestamps {
      options.hasTimestamps = true
      let milliseconds = UInt32(script.time / 1000)
      if isPeer {
        peerStamp = 500_000 &+ milliseconds
        options.timestampValue = peerStamp
        options.timestampEcho = stationStamp
      } else {
        stationStamp = 4_000_000_000 &+ milliseconds
        options.timestampValue = stationStamp
        options.timestampEcho = peerStamp
      }
    }
    return options
  }

  /// A segment of the peer. `sequence` and `acknowledging`: instead of what would follow; nothing moves on then.
  func fromPeer(
    _ flags: TCPFlags, _ payload: [UInt8] = [], sequence: UInt32? = nil, acknowledging: UInt32? = nil,
    window: UInt16 = 502, comment: String? = nil
  ) {
    let isOpening = flags.contains(.syn)
    let fields = TCPHeader.Fields(
      sourcePort: peerPort, destinationPort: stationPort, sequenceNumber: sequence ?? peerNext,
      acknowledgmentNumber: flags.contains(.ack) ? acknowledging ?? stationNext : 0, flags: flags,
      window: isOpening ? 64_240 : window)
    script.inbound(
      CaptureScript.toStation.tcp(
        from: peer, to: Cast.station, fields, options: options(isPeer: true, isOpening: isOpening), payload: payload),
      comment)
    if sequence == nil { peerNext = Self.advance(peerNext, flags, payload) }
  }

  /// A segment of the captured station.
  func fromStation(
    _ flags: TCPFlags, _ payload: [UInt8] = [], sequence: UInt32? = nil, acknowledging: UInt32? = nil
  ) {
    let isOpening = flags.contains(.syn)
    let fields = TCPHeader.Fields(
      sourcePort: stationPort, destinationPort: peerPort, sequenceNumber: sequence ?? stationNext,
      acknowledgmentNumber: flags.contains(.ack) ? acknowledging ?? peerNext : 0, flags: flags,
      window: isOpening ? 64_240 : 502)
    script.outbound(
      CaptureScript.toPeer.tcp(
        from: Cast.station, to: peer, fields, options: options(isPeer: false, isOpening: isOpening), payload: payload))
    if sequence == nil { stationNext = Self.advance(stationNext, flags, payload) }
  }

  private static func advance(_ number: UInt32, _ flags: TCPFlags, _ payload: [UInt8]) -> UInt32 {
    number &+ UInt32(payload.count) &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
  }

  func openedByStation() {
    fromStation(.syn)
    script.wait(300)
    fromPeer([.syn, .ack])
    script.wait(30)
    fromStation(.ack)
    script.wait(50)
  }

  func openedByPeer() {
    fromPeer(.syn)
    script.wait(60)
    fromStation([.syn, .ack])
    script.wait(300)
    fromPeer(.ack)
    script.wait(50)
  }
}
