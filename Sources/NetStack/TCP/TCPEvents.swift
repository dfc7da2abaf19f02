import Events
import Packets

// Segments as events, in the words of tcpdump: "S. 1:1(0) ack 2 win 65535 <mss 1460,sackOK,...>". Only while a tap
// listens.
extension TCPConnection {
  @inline(never) func tapSent(_ sequence: SequenceNumber, _ count: Int, _ flags: TCPFlags) {
    let offset = sequence - initialSendSequence
    var text = "\(tcpFlagLetters(flags)) \(offset):\(offset + count)(\(count))"
    if flags.contains(.ack) { text += " ack \(receiveNext - initialReceiveSequence)" }
    text += " win \(max(0, receiveEdge - receiveNext))"
    layer.tap.emit(.tcp, .segment(direction: "tx", connection: name, summary: text))
  }
}

extension TCPLayer {
  @inline(never) func tapReceived(_ key: ConnectionKey, _ segment: ArrivedSegment, _ bytes: RawSpan) {
    var text = "\(tcpFlagLetters(segment.flags)) \(segment.sequence):\(segment.sequence + segment.payloadLength)"
    text += "(\(segment.payloadLength))"
    if segment.flags.contains(.ack) { text += " ack \(segment.acknowledgement)" }
    text += " win \(segment.window)"
    if let header = TCPHeader(bytes), header.headerLength > 20 { text += " \(tcpOptionText(header.options))" }
    tap.emit(.tcp, .segment(direction: "rx", connection: key.description, summary: text))
  }

  @inline(never) func tapReply(
    _ key: ConnectionKey, _ flags: TCPFlags, _ sequence: SequenceNumber, _ acknowledgement: SequenceNumber
  ) {
    var text = "\(tcpFlagLetters(flags)) \(sequence):\(sequence)(0)"
    if flags.contains(.ack) { text += " ack \(acknowledgement)" }
    tap.emit(.tcp, .segment(direction: "tx", connection: key.description, summary: text))
  }
}

/// tcpdump's letters: S, F, R, P, U, E, W and a dot for ACK.
private func tcpFlagLetters(_ flags: TCPFlags) -> String {
  var text = ""
  if flags.contains(.syn) { text += "S" }
  if flags.contains(.fin) { text += "F" }
  if flags.contains(.rst) { text += "R" }
  if flags.contains(.psh) { text += "P" }
  if flags.contains(.urg) { text += "U" }
  if flags.contains(.ece) { text += "E" }
  if flags.contains(.cwr) { text += "W" }
  if flags.contains(.ack) { text += "." }
  return text.isEmpty ? "none" : text
}

private func tcpOptionText(_ options: TCPOptions) -> String {
  var parts: [String] = []
  if let size = options.maximumSegmentSize { parts.append("mss \(size)") }
  if options.isSACKPermitted { parts.append("sackOK") }
  if options.hasTimestamps { parts.append("TS val \(options.timestampValue) ecr \(options.timestampEcho)") }
  if let scale = options.windowScale { parts.append("wscale \(scale)") }
  for index in 0..<options.sackBlockCount {
    let block = options.sackBlock(index)
    parts.append("sack \(block.left):\(block.right)")
  }
  return "<\(parts.joined(separator: ","))>"
}
