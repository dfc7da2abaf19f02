import EventLoop
import NetStack
import Packets
import Testing

@Suite("The size of segments")
struct TCPSegmentSizeTests {
  private func established(window: UInt16, timestamps: Bool = false) throws -> ScriptedPeer {
    let peer = ScriptedPeer()
    var options = TCPOptions()
    options.maximumSegmentSize = 1460
    options.hasTimestamps = timestamps
    try peer.establish(options: options, window: window)
    return peer
  }

  @Test(
    "is at most half of the largest window that was offered, and all of one that is tiny",
    arguments: [
      (65_535, 1460), (2920, 1460), (2919, 1459), (2000, 1000), (538, 269), (537, 268), (536, 536), (300, 300),
      (20, 48),
    ] as [(UInt16, Int)])
  func bound(window: UInt16, size: Int) throws {
    let peer = try established(window: window)
    #expect(peer.connection.info.sendMSS == size)
    #expect(peer.connection.maximumSegment == size)
  }

  @Test("leaves room for timestamps where they would not fit, and only there")
  func timestamps() throws {
    #expect(try established(window: 65_535, timestamps: true).connection.info.sendMSS == 1448)
    #expect(try established(window: 2000, timestamps: true).connection.info.sendMSS == 1000)
    #expect(try established(window: 2, timestamps: true).connection.info.sendMSS == 36)
  }

  @Test("grows with the window and never shrinks with it, and as many segments as before may be under way")
  func growth() throws {
    let peer = try established(window: 2000)
    #expect(peer.connection.info.congestionWindow == 10 * 1000)
    for (window, size) in [(1500, 1000), (2400, 1200), (600, 1200), (65_535, 1460), (700, 1460)] as [(UInt16, Int)] {
      peer.send(.ack, 1, ack: 1, window: window)
      #expect(peer.connection.info.sendMSS == size)
      #expect(peer.connection.info.congestionWindow == 10 * size)
    }
  }

  @Test("segments are cut to it")
  func output() throws {
    let peer = try established(window: 2000)
    peer.connection.send(pattern(3000, seed: 0))
    peer.wait(.milliseconds(1))
    #expect(peer.take().map(\.count) == [1000, 1000])
    peer.send(.ack, 1, ack: 2001, window: 4000)
    #expect(peer.take().map(\.count) == [1000])
  }

  @Test("is what everybody takes before the peer has said anything")
  func synSent() throws {
    for (most, size) in [(nil, 524), (1000, 988), (400, 388)] as [(Int?, Int)] {
      let peer = ScriptedPeer()
      var parameters = TCPParameters()
      parameters.maximumSegment = most
      try peer.connect(parameters)
      #expect(peer.connection.info.sendMSS == size)
    }
  }

  @Test("is 1448 on an Ethernet, as ever")
  func ordinary() throws {
    let pair = TCPPair()
    try pair.connect()
    #expect(pair.client.info.sendMSS == 1448)
    #expect(pair.server.info.sendMSS == 1448)
  }
}
