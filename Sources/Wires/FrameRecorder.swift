import EventLoop
import Link

/// A port that keeps what it receives and sends what it is told, for tests, self-tests and the far ends of experiments.
///
///     let recorder = FrameRecorder(on: wire)
///     recorder.send([0xFF, ...])
///     recorder.frames     // what the wire delivered
///
/// It obeys flow control in both directions: what the wire refuses waits in ``unsent``, and ``isFull`` makes it refuse.
public final class FrameRecorder: WirePort {
  /// The wire it is plugged into. Owned: a recorder keeps its cable alive.
  public let wire: any Wire
  /// Frames received, oldest first.
  public private(set) var frames: [[UInt8]] = []
  /// Frames that the wire refused and that go out when it is ready.
  public private(set) var unsent: [[UInt8]] = []
  /// Frames it refused itself because it was full.
  public private(set) var refusals = 0
  public private(set) var carrierChanges = 0
  public private(set) var readyCalls = 0
  /// Most frames it keeps before it refuses.
  public var capacity: Int
  /// Called with each frame after it was recorded.
  public var onFrame: (([UInt8]) -> Void)?
  private var refused = false

  public init(on wire: any Wire, capacity: Int = .max) {
    self.wire = wire
    self.capacity = capacity
    wire.port = self
  }

  /// Sends `frame`, or keeps it for later if others wait or the wire refuses. True if it went out at once.
  @discardableResult
  public func send(_ frame: [UInt8]) -> Bool {
    if unsent.isEmpty && wire.send(frame.span.bytes) { return true }
    unsent.append(frame)
    return false
  }

  /// Takes the received frames out, and tells the wire that there is room if it had been refused.
  @discardableResult
  public func takeFrames() -> [[UInt8]] {
    let taken = frames
    frames = []
    if refused && capacity > 0 {
      refused = false
      wire.portIsReady()
    }
    return taken
  }

  public func receive(_ frame: RawSpan) -> Bool {
    guard frames.count < capacity else {
      refusals += 1
      refused = true
      return false
    }
    let copy = frame.withUnsafeBytes { Array($0) }
    frames.append(copy)
    onFrame?(copy)
    return true
  }

  public func wireIsReady() {
    readyCalls += 1
    while let frame = unsent.first {
      guard wire.send(frame.span.bytes) else { return }
      unsent.removeFirst()
    }
  }

  public func carrierChanged() { carrierChanges += 1 }
}
