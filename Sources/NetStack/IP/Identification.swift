import EventLoop
import Packets

/// Identifications of datagrams that may be fragmented: unique for a source, destination and protocol as long as the
/// counter does not wrap (RFC 6864 4.3). As in Linux, flows share hashed counters that start at random and also advance
/// with time, so that one flow cannot watch another through them.
final class IdentificationCounters {
  private let loop: any EventLoop
  private let key: UInt64
  private var counters: [UInt16]
  private var lastUse: [Int64]

  init(on loop: any EventLoop, count: Int = 256) {
    self.loop = loop
    key = loop.random.next() | 1
    counters = (0..<count).map { _ in UInt16(truncatingIfNeeded: loop.random.next()) }
    lastUse = [Int64](repeating: 0, count: count)
  }

  func next(_ source: UInt32, _ destination: UInt32, _ protocol: IPProtocol) -> UInt16 {
    var hash = (UInt64(source) << 32 | UInt64(destination)) &* key
    hash = (hash ^ hash >> 32 ^ UInt64(`protocol`.rawValue)) &* 0x9E37_79B9_7F4A_7C15
    let slot = Int(truncatingIfNeeded: hash >> 40) % counters.count
    let now = loop.now.nanoseconds / 4_000_000
    let idle = now &- lastUse[slot]
    lastUse[slot] = now
    let step = idle > 0 ? UInt16(truncatingIfNeeded: loop.random.uniform(0...min(idle, 1000))) : 0
    counters[slot] = counters[slot] &+ 1 &+ step
    return counters[slot]
  }
}
