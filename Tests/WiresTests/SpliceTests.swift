import EventLoop
import Link
import Testing
import Wires

@Suite("A splice")
struct SpliceTests {
  private let loop = VirtualLoop(seed: 1)
  private let left: LoopWire
  private let right: LoopWire

  init() {
    left = LoopWire(on: loop)
    right = LoopWire(on: loop)
  }

  private func frame(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 60) }

  @Test("carries frames between the far ends of two cables, both ways")
  func carries() {
    let splice = Splice(left.b, right.a)
    let a = FrameRecorder(on: left.a)
    let b = FrameRecorder(on: right.b)
    #expect(a.send(frame(1)))
    #expect(b.send(frame(2)))
    #expect(b.frames == [frame(1)])
    #expect(a.frames == [frame(2)])
    withExtendedLifetime(splice) {}
  }

  @Test("leaves a frame that the far port refuses with the sender, and tells it when there is room")
  func flowControl() {
    let splice = Splice(left.b, right.a)
    let sender = FrameRecorder(on: left.a)
    let receiver = FrameRecorder(on: right.b, capacity: 1)
    #expect(sender.send(frame(1)))
    #expect(!sender.send(frame(2)))
    #expect(sender.readyCalls == 0)
    #expect(receiver.takeFrames() == [frame(1)])
    #expect(sender.readyCalls == 1)
    #expect(sender.unsent.isEmpty)
    #expect(receiver.frames == [frame(2)])
    withExtendedLifetime(splice) {}
  }

  @Test("gives both cables back when it goes")
  func goes() {
    var splice: Splice? = Splice(left.b, right.a)
    #expect(left.b.port != nil && right.a.port != nil)
    withExtendedLifetime(splice) {}
    splice = nil
    #expect(left.b.port == nil && right.a.port == nil)
  }
}
