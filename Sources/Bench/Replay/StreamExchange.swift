import Packets

/// Why an arriving frame of an exchange must wait.
enum Obstacle {
  /// The station has not said at all what it said in the capture at this point.
  case silence
  /// It has said a part, or something shorter than in the capture, or not acknowledged as much.
  case lag
}

/// A TCP connection of the captured station and the one that the station has now in its place: how positions in the
/// captured stream of the station translate into positions in what it sends now, which may be longer or shorter
/// (another request line, other headers).
///
/// Positions that the peer acknowledges as "all that you have sent" stand for all that the station has sent now;
/// between such points positions run in parallel.
final class StreamExchange {
  let captured: StreamHalf
  var live: StreamHalf?
  /// The peer's SYN has the window scale option.
  private var peerScales = false
  /// The peer's initial sequence number.
  private var peerInitial: UInt32?
  /// A wait was in vain: nothing of this exchange waits any more.
  var isExcused = false
  /// From captured position `from` on, up to the next entry, live positions are captured ones plus `shift`.
  private var pieces: [(from: UInt32, shift: UInt32)] = [(0, 0)]
  /// The last captured position that was translated as "everything", and what it was translated to.
  private var settled: UInt32 = 1
  private var settledLive: UInt32 = 1

  private static let pieceLimit = 256

  init(_ captured: StreamHalf) { self.captured = captured }

  /// The peer's SYN or SYN-ACK; only the first counts, as forged ones may follow.
  func note(_ initial: UInt32, scales: Bool) {
    guard peerInitial == nil else { return }
    peerInitial = initial
    peerScales = scales
  }

  /// What an arriving segment waits for; nil if it may arrive. `segment` is nil for an ICMP error about the exchange.
  func obstacle(_ segment: borrowing TCPHeader) -> Obstacle? {
    if isExcused { return nil }
    guard let live else { return .silence }
    if live.hasReset { return nil }
    if captured.isFinished && !live.isFinished { return .silence }
    if let obstacle = dataObstacle(live) { return obstacle }
    if segment.flags.contains(.rst) { return nil }
    if let wanted = captured.acknowledged {
      guard let reached = live.acknowledged, StreamHalf.distance(from: wanted, to: reached) >= 0 else { return .lag }
    }
    let end = segment.sequenceNumber &+ UInt32(truncatingIfNeeded: segment.sequenceLength)
    if let limit = captured.windowEnd(peerScales: peerScales), StreamHalf.distance(from: end, to: limit) >= 0,
      let reached = live.windowEnd(peerScales: peerScales), StreamHalf.distance(from: end, to: reached) < 0
    {
      return .silence
    }
    return nil
  }

  private func dataObstacle(_ live: StreamHalf) -> Obstacle? {
    let wanted = StreamHalf.distance(from: settled, to: captured.dataEnd)
    let reached = StreamHalf.distance(from: settledLive, to: live.dataEnd)
    guard wanted > 0, reached < wanted else { return nil }
    if reached <= 0 { return .silence }
    // Both have said what they had to say, in fewer bytes now.
    return captured.hasPaused && live.hasPaused ? nil : .lag
  }

  /// The live position that stands for a captured one.
  private func position(_ position: UInt32, _ live: StreamHalf) -> UInt32 {
    let beyond = StreamHalf.distance(from: captured.dataEnd, to: position)
    let isUnsettled = StreamHalf.distance(from: settled, to: position) > 0
    if beyond > 0 {
      if captured.isFinished && beyond == 1 { return live.dataEnd &+ (live.isFinished ? 1 : 0) }
      // The peer acknowledges what was never sent: it still does.
      return live.dataEnd &+ UInt32(bitPattern: beyond)
    }
    if beyond == 0 && isUnsettled { return live.dataEnd }
    let piece = pieces.last { StreamHalf.distance(from: $0.from, to: position) >= 0 } ?? pieces[0]
    let parallel = position &+ piece.shift
    return isUnsettled && StreamHalf.distance(from: live.dataEnd, to: parallel) > 0 ? live.dataEnd : parallel
  }

  /// Remembers that all that had been captured has been acknowledged as all that has been sent now.
  private func settle(_ position: UInt32, _ live: StreamHalf) {
    guard StreamHalf.distance(from: captured.dataEnd, to: position) >= 0,
      StreamHalf.distance(from: settled, to: captured.dataEnd) > 0
    else { return }
    settled = captured.dataEnd
    settledLive = live.dataEnd
    let shift = settledLive &- settled
    if pieces.last?.shift != shift {
      if pieces.count == Self.pieceLimit { pieces.removeFirst() }
      pieces.append((settled, shift))
    }
  }

