import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: flow of bytes")
struct TCPFlowTests {
  @Test("Nagle holds a second small segment until the first is acknowledged; TCP_NODELAY does not")
  func nagle() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.connection.send("a")
    peer.connection.send("b")
    peer.connection.send("c")
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.count) == [1])
    peer.send([], 1, ack: 2)
    #expect(peer.take().map(\.count) == [2])
    peer.connection.send("d")
    peer.wait(.milliseconds(1))
    #expect(peer.take().isEmpty)
    peer.connection.noDelay = true
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.count) == [1])
    peer.connection.send("e")
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.count) == [1])
  }

  @Test("TCP_CORK holds a partial segment back, for 200 ms at most")
  func cork() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.connection.isCorked = true
    peer.connection.send("head")
    peer.wait(.milliseconds(100))
    #expect(peer.take().isEmpty)
    peer.connection.isCorked = false
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.count) == [4])
    peer.send([], 1, ack: 5)
    peer.connection.isCorked = true
    peer.connection.send("x")
    peer.wait(.milliseconds(250))
    #expect(peer.take().map(\.count) == [1])
  }

  @Test("a sender does not fill a window that is smaller than a segment and half of the largest")
  func senderSillyWindow() throws {
    let peer = ScriptedPeer()
    try peer.establish(window: 2000)
    peer.connection.send(pattern(3000))
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.count) == [536, 536, 536])
    peer.send([], 1, ack: 1609, window: 300)
    #expect(peer.take().isEmpty)
    peer.send([], 1, ack: 1609, window: 536)
    #expect(peer.take().map(\.count) == [536])
  }

  @Test("a receiver opens a closed window only by a segment or half the buffer, and says so unasked")
  func receiverSillyWindow() throws {
    var parameters = TCPParameters()
    parameters.receiveBuffer = 4096
    let peer = ScriptedPeer()
    try peer.establish(parameters: parameters)
    var next = 1
    while next <= 4096 {
      peer.send([], next, ack: 1, count: 512)
      next += 512
    }
    // The last of them is acknowledged after the delay.
    peer.wait(.milliseconds(50))
    #expect(peer.take().last?.window == 0)
    // A byte into the closed window is refused, and answered.
    peer.send([], next, ack: 1, count: 1)
    let refusal = peer.take()
    #expect(refusal.map(\.acknowledgement) == [next])
    #expect(refusal.map(\.window) == [0])
    #expect(peer.connection.discard(500) == 500)
    peer.wait(.milliseconds(1))
    #expect(peer.take().isEmpty)
    #expect(peer.connection.discard(2000) == 2000)
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.window) == [2500])
    #expect(peer.tcp.counters.zeroWindowDrops == 1)
  }

  @Test("windows are scaled as both SYNs agreed")
  func windowScaling() throws {
    let peer = ScriptedPeer()
    var options = TCPOptions()
    options.windowScale = 3
    try peer.listen()
    peer.send(.syn, 0, window: 1000, options: options)
    let reply = peer.take()
    #expect(reply.first?.window == 65_535)
    #expect(peer.lastOptions.windowScale == 7)
    peer.send(.ack, 1, ack: 1, window: 1000)
    guard let connection = peer.listener?.accept() else { throw NetworkError.notConnected }
    #expect(connection.info.sendWindow == 8000)
    peer.send([], 1, ack: 1, count: 10)
    // 65,536 less ten bytes, in units of 128: never more than there is.
    #expect(peer.take().first?.window == 511 || connection.info.receiveWindow <= 65_536)
  }

  @Test("an old timestamp is answered and dropped (PAWS), a reset with one is not")
  func paws() throws {
    let peer = ScriptedPeer()
    var options = TCPOptions()
    options.hasTimestamps = true
    options.timestampValue = 5000
    try peer.establish(options: options)
    options.timestampValue = 4000
    options.timestampEcho = peer.lastOptions.timestampValue
    peer.send([], 1, ack: 1, count: 10, options: options)
    #expect(peer.take().map(\.acknowledgement) == [1])
    #expect(peer.connection.readableCount == 0)
    #expect(peer.tcp.counters.pawsEstablished == 1)
    options.timestampValue = 5001
    peer.send([], 1, ack: 1, count: 10, options: options)
    #expect(peer.connection.readableCount == 10)
    _ = peer.take()
    #expect(peer.lastOptions.timestampEcho == 5001)
    options.timestampValue = 1
    peer.send(.rst, 11, options: options)
    #expect(peer.connection.state == .closed)
  }

  @Test("sequence numbers wrap in both directions", arguments: [UInt32.max - 5, UInt32.max, 0x7FFF_FFF0])
  func wraparound(_ start: UInt32) throws {
    let peer = ScriptedPeer(start: start)
    try peer.establish()
    peer.send([], 1, ack: 1, count: 100)
    peer.send([], 201, ack: 1, count: 100)
    peer.send([], 101, ack: 1, count: 100)
    #expect(peer.connection.receiveAll() == pattern(300))
    #expect(peer.take().last?.acknowledgement == 301)
    peer.send(.rst, 301)
    #expect(peer.connection.state == .closed)
  }

  @Test("a damaged segment is counted and ignored")
  func checksum() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.send([], 1, ack: 1, count: 50, damage: true)
    #expect(peer.connection.readableCount == 0)
    #expect(peer.tcp.counters.inChecksumErrors == 1)
  }

  @Test("closing with unread bytes resets the connection, as does data for a closed one")
  func closeWithUnread() throws {
    let first = ScriptedPeer()
    try first.establish()
    first.send([], 1, ack: 1, count: 5)
    _ = first.take()
    first.connection.close()
    first.wait(.milliseconds(1))
    #expect(first.take().map(\.flags) == [[.rst, .ack]])
    #expect(first.tcp.counters.abortsOnClose == 1)

    let second = ScriptedPeer()
    try second.reach(.finWait2)
    second.connection.close()
    second.send([], 1, ack: 2, count: 5)
    #expect(second.take().map(\.flags) == [[.rst, .ack]])
    #expect(second.tcp.counters.abortsOnData == 1)
    #expect(second.state == .closed)
  }

  @Test("half-close: after our FIN the peer still sends, and we acknowledge")
  func halfClose() throws {
    let peer = ScriptedPeer()
    try peer.reach(.finWait2)
    peer.send([], 1, ack: 2, count: 100)
    #expect(peer.connection.receiveAll() == pattern(100))
    #expect(peer.connection.send("x") == 0)
    peer.send(.fin, 101, ack: 2)
    #expect(peer.state == .timeWait)
  }

  @Test("an urgent byte is taken apart from the stream, or with it if that is asked for", arguments: [false, true])
  func urgent(isInline: Bool) throws {
    let peer = ScriptedPeer()
    try peer.establish()
    var parameters = peer.connection.parameters
    parameters.isUrgentInline = isInline
    peer.connection.apply(parameters)
    // An urgent pointer of 0 means the segment's first byte, as in Linux.
    peer.send(.urg, 1, ack: 1, count: 20)
    #expect(peer.connection.isAtUrgentMark)
    #expect(peer.connection.readiness.contains(.priority))
    if isInline {
      #expect(throws: NetworkError.invalidArgument) { try peer.connection.receiveUrgent(peek: false) }
    } else {
      #expect(try peer.connection.receiveUrgent(peek: false) == pattern(20)[0])
    }
    #expect(peer.connection.receiveAll() == Array(pattern(20).dropFirst(isInline ? 0 : 1)))
    #expect(!peer.connection.isAtUrgentMark)
  }

  @Test("bytes after the peer's reset: first what arrived, then the error")
  func readAfterReset() throws {
    let peer = ScriptedPeer()
    try peer.establish()
    peer.send([], 1, ack: 1, count: 20)
    peer.send(.rst, 21)
    #expect(peer.connection.readiness.isSuperset(of: [.readable, .error, .hangUp]))
    #expect(peer.connection.receiveAll() == pattern(20))
    #expect(peer.connection.takeError() == .connectionReset)
  }
}
