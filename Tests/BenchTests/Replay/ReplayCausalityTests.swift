import Bench
import EventLoop
import Foundation
import PacketCapture
import Packets
import Testing

@Suite("Causality and translation of replay") struct ReplayCausalityTests {
  private func settings(_ script: CaptureScript) throws -> ReplaySettings {
    try FixtureFiles.expectation(script).settings
  }

  /// Replays a script and returns the exchange as captured, too.
  private func exchange(
    _ script: CaptureScript, _ settings: ReplaySettings
  ) throws -> (result: ReplayResult, frames: [CapturedFrame]) {
    let folder = try FixtureFiles.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var plan = ReplayPlan(settings: settings)
    plan.capturePath = folder.appendingPathComponent("exchange.pcapng").path
    let result = try ReplayRun(plan, reader: CaptureReader(bytes: script.bytes())).run()
    let reader = try CaptureReader(path: plan.capturePath!)
    var frames: [CapturedFrame] = []
    while let frame = try reader.next() { frames.append(frame) }
    return (result, frames)
  }

  private func lines(_ frames: [CapturedFrame], _ direction: FrameDirection) -> [String] {
    frames.filter { $0.direction == direction }.map { FrameDescription.describe($0.bytes.span.bytes) }
  }

  @Test("frames wait for a station that acts later than the captured one, and keep their distances")
  func lateStation() throws {
    let script = Fixtures.fetch
    var settings = try settings(script)
    settings.start = .seconds(3)
    let result = try FixtureFiles.replay(script.bytes(), settings)
    #expect(result.outcome == "fetched 200, 6000 bytes")
    #expect(result.counters.waits > 0)
    #expect(result.counters.waitsInVain == 0)
    let first = try #require(result.answers.first)
    let last = try #require(result.answers.last)
    #expect(first.time >= 3_000_000)
    #expect(last.time - first.time < 100_000)
  }

  @Test("a station that never says what it said in the capture is waited for once an exchange, in bounded time")
  func silentStation() throws {
    let script = Fixtures.fetch
    var settings = try settings(script)
    settings.action = nil
    let result = try FixtureFiles.replay(script.bytes(), settings)
    #expect(result.outcome == nil)
    #expect(result.counters.waitsInVain == 2)
    #expect(result.counters.fed + result.counters.reference == UInt64(script.frames.count))
  }

  @Test("acknowledgements, ports and timestamps are those of the station now; the peer's numbers stay")
  func translatedSegments() throws {
    let script = Fixtures.fetch
    let (result, frames) = try exchange(script, try settings(script))
    #expect(result.outcome == "fetched 200, 6000 bytes")
    let inbound = lines(frames, .inbound).filter { $0.contains(" TCP ") }
    let outbound = lines(frames, .outbound).filter { $0.contains(" TCP ") }
    let opening = try #require(outbound.first)
    let port = try #require(opening.split(separator: " ")[0].split(separator: ":").last)
    #expect(port != "40404")
    #expect(inbound.allSatisfy { $0.contains("192.0.2.1:\(port) TCP") && !$0.contains("[bad") })
    let number = try #require(UInt32(opening.split(separator: " ")[6]))
    #expect(inbound[0].contains("seq \(0x2000_0000) ack \(number &+ 1) "))
    #expect(!outbound.contains { $0.contains("[R") })
    // All that the station sent is acknowledged in the end, though its request is shorter than the captured one.
    let last = try #require(outbound.last { $0.contains("[F") })
    let finish = try #require(UInt32(last.split(separator: " ")[6].split(separator: ".")[0]))
    #expect(inbound.last?.contains("ack \(finish &+ 1) ") == true)
  }

  @Test("a checksum that was wrong stays wrong through the translation, and the frame is not taken")
  func wrongChecksum() throws {
    let script = CaptureScript("wrong")
    script.stationResolvesPeer()
    let connection = CapturedConnection(script, stationPort: 40_000, peerPort: 80)
    connection.openedByStation()
    connection.fromStation([.psh, .ack], Array("GET / HTTP/1.1\r\n\r\n".utf8))
    script.wait(300)
    let body = Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8)
    connection.fromPeer([.psh, .ack], body)
    var damaged = try #require(script.frames.last).bytes
    damaged[50] ^= 0x40
    let copy = CaptureScript("wrong")
    for frame in script.frames.dropLast() {
      if frame.direction == .inbound { copy.inbound(frame.bytes) } else { copy.outbound(frame.bytes) }
      copy.wait(100)
    }
    copy.inbound(damaged)
    copy.wait(300_000)
    copy.inbound(try #require(script.frames.last).bytes)
    var settings = try settings(Fixtures.fetch)
    settings.action = .fetch(url: "http://192.0.2.2/", server: nil)
    let (result, frames) = try exchange(copy, settings)
    #expect(lines(frames, .inbound).filter { $0.contains("[bad TCP checksum]") }.count == 1)
    #expect(result.outcome == "fetched 200, 2 bytes")
  }

