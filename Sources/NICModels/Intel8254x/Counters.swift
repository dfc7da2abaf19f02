/// What a model did so far. The controller's own statistics registers are apart: a guest reads (and clears) those.
public struct Intel8254xCounters: Sendable, Equatable {
  public var registerReads: UInt64 = 0
  public var registerWrites: UInt64 = 0
  /// Writes to TDT and to RDT.
  public var transmitDoorbells: UInt64 = 0
  public var receiveDoorbells: UInt64 = 0
  public var transmitDescriptors: UInt64 = 0
  public var receiveDescriptors: UInt64 = 0
  /// Frames given to the wire, and of them those cut from larger segments.
  public var framesSent: UInt64 = 0
  public var segmentsCut: UInt64 = 0
  /// Frames stored in guest memory.
  public var framesReceived: UInt64 = 0
  /// Frames that no filter accepted, or that came while the receiver was off.
  public var framesFiltered: UInt64 = 0
  /// Frames lost: the packet buffer was full (lossless operation off) or was reset, or a receive buffer was out of
  /// reach.
  public var framesMissed: UInt64 = 0
  /// Frames that waited in the packet buffer for descriptors.
  public var framesBuffered: UInt64 = 0
  /// Pause frames given to the wire.
  public var pausesSent: UInt64 = 0
  /// Times the wire had no room for a frame, and times a frame was left with the wire because the packet buffer was
  /// full.
  public var transmitStalls: UInt64 = 0
  public var receiveStalls: UInt64 = 0
  /// Frames of the transmit side that were refused.
  public var framesRefused: UInt64 = 0
  /// Times a wire called back into an engine that was at work for it.
  public var reentries: UInt64 = 0
  /// Assertions of the interrupt line.
  public var interrupts: UInt64 = 0
  /// Device resets by CTRL.RST or the bus.
  public var resets: UInt64 = 0
  public var guestErrors = GuestErrorCounts()

  public init() {}
}
