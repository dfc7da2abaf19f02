import EventLoop
import Glibc
import Testing
import Wires

@Suite struct DatagramWireTests {
  private func pair(
    _ bench: SocketBench, capacity: Int = .max
  ) throws -> (wire: DatagramWire, port: FrameRecorder, peer: RawPeer) {
    let wire = try DatagramWire(
      .datagram(local: .unix(bench.path("a")), remote: .unix(bench.path("b"))), on: bench.loop)
    return (wire, FrameRecorder(on: wire, capacity: capacity), try RawPeer.datagram(path: bench.path("b")))
  }

  @Test("a frame is a datagram, both ways")
  func frames() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try pair(bench)
    for i in 0..<5 { peer.write(SocketBench.frame(60 + i, i), toPath: bench.path("a")) }
    #expect(try bench.run { port.frames.count == 5 })
    #expect(port.frames == (0..<5).map { SocketBench.frame(60 + $0, $0) })
    for i in 0..<5 { #expect(port.send(SocketBench.frame(1514, i))) }
    for i in 0..<5 { #expect(peer.readDatagram() == SocketBench.frame(1514, i)) }
    #expect(wire.counters.sent == 5 && wire.counters.received == 5)
    wire.close()
    #expect(access(bench.path("a"), F_OK) != 0)
    unlink(bench.path("b"))
  }

  @Test("frames for a peer that is not there are counted; one that comes back is found at once, and heard before")
  func peerThatComesBack() throws {
    let bench = try SocketBench()
    let wire = try DatagramWire(
      .datagram(local: .unix(bench.path("a")), remote: .unix(bench.path("b"))), on: bench.loop)
    let port = FrameRecorder(on: wire)
    #expect(port.send(SocketBench.frame(60)))
    #expect(wire.counters.lostWithoutCarrier == 1 && wire.hasCarrier)
    for round in 1...3 {
      let peer = try RawPeer.datagram(path: bench.path("b"))
      peer.write(SocketBench.frame(60, round), toPath: bench.path("a"))
      #expect(try bench.run { port.takeFrames() == [SocketBench.frame(60, round)] })
      #expect(port.send(SocketBench.frame(61, round)))
      #expect(peer.readDatagram() == SocketBench.frame(61, round))
      peer.leave()
      unlink(bench.path("b"))
      #expect(port.send(SocketBench.frame(60)))
    }
    #expect(wire.counters.sent == 3 && wire.counters.lostWithoutCarrier == 4)
    wire.close()
  }

  @Test("frames for a peer that does not read stay with the port, and none is lost when it reads again")
  func peerThatNeverReads() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try pair(bench)
    for i in 0..<1000 { port.send(SocketBench.frame(1500, i)) }
    try bench.settle()
    #expect(!port.unsent.isEmpty)
    let before = wire.counters
    try bench.settle()
    #expect(wire.counters == before)
    var arrived: [[UInt8]] = []
    #expect(
      try bench.run {
        while let frame = peer.readDatagram() { arrived.append(frame) }
        return arrived.count >= 1000
      })
    #expect(arrived == (0..<1000).map { SocketBench.frame(1500, $0) })
    wire.close()
    unlink(bench.path("b"))
  }

  @Test("a frame that the port refuses is kept and delivered when it is ready, before those behind it")
  func portThatRefuses() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try pair(bench, capacity: 2)
    for i in 0..<6 { peer.write(SocketBench.frame(60, i), toPath: bench.path("a")) }
    #expect(try bench.run { port.refusals == 1 })
    try bench.settle()
    #expect(port.refusals == 1 && port.frames.count == 2)
    var arrived: [[UInt8]] = []
    #expect(
      try bench.run {
        arrived += port.takeFrames()
        return arrived.count >= 6
      })
    #expect(arrived == (0..<6).map { SocketBench.frame(60, $0) })
    wire.close()
    unlink(bench.path("b"))
  }

  @Test("empty, short and oversize datagrams are counted and dropped")
  func hostileLengths() throws {
    let bench = try SocketBench()
    let (wire, port, peer) = try pair(bench)
    for length in [0, 13, 69_633, 14] { peer.write(SocketBench.frame(length), toPath: bench.path("a")) }
    #expect(try bench.run { port.frames.count == 1 })
    #expect(wire.counters.runts == 2 && wire.counters.oversize == 1)
    #expect(port.send(SocketBench.frame(70_000)))
    #expect(wire.counters.tooLong == 1)
    wire.close()
    unlink(bench.path("b"))
  }

  @Test("UDP: frames go between two ports, and datagrams from elsewhere are not heard")
  func internet() throws {
    let bench = try SocketBench()
    let (near, far) = (try freePort(isStream: false), try freePort(isStream: false))
    let wire = try DatagramWire(WireAddress("dgram:127.0.0.1:\(near):127.0.0.1:\(far)"), on: bench.loop)
    let port = FrameRecorder(on: wire)
    // Nobody there: the kernel says so with the next call, and that is not the end.
    for _ in 0..<3 { #expect(port.send(SocketBench.frame(60))) }
    try bench.settle()
    let peer = try RawPeer.datagram(port: far)
    let stranger = try RawPeer.datagram(port: try freePort(isStream: false))
    stranger.write(SocketBench.frame(66), toPort: near)
    peer.write(SocketBench.frame(77), toPort: near)
    #expect(try bench.run { port.frames.count == 1 })
    #expect(port.frames == [SocketBench.frame(77)])
    #expect(
      try bench.run {
        port.send(SocketBench.frame(88))
        return peer.readDatagram() == SocketBench.frame(88)
      })
    #expect(wire.counters.systemErrors == 0)
    wire.close()
  }
}
