import Link

/// A cable whose far end lies on the floor: everything sent is taken, counted and gone; nothing ever arrives.
public final class NullWire: Wire {
  public weak var port: (any WirePort)?
  public private(set) var hasCarrier: Bool
  private var count = NullWireCounters()

  public init(hasCarrier: Bool = true) { self.hasCarrier = hasCarrier }

  public var counters: NullWireCounters { count }

  public func send(_ frame: RawSpan) -> Bool {
    count.frames &+= 1
    count.bytes &+= UInt64(frame.byteCount)
    return true
  }

  public func portIsReady() {}

  /// Switches the carrier on or off and tells the port.
  public func setCarrier(_ present: Bool) {
    guard hasCarrier != present else { return }
    hasCarrier = present
    port?.carrierChanged()
  }
}

public struct NullWireCounters: Sendable, Equatable {
  public var frames: UInt64 = 0
  public var bytes: UInt64 = 0
  public init() {}
}
