import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: connections put together")
struct TCPRepairTests {
  private static var peerOptions: TCPOptions {
    var options = TCPOptions()
    options.maximumSegmentSize = 1000
    options.isSACKPermitted = true
    options.windowScale = 2
    options.hasTimestamps = true
    // The upper half: older than zero, as signed numbers go.
    options.timestampValue = 0x9000_0000
    return options
  }

  private static func stamp(_ value: UInt32, _ echo: UInt32) -> TCPOptions {
    var options = TCPOptions()
    options.hasTimestamps = true
    options.timestampValue = value
    options.timestampEcho = echo
    return options
  }

  /// A connection that has read one byte, is left with `unread` and `unacknowledged`, and vanishes; then its successor,
  /// whose sends are held.
  private func resumed(
    _ peer: ScriptedPeer, unread: [UInt8] = [], unacknowledged: [UInt8] = []
  ) throws -> (connection: TCPConnection, timestamp: UInt32) {
    try peer.establish(options: Self.peerOptions)
    let old = try #require(peer.connection)
    peer.send(.psh, 1, ack: 1, options: Self.stamp(0x9000_0001, peer.lastOptions.timestampValue), payload: [7])
    #expect(old.receiveAll() == [7])
    peer.wait(.milliseconds(300))
    if !unread.isEmpty {
      peer.send(.psh, 2, ack: 1, options: Self.stamp(0x9000_0002, peer.lastOptions.timestampValue), payload: unread)
      peer.wait(.milliseconds(300))
    }
    old.send(unacknowledged)
    peer.wait(.milliseconds(1))
    _ = peer.take()
    var start = TCPResumption()
    start.sendNext = old.nextNumbers.send &- UInt32(unacknowledged.count)
    start.receiveNext = old.nextNumbers.receive &- UInt32(unread.count)
    let (timestamp, window, info) = (old.currentTimestamp, old.repairWindow, old.info)
    let (local, remote) = (old.local, old.remote)
    old.vanish()
    peer.wait(.seconds(20))
    #expect(peer.take().isEmpty)

    let binding = try peer.tcp.bind(local, isForced: true)
    let new = try peer.tcp.connect(to: remote, binding: binding, resumption: start)
    new.adopt(.maximumSegment(old.peerMaximumSegment))
    new.adopt(.windowScale(send: info.sendScale, receive: info.receiveScale))
    new.adopt(.selectiveAcknowledgement)
    new.adopt(.timestamps)
    new.currentTimestamp = timestamp
    let isTaken = new.appendReceived(unread.span.bytes)
    #expect(isTaken)
    new.isSendingHeld = true
    #expect(new.send(unacknowledged) == unacknowledged.count)
    new.repairWindow = window
    #expect(new.state == .established)
    #expect(new.repairWindow == window)
    #expect(new.info.outstandingBytes == unacknowledged.count)
    peer.wait(.milliseconds(10))
    #expect(peer.take().isEmpty)
    #expect(peer.tcp.counters.activeOpens == 0)
    return (new, timestamp)
  }

  @Test("the first frame is the probe: below the window, with a timestamp that has gone on")
  func probe() throws {
    let peer = ScriptedPeer()
    let (new, timestamp) = try resumed(peer, unread: pattern(10), unacknowledged: pattern(30))
    new.isSendingHeld = false
    new.probeWindow()
    peer.wait(.microseconds(200))
    let seen = peer.take()
    #expect(seen.map(\.flags) == [.ack])
    #expect(seen.first?.sequence == 0)
    #expect(seen.first?.acknowledgement == 12)
    #expect(seen.first?.count == 0)
    #expect(peer.lastOptions.hasTimestamps)
    #expect(peer.lastOptions.timestampValue &- timestamp <= 12)
    #expect(new.receiveAll() == pattern(10))
  }

