import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: hostile segments")
struct TCPFuzzTests {
  @Test(
    "random segments in every state trap nothing, loop nowhere and hold bounded memory",
    arguments: TCPState.allCases.filter { $0 != .closed }, [UInt64(1), 2, 3])
  func randomSegments(_ state: TCPState, _ seed: UInt64) throws {
    let peer = ScriptedPeer(start: seed == 2 ? .max - 100 : 1000, seed: seed)
    try peer.reach(state)
    peer.connection?.send(pattern(20_000))
    let random = peer.network.loop.random
    func near(_ base: Int) -> Int {
      switch random.uniform(0...5) {
      case 0: base
      case 1: base + Int(random.uniform(-3...3))
      case 2: base + Int(random.uniform(-2000...2000))
      case 3: base + Int(random.uniform(-70_000...70_000))
      case 4: Int(random.uniform(-0x8000_0000...0x7FFF_FFFF))
      default: base + 1
      }
    }
    for _ in 0..<2000 {
      var options = TCPOptions()
      if random.chance(0.3) {
        options.hasTimestamps = true
        options.timestampValue = UInt32(truncatingIfNeeded: random.next())
        options.timestampEcho = UInt32(truncatingIfNeeded: random.next())
      }
      if random.chance(0.2) { options.maximumSegmentSize = UInt16(truncatingIfNeeded: random.next()) }
      if random.chance(0.2) { options.windowScale = UInt8(random.uniform(0...14)) }
      if random.chance(0.2) { options.isSACKPermitted = true }
      for _ in 0..<random.uniform(0...3) where random.chance(0.5) {
        options.append(
          SACKBlock(
            left: peer.hostStart &+ UInt32(truncatingIfNeeded: near(1)),
            right: peer.hostStart &+ UInt32(truncatingIfNeeded: near(2000))))
      }
      // Resets that hit exactly are rare, so that most runs stay in their state for a while.
      var flags = TCPFlags(rawValue: UInt16(truncatingIfNeeded: random.next()) & 0x1EF)
      if random.chance(0.95) { flags.remove(.rst) }
      if random.chance(0.7) { flags.remove(.syn) }
      if random.chance(0.9) { flags.remove(.fin) }
      peer.inject(
        flags, near(peer.expected), ack: random.chance(0.8) ? near(peer.sent) : nil,
        count: Int(random.uniform(0...1400)), window: UInt16(truncatingIfNeeded: random.next()), options: options)
      if random.chance(0.05) { peer.wait(.milliseconds(Int(random.uniform(1...3000)))) }
    }
    peer.wait(.seconds(1))
    // At most the connection, its TIME-WAIT or successor, and the listener.
    #expect(peer.tcp.connections.count <= 3)
    #expect(peer.host.device.buffersInUse == 0)
    if let connection = peer.connection {
      #expect(connection.readableCount <= connection.info.receiveBuffer)
      #expect(connection.unacknowledgedCount <= connection.info.sendBuffer)
      connection.abort()
    }
    peer.listener?.close()
    peer.wait(.seconds(2000))
    #expect(peer.tcp.connections.isEmpty)
  }

  @Test("segments of random bytes are counted and dropped")
  func randomBytes() throws {
    let peer = ScriptedPeer(seed: 9)
    try peer.establish()
    let random = peer.network.loop.random
    for _ in 0..<2000 {
      let payload = (0..<random.uniform(0...80)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      peer.station.send(
        peer.station.wire(to: peer.host).ipv4(
          from: peer.station.address, to: peer.host.interface.addresses[0].address, .tcp, payload: payload))
    }
    peer.wait(.seconds(1))
    #expect(peer.connection.state == .established)
    #expect(peer.tcp.counters.inErrors > 1900)
  }
}
