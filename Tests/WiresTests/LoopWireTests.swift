import EventLoop
import Link
import Testing
import Wires

@Suite struct LoopWireTests {
  let loop = VirtualLoop(seed: 1)

  @Test("what one end is given, the other end's port receives in the same call, both ways")
  func handOver() {
    let wire = LoopWire(on: loop)
    let (a, b) = (FrameRecorder(on: wire.a), FrameRecorder(on: wire.b))
    a.send([1, 2, 3])
    #expect(b.frames == [[1, 2, 3]])
    b.send([4])
    #expect(a.frames == [[4]])
    #expect(wire.a.counters.frames == 1 && wire.a.counters.bytes == 3 && wire.b.counters.bytes == 1)
  }

  @Test("a frame that the far port refuses stays with the sender and goes out when the far port has room")
  func flowControl() {
    let wire = LoopWire(on: loop)
    let (a, b) = (FrameRecorder(on: wire.a), FrameRecorder(on: wire.b, capacity: 2))
    for i in 1...5 { a.send([UInt8(i)]) }
    #expect(b.frames == [[1], [2]] && a.unsent == [[3], [4], [5]])
    #expect(b.takeFrames() == [[1], [2]])
    #expect(b.frames == [[3], [4]] && a.unsent == [[5]])
    b.takeFrames()
    #expect(b.frames == [[5]] && a.unsent.isEmpty)
    #expect(wire.a.counters.refused == 2 && wire.a.counters.frames == 5)
  }

  @Test("two ports that answer each frame with a frame inside the delivery neither recurse without bound nor lose one")
  func nestedSends() {
    let wire = LoopWire(on: loop)
    let (a, b) = (FrameRecorder(on: wire.a), FrameRecorder(on: wire.b))
    var depth = 0
    var deepest = 0
    let limit: UInt8 = 200
    func answer(from recorder: FrameRecorder) -> ([UInt8]) -> Void {
      { frame in
        depth += 1
        deepest = max(deepest, depth)
        if frame[0] < limit { recorder.send([frame[0] + 1]) }
        depth -= 1
      }
    }
    a.onFrame = answer(from: a)
    b.onFrame = answer(from: b)
    a.send([0])
    loop.advance(by: .milliseconds(1))
    #expect(b.frames.map { $0[0] } == (0...limit).filter { $0 % 2 == 0 })
    #expect(a.frames.map { $0[0] } == (0...limit).filter { $0 % 2 == 1 })
    #expect(deepest <= 3)
    #expect(wire.a.counters.refusedNested > 0)
  }

  @Test("without a carrier frames are lost and counted, and both ports hear of the change")
  func unplugged() {
    let wire = LoopWire(on: loop)
    let (a, b) = (FrameRecorder(on: wire.a), FrameRecorder(on: wire.b))
    wire.unplug()
    #expect(!wire.a.hasCarrier && !wire.b.hasCarrier)
    #expect(a.send([1]) && b.frames.isEmpty)
    wire.plug()
    wire.plug()
    a.send([2])
    #expect(b.frames == [[2]])
    #expect(a.carrierChanges == 2 && b.carrierChanges == 2)
    #expect(wire.a.counters.lostWithoutCarrier == 1)
  }

  @Test("pulling the cable frees a sender that waits for the far port")
  func unplugWhileWaiting() {
    let wire = LoopWire(on: loop)
    let a = FrameRecorder(on: wire.a)
    let b = FrameRecorder(on: wire.b, capacity: 0)
    a.send([1])
    #expect(a.unsent == [[1]])
    wire.unplug()
    #expect(a.unsent.isEmpty && b.frames.isEmpty)
    #expect(wire.a.counters.lostWithoutCarrier == 1)
  }

  @Test("with nothing in the far end frames are lost and counted")
  func noPeer() {
    let wire = LoopWire(on: loop)
    let a = FrameRecorder(on: wire.a)
    #expect(a.send([1]))
    #expect(wire.a.counters.lostWithoutPeer == 1)
  }

  @Test("an end works without the object that made it")
  func endsAlone() {
    var wire: LoopWire? = LoopWire(on: loop)
    let (a, b) = (FrameRecorder(on: wire!.a), FrameRecorder(on: wire!.b))
    wire = nil
    a.send([7])
    #expect(b.frames == [[7]])
  }
}

@Suite struct LoopbackPlugTests {
  let loop = VirtualLoop(seed: 1)

  @Test("what is sent into the plug comes back in order, after the send has returned")
  func comesBack() {
    let plug = LoopbackPlug(on: loop)
    let port = FrameRecorder(on: plug)
    port.send([1])
    port.send([2])
    #expect(port.frames.isEmpty && plug.framesInFlight == 2)
    loop.advance(by: .zero)
    #expect(port.frames == [[1], [2]] && plug.framesInFlight == 0)
  }

  @Test("a full plug refuses, a full port is waited for, and nothing is lost")
  func flowControl() {
    let plug = LoopbackPlug(on: loop, frameLimit: 4)
    let port = FrameRecorder(on: plug, capacity: 3)
    for i in 1...12 { port.send([UInt8(i)]) }
    #expect(port.unsent.count == 8 && plug.counters.refused == 1)
    var all: [[UInt8]] = []
    for _ in 0..<10 {
      loop.advance(by: .milliseconds(1))
      all += port.takeFrames()
    }
    #expect(all == (1...12).map { [UInt8($0)] })
    #expect(plug.framesInFlight == 0)
  }

  @Test("a plug taken out loses what is under way and tells the port")
  func takenOut() {
    let plug = LoopbackPlug(on: loop)
    let port = FrameRecorder(on: plug)
    port.send([1])
    plug.setPlugged(false)
    loop.advance(by: .zero)
    #expect(port.frames.isEmpty && port.carrierChanges == 1 && plug.counters.lostWithoutCarrier == 1)
  }
}

@Suite struct FrameQueueTests {
  @Test("frames of every length, in any pattern of filling and draining, come out as they went in", arguments: 1...8)
  func anyPattern(seed: UInt64) {
    let loop = VirtualLoop(seed: seed)
    let plug = LoopbackPlug(on: loop, frameLimit: 300)
    let port = FrameRecorder(on: plug, capacity: 0)
    let random = loop.random
    var wanted: [[UInt8]] = []
    var received: [[UInt8]] = []
    for _ in 0..<400 {
      for _ in 0..<random.uniform(0...40) {
        let length = random.chance(0.1) ? random.uniform(0...20_000) : random.uniform(0...1600)
        let frame = (0..<length).map { UInt8(truncatingIfNeeded: $0 &+ Int64(wanted.count)) }
        wanted.append(frame)
        port.send(frame)
      }
      port.capacity = Int(random.uniform(0...50))
      received += port.takeFrames()
      loop.advance(by: .zero)
    }
    port.capacity = .max
    for _ in 0..<1000 where received.count < wanted.count {
      received += port.takeFrames()
      loop.advance(by: .zero)
    }
    received += port.takeFrames()
    #expect(received == wanted)
    #expect(plug.framesInFlight == 0 && port.unsent.isEmpty)
  }
}