  @Test("bytes that count as sent go out by the retransmission timer, a second later, and new ones behind them at once")
  func retransmission() throws {
    let peer = ScriptedPeer()
    let bytes = pattern(2500)
    let (new, _) = try resumed(peer, unacknowledged: bytes)
    new.isSendingHeld = false
    new.noDelay = true
    new.send("new")
    peer.wait(.milliseconds(100))
    let fresh = peer.take()
    #expect(fresh.map(\.sequence) == [2501])
    #expect(peer.lastPayload == Array("new".utf8))
    peer.wait(.milliseconds(880))
    #expect(peer.take().isEmpty)
    peer.wait(.milliseconds(20))
    let first = peer.take()
    #expect(first.map(\.sequence) == [1])
    #expect(first.first?.count == 988)
    #expect(peer.lastPayload == Array(bytes[..<988]))
    peer.send([], 2, ack: 2504, options: Self.stamp(0x9000_0003, peer.lastOptions.timestampValue))
    #expect(new.unacknowledgedCount == 0)
    #expect(new.info.retransmitTimeouts == 0)
  }

  @Test("an acknowledgement of what was sent before is taken, without a measurement")
  func acknowledged() throws {
    let peer = ScriptedPeer()
    let (new, _) = try resumed(peer, unacknowledged: pattern(30))
    peer.send([], 2, ack: 31, options: Self.stamp(0x9000_0003, 0))
    #expect(new.unacknowledgedCount == 0)
    #expect(new.info.roundTrip == .zero)
    #expect(peer.take().isEmpty)
  }

  @Test("the first timestamp of the peer is taken whatever it is, and echoed")
  func timestamps() throws {
    let peer = ScriptedPeer()
    let (new, _) = try resumed(peer)
    peer.send(.psh, 2, ack: 1, options: Self.stamp(0x9000_0007, 0), payload: [1, 2])
    #expect(new.receiveAll() == [1, 2])
    peer.wait(.milliseconds(300))
    let seen = peer.take()
    #expect(seen.last?.acknowledgement == 4)
    #expect(peer.lastOptions.timestampEcho == 0x9000_0007)
    peer.send(.psh, 4, ack: 1, options: Self.stamp(0x9000_0006, 0), payload: [3])
    #expect(new.readableCount == 0)
    #expect(peer.tcp.counters.pawsEstablished == 1)
  }

  @Test("a FIN that counts as sent goes out by the timer")
  func fin() throws {
    let peer = ScriptedPeer()
    let (new, _) = try resumed(peer, unacknowledged: pattern(5))
    new.shutdownSend()
    #expect(new.state == .finWait1)
    peer.wait(.milliseconds(900))
    #expect(peer.take().isEmpty)
    new.isSendingHeld = false
    peer.wait(.milliseconds(200))
    let seen = peer.take()
    #expect(seen.map(\.count) == [5, 0])
    #expect(seen.last?.flags == [.fin, .ack])
    #expect(seen.last?.sequence == 6)
    peer.send([], 2, ack: 7, options: Self.stamp(0x9000_0004, 0))
    #expect(new.state == .finWait2)
  }

  @Test("a number that was chosen for a connection that is opened is that of its SYN")
  func chosenNumber() throws {
    let peer = ScriptedPeer()
    peer.connection = try peer.tcp.connect(to: peer.remote, initialSequence: SequenceNumber(0xFFFF_FFFE))
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.flags) == [.syn])
    #expect(peer.hostStart == 0xFFFF_FFFE)
  }

  @Test("a peer silent for 24 days may go on with any timestamp")
  func oldTimestamp() throws {
    let peer = ScriptedPeer()
    try peer.establish(options: Self.peerOptions)
    peer.wait(.seconds(25 * 86_400))
    for value: UInt32 in [5, 6] {
      peer.send(.psh, Int(value) - 4, ack: 1, options: Self.stamp(value, 0), payload: [1])
      peer.wait(.milliseconds(300))
      _ = peer.take()
      #expect(peer.lastOptions.timestampEcho == value)
    }
    #expect(peer.connection.readableCount == 2)
  }
}
