import Packets

/// The header of a segment that arrived, as values (SEG.* of RFC 9293 3.3.1). Options other than timestamps are read
/// from the segment itself where they matter.
struct ArrivedSegment: BitwiseCopyable {
  /// SEG.SEQ
  var sequence: SequenceNumber
  /// SEG.ACK
  var acknowledgement: SequenceNumber
  var flags: TCPFlags
  /// SEG.WND as in the header.
  var window: Int
  var headerLength: Int
  var payloadLength: Int
  var hasTimestamps = false
  var timestampValue: UInt32 = 0
  var timestampEcho: UInt32 = 0
  /// There are options beside timestamps in their usual place.
  var hasOtherOptions = false

  @inline(__always) init(_ header: borrowing TCPHeader) {
    sequence = SequenceNumber(header.sequenceNumber)
    acknowledgement = SequenceNumber(header.acknowledgmentNumber)
    flags = header.flags
    window = Int(header.window)
    headerLength = header.headerLength
    payloadLength = header.bytes.byteCount &- header.headerLength
    if headerLength == 32, header.bytes.loadBigEndian(20, as: UInt32.self) == 0x0101_080A {
      hasTimestamps = true
      timestampValue = header.bytes.loadBigEndian(24)
      timestampEcho = header.bytes.loadBigEndian(28)
    } else if headerLength > 20 {
      hasOtherOptions = true
    }
  }

  /// SEG.LEN, with SYN and FIN.
  @inline(__always) var length: Int {
    payloadLength &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
  }

  /// The sequence number behind the segment.
  @inline(__always) var end: SequenceNumber { sequence + length }

  /// Takes the timestamps over from options that stand in an unusual order.
  mutating func read(_ options: TCPOptions) {
    hasTimestamps = options.hasTimestamps
    timestampValue = options.timestampValue
    timestampEcho = options.timestampEcho
  }
}
