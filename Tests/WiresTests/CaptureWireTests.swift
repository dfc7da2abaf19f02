import EventLoop
import Link
import PacketCapture
import Testing
import Wires

@Suite struct CaptureWireTests {
  let loop = VirtualLoop(seed: 1)

  func frames(in writer: PcapngWriter) throws -> [CapturedFrame] {
    let reader = try CaptureReader(bytes: writer.sink.bytes)
    var frames: [CapturedFrame] = []
    while let frame = try reader.next() { frames.append(frame) }
    return frames
  }

  func bench(capacity: Int = .max) throws -> (CaptureWire, PcapngWriter, FrameRecorder, FrameRecorder) {
    let cable = LoopWire(on: loop)
    let far = FrameRecorder(on: cable.b, capacity: capacity)
    let writer = try PcapngWriter(CaptureSink(), application: "test")
    let interface = try writer.addInterface(name: "wire")
    let wire = CaptureWire(cable.a, on: loop, writer: writer, interface: interface)
    return (wire, writer, FrameRecorder(on: wire), far)
  }

  @Test("frames of both directions are written with their time and direction as the port sees it")
  func bothDirections() throws {
    let (wire, writer, near, far) = try bench()
    near.send([1, 2, 3])
    loop.advance(by: .milliseconds(5))
    far.send([4, 5])
    let epoch = UInt64(loop.epochNanoseconds)
    let written = try frames(in: writer)
    #expect(written.map(\.bytes) == [[1, 2, 3], [4, 5]])
    #expect(written.map(\.direction) == [.outbound, .inbound])
    #expect(written.map(\.time) == [epoch, epoch + 5_000_000])
    #expect(near.frames == [[4, 5]] && far.frames == [[1, 2, 3]])
    #expect(wire.counters.frames == 2 && wire.counters.bytes == 5)
  }

  @Test("a question stands before its answer even if the answer comes within the call")
  func order() throws {
    let (_, writer, near, far) = try bench()
    far.onFrame = { [unowned far] in far.send($0 + [0xAA]) }
    near.send([1])
    #expect(try frames(in: writer).map(\.bytes) == [[1], [1, 0xAA]])
  }

  @Test("a frame that is refused and offered again stands in the file once; another one in its place stands there too")
  func refusedOnce() throws {
    let (wire, writer, near, far) = try bench(capacity: 0)
    near.send([1])
    near.wireIsReady()
    near.wireIsReady()
    let other: [UInt8] = [9, 9]
    let taken = wire.send(other.span.bytes)
    #expect(!taken)
    far.capacity = 10
    far.takeFrames()
    near.wireIsReady()
    #expect(far.frames == [[1]])
    #expect(try frames(in: writer).map(\.bytes) == [[1], [9, 9], [1]])
  }

  @Test("a capture that fails keeps its error and lets the traffic go on")
  func failure() throws {
    let cable = LoopWire(on: loop)
    let far = FrameRecorder(on: cable.b)
    var calls = 0
    let wire = CaptureWire(cable.a, on: loop) { (_, _, _) throws(CaptureError) in
      calls += 1
      throw .writeFailed(code: 28)
    }
    let near = FrameRecorder(on: wire)
    near.send([1])
    near.send([2])
    #expect(far.frames.count == 2 && calls == 1)
    #expect(wire.failure == .writeFailed(code: 28) && wire.counters.notCaptured == 2)
    #expect(throws: CaptureError.self) { try wire.close() }
  }

  @Test("after close frames pass and are counted as not captured")
  func closed() throws {
    let (wire, writer, near, far) = try bench()
    near.send([1])
    try wire.close()
    try wire.close()
    near.send([2])
    #expect(far.frames.count == 2 && wire.counters.notCaptured == 1)
    #expect(try frames(in: writer).count == 1)
  }
}

@Suite struct ReplayWireTests {
  let loop = VirtualLoop(seed: 1)

  func captured(_ milliseconds: [UInt64], direction: FrameDirection? = nil) -> [CapturedFrame] {
    milliseconds.enumerated().map { i, time in
      CapturedFrame(
        time: 1_700_000_000_000_000_000 + time * 1_000_000, bytes: [UInt8(i), 1, 2], direction: direction)
    }
  }

