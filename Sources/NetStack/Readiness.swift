/// What holds for an endpoint, or what has just become true: the vocabulary of `poll` without its numbers.
public struct Readiness: OptionSet, Sendable, Hashable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Something can be received: bytes, a datagram, a connection to accept, the end of the stream.
  public static let readable = Readiness(rawValue: 1)
  /// There is room to send.
  public static let writable = Readiness(rawValue: 2)
  /// An error waits to be taken.
  public static let error = Readiness(rawValue: 4)
  /// Both directions are closed.
  public static let hangUp = Readiness(rawValue: 8)
  /// The peer closed its sending direction.
  public static let readHangUp = Readiness(rawValue: 16)
  /// An urgent byte waits to be taken.
  public static let priority = Readiness(rawValue: 32)
}
