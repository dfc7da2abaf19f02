import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: loss and recovery")
struct TCPRecoveryTests {
  private var sackOptions: TCPOptions {
    var options = TCPOptions()
    options.maximumSegmentSize = 1000
    options.isSACKPermitted = true
    return options
  }

  private var plainOptions: TCPOptions {
    var options = TCPOptions()
    options.maximumSegmentSize = 1000
    return options
  }

  private func sack(_ peer: ScriptedPeer, _ blocks: [(Int, Int)]) -> TCPOptions {
    var options = TCPOptions()
    for (left, right) in blocks {
      options.append(
        SACKBlock(left: peer.hostStart &+ UInt32(left), right: peer.hostStart &+ UInt32(right)))
    }
    return options
  }

  @Test("the third duplicate acknowledgement retransmits the first segment and halves the window (NewReno)")
  func fastRetransmit() throws {
    var parameters = TCPParameters()
    parameters.congestionControl = .reno
    let peer = ScriptedPeer()
    try peer.establish(options: plainOptions, parameters: parameters)
    peer.connection.send(pattern(10_000))
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.sequence) == (0..<10).map { 1 + 1000 * $0 })
    peer.send([], 1, ack: 1)
    peer.send([], 1, ack: 1)
    #expect(peer.take().isEmpty)
    peer.send([], 1, ack: 1)
    let seen = peer.take()
    #expect(seen.map(\.sequence) == [1])
    #expect(peer.connection.info.slowStartThreshold == 5000)
    #expect(peer.tcp.counters.renoRecoveries == 1)
    #expect(peer.tcp.counters.fastRetransmits == 1)
    // A partial acknowledgement retransmits the next hole at once (RFC 6582).
    peer.send([], 1, ack: 3001)
    #expect(peer.take().map(\.sequence).first == 3001)
    peer.send([], 1, ack: 10_001)
    #expect(peer.connection.info.recovery == 0)
    #expect(peer.connection.info.congestionWindow == 5000)
    #expect(peer.tcp.counters.timeouts == 0)
  }

  @Test("SACK recovery retransmits exactly the holes")
  func sackRecovery() throws {
    let peer = ScriptedPeer()
    try peer.establish(options: sackOptions)
    peer.connection.send(pattern(10_000))
    peer.wait(.milliseconds(1))
    #expect(peer.take().count == 10)
    // The first and the fourth are missing.
    peer.send([], 1, ack: 1, options: sack(peer, [(1001, 2001)]))
    peer.send([], 1, ack: 1, options: sack(peer, [(1001, 3001)]))
    #expect(peer.take().isEmpty)
    peer.send([], 1, ack: 1, options: sack(peer, [(4001, 5001), (1001, 3001)]))
    #expect(peer.take().map(\.sequence) == [1])
    peer.send([], 1, ack: 1, options: sack(peer, [(4001, 10_001), (1001, 3001)]))
    #expect(peer.take().map(\.sequence) == [3001])
    peer.send([], 1, ack: 10_001)
    #expect(peer.take().isEmpty)
    #expect(peer.tcp.counters.retransmittedSegments == 2)
    #expect(peer.tcp.counters.sackRecoveries == 1)
    #expect(peer.connection.info.recovery == 0)
    // CUBIC: 0.7 of what was outstanding.
    #expect(peer.connection.info.slowStartThreshold == 7000)
  }

  @Test("after a timeout one segment goes out, the window is one segment, and slow start follows")
  func timeoutRecovery() throws {
    let peer = ScriptedPeer()
    try peer.establish(options: plainOptions)
    peer.connection.send(pattern(8000))
    peer.wait(.milliseconds(1))
    #expect(peer.take().count == 8)
    peer.wait(.milliseconds(300))
    #expect(peer.take().map(\.sequence) == [1])
    #expect(peer.connection.info.congestionWindow == 1000)
    peer.send([], 1, ack: 1001)
    #expect(peer.take().map(\.sequence) == [1001, 2001])
    peer.send([], 1, ack: 3001)
    #expect(peer.take().map(\.sequence) == [3001, 4001, 5001, 6001])
    peer.send([], 1, ack: 8001)
    #expect(peer.connection.info.recovery == 0)
    #expect(peer.tcp.counters.timeouts == 1)
  }

  @Test("a report of a duplicate (D-SACK) is counted and marks nothing")
  func duplicateSack() throws {
    let peer = ScriptedPeer()
    try peer.establish(options: sackOptions)
    peer.connection.send(pattern(2000))
    peer.wait(.milliseconds(1))
    peer.send([], 1, ack: 2001)
    peer.connection.send(pattern(2000))
    peer.wait(.milliseconds(1))
    peer.send([], 1, ack: 2001, options: sack(peer, [(1, 1001)]))
    #expect(peer.tcp.counters.duplicateSacksReceived == 1)
    #expect(peer.connection.info.sackedBytes == 0)
  }

  @Test("SACK blocks that were never sent are discarded", arguments: [(4001, 9001), (90_000, 91_000)])
  func nonsenseSack(_ block: (Int, Int)) throws {
    let peer = ScriptedPeer()
    try peer.establish(options: sackOptions)
    peer.connection.send(pattern(5000))
    peer.wait(.milliseconds(1))
    peer.send([], 1, ack: 1, options: sack(peer, [block]))
    #expect(peer.connection.info.sackedBytes == 0)
    #expect(peer.tcp.counters.sackDiscards == 1)
  }

  @Test("data above a hole is acknowledged at once with SACK, newest block first; filling the hole too")
  func outOfOrder() throws {
    let peer = ScriptedPeer()
    try peer.establish(options: sackOptions)
    func blocks() -> [SACKBlock] { (0..<peer.lastOptions.sackBlockCount).map { peer.lastOptions.sackBlock($0) } }
    func block(_ left: Int, _ right: Int) -> SACKBlock {
      SACKBlock(left: peer.start &+ UInt32(left), right: peer.start &+ UInt32(right))
    }
    peer.send([], 1001, ack: 1, count: 1000)
    #expect(peer.take().map(\.acknowledgement) == [1])
    #expect(blocks() == [block(1001, 2001)])
    peer.send([], 4001, ack: 1, count: 1000)
    #expect(peer.take().map(\.acknowledgement) == [1])
    #expect(blocks() == [block(4001, 5001), block(1001, 2001)])
    peer.send([], 2001, ack: 1, count: 500)
    _ = peer.take()
    #expect(blocks() == [block(1001, 2501), block(4001, 5001)])
    // A duplicate above the hole: D-SACK first (RFC 2883 4.1.2).
    peer.send([], 4001, ack: 1, count: 1000)
    _ = peer.take()
    #expect(blocks() == [block(4001, 5001), block(4001, 5001), block(1001, 2501)])
    peer.send([], 1, ack: 1, count: 1000)
    #expect(peer.take().map(\.acknowledgement) == [2501])
    peer.send([], 2501, ack: 1, count: 1500)
    #expect(peer.take().map(\.acknowledgement) == [5001])
    #expect(blocks().isEmpty)
    #expect(peer.connection.receiveAll() == pattern(5000))
    // A duplicate below: reported once (RFC 2883 4.1.1).
    peer.send([], 1, ack: 1, count: 1000)
    _ = peer.take()
    #expect(blocks() == [block(1, 1001)])
  }

  @Test("a FIN above a hole waits for it")
  func finAboveHole() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.send(.fin, 101, ack: 1, count: 100)
    #expect(peer.state == .established)
    peer.send([], 1, ack: 1, count: 100)
    #expect(peer.state == .closeWait)
    #expect(peer.connection.receiveAll().count == 200)
    #expect(peer.connection.isReceiveClosed)
  }

  @Test("a FIN that overtakes the last data waits for it", arguments: [0, 50], [false, true])
  func finOvertakes(count: Int, isOpen: Bool) throws {
    let peer = ScriptedPeer()
    try peer.establish()
    if !isOpen {
      peer.connection.shutdownSend()
      peer.wait(.milliseconds(1))
    }
    let sent = isOpen ? 1 : 2
    peer.send(.fin, 201, ack: sent, count: count)
    _ = peer.take()
    // The first of the two segments before the FIN leaves the hole open, the second closes it.
    peer.send([], 1, ack: sent, count: 100)
    #expect(peer.state == (isOpen ? .established : .finWait2))
    peer.send([], 101, ack: sent, count: 100)
    #expect(peer.state == (isOpen ? .closeWait : .timeWait))
    #expect(peer.take().last?.acknowledgement == 202 + count)
    #expect(peer.connection.receiveAll() == pattern(200 + count))
    #expect(peer.connection.isReceiveClosed)
  }

  @Test("more intervals than the list holds are dropped and counted, and memory stays bounded")
  func intervalLimit() throws {
    let peer = ScriptedPeer()
    try peer.establish(options: sackOptions)
    for index in 0..<300 { peer.send([], 3 + 2 * index, ack: 1, count: 1) }
    #expect(peer.tcp.counters.outOfOrderQueued == 128)
    #expect(peer.tcp.counters.outOfOrderDrops == 172)
  }
}