  /// Changes an arriving segment, which lies in `frame` from `start` on, from the captured connection to the live one.
  func translate(_ frame: inout [UInt8], at start: Int, end: Int) {
    guard let live else { return }
    let checksum = start + TCPField.checksum
    if live.port != captured.port {
      frame.replace(start + TCPField.destinationPort, with: live.port, checksum: checksum, start: start)
    }
    if TCPFlags(rawValue: UInt16(frame[start + TCPField.flags])).contains(.ack) {
      let number = frame.number32(start + TCPField.acknowledgmentNumber) &- captured.initial
      let mapped = live.initial &+ position(number, live)
      settle(number, live)
      frame.replace(start + TCPField.acknowledgmentNumber, with: mapped, checksum: checksum, start: start)
    }
    let payload = start + Int(frame[start + TCPField.dataOffset] >> 4) * 4
    translateOptions(&frame, start, min(end, payload), live)
    translateQuery(&frame, start, payload, end, live)
  }

  /// The identifier of the first DNS answer, which must be that of the question that the station asked now.
  private func translateQuery(
    _ frame: inout [UInt8], _ start: Int, _ payload: Int, _ end: Int, _ live: StreamHalf
  ) {
    guard frame.number16(start + TCPField.sourcePort) == Correspondence.dnsPort, let peerInitial,
      let old = captured.query, let new = live.query, old != new
    else { return }
    // It stands behind the length, at the third byte of the stream.
    let first = frame.number32(start + TCPField.sequenceNumber) &- peerInitial &- 1
    guard first <= 2 else { return }
    let place = payload + 2 - Int(first)
    guard place + 2 <= end, frame.number16(place) == old else { return }
    frame.replace(place, with: new, checksum: start + TCPField.checksum, start: start)
  }

  /// SACK blocks and the echoed timestamp. An option that does not fit ends the walk: it is left to the station.
  private func translateOptions(_ frame: inout [UInt8], _ start: Int, _ end: Int, _ live: StreamHalf) {
    let checksum = start + TCPField.checksum
    var offset = start + TCPField.options
    while offset < end, frame[offset] != 0 {
      if frame[offset] == 1 {
        offset += 1
        continue
      }
      guard offset + 1 < end, frame[offset + 1] >= 2, offset + Int(frame[offset + 1]) <= end else { return }
      let length = Int(frame[offset + 1])
      if frame[offset] == 5 {
        for edge in stride(from: offset + 2, to: offset + length - 3, by: 4) {
          let mapped = live.initial &+ position(frame.number32(edge) &- captured.initial, live)
          frame.replace(edge, with: mapped, checksum: checksum, start: start)
        }
      } else if frame[offset] == 8, length == 10 {
        let echo = frame.number32(offset + 6)
        if let mapped = timestamp(echo, live) {
          frame.replace(offset + 6, with: mapped, checksum: checksum, start: start)
        }
      }
      offset += length
    }
  }

  /// The live timestamp that stands for an echoed one: never later than what the station has sent.
  private func timestamp(_ echo: UInt32, _ live: StreamHalf) -> UInt32? {
    guard let first = captured.firstTimestamp, let liveFirst = live.firstTimestamp, echo != 0 else { return nil }
    if echo == captured.lastTimestamp { return live.lastTimestamp }
    let parallel = liveFirst &+ (echo &- first)
    return StreamHalf.distance(from: live.lastTimestamp, to: parallel) > 0 ? live.lastTimestamp : parallel
  }

  /// Changes the ports and the sequence number that an ICMP error at `start` quotes from the captured station.
  func translateQuote(_ frame: inout [UInt8], at quote: Int, icmp start: Int) {
    guard let live, quote + 8 <= frame.count else { return }
    let checksum = start + ICMPField.checksum
    frame.replace(quote + TCPField.sourcePort, with: live.port, checksum: checksum, start: start)
    let number = frame.number32(quote + TCPField.sequenceNumber) &- captured.initial
    frame.replace(
      quote + TCPField.sequenceNumber, with: live.initial &+ position(number, live), checksum: checksum, start: start)
  }
}
