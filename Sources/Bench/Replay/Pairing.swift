/// Pairs what appeared in a capture with what appears now, in order of appearance, among those with the same key.
struct Pairing<Key: Hashable, Captured, Live> {
  private var captured: [Key: [Captured]] = [:]
  private var live: [Key: [Live]] = [:]
  private var waiting = 0

  /// Most entries that wait for their counterpart.
  private static var limit: Int { 4096 }

  /// The live counterpart of something that was captured, if it appeared already.
  mutating func addCaptured(_ item: Captured, _ key: Key) -> Live? {
    if let found = Self.take(&live, key) {
      waiting -= 1
      return found
    }
    if waiting < Self.limit {
      waiting += 1
      captured[key, default: []].append(item)
    }
    return nil
  }

  /// The captured counterpart of something that appears now, if it was read already.
  mutating func addLive(_ item: Live, _ key: Key) -> Captured? {
    if let found = Self.take(&captured, key) {
      waiting -= 1
      return found
    }
    if waiting < Self.limit {
      waiting += 1
      live[key, default: []].append(item)
    }
    return nil
  }

  private static func take<Item>(_ table: inout [Key: [Item]], _ key: Key) -> Item? {
    guard var items = table[key], !items.isEmpty else { return nil }
    let first = items.removeFirst()
    table[key] = items.isEmpty ? nil : items
    return first
  }
}
