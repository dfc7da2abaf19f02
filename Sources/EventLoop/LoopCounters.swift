/// How often a loop did what. An idle bench sleeps once and stays asleep: its `turns` stand still.
public struct LoopCounters: Sendable, Equatable {
  /// Passes over jobs, deferred work, timers and descriptors.
  public var turns: UInt64 = 0
  /// Waits that blocked. In virtual time: jumps of the clock.
  public var sleeps: UInt64 = 0
  /// Sleeps that ended because a timer was due.
  public var wakesByTimer: UInt64 = 0
  /// Sleeps that ended because a watched descriptor was ready.
  public var wakesByDescriptor: UInt64 = 0
  /// Sleeps that ended because another thread posted something.
  public var wakesByPost: UInt64 = 0
  /// Sleeps that a signal handler interrupted.
  public var wakesBySignal: UInt64 = 0

  public init() {}
}
