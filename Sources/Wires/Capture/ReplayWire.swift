import EventLoop
import Link
import PacketCapture

/// A cable on which the frames of a capture arrive, and on which what the port sends is kept.
///
///     let wire = ReplayWire(on: loop, reader: try CaptureReader(path: "ping.pcapng"), pacing: .original)
///     nic.wire = wire
///     wire.onEnd = { ... }
///     wire.start()
///
/// With ``Pacing/original`` frames arrive as far apart as they were captured, in loop time (a frame that is older than
/// the one before it arrives with it); with ``Pacing/fullSpeed`` as fast as the port takes them. A frame that the port
/// refuses waits until there is room, and so do those behind it.
public final class ReplayWire: Wire {
  public enum Pacing: Sendable, Equatable { case original, fullSpeed }

  /// Which frames of the capture arrive.
  public enum Selection: Sendable, Equatable {
    case all
    /// Those not marked as sent by the captured interface.
    case inbound
  }

  /// How a replay ended.
  public enum End: Sendable, Equatable {
    /// The port has taken the last frame.
    case finished
    /// The capture cannot be read further.
    case failed(CaptureError)
    case stopped
  }

  public weak var port: (any WirePort)?
  public private(set) var hasCarrier = true
  public let pacing: Pacing
  public let selection: Selection
  /// Called once, when the replay has ended.
  public var onEnd: ((End) -> Void)?
  /// Called with each frame that the port sends.
  public var onSent: ((RawSpan, Instant) -> Void)?
  /// What the port has sent, oldest first, as far as ``sentLimit`` allows.
  public private(set) var sent: [CapturedFrame] = []
  /// Most bytes kept in ``sent``.
  public var sentLimit = 64 << 20
  public private(set) var end: End?

  private let loop: any EventLoop
  private let source: FrameSource
  private var timer: LoopTimer!
  private var work: DeferredWork!
  private var current: CapturedFrame?
  /// Loop time of the instant 0 of the capture's clock, chosen so that the first frame arrives at the start.
  private var origin: Int64?
  private var lastDue = Instant.zero
  private var isRunning = false
  private var portRefused = false
  private var sentBytes = 0
  private var count = ReplayWireCounters()

  /// Frames that arrive in one turn of the loop at full speed.
  private static let batch = 64

  public init(on loop: any EventLoop, reader: CaptureReader, pacing: Pacing, selection: Selection = .inbound) {
    self.loop = loop
    self.pacing = pacing
    self.selection = selection
    source = FrameSource(reader: reader, frames: [])
    schedule()
  }

  /// Frames that lie in memory; all of them are taken as Ethernet frames.
  public init(on loop: any EventLoop, frames: [CapturedFrame], pacing: Pacing, selection: Selection = .inbound) {
    self.loop = loop
    self.pacing = pacing
    self.selection = selection
    source = FrameSource(reader: nil, frames: frames)
    schedule()
  }

  private func schedule() {
    timer = LoopTimer(on: loop) { [weak self] in self?.advance() }
    work = DeferredWork(on: loop) { [weak self] in self?.advance() }
  }

  public var counters: ReplayWireCounters { count }

  /// Begins; the first frame arrives in this turn of the loop.
  public func start() {
    guard !isRunning, end == nil else { return }
    isRunning = true
    work.schedule()
  }

  /// Ends the replay before its time.
  public func stop() { finish(.stopped) }

  public func send(_ frame: RawSpan) -> Bool {
    count.sent &+= 1
    count.sentBytes &+= UInt64(frame.byteCount)
    if sentBytes + frame.byteCount <= sentLimit {
      sentBytes += frame.byteCount
      let time = UInt64(clamping: loop.epochNanoseconds &+ loop.now.nanoseconds)
      sent.append(CapturedFrame(time: time, bytes: frame.withUnsafeBytes { Array($0) }, direction: .outbound))
    } else {
      count.notKept &+= 1
    }
    onSent?(frame, loop.now)
    return true
  }

  public func portIsReady() {
    guard portRefused else { return }
    portRefused = false
    work.schedule()
  }

  private func advance() {
    guard isRunning, !portRefused else { return }
    var budget = Self.batch
    while budget > 0 {
      guard let frame = nextFrame() else { return }
      if pacing == .original {
        let due = due(frame)
        if due > loop.now { return timer.arm(at: due) }
      }
      guard let port, port.receive(frame.bytes.span.bytes) else {
        portRefused = true
        count.refused &+= 1
        return
      }
      guard isRunning else { return }
      count.frames &+= 1
      count.bytes &+= UInt64(frame.bytes.count)
      current = nil
      budget -= 1
    }
    work.schedule()
  }

  /// The frame that arrives next; nil if the replay has ended.
  private func nextFrame() -> CapturedFrame? {
    if let current { return current }
    do throws(CaptureError) {
      while let frame = try source.next() {
        if !source.isEthernet(frame) {
          count.otherLinkType &+= 1
        } else if frame.originalLength > frame.bytes.count {
          count.cut &+= 1
        } else if selection == .inbound && frame.direction == .outbound {
          count.notSelected &+= 1
        } else {
          current = frame
          return frame
        }
      }
      finish(.finished)
    } catch {
      finish(.failed(error))
    }
    return nil
  }

  private func due(_ frame: CapturedFrame) -> Instant {
    let time = Int64(clamping: frame.time)
    let origin = self.origin ?? loop.now.nanoseconds &- time
    self.origin = origin
    lastDue = max(lastDue, Instant(nanoseconds: origin &+ time))
    return lastDue
  }

  private func finish(_ how: End) {
    guard end == nil else { return }
    end = how
    isRunning = false
    current = nil
    timer.cancel()
    work.cancel()
    onEnd?(how)
  }
}

public struct ReplayWireCounters: Sendable, Equatable {
  /// Frames that the port took, and their bytes.
  public var frames: UInt64 = 0
  public var bytes: UInt64 = 0
  /// Times the port had no room.
  public var refused: UInt64 = 0
  /// Frames of the capture that were left out: of another link type than Ethernet, cut by the capture, or marked as
  /// sent.
  public var otherLinkType: UInt64 = 0
  public var cut: UInt64 = 0
  public var notSelected: UInt64 = 0
  /// Frames that the port sent, and their bytes; those of them beyond the limit of what is kept.
  public var sent: UInt64 = 0
  public var sentBytes: UInt64 = 0
  public var notKept: UInt64 = 0
  public init() {}
}

/// Frames of a file or of memory, one after the other.
private final class FrameSource {
  private let reader: CaptureReader?
  private let frames: [CapturedFrame]
  private var index = 0

  init(reader: CaptureReader?, frames: [CapturedFrame]) {
    self.reader = reader
    self.frames = frames
  }

  func next() throws(CaptureError) -> CapturedFrame? {
    if let reader { return try reader.next() }
    guard index < frames.count else { return nil }
    index += 1
    return frames[index - 1]
  }

  func isEthernet(_ frame: CapturedFrame) -> Bool {
    guard let reader else { return true }
    return reader.interfaces.indices.contains(frame.interface)
      && reader.interfaces[frame.interface].linkType == .ethernet
  }
}
