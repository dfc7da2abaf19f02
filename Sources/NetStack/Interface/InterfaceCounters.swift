/// What passed an interface and what was thrown away there, by reason.
public struct InterfaceCounters: Sendable, Equatable {
  public var receivedFrames: UInt64 = 0
  public var receivedBytes: UInt64 = 0
  public var sentFrames: UInt64 = 0
  public var sentBytes: UInt64 = 0
  /// Received frames shorter than an Ethernet header.
  public var droppedShort: UInt64 = 0
  /// Received frames for another station.
  public var droppedOtherHost: UInt64 = 0
  /// Received frames whose sender is a group address, which no station has.
  public var droppedGroupSource: UInt64 = 0
  /// Received frames with an 802.1Q tag of a VLAN.
  public var droppedOtherVLAN: UInt64 = 0
  /// Received frames with an Ethernet type that nobody handles.
  public var droppedUnknownType: UInt64 = 0
  /// Frames that found no transmit buffer.
  public var transmitBusy: UInt64 = 0
  /// Doorbells rung: batches of sent frames.
  public var doorbells: UInt64 = 0

  public init() {}
}

/// What ARP did on an interface.
public struct ARPCounters: Sendable, Equatable {
  public var requestsSent: UInt64 = 0
  public var repliesSent: UInt64 = 0
  public var requestsReceived: UInt64 = 0
  public var repliesReceived: UInt64 = 0
  /// Packets with other hardware, another protocol, wrong lengths, an unknown operation or impossible addresses.
  public var malformed: UInt64 = 0
  /// Packets of another station that claims one of our addresses.
  public var conflicts: UInt64 = 0

  public init() {}
}
