import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: timers")
struct TCPTimerTests {
  /// Nothing for just less than `span`, then exactly one segment.
  private func expectOne(
    _ peer: ScriptedPeer, after span: TimeSpan, sourceLocation: SourceLocation = #_sourceLocation
  ) -> ScriptedPeer.Seen? {
    peer.wait(span - .milliseconds(5))
    let early = peer.take()
    #expect(early.isEmpty, sourceLocation: sourceLocation)
    peer.wait(.milliseconds(5))
    peer.wait(.microseconds(200))
    let due = peer.take()
    #expect(due.count == 1, sourceLocation: sourceLocation)
    return due.first
  }

  @Test("a SYN is sent again after 1, 2, 4, 8, 16 and 32 seconds, and given up after 64 more")
  func synRetransmission() throws {
    let peer = ScriptedPeer()
    try peer.connect()
    #expect(peer.take().map(\.flags) == [.syn])
    for seconds in [1, 2, 4, 8, 16, 32] {
      let seen = expectOne(peer, after: .seconds(seconds))
      #expect(seen?.flags == .syn)
    }
    peer.wait(.seconds(65))
    #expect(peer.take().isEmpty)
    #expect(peer.connection.state == .closed)
    #expect(peer.connection.takeError() == .timedOut)
    #expect(peer.connection.takeError() == nil)
  }

  @Test("a SYN-ACK is sent again five times, then the half-open connection is forgotten")
  func synAckRetransmission() throws {
    let peer = ScriptedPeer()
    try peer.reach(.synReceived)
    for seconds in [1, 2, 4, 8, 16] { #expect(expectOne(peer, after: .seconds(seconds))?.flags == [.syn, .ack]) }
    peer.wait(.seconds(40))
    #expect(peer.take().isEmpty)
    #expect(peer.state == .listen)
  }

  @Test("the timeout is SRTT + max(200 ms, 4 RTTVAR), and doubles with every retransmission")
  func retransmissionTimeout() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    let info = peer.connection.info
    #expect(info.roundTrip > .zero)
    #expect(info.roundTripVariation == info.roundTrip / 2)
    #expect(info.retransmitTimeout == info.roundTrip + max(.milliseconds(200), info.roundTripVariation * 4))
    peer.connection.send("x")
    peer.wait(.microseconds(100))
    #expect(peer.take().count == 1)
    var timeout = info.retransmitTimeout
    for _ in 0..<6 {
      let seen = expectOne(peer, after: timeout)
      #expect(seen?.sequence == 1 && seen?.count == 1)
      timeout = timeout * 2
    }
    peer.send([], 1, ack: 2)
    #expect(peer.connection.info.retransmitTimeouts == 0)
    // Karn: the acknowledgement of a segment that was sent twice is no sample.
    #expect(peer.connection.info.roundTrip == info.roundTrip)
    peer.wait(.seconds(300))
    #expect(peer.take().isEmpty)
    #expect(peer.tcp.counters.retransmittedSegments == 6)
  }

  @Test("unacknowledged data is given up after about 924 seconds of retransmissions")
  func givesUp() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.connection.send("x")
    peer.wait(.seconds(900))
    #expect(peer.connection.state == .established)
    peer.wait(.seconds(200))
    #expect(peer.connection.state == .closed)
    #expect(peer.connection.takeError() == .timedOut)
    #expect(peer.tcp.counters.abortsOnTimeout == 1)
  }

  @Test("the user timeout ends a connection sooner")
  func userTimeout() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.connection.userTimeout = .seconds(5)
    peer.connection.send("x")
    peer.wait(.seconds(15))
    #expect(peer.connection.takeError() == .timedOut)
  }

  @Test("a closed window is probed with backoff, and data flows when it opens")
  func zeroWindowProbe() throws {
    let peer = ScriptedPeer()
    try peer.establish(window: 0)
    peer.connection.send("data")
    peer.wait(.milliseconds(1))
    #expect(peer.take().isEmpty)
    var timeout = peer.connection.info.retransmitTimeout
    for _ in 0..<5 {
      let probe = expectOne(peer, after: timeout - .microseconds(300))
      #expect(probe?.sequence == 0 && probe?.count == 0)
      peer.send([], 1, ack: 1, window: 0)
      timeout = timeout * 2
    }
    #expect(peer.tcp.counters.windowProbes == 5)
    peer.send([], 1, ack: 1, window: 1000)
    let seen = peer.take()
    #expect(seen.map(\.count) == [4])
  }

  @Test("a probed peer that answers is never given up")
  func answeredProbesGoOn() throws {
    let peer = ScriptedPeer()
    try peer.establish(window: 0)
    peer.connection.send("data")
    for _ in 0..<40 {
      peer.wait(.seconds(130))
      if !peer.take().isEmpty { peer.send([], 1, ack: 1, window: 0) }
    }
    #expect(peer.connection.state == .established)
  }

  @Test("a single small segment is acknowledged after the delay, a second full one at once")
  func delayedAcknowledgement() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    // The first segments of a connection are acknowledged at once.
    var next = 1
    for _ in 0..<16 {
      peer.send([], next, ack: 1, count: 536)
      next += 536
    }
    #expect(peer.take().count == 16)
    _ = peer.connection.receiveAll()
    peer.send([], next, ack: 1, count: 100)
    next += 100
    #expect(peer.take().isEmpty)
    peer.wait(.milliseconds(39))
    #expect(peer.take().isEmpty)
    peer.wait(.milliseconds(2))
    #expect(peer.take().map(\.acknowledgement) == [next])
    #expect(peer.tcp.counters.delayedAcks == 1)
    peer.send([], next, ack: 1, count: 536)
    #expect(peer.take().isEmpty)
    peer.send([], next + 536, ack: 1, count: 536)
    #expect(peer.take().map(\.acknowledgement) == [next + 1072])
  }

  @Test("keep-alive probes after the idle time, at the interval, and then ends the connection")
  func keepAlive() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.connection.setKeepAlive(true, idle: .seconds(100), interval: .seconds(10), count: 3)
    for _ in 0..<2 {
      let probe = expectOne(peer, after: .seconds(100))
      #expect(probe?.sequence == 0 && probe?.count == 0)
      peer.send([], 1, ack: 1)
    }
    peer.wait(.seconds(99))
    #expect(peer.take().isEmpty)
    peer.wait(.seconds(25))
    #expect(peer.take().count == 3)
    peer.wait(.seconds(10))
    #expect(peer.connection.takeError() == .timedOut)
    #expect(peer.take().map(\.flags) == [[.rst, .ack]])
    #expect(peer.tcp.counters.keepAliveProbes == 5)
  }

  @Test("an orphan leaves FIN-WAIT-2 after 60 seconds; no timer is left")
  func orphanFinWait2() throws {
    let peer = ScriptedPeer()
    try peer.reach(.finWait2)
    peer.connection.close()
    peer.wait(.seconds(59))
    #expect(peer.state == .finWait2)
    peer.wait(.seconds(2))
    #expect(peer.state == .closed)
  }

  @Test("an idle connection arms no timer at all")
  func idleIsIdle() throws {
    let pair = TCPPair()
    try pair.connect()
    pair.client.send("hello")
    pair.network.advance(.seconds(200))
    #expect(pair.server.receiveAll() == Array("hello".utf8))
    let before = pair.network.loop.counters.sleeps
    pair.network.advance(.seconds(3000))
    #expect(pair.network.loop.counters.sleeps - before <= 3)
  }
}
