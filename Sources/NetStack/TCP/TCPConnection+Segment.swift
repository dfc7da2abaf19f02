import EventLoop
import Link
import Memory
import Packets

// Writing segments: header, options and payload go once into the device's memory.
extension TCPConnection {
  /// Writes one segment and hands it to the path; false if there is no buffer.
  ///
  /// - Parameters:
  ///   - count: Payload bytes, which lie in the send ring from `sequence` on.
  ///   - segmentSize: Payload of each frame if the device shall cut the segment up, or 0.
  @inline(__always) func transmit(
    _ path: Path, from sequence: SequenceNumber, count: Int, flags: TCPFlags, segmentSize: Int = 0, at now: Instant
  ) -> Bool {
    let extra = reassembly.isEmpty && duplicateBlock == nil ? 0 : reportLength
    let headerLength = 20 &+ optionLength &+ extra
    guard let buffer = path.reserve(transportLength: headerLength &+ count) else { return false }
    let window = buffer.window
    writeHeader(window, sequence, flags, headerLength, windowField())
    if isUrgentMode { markUrgent(window, sequence) }
    if optionLength == 12 {
      window.storeBigEndian(0x0101_080A as UInt32, 20)
      window.storeBigEndian(timestamp(at: now), 24)
      window.storeBigEndian(recentTimestamp, 28)
    } else if optionLength > 12 {
      submitSigned(
        buffer, path, from: sequence, count: count, flags: flags, headerLength: headerLength, extra: extra, at: now)
      sentAck()
      if layer.tap.isOn { tapSent(sequence, count, flags) }
      return true
    }
    if extra > 0 { writeReport(window, at: headerLength &- extra, length: extra) }
    if count > 0 { sendRing.copy(count, from: sequence, to: window, at: headerLength) }
    path.submit(
      buffer, transportLength: headerLength &+ count, protocol: .tcp,
      offload: .tcp(headerLength: headerLength, segmentSize: segmentSize), tos: chosen.typeOfService,
      ttl: chosen.timeToLive ?? layer.defaultTTL)
    sentAck()
    if layer.tap.isOn { tapSent(sequence, count, flags) }
    return true
  }

  @inline(__always) private func writeHeader(
    _ window: MemoryWindow, _ sequence: SequenceNumber, _ flags: TCPFlags, _ headerLength: Int, _ field: UInt16
  ) {
    window.storeBigEndian(wirePorts, 0)
    window.storeBigEndian(sequence.rawValue, 4)
    window.storeBigEndian(flags.contains(.ack) ? receiveNext.rawValue : 0, 8)
    let words = UInt32(truncatingIfNeeded: headerLength) << 26
    window.storeBigEndian(words | UInt32(flags.rawValue) << 16 | UInt32(field), 12)
    // The path fills the checksum in, or has the device do it; the urgent pointer is mostly unused.
    window.storeBigEndian(0 as UInt32, 16)
  }

  /// What an acknowledgement that has just gone out settles.
  @inline(__always) private func sentAck() {
    statistics.segmentsOut &+= 1
    lastAckSent = receiveNext
    ackUrgency = .none
    if quickAcks > 0 { quickAcks &-= 1 }
  }

  // MARK: Acknowledgements

  /// Sends an acknowledgement without payload; false if there is no buffer (it is then sent later).
  @discardableResult func sendAck(at now: Instant) -> Bool {
    guard refreshPath() else { return false }
    guard transmit(path, from: sendNext, count: 0, flags: .ack, at: now) else {
      ackUrgency = .now
      layer.waitForBuffer(self)
      return false
    }
    layer.counted.outSegments &+= 1
    return true
  }

  /// Sends an acknowledgement if one is due at once.
  func flushAck(at now: Instant) {
    if ackUrgency == .now { sendAck(at: now) }
  }

  /// An empty segment below the window: the peer answers with its window (probes, keep-alive).
  func sendProbe(at now: Instant) {
    guard refreshPath() else { return }
    guard transmit(path, from: sendUnacknowledged - 1, count: 0, flags: .ack, at: now) else {
      layer.waitForBuffer(self)
      return
    }
    layer.counted.outSegments &+= 1
  }