  @Test("in original timing frames arrive as far apart as they were captured, an older one with the one before")
  func originalTiming() {
    let wire = ReplayWire(on: loop, frames: captured([0, 10, 5, 30]), pacing: .original)
    let port = FrameRecorder(on: wire)
    var times: [Int64] = []
    port.onFrame = { _ in times.append(self.loop.now.nanoseconds / 1_000_000) }
    loop.advance(by: .milliseconds(100))
    #expect(port.frames.isEmpty)
    wire.start()
    loop.advance(by: .milliseconds(100))
    #expect(times == [100, 110, 110, 130])
    #expect(wire.end == .finished && wire.counters.frames == 4)
  }

  @Test("at full speed all frames arrive at once, and a full port is waited for")
  func fullSpeed() {
    let wire = ReplayWire(on: loop, frames: captured((0..<200).map { UInt64($0) * 1000 }), pacing: .fullSpeed)
    let port = FrameRecorder(on: wire, capacity: 150)
    var ends: [ReplayWire.End] = []
    wire.onEnd = { ends.append($0) }
    wire.start()
    loop.advance(by: .zero)
    #expect(port.frames.count == 150 && ends.isEmpty && wire.counters.refused == 1)
    port.takeFrames()
    loop.advance(by: .zero)
    #expect(port.frames.map { $0[0] } == (150..<200).map { UInt8($0) })
    #expect(ends == [.finished] && loop.isIdle && loop.now == .zero)
  }

  @Test("frames marked as sent, cut frames and those of other link types are left out and counted")
  func selection() throws {
    let writer = try PcapngWriter(CaptureSink(), application: "test")
    let ethernet = try writer.addInterface(name: "a")
    let raw = try writer.addInterface(name: "b", linkType: .raw)
    try writer.write([UInt8(1)].span.bytes, time: 10, interface: ethernet, direction: .inbound)
    try writer.write([UInt8(2)].span.bytes, time: 20, interface: ethernet, direction: .outbound)
    try writer.write([UInt8(3)].span.bytes, time: 30, interface: raw)
    try writer.write([UInt8(4)].span.bytes, time: 40, interface: ethernet, originalLength: 100)
    try writer.write([UInt8(5)].span.bytes, time: 50, interface: ethernet)
    let cases: [(ReplayWire.Selection, [[UInt8]])] = [(.inbound, [[1], [5]]), (.all, [[1], [2], [5]])]
    for (selection, expected) in cases {
      let reader = try CaptureReader(bytes: writer.sink.bytes)
      let wire = ReplayWire(on: loop, reader: reader, pacing: .fullSpeed, selection: selection)
      let port = FrameRecorder(on: wire)
      wire.start()
      loop.advance(by: .zero)
      #expect(port.frames == expected)
      #expect(wire.counters.otherLinkType == 1 && wire.counters.cut == 1)
    }
  }

  @Test("what the port sends is kept with its time, up to a limit")
  func recording() {
    let wire = ReplayWire(on: loop, frames: captured([0, 10]), pacing: .original)
    let port = FrameRecorder(on: wire)
    wire.sentLimit = 5
    port.onFrame = { port.send($0 + [9]) }
    wire.start()
    loop.advance(by: .milliseconds(20))
    #expect(wire.sent.map(\.bytes) == [[0, 1, 2, 9]])
    #expect(wire.sent[0].time == UInt64(loop.epochNanoseconds) && wire.sent[0].direction == .outbound)
    #expect(wire.counters.sent == 2 && wire.counters.notKept == 1)
  }

  @Test("a damaged capture gives the frames before the damage and then ends with the error")
  func damaged() throws {
    let writer = try PcapngWriter(CaptureSink(), application: "test")
    _ = try writer.addInterface(name: "a")
    try writer.write([UInt8(1)].span.bytes, time: 10)
    try writer.write([UInt8(2)].span.bytes, time: 20)
    let wire = ReplayWire(
      on: loop, reader: try CaptureReader(bytes: Array(writer.sink.bytes.dropLast(7))), pacing: .fullSpeed)
    let port = FrameRecorder(on: wire)
    wire.start()
    loop.advance(by: .zero)
    #expect(port.frames == [[1]])
    guard case .failed(.truncated) = wire.end else {
      Issue.record("ended with \(String(describing: wire.end))")
      return
    }
  }

  @Test("a replay that is stopped delivers nothing more and leaves no timer")
  func stop() {
    let wire = ReplayWire(on: loop, frames: captured([0, 10, 20]), pacing: .original)
    let port = FrameRecorder(on: wire)
    wire.start()
    loop.advance(by: .milliseconds(15))
    wire.stop()
    loop.advance(by: .seconds(1))
    #expect(port.frames.count == 2 && wire.end == .stopped && loop.isIdle)
  }
}
