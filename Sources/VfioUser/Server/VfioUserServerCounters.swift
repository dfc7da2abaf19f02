/// What a server did so far, over all its clients.
public struct VfioUserServerCounters: Sendable, Equatable {
  /// Clients that connected, and those that are gone.
  public var connections: UInt64 = 0
  public var disconnections: UInt64 = 0
  /// Reads of the socket that brought something, and messages in them.
  public var receives: UInt64 = 0
  public var messages: UInt64 = 0
  /// Register accesses, and those of the writes that wanted no reply.
  public var registerReads: UInt64 = 0
  public var registerWrites: UInt64 = 0
  public var postedWrites: UInt64 = 0
  /// Register accesses that the command register did not let through.
  public var unclaimedAccesses: UInt64 = 0
  /// Messages that read or wrote configuration space.
  public var configurationAccesses: UInt64 = 0
  public var mappings: UInt64 = 0
  public var unmappings: UInt64 = 0
  public var resets: UInt64 = 0
  /// Messages by which memory that the client does not share was read and written, and those that failed.
  public var remoteReads: UInt64 = 0
  public var remoteWrites: UInt64 = 0
  public var remoteFailures: UInt64 = 0
  /// Times nothing more was read because the client did not take its replies.
  public var stalls: UInt64 = 0
  public var interrupts = VfioUserInterruptCounters()
  public var refusals = VfioUserRefusalCounts()
  public init() {}
}

/// Where a server and its connection count.
final class ServerTally {
  var count = VfioUserServerCounters()
  /// Apart from `count`: an array inside of it would cost every counter a run-time exclusivity check.
  var refusals = VfioUserRefusalCounts()
}
