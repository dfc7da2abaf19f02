import EventLoop
import Glibc
import Testing
import Wires

@Suite struct StreamWireTests {
  /// A listening wire with a raw peer that has connected.
  private func listening(
    _ bench: SocketBench, _ settings: SocketWireSettings = SocketWireSettings(), capacity: Int = .max
  ) throws -> (wire: StreamWire, port: FrameRecorder, peer: RawPeer) {
    let wire = try StreamWire(.listen(.unix(bench.path("s"))), on: bench.loop, settings: settings)
    let port = FrameRecorder(on: wire, capacity: capacity)
    #expect(!wire.hasCarrier)
    let peer = try RawPeer.connected(path: bench.path("s"))
    #expect(try bench.run { wire.hasCarrier })
    return (wire, port, peer)
  }

  @Test("a stream that is cut into two pieces at any byte gives the same frames")
  func splitAnywhere() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try listening(bench)
    let frames = [SocketBench.frame(14, 1), SocketBench.frame(60, 2), SocketBench.frame(17, 3)]
    let stream = frames.flatMap(SocketBench.framed)
    for cut in 0...stream.count {
      peer.write(stream[..<cut])
      try bench.settle()
      peer.write(stream[cut...])
      #expect(try bench.run { port.frames.count >= 3 })
      #expect(port.takeFrames() == frames, "cut at \(cut)")
    }
    #expect(wire.counters.received == UInt64(3 * (stream.count + 1)))
    wire.close()
  }

  @Test("frames that arrive in one piece, and the longest one, are told apart")
  func coalesced() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try listening(bench)
    let frames = (0..<200).map { SocketBench.frame(14 + $0 * 5, $0) } + [SocketBench.frame(69_632)]
    var rest = frames.flatMap(SocketBench.framed)[...]
    #expect(
      try bench.run {
        rest = rest.dropFirst(rest.isEmpty ? 0 : peer.write(rest))
        return port.frames.count >= frames.count
      })
    #expect(port.frames == frames)
    #expect(wire.counters.received == 201 && wire.counters.hostileLengths == 0)
    wire.close()
  }

  @Test("sent frames leave behind their length, in order, and many of a turn in one piece")
  func sending() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try listening(bench)
    let frames = (0..<50).map { SocketBench.frame(60 + $0, $0) }
    for frame in frames { #expect(port.send(frame)) }
    #expect(
      try bench.run {
        peer.read()
        return peer.frames.count >= 50
      })
    #expect(peer.frames == frames)
    #expect(wire.counters.sent == 50 && wire.counters.sentBytes == frames.reduce(0) { $0 + UInt64($1.count) })
    wire.close()
  }

  @Test("frames for a peer that does not read stay with the port, and none is lost when it reads again")
  func peerThatNeverReads() throws {
    let bench = try SocketBench()
    var settings = SocketWireSettings()
    settings.frameLimit = 2000
    settings.sendLimit = 8000
    let (wire, port, peer) = try listening(bench, settings)
    let frames = (0..<2000).map { SocketBench.frame(1500, $0) }
    for frame in frames { port.send(frame) }
    try bench.settle()
    #expect(!port.unsent.isEmpty && wire.counters.refusedSends > 0)
    let before = wire.counters
    try bench.settle()
    // Nobody asks again before there is room.
    #expect(wire.counters == before)
    #expect(
      try bench.run {
        peer.read()
        return peer.bytes.count >= 2000 * 1504
      })
    #expect(peer.frames == frames && port.unsent.isEmpty)
    #expect(wire.counters.sent == 2000 && wire.counters.lostWithoutCarrier == 0)
    wire.close()
  }

  @Test("while the port refuses the socket is not read, and the peer has to wait; afterwards every frame arrives once")
  func portThatRefuses() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try listening(bench, capacity: 3)
    let frames = (0..<4000).map { SocketBench.frame(1500, $0) }
    var rest = frames.flatMap(SocketBench.framed)[...]
    for _ in 0..<20 {
      rest = rest.dropFirst(peer.write(rest))
      try bench.settle()
    }
    #expect(port.frames.count == 3 && !rest.isEmpty)
    #expect(wire.counters.refusedByPort == 1)
    var arrived: [[UInt8]] = []
    #expect(
      try bench.run {
        if !rest.isEmpty { rest = rest.dropFirst(peer.write(rest)) }
        port.capacity = 100
        arrived += port.takeFrames()
        return arrived.count >= frames.count
      })
    #expect(arrived == frames)
    wire.close()
  }

  @Test(
    "a length of zero, or beyond the limit, ends that connection and is counted; the next peer is served",
    arguments: [
      0, 69_633, 0x7FFF_FFFF, 0xFFFF_FFFF,
    ])
  func hostileLengths(length: Int) throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try listening(bench)
    peer.write(SocketBench.framed(SocketBench.frame(60)) + SocketBench.length(length) + [1, 2, 3])
    #expect(try bench.run { !wire.hasCarrier })
    #expect(wire.counters.hostileLengths == 1 && wire.counters.disconnections == 1 && port.frames.count == 1)
    #expect(try bench.run { !peer.read() })
    let next = try RawPeer.connected(path: bench.path("s"))
    next.write(SocketBench.framed(SocketBench.frame(64)))
    #expect(try bench.run { port.frames.count == 2 })
    #expect(wire.hasCarrier && wire.counters.connections == 2)
    wire.close()
  }

  @Test("a frame shorter than an Ethernet header is counted and dropped, and the connection goes on")
  func runts() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try listening(bench)
    peer.write(
      SocketBench.framed([1]) + SocketBench.framed(SocketBench.frame(13)) + SocketBench.framed(SocketBench.frame(14)))
    #expect(try bench.run { port.frames.count == 1 })
    #expect(wire.counters.runts == 2 && wire.hasCarrier)
    #expect(port.send(SocketBench.frame(69_633)))
    #expect(wire.counters.tooLong == 1)
    wire.close()
  }

  @Test("the carrier goes with the peer, in the middle of a frame too, and comes back with it")
  func peerThatDies() throws {
    let bench = try SocketBench()
    let (wire, port, first) = try listening(bench)
    first.write(SocketBench.framed(SocketBench.frame(100)).dropLast())
    try bench.settle()
    first.leave()
    #expect(try bench.run { !wire.hasCarrier })
    #expect(port.frames.isEmpty && wire.counters.truncated == 1 && port.carrierChanges == 2)
    // What is sent now has nowhere to go.
    #expect(port.send(SocketBench.frame(60)))
    #expect(wire.counters.lostWithoutCarrier == 1)
    let second = try RawPeer.connected(path: bench.path("s"))
    second.write(SocketBench.framed(SocketBench.frame(60, 9)))
    #expect(try bench.run { port.frames.count == 1 })
    #expect(port.frames == [SocketBench.frame(60, 9)] && port.carrierChanges == 3)
    wire.close()
  }

  @Test("frames that wait for a peer that dies are counted as lost, and the port may send again")
  func deathWithFullQueue() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try listening(bench)
    for i in 0..<1000 { port.send(SocketBench.frame(1500, i)) }
    try bench.settle()
    #expect(!port.unsent.isEmpty)
    peer.leave()
    #expect(try bench.run { !wire.hasCarrier && port.unsent.isEmpty })
    #expect(wire.counters.sent + wire.counters.lostWithoutCarrier == 1000)
    wire.close()
  }

  @Test("a second peer is sent away while the first is there, and taken once the first has gone without being noticed")
  func secondPeer() throws {
    let bench = try SocketBench()
    let (wire, port, first) = try listening(bench, capacity: 0)
    let second = try RawPeer.connected(path: bench.path("s"))
    #expect(try bench.run { wire.counters.refusedPeers == 1 && !second.read() })
    // A port that takes nothing: the wire does not read, and cannot see the end of the stream.
    first.write(SocketBench.framed(SocketBench.frame(60)))
    try bench.settle()
    first.leave()
    try bench.settle()
    let third = try RawPeer.connected(path: bench.path("s"))
    #expect(try bench.run { wire.counters.connections == 2 })
    port.capacity = .max
    third.write(SocketBench.framed(SocketBench.frame(70)))
    #expect(try bench.run { port.frames == [SocketBench.frame(70)] })
    wire.close()
  }

  @Test("a connecting wire waits for its peer to appear, and finds it again after it was away")
  func reconnecting() throws {
    let bench = try SocketBench()
    var settings = SocketWireSettings()
    settings.retryInterval = .milliseconds(5)
    let wire = try StreamWire(.connect(.unix(bench.path("c"))), on: bench.loop, settings: settings)
    let port = FrameRecorder(on: wire)
    try bench.settle()
    #expect(!wire.hasCarrier)
    let listener = try RawPeer.listening(path: bench.path("c"))
    for round in 1...3 {
      #expect(try bench.run { wire.hasCarrier })
      let peer = try #require(listener.acceptOne())
      peer.write(SocketBench.framed(SocketBench.frame(60, round)))
      #expect(try bench.run { port.takeFrames() == [SocketBench.frame(60, round)] })
      peer.leave()
      #expect(try bench.run { wire.counters.disconnections == UInt64(round) })
    }
    wire.close()
    unlink(bench.path("c"))
  }

  @Test("two wires join two ports over loopback TCP")
  func internet() throws {
    let bench = try SocketBench()
    let port = try freePort()
    let server = try StreamWire(WireAddress("stream:listen:127.0.0.1:\(port)"), on: bench.loop)
    let client = try StreamWire(WireAddress("stream:localhost:\(port)"), on: bench.loop)
    let (near, far) = (FrameRecorder(on: server), FrameRecorder(on: client))
    #expect(try bench.run { server.hasCarrier && client.hasCarrier })
    for i in 0..<100 {
      near.send(SocketBench.frame(1514, i))
      far.send(SocketBench.frame(1514, -i))
    }
    #expect(try bench.run { near.frames.count == 100 && far.frames.count == 100 })
    #expect(far.frames == (0..<100).map { SocketBench.frame(1514, $0) })
    client.close()
    #expect(try bench.run { !server.hasCarrier })
    server.close()
  }

  @Test("the path of a dead process is taken over, one that is in use is refused, and closing removes it")
  func paths() throws {
    let bench = try SocketBench()
    do { _ = try RawPeer.listening(path: bench.path("s")) }
    let wire = try StreamWire(.listen(.unix(bench.path("s"))), on: bench.loop)
    #expect(throws: SocketWireError.inUse(wire.address)) { try StreamWire(wire.address, on: bench.loop) }
    wire.close()
    #expect(access(bench.path("s"), F_OK) != 0)
    // What is no socket is never removed.
    let file = open(bench.path("f"), O_CREAT | O_WRONLY, 0o600)
    close(file)
    let foreign = WireAddress.listen(.unix(bench.path("f")))
    #expect(throws: SocketWireError.notASocket(foreign)) { try StreamWire(foreign, on: bench.loop) }
    #expect(unlink(bench.path("f")) == 0)
  }

  @Test("a connection at rest wakes the loop for nothing")
  func idle() throws {
    let bench = try SocketBench()
    let (wire, _, peer) = try listening(bench)
    let loop = bench.loop
    let wakes = try loop.run {
      try await loop.sleep(for: .milliseconds(5))
      let before = loop.counters
      try await loop.sleep(for: .milliseconds(100))
      return loop.counters.wakesByDescriptor - before.wakesByDescriptor
    }
    #expect(wakes == 0)
    peer.leave()
    wire.close()
  }
}
