import EventLoop
import Packets

/// Answers of name servers, each as long as its TTL allows (RFC 1035 7.4, RFC 2308), bounded in number.
struct DNSCache {
  struct Key: Hashable {
    let name: DNSName
    let type: DNSRecordType
  }
  /// What is known of a name: its addresses, or that it has none, or does not exist.
  struct Finding: Equatable {
    var addresses: [IPAddress] = []
    var nameExists = true
  }
  private var entries: [Key: (finding: Finding, expiry: Instant)] = [:]
  let limit: Int

  init(limit: Int) { self.limit = limit }

  var count: Int { entries.count }

  mutating func look(_ key: Key, now: Instant) -> Finding? {
    guard let entry = entries[key] else { return nil }
    guard entry.expiry > now else {
      entries[key] = nil
      return nil
    }
    return entry.finding
  }

  mutating func keep(_ finding: Finding, for key: Key, lifetime: TimeSpan, now: Instant) {
    guard lifetime > .zero, limit > 0 else { return }
    if entries[key] == nil && entries.count >= limit {
      entries = entries.filter { $0.value.expiry > now }
      // Still full: what would be forgotten first goes first.
      if entries.count >= limit,
        let first = entries.min(by: {
          ($0.value.expiry, $0.key.name.description) < ($1.value.expiry, $1.key.name.description)
        })
      {
        entries[first.key] = nil
      }
    }
    entries[key] = (finding, now + lifetime)
  }

  mutating func removeAll() { entries = [:] }
}
