import EventLoop
import Glibc
import Link
import Packets
import Testing
import Wires

@Suite(.serialized) struct SlirpWireTests {
  @Test("libslirp answers ARP for the host's address and for the name server's")
  func arp() throws {
    let bench = try SlirpBench()
    for address in [SlirpBench.host, [10, 0, 2, 3]] {
      let reply = try bench.ask(SlirpBench.arp(for: address)) { $0[12..<14] == [8, 6] && $0[21] == 2 }
      #expect(reply.map { Array($0[28..<32]) } == address)
      #expect(reply.map { Array($0[22..<28]) } == [0x52, 0x55] + address)
      bench.port.takeFrames()
    }
    #expect(bench.wire.counters.sent == 2 && bench.wire.counters.delivered == 2)
  }

  @Test("a ping of the host is answered with the same data")
  func ping() throws {
    let bench = try SlirpBench()
    try bench.introduce()
    let request = SlirpBench.echoRequest(sequence: 7)
    let reply = try #require(try bench.ask(request) { $0.count >= 42 && $0[12..<14] == [8, 0] && $0[23] == 1 })
    #expect(reply[34] == 0 && Array(reply[38..<74]) == Array(request[38..<74]))
  }

  @Test("an answer that waits for the guest's hardware address goes out as soon as the guest has told it")
  func waitsForResolution() throws {
    let bench = try SlirpBench()
    let question = try bench.ask(SlirpBench.echoRequest(sequence: 1)) { $0[12..<14] == [8, 6] && $0[21] == 1 }
    #expect(question != nil)
    var answer = SlirpBench.arp(for: SlirpBench.host)
    answer[21] = 2
    let before = bench.loop.now
    #expect(try bench.ask(answer) { $0[13] == 0 && $0[23] == 1 } != nil)
    #expect(bench.loop.now - before < .milliseconds(400))
  }

  @Test("DHCP DISCOVER is answered with an offer of 10.0.2.15")
  func dhcp() throws {
    let bench = try SlirpBench()
    var message = [UInt8](repeating: 0, count: 236)
    message.replaceSubrange(0..<8, with: [1, 1, 6, 0, 0xDE, 0xAD, 0xBE, 0xEF])
    message.replaceSubrange(28..<34, with: SlirpBench.guestAddress)
    message += [99, 130, 83, 99, 53, 1, 1, 55, 3, 1, 3, 6, 255] + [UInt8](repeating: 0, count: 60)
    var frame = SlirpBench.udp(
      from: 68, to: 67, message, sourceAddress: [0, 0, 0, 0], destination: [255, 255, 255, 255])
    frame.replaceSubrange(0..<6, with: [UInt8](repeating: 0xFF, count: 6))
    let offer = try #require(try bench.ask(frame) { $0.count > 300 && $0[23] == 17 && $0[36..<38] == [0, 68] })
    #expect(Array(offer[58..<62]) == [10, 0, 2, 15])
    #expect(Array(offer[46..<50]) == [0xDE, 0xAD, 0xBE, 0xEF])
    #expect(offer[282..<285] == [53, 1, 2])
  }

  @Test("a SYN to a listening port of the host gives SYN and ACK, to a closed port RST")
  func connectAndRefusal() throws {
    let bench = try SlirpBench()
    try bench.introduce()
    let listener = try LoopbackListener()
    bench.port.send(SlirpBench.tcp(from: 4000, to: listener.port, sequence: 1000, flags: 0x02))
    let port = bench.port
    #expect(try bench.run { port.frames.contains { SeenSegment($0, to: 4000) != nil } })
    let answer = try #require(port.frames.compactMap { SeenSegment($0, to: 4000) }.first)
    #expect(answer.flags == 0x12 && answer.acknowledgement == 1001)

    let closed = try LoopbackListener()
    let closedPort = closed.port
    close(closed.descriptor)
    bench.port.send(SlirpBench.tcp(from: 4001, to: closedPort, sequence: 5000, flags: 0x02))
    #expect(try bench.run { port.frames.contains { SeenSegment($0, to: 4001) != nil } })
    let refusal = try #require(port.frames.compactMap { SeenSegment($0, to: 4001) }.first)
    #expect(refusal.flags & 0x04 != 0)
  }

