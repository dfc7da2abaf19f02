import EventLoop
import Packets

/// What routers said about the MTU of the way to a destination (RFC 1191), bounded and forgotten after ten minutes.
struct PathMTUTable {
  /// Linux's `net.ipv4.route.min_pmtu` and `mtu_expires`.
  static let minimum = 552
  static let lifetime = TimeSpan.seconds(600)
  static let limit = 256

  private var entries: [IPv4Address: (mtu: Int, expires: Instant)] = [:]

  func mtu(to destination: IPv4Address, now: Instant) -> Int? {
    guard let entry = entries[destination], entry.expires > now else { return nil }
    return entry.mtu
  }

  /// Notes a smaller MTU; returns what is believed now.
  mutating func lower(_ destination: IPv4Address, to mtu: Int, now: Instant) -> Int {
    let believed = min(max(mtu, PathMTUTable.minimum), self.mtu(to: destination, now: now) ?? .max)
    if entries[destination] == nil && entries.count >= PathMTUTable.limit {
      entries = entries.filter { $0.value.expires > now }
      if entries.count >= PathMTUTable.limit,
        let oldest = entries.min(by: {
          ($0.value.expires, $0.key.rawValue) < ($1.value.expires, $1.key.rawValue)
        })
      {
        entries[oldest.key] = nil
      }
    }
    entries[destination] = (believed, now + PathMTUTable.lifetime)
    return believed
  }
}
