import EventLoop
import Events
import Link

/// A cable that is worse than the one it wraps: frames are lost, delayed, reordered, duplicated, corrupted or rate
/// limited on their way, each direction for itself, by the loop's random numbers.
///
///     let wire = ImpairmentWire(slirp, on: loop, settings: try ImpairmentSettings("loss=1%,delay=20ms±5ms"))
///
/// A direction without delay and rate passes frames in the same call, with exact flow control; a fault is drawn once a
/// frame, also if the frame is refused and offered again. A direction with delay or rate always takes a frame, as a
/// network does; what its bounded queue does not hold is dropped and counted. Frames under way lie in reused buffers.
public final class ImpairmentWire: Wire, WirePort {
  public weak var port: (any WirePort)?
  /// The wire that is disturbed. Owned.
  public let inner: any Wire
  public let settings: ImpairmentSettings
  /// Gets a ``Event/dropped(reason:length:)`` for each frame that is thrown away and a note for the other faults.
  public var tap: EventTap?
  private var inbound: ImpairmentLane!
  private var outbound: ImpairmentLane!

  /// - Parameter frameLimit: most frames under way in each direction.
  public init(_ inner: any Wire, on loop: any EventLoop, settings: ImpairmentSettings, frameLimit: Int = 16384) {
    self.inner = inner
    self.settings = settings
    inbound = ImpairmentLane(on: loop, settings: settings.inbound, frameLimit: frameLimit)
    outbound = ImpairmentLane(on: loop, settings: settings.outbound, frameLimit: frameLimit)
    inbound.sink = InboundSink(wire: self)
    outbound.sink = OutboundSink(wire: self)
    inner.port = self
  }

  public var counters: ImpairmentCounters {
    ImpairmentCounters(inbound: inbound.count, outbound: outbound.count)
  }

  /// Frames under way in both directions: in the buffers of the pools.
  public var framesInFlight: Int { inbound.framesInFlight + outbound.framesInFlight }

  public var hasCarrier: Bool { inner.hasCarrier }

  public func send(_ frame: RawSpan) -> Bool { outbound.offer(frame) }
  public func portIsReady() { inbound.receiverIsReady() }

  public func receive(_ frame: RawSpan) -> Bool { inbound.offer(frame) }
  public func wireIsReady() { outbound.receiverIsReady() }
  public func carrierChanged() { port?.carrierChanged() }
}

/// Where a lane's frames go, and where its senders are.
class LaneSink {
  unowned(unsafe) let wire: ImpairmentWire
  init(wire: ImpairmentWire) { self.wire = wire }
  var name: String { "" }
  func pass(_ frame: RawSpan) -> Bool { true }
  func wakeSender() {}
}

private final class InboundSink: LaneSink {
  override var name: String { "in" }
  override func pass(_ frame: RawSpan) -> Bool { wire.port?.receive(frame) ?? true }
  override func wakeSender() { wire.inner.portIsReady() }
}

private final class OutboundSink: LaneSink {
  override var name: String { "out" }
  override func pass(_ frame: RawSpan) -> Bool { wire.inner.send(frame) }
  override func wakeSender() { wire.port?.wireIsReady() }
}

public struct ImpairmentCounters: Sendable, Equatable {
  /// Towards the port.
  public var inbound = LaneCounters()
  /// Away from the port.
  public var outbound = LaneCounters()

  public init(inbound: LaneCounters = LaneCounters(), outbound: LaneCounters = LaneCounters()) {
    self.inbound = inbound
    self.outbound = outbound
  }
}

/// One direction of an ``ImpairmentWire``.
public struct LaneCounters: Sendable, Equatable {
  /// Frames handed on, duplicates included, and their bytes.
  public var frames: UInt64 = 0
  public var bytes: UInt64 = 0
  public var lost: UInt64 = 0
  public var corrupted: UInt64 = 0
  public var duplicated: UInt64 = 0
  public var reordered: UInt64 = 0
  /// Frames that waited for delay or rate.
  public var delayed: UInt64 = 0
  /// Frames dropped because the rate limit's queue was full.
  public var droppedQueue: UInt64 = 0
  /// Frames dropped because the limit of frames under way was reached.
  public var droppedLimit: UInt64 = 0
  /// Times a frame was refused to its sender.
  public var refused: UInt64 = 0
  public init() {}
}
