import EventLoop
import Packets

/// Initial sequence numbers by RFC 6528 3, and timestamp offsets by RFC 7323 5.4: what a stranger to a connection
/// cannot guess. Both are keyed hashes of the connection's addresses, so that successive incarnations of one four-tuple
/// continue one sequence.
struct InitialNumbers {
  private let key: (UInt64, UInt64)
  private let timestampKey: (UInt64, UInt64)

  /// Draws the secret keys from `random`.
  init(random: SeededRandom) {
    key = (random.next(), random.next())
    timestampKey = (random.next(), random.next())
  }

  /// ISN = M + F(local address, local port, remote address, remote port, secret). M ticks every 64 ns as on Linux,
  /// which goes round in 274 s: longer than a segment lives, and faster than any sequence space is used up.
  func sequenceNumber(_ connection: ConnectionKey, at now: Instant) -> SequenceNumber {
    let ticks = UInt32(truncatingIfNeeded: now.nanoseconds >> 6)
    return SequenceNumber(UInt32(truncatingIfNeeded: hash(connection, key)) &+ ticks)
  }

  /// What is added to the clock in milliseconds to make the timestamps of one connection.
  func timestampOffset(_ connection: ConnectionKey) -> UInt32 {
    UInt32(truncatingIfNeeded: hash(connection, timestampKey))
  }

  private func hash(_ connection: ConnectionKey, _ key: (UInt64, UInt64)) -> UInt64 {
    var hash = SipHash(key: key)
    hash.add(connection.localAddress.high)
    hash.add(connection.localAddress.low)
    hash.add(connection.remoteAddress.high)
    hash.add(connection.remoteAddress.low)
    hash.add(UInt64(connection.ports))
    return hash.finish()
  }
}