  /// Sends a reset that the peer accepts: at the sequence number that it expects.
  func sendReset(at now: Instant) {
    guard refreshPath() else { return }
    // Without buffer the reset is lost, as any segment may be; the next segment of the peer gets another.
    guard transmit(path, from: sendNext, count: 0, flags: [.rst, .ack], at: now) else {
      layer.counted.unsentReplies &+= 1
      return
    }
    layer.counted.outResets &+= 1
    layer.counted.outSegments &+= 1
  }

  // MARK: SYN

  /// Writes a SYN or SYN-ACK: options in Linux's order (signature, MSS, SACK permitted, timestamps,
  /// window scale). As in Linux a signature takes the place of the timestamps.
  func transmitSyn(at now: Instant) -> Bool {
    let isReply = current != .synSent
    // A SYN offers what we can do; a SYN-ACK only what the peer offered (RFC 7323 2.5, 3.2; RFC 2018 2).
    let scales = isReply ? hasPeerScale : layer.configuration.usesWindowScaling
    let sacks = isReply ? usesSelectiveAcknowledgement : layer.configuration.usesSelectiveAcknowledgement
    let stamps = isReply ? usesTimestamps : layer.configuration.usesTimestamps && signingKey == nil
    let base = signingKey == nil ? 20 : 20 + TCPSignatureKey.optionLength
    var words: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0x0204_0000 | UInt32(announcedSegment), 0, 0, 0, 0)
    var length = 4
    if stamps {
      words.1 = sacks ? 0x0402_080A : 0x0101_080A
      words.2 = timestamp(at: now)
      words.3 = isReply ? recentTimestamp : 0
      length += 12
    } else if sacks {
      words.1 = 0x0101_0402
      length += 4
    }
    let headerLength = base + length + (scales ? 4 : 0)
    guard let buffer = path.reserve(transportLength: headerLength) else { return false }
    let window = buffer.window
    let flags: TCPFlags = isReply ? [.syn, .ack] : .syn
    // The window of a SYN is never scaled (RFC 7323 2.2).
    let offer = min(65_535, receiveLimit)
    receiveEdge = SequenceNumber.later(receiveEdge, receiveNext + offer)
    writeHeader(window, initialSendSequence, flags, headerLength, UInt16(offer))
    window.storeBigEndian(words.0, base)
    if length > 4 { window.storeBigEndian(words.1, base + 4) }
    if length > 8 {
      window.storeBigEndian(words.2, base + 8)
      window.storeBigEndian(words.3, base + 12)
    }
    if scales { window.storeBigEndian(0x0103_0300 | UInt32(receiveScale), base + length) }
    if signingKey != nil { sign(buffer, path, length: headerLength, headerLength: headerLength) }
    path.submit(
      buffer, transportLength: headerLength, protocol: .tcp, offload: .tcp(headerLength: headerLength),
      tos: chosen.typeOfService, ttl: chosen.timeToLive ?? layer.defaultTTL)
    sentAck()
    if layer.tap.isOn { tapSent(initialSendSequence, 0, flags) }
    return true
  }

  // MARK: SACK

  /// Length of the SACK option that the next segment carries, with padding; 0 if none.
  private var reportLength: Int {
    guard usesSelectiveAcknowledgement else { return 0 }
    let blocks = reassembly.intervals.count + (duplicateBlock == nil ? 0 : 1)
    let room = (36 - optionLength) / 8
    return blocks == 0 || room == 0 ? 0 : 4 + 8 * min(blocks, room)
  }

  func writeReport(_ window: MemoryWindow, at offset: Int, length: Int) {
    var options = TCPOptions()
    if let duplicateBlock {
      options.append(duplicateBlock)
      layer.counted.duplicateSacksSent &+= 1
      self.duplicateBlock = nil
    }
    let room = (length - 4) / 8 - options.sackBlockCount
    reassembly.report(into: &options, limit: room)
    window.storeBigEndian(0x0101_0500 | UInt32(length - 2), offset)
    for index in 0..<options.sackBlockCount {
      window.storeBigEndian(options.sackBlock(index).left, offset + 4 + 8 * index)
      window.storeBigEndian(options.sackBlock(index).right, offset + 8 + 8 * index)
    }
  }

  /// Payload that fits beside a SACK option, if one is due.
  @inline(__always) var fittingPayload: Int {
    reassembly.isEmpty && duplicateBlock == nil ? segmentPayload : max(8, segmentPayload - reportLength)
  }

  // MARK: Window

  /// The window field of the next segment; moves the promised edge. Never takes back what was promised, and moves the
  /// edge by no less than a segment or half the buffer (silly windows, RFC 9293 3.8.6.2.2).
  @inline(__always) private func windowField() -> UInt16 {
    let offered = max(0, receiveEdge - receiveNext)
    let room = receiveLimit &- (receiveNext - readNext)
    var window = offered
    if room &- offered >= min(receiveLimit >> 1, announcedSegment) { window = room }
    let unit = 1 << receiveScale
    // Rounding must not take back: up if the room is there, else down (RFC 7323 2.4 lets the peer use the old edge).
    var field = window >> receiveScale
    if window & (unit &- 1) != 0, window == offered, (field &+ 1) << receiveScale <= room { field &+= 1 }
    if field > 65_535 { field = 65_535 }
    if field == 0, offered > 0 || lastAckSent != receiveNext {
      if receiveEdge != receiveNext || room < announcedSegment { layer.counted.toZeroWindow &+= 1 }
    }
    if offered == 0, field > 0 { layer.counted.fromZeroWindow &+= 1 }
    let edge = receiveNext + (field << receiveScale)
    if edge > receiveEdge { receiveEdge = edge }
    return UInt16(truncatingIfNeeded: field)
  }

  // MARK: Path

  /// Looks the path up again if routes or addresses changed; false if there is none now.
  @inline(__always) func refreshPath() -> Bool { path.isValid || findPath() }

  func freshPath() throws(NetworkError) -> Path {
    let path = try layer.stack.path(
      to: key.remoteAddress, from: key.localAddress, via: chosen.interfaceIndex,
      isTransparent: chosen.rules.isTransparent, staysOnLink: chosen.rules.staysOnLink,
      headerOptions: chosen.headerOptions)
    try chosen.policies?.checkSending(.tcp, from: key.localPort, to: key.remote, on: path)
    return path
  }

  func findPath() -> Bool {
    do {
      path = try freshPath()
      adoptSegmentSize()
      return true
    } catch {
      // Linux remembers that there is no route, not that a policy is in the way.
      if error != .operationNotPermitted, error != .noSecurityAssociation { softError = error }
      return false
    }
  }

  /// What leaves room for options in a full segment, from the path's MTU and the peer's MSS, and is no more than half
  /// of the largest window that the peer ever offered, so that one segment at least is under way while another is
  /// acknowledged (Linux `tcp_sync_mss`, `tcp_bound_to_half_wnd`).
  func adoptSegmentSize() {
    let room = path.mtu - 40 - path.optionLength
    // Linux goes no lower than 48, and cuts datagrams that are too long for the link into fragments.
    let least = min(48, room)
    let largest = max(least, min(sendMaximumSegment, room, chosen.maximumSegment ?? room))
    // Of a window of a few hundred bytes even halves would be too small.
    let half = largestSendWindow > 536 ? largestSendWindow / 2 : largestSendWindow
    let timestamps = usesTimestamps ? 12 : 0
    let bound = half == 0 ? .max : max(half, least - timestamps)
    isBoundByWindow = bound < largest - timestamps
    segmentPayload = max(8, min(largest - timestamps, bound) - (optionLength - timestamps))
    congestion.segmentSize = segmentPayload
  }

  /// The peer's window has never been as large, and segments may be larger for it. Congestion control counts them, as
  /// in Linux: as many as before may be under way.
  @inline(never) func largestWindowGrew() {
    let before = segmentPayload
    adoptSegmentSize()
    guard segmentPayload != before else { return }
    congestion.size = congestion.size * segmentPayload / before
    if congestion.threshold != .max { congestion.threshold = congestion.threshold * segmentPayload / before }
  }
}
