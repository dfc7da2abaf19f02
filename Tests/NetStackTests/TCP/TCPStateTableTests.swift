import EventLoop
import NetStack
import Packets
import Testing

/// RFC 9293 3.10.7 as a table, with the rows of RFC 5961: in a state a segment arrives; what is answered, what is the
/// state then.
@Suite("TCP: the state table")
struct TCPStateTableTests {
  enum Answer: Equatable {
    case nothing
    case acknowledgement
    /// <SEQ=SEG.ACK><CTL=RST>
    case reset
    /// <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
    case resetWithAck
    case synAck
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var state: TCPState
    var flags: TCPFlags
    /// Relative to RCV.NXT.
    var sequence = 0
    /// Relative to SND.NXT; nil: no ACK bit.
    var acknowledgement: Int? = 0
    var count = 0
    var answer: Answer
    var next: TCPState

    var testDescription: String {
      "\(state): flags \(flags.rawValue) seq \(sequence) ack \(acknowledgement.map(String.init) ?? "-") len \(count)"
    }
  }

  static let synchronized: [TCPState] = [
    .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck,
  ]

  static let rows: [Row] =
    [
      // LISTEN
      Row(state: .listen, flags: .rst, acknowledgement: nil, answer: .nothing, next: .listen),
      Row(state: .listen, flags: .ack, answer: .reset, next: .listen),
      Row(state: .listen, flags: .syn, answer: .reset, next: .listen),
      Row(state: .listen, flags: .syn, sequence: -1, acknowledgement: nil, answer: .synAck, next: .synReceived),
      Row(state: .listen, flags: .fin, acknowledgement: nil, answer: .nothing, next: .listen),
      Row(state: .listen, flags: [], acknowledgement: nil, count: 4, answer: .nothing, next: .listen),
      // SYN-SENT
      Row(state: .synSent, flags: .ack, acknowledgement: 1, answer: .reset, next: .synSent),
      Row(state: .synSent, flags: .ack, acknowledgement: -1, answer: .reset, next: .synSent),
      Row(state: .synSent, flags: .ack, answer: .nothing, next: .synSent),
      Row(state: .synSent, flags: .rst, answer: .nothing, next: .closed),
      Row(state: .synSent, flags: .rst, acknowledgement: nil, answer: .nothing, next: .synSent),
      Row(state: .synSent, flags: .rst, acknowledgement: 1, answer: .nothing, next: .synSent),
      Row(state: .synSent, flags: .syn, answer: .acknowledgement, next: .established),
      Row(state: .synSent, flags: .syn, acknowledgement: nil, answer: .synAck, next: .synReceived),
      Row(state: .synSent, flags: .fin, acknowledgement: nil, answer: .nothing, next: .synSent),
      // SYN-RECEIVED
      Row(state: .synReceived, flags: .ack, answer: .nothing, next: .established),
      Row(state: .synReceived, flags: .ack, acknowledgement: 1, answer: .reset, next: .synReceived),
      Row(state: .synReceived, flags: .ack, acknowledgement: -1, answer: .reset, next: .synReceived),
      Row(state: .synReceived, flags: .rst, acknowledgement: nil, answer: .nothing, next: .listen),
      Row(
        state: .synReceived, flags: .rst, sequence: 5, acknowledgement: nil, answer: .acknowledgement,
        next: .synReceived),
      Row(state: .synReceived, flags: .syn, sequence: -1, acknowledgement: nil, answer: .synAck, next: .synReceived),
      Row(state: .synReceived, flags: .fin, answer: .acknowledgement, next: .closeWait),
      // ESTABLISHED and what follows it
      Row(state: .established, flags: .fin, answer: .acknowledgement, next: .closeWait),
      Row(state: .established, flags: .ack, acknowledgement: 1, answer: .acknowledgement, next: .established),
      Row(state: .finWait1, flags: .ack, answer: .nothing, next: .finWait2),
      Row(state: .finWait1, flags: .fin, acknowledgement: -1, answer: .acknowledgement, next: .closing),
      Row(state: .finWait1, flags: .fin, answer: .acknowledgement, next: .timeWait),
      Row(state: .finWait2, flags: .fin, answer: .acknowledgement, next: .timeWait),
      Row(state: .closing, flags: .ack, answer: .nothing, next: .timeWait),
      Row(state: .lastAck, flags: .ack, answer: .nothing, next: .closed),
      // TIME-WAIT
      Row(state: .timeWait, flags: .fin, sequence: -1, answer: .acknowledgement, next: .timeWait),
      Row(state: .timeWait, flags: .rst, acknowledgement: nil, answer: .nothing, next: .closed),
      Row(state: .timeWait, flags: .rst, sequence: 7, acknowledgement: nil, answer: .nothing, next: .timeWait),
      // CLOSED
      Row(state: .closed, flags: .ack, answer: .reset, next: .closed),
      Row(state: .closed, flags: .syn, acknowledgement: nil, answer: .resetWithAck, next: .closed),
      Row(state: .closed, flags: .fin, acknowledgement: nil, count: 3, answer: .resetWithAck, next: .closed),
      Row(state: .closed, flags: .rst, answer: .nothing, next: .closed),
    ]
    + synchronized.flatMap { state in
      [
        // RFC 5961 3: a reset exactly at RCV.NXT counts, elsewhere in the window it is challenged, outside dropped.
        Row(state: state, flags: .rst, acknowledgement: nil, answer: .nothing, next: .closed),
        Row(state: state, flags: .rst, sequence: 1, acknowledgement: nil, answer: .acknowledgement, next: state),
        Row(state: state, flags: .rst, sequence: 100_000, acknowledgement: nil, answer: .nothing, next: state),
        Row(state: state, flags: .rst, sequence: -1, acknowledgement: nil, answer: .nothing, next: state),
        // RFC 5961 4: a SYN is challenged wherever it lies.
        Row(state: state, flags: .syn, acknowledgement: nil, answer: .acknowledgement, next: state),
        Row(state: state, flags: .syn, sequence: 200_000, acknowledgement: nil, answer: .acknowledgement, next: state),
        // RFC 5961 5: acknowledgements outside of what was sent.
        Row(state: state, flags: .ack, acknowledgement: 100_000, answer: .acknowledgement, next: state),
        Row(state: state, flags: .ack, acknowledgement: -100_000, answer: .acknowledgement, next: state),
        // Outside of the window.
        Row(
          state: state, flags: [], sequence: -10, acknowledgement: -1, count: 5, answer: .acknowledgement, next: state),
        Row(
          state: state, flags: [], sequence: 300_000, acknowledgement: -1, count: 5, answer: .acknowledgement,
          next: state),
        // No ACK bit.
        Row(state: state, flags: [], acknowledgement: nil, count: 5, answer: .nothing, next: state),
      ]
    }