  @Test("an open connection at rest wakes the loop for nothing in 200 ms")
  func idle() throws {
    let bench = try SlirpBench()
    let connection = try SlirpConnection(bench)
    let loop = bench.loop
    // What is still due (delayed acknowledgements) comes first.
    try loop.run { try await loop.sleep(for: .milliseconds(50)) }
    connection.port.takeFrames()
    connection.send([1, 2, 3])
    try loop.run { try await loop.sleep(for: .milliseconds(50)) }
    let counters = bench.wire.counters
    var before = LoopCounters()
    var after = LoopCounters()
    try loop.run {
      before = loop.counters
      try await loop.sleep(for: .milliseconds(200))
      after = loop.counters
    }
    // The one wake-up is the end of the test's own sleep.
    #expect(after.wakesByTimer - before.wakesByTimer == 1)
    #expect(after.wakesByDescriptor == before.wakesByDescriptor)
    #expect(bench.wire.counters == counters)
  }

  @Test("while the port takes nothing the host's sender is held up, and afterwards every byte arrives in order")
  func backPressure() throws {
    var settings = SlirpSettings()
    settings.pauseFrames = 8
    let bench = try SlirpBench(settings)
    let connection = try SlirpConnection(bench)
    let wanted = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    var offset = 0
    var received: [UInt8] = []
    var refuse = true
    bench.port.capacity = 0
    func push() {
      while offset < wanted.count {
        let count = wanted[offset...].withUnsafeBytes { write(connection.hostSide, $0.baseAddress!, $0.count) }
        if count <= 0 { return }
        offset += count
      }
    }
    let finished = try bench.run(
      until: {
        push()
        if refuse {
          if bench.wire.counters.pauses > 0 || bench.loop.now > Instant(nanoseconds: 300_000_000) {
            refuse = false
            bench.port.capacity = 3
          }
        }
        if !refuse { received += connection.takeData() }
        return received.count >= wanted.count
      }, limit: .seconds(20))
    #expect(finished)
    #expect(received == wanted)
    #expect(bench.wire.counters.dropped == 0)
    #expect(bench.wire.counters.refusedByPort > 0)
  }
}

/// A connection through libslirp to a socket of this process, opened by hand.
final class SlirpConnection {
  let port: FrameRecorder
  let hostSide: Int32
  private let listener: LoopbackListener
  let local: UInt16 = 4100
  private var sequence: UInt32 = 1000
  private var expected: UInt32 = 0

  init(_ bench: SlirpBench) throws {
    port = bench.port
    listener = try LoopbackListener()
    try bench.introduce()
    let (port, local) = (port, local)
    port.send(SlirpBench.tcp(from: local, to: listener.port, sequence: sequence, flags: 0x02))
    try #require(try bench.run { port.frames.contains { SeenSegment($0, to: local)?.flags == 0x12 } })
    let answer = port.frames.compactMap { SeenSegment($0, to: local) }.first!
    expected = answer.sequence &+ 1
    sequence &+= 1
    hostSide = listener.acceptOne()
    try #require(hostSide >= 0)
    port.takeFrames()
    acknowledge()
  }

  func send(_ bytes: [UInt8]) {
    port.send(
      SlirpBench.tcp(
        from: local, to: listener.port, sequence: sequence, acknowledgement: expected, flags: 0x18, payload: bytes))
    sequence &+= UInt32(bytes.count)
  }

  /// The host side goes away without reading what it was sent: a reset.
  func reset() { listener.closeConnections() }

  func acknowledge() {
    port.send(
      SlirpBench.tcp(from: local, to: listener.port, sequence: sequence, acknowledgement: expected, flags: 0x10))
  }

  /// The data of the segments received since the last call, in order, acknowledged.
  func takeData() -> [UInt8] {
    var data: [UInt8] = []
    for frame in port.takeFrames() {
      guard let segment = SeenSegment(frame, to: local), segment.sequence == expected else { continue }
      data += segment.payload
      expected &+= UInt32(segment.payload.count)
    }
    if !data.isEmpty { acknowledge() }
    return data
  }
}
