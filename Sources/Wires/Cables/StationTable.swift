import EventLoop
import Packets

/// Which port of a switch a station was last heard on: IEEE 802.1D's filtering database, learned entries only.
///
/// Bounded and aged by loop time, without a timer: an entry that is too old counts as absent, and the old ones are
/// swept out when the table is full (at most once a second, so that a flood of invented addresses costs constant time a
/// frame).
struct StationTable {
  private struct Entry {
    var port: Int32
    var heard: Instant
  }

  let limit: Int
  let ageing: TimeSpan
  private var entries: [MACAddress: Entry] = [:]
  private var nextSweep = Instant.zero

  init(limit: Int, ageing: TimeSpan) {
    self.limit = limit
    self.ageing = ageing
    entries.reserveCapacity(min(limit, 1024))
  }

  var count: Int { entries.count }

  enum Learned { case known, new, moved, full }

  /// Notes that a frame of `station` came in on `port`.
  mutating func learn(_ station: MACAddress, on port: Int, now: Instant) -> Learned {
    if let index = entries.index(forKey: station) {
      let moved = entries.values[index].port != Int32(port)
      entries.values[index] = Entry(port: Int32(port), heard: now)
      return moved ? .moved : .known
    }
    if entries.count >= limit {
      guard now >= nextSweep else { return .full }
      nextSweep = now + .seconds(1)
      let oldest = now - ageing
      entries = entries.filter { $0.value.heard >= oldest }
      guard entries.count < limit else { return .full }
    }
    entries[station] = Entry(port: Int32(port), heard: now)
    return .new
  }

  /// The port of `station`, if it was heard within the ageing time.
  func port(of station: MACAddress, now: Instant) -> Int? {
    guard let entry = entries[station], entry.heard >= now - ageing else { return nil }
    return Int(entry.port)
  }

  /// Forgets every station of `port`: its cable was pulled out.
  mutating func forget(port: Int) { entries = entries.filter { $0.value.port != Int32(port) } }
}