  @Test("SACK blocks of a peer are translated, so that the station sends what is missing, and only that")
  func selectiveAcknowledgement() throws {
    let script = CaptureScript("sacked")
    script.peerResolvesStation()
    let connection = CapturedConnection(
      script, stationPort: 80, peerPort: 50_000, stationInitial: 0xFFFF_FFF0, timestamps: false)
    connection.openedByPeer()
    connection.fromPeer([.psh, .ack], Array("GET /bytes/12000 HTTP/1.1\r\n\r\n".utf8))
    script.wait(300)
    let first = connection.stationNext
    for _ in 0..<8 { connection.fromStation(.ack, CaptureScript.pattern(1460)) }
    script.wait(200)
    // The peer misses the second segment and has the others.
    for right in 3...6 {
      var options = TCPOptions()
      options.append(SACKBlock(left: first &+ 2920, right: first &+ UInt32(1460 * right)))
      script.inbound(
        CaptureScript.toStation.tcp(
          from: Cast.peer, to: Cast.station,
          TCPHeader.Fields(
            sourcePort: 50_000, destinationPort: 80, sequenceNumber: connection.peerNext,
            acknowledgmentNumber: first &+ 1460, flags: .ack, window: 502), options: options))
      script.wait(30)
    }
    script.wait(50_000)
    var settings = try settings(Fixtures.serve)
    settings.linger = .milliseconds(100)
    let (result, frames) = try exchange(script, settings)
    #expect(result.counters.waitsInVain == 0)
    let outbound = lines(frames, .outbound)
    let opening = try #require(outbound.first { $0.contains("[S.]") })
    let number = try #require(UInt32(opening.split(separator: " ")[6]))
    let missing = "seq \(number &+ 1461)..<\(number &+ 2921) "
    #expect(outbound.filter { $0.contains(missing) }.count == 2)
    for segment in [2, 3, 4] {
      let held = "seq \(number &+ 1 &+ UInt32(1460 * segment))..<"
      #expect(outbound.filter { $0.contains(held) }.count == 1)
    }
  }

  @Test("clocks that jump back or ahead by years do not stop a replay")
  func oddClocks() throws {
    let ping = Fixtures.ping.frames
    let sink = CaptureSink()
    let writer = try PcapngWriter(sink, application: "test")
    _ = try writer.addInterface(name: "x")
    for (index, frame) in ping.enumerated() {
      let time: UInt64 = index % 3 == 1 ? 1 : index % 3 == 2 ? .max : frame.time
      try writer.write(frame.bytes.span.bytes, time: time)
    }
    let result = try FixtureFiles.replay(sink.bytes, try settings(Fixtures.ping))
    #expect(result.damage == nil)
    #expect(result.counters.gapsShortened > 0)
    #expect(result.counters.fed > 8)
  }

  @Test("frames changed at random are replayed to their end", arguments: 1...12)
  func mutatedFrames(_ seed: Int) throws {
    let random = SeededRandom(seed: UInt64(seed))
    for script in Fixtures.all {
      let copy = CaptureScript(script.name, settings: [])
      for frame in script.frames {
        var bytes = frame.bytes
        for _ in 0..<random.uniform(0...3) where !bytes.isEmpty {
          let place = Int(random.uniform(0...Int64(min(bytes.count, 90) - 1)))
          bytes[place] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.chance(0.05) { bytes = Array(bytes.prefix(Int(random.uniform(0...Int64(bytes.count))))) }
        if frame.direction == .outbound { copy.outbound(bytes) } else { copy.inbound(bytes) }
        copy.wait(Int(random.uniform(0...20_000)))
      }
      let result = try FixtureFiles.replay(copy.bytes(), try settings(script))
      #expect(result.damage == nil)
      #expect(result.counters.fed + result.counters.reference + result.counters.others == UInt64(copy.frames.count))
    }
  }
}