  @Test("a segment is answered and moves the state as the RFC says", arguments: rows)
  func row(_ row: Row) throws {
    let peer = ScriptedPeer()
    if row.state != .closed { try peer.reach(row.state) }
    peer.send(
      row.flags.subtracting(.ack), peer.expected + row.sequence,
      ack: row.acknowledgement.map { peer.sent + $0 }, count: row.count)
    let answers = peer.take()
    switch row.answer {
    case .nothing: #expect(answers.isEmpty)
    case .acknowledgement:
      #expect(answers.count == 1)
      #expect(answers.first?.flags.subtracting(.psh) == .ack)
    case .reset:
      #expect(answers.map(\.flags) == [.rst])
      #expect(answers.first?.sequence == peer.sent + (row.acknowledgement ?? 0))
    case .resetWithAck:
      #expect(answers.map(\.flags) == [[.rst, .ack]])
    case .synAck: #expect(answers.map(\.flags) == [[.syn, .ack]])
    }
    #expect(peer.state == row.next)
  }

  @Test("simultaneous open ends in ESTABLISHED at both ends")
  func simultaneousOpen() throws {
    let peer = ScriptedPeer()
    try peer.reach(.synSent)
    peer.send(.syn, 0)
    #expect(peer.take().map(\.flags) == [[.syn, .ack]])
    #expect(peer.connection.state == .synReceived)
    #expect(peer.tcp.counters.retransmittedSegments == 0 && peer.tcp.counters.outSegments == 2)
    peer.send(.syn, 0, ack: 1)
    #expect(peer.connection.state == .established)
    peer.send([], 1, ack: 1, count: 10)
    #expect(peer.connection.receiveAll() == pattern(10))
  }

  @Test("simultaneous close goes through CLOSING to TIME-WAIT, which ends after 60 seconds")
  func simultaneousClose() throws {
    let peer = ScriptedPeer()
    try peer.reach(.closing)
    peer.send([], 2, ack: 2)
    #expect(peer.state == .timeWait)
    peer.wait(.seconds(59))
    #expect(peer.state == .timeWait)
    peer.wait(.seconds(2))
    #expect(peer.state == .closed)
    #expect(peer.tcp.counters.timeWaits == 1)
  }
}
