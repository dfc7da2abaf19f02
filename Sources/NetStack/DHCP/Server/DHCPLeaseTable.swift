import EventLoop
import Packets

/// Who a lease belongs to: the client identifier (option 61) where there is one, else the hardware address (RFC 2131
/// 4.2).
struct DHCPClientKey: Hashable {
  let bytes: [UInt8]

  init(identifier: [UInt8]?, hardwareAddress: MACAddress) {
    bytes = identifier.flatMap { $0.count >= 2 ? $0 : nil } ?? [1] + hardwareAddress.octets
  }
}

/// The addresses of the pool and whose they are. As large as the pool at most; what has expired is remembered until the
/// address is needed for somebody else, so that a client that comes back finds its old one.
struct DHCPLeaseTable {
  struct Entry {
    var key: DHCPClientKey
    var hardwareAddress: MACAddress
    var hostName: String?
    var state: DHCPServerLease.State
    var expiry: Instant
  }

  private let first: UInt32
  private let count: Int
  /// Never granted: the server's own address, network and broadcast address.
  private let excluded: Set<UInt32>
  private var entries: [UInt32: Entry] = [:]
  private var addresses: [DHCPClientKey: UInt32] = [:]
  /// Where the search for an address that was never used goes on.
  private var next: UInt32

  init(first: IPv4Address, last: IPv4Address, limit: Int, excluded: Set<IPv4Address>) {
    self.first = first.rawValue
    next = first.rawValue
    let size = last.rawValue >= first.rawValue ? Int(last.rawValue - first.rawValue) + 1 : 0
    count = min(size, max(limit, 0))
    self.excluded = Set(excluded.map(\.rawValue))
  }

  private func isInPool(_ address: UInt32) -> Bool {
    address >= first && Int(address - first) < count && !excluded.contains(address)
  }

  func entry(for address: IPv4Address) -> Entry? { entries[address.rawValue] }

  /// The address that the client has or had last.
  func address(of key: DHCPClientKey) -> IPv4Address? { addresses[key].map { IPv4Address(rawValue: $0) } }

  /// True if the client has `address`, and its time is not over.
  func holds(_ key: DHCPClientKey, _ address: IPv4Address, now: Instant) -> Bool {
    guard let entry = entries[address.rawValue] else { return false }
    return entry.key == key && entry.state != .declined && entry.expiry > now
  }

  /// True if `address` may be given to the client now.
  func isFree(_ address: IPv4Address, for key: DHCPClientKey, now: Instant) -> Bool {
    guard isInPool(address.rawValue) else { return false }
    guard let entry = entries[address.rawValue] else { return true }
    return entry.expiry <= now || (entry.key == key && entry.state != .declined)
  }

  /// The address to offer (RFC 2131 4.3.1): the client's own, the one it wishes, one that was never used, the one that
  /// has been free for the longest time. Nil if all are taken.
  mutating func choose(for key: DHCPClientKey, wish: IPv4Address?, now: Instant) -> IPv4Address? {
    if let own = address(of: key), isFree(own, for: key, now: now) { return own }
    if let wish, isFree(wish, for: key, now: now) { return wish }
    while next >= first, Int(next - first) < count {
      let candidate = next
      next &+= 1
      if isInPool(candidate), entries[candidate] == nil { return IPv4Address(rawValue: candidate) }
    }
    let oldest = entries.filter { $0.value.expiry <= now }.min {
      ($0.value.expiry, $0.key) < ($1.value.expiry, $1.key)
    }
    if let oldest { return IPv4Address(rawValue: oldest.key) }
    // Addresses that the search passed while they were held and that have been forgotten since.
    for offset in 0..<count where isInPool(first + UInt32(offset)) && entries[first + UInt32(offset)] == nil {
      return IPv4Address(rawValue: first + UInt32(offset))
    }
    return nil
  }

  /// Gives `address` to the client, and takes back what else it or the last holder had.
  mutating func set(_ address: IPv4Address, _ entry: Entry) {
    if let other = addresses[entry.key], other != address.rawValue { entries[other] = nil }
    if let last = entries[address.rawValue], addresses[last.key] == address.rawValue { addresses[last.key] = nil }
    entries[address.rawValue] = entry
    addresses[entry.key] = address.rawValue
  }

  /// The address is in use by somebody who did not ask: nobody gets it until `end`.
  mutating func decline(_ address: IPv4Address, until end: Instant) {
    guard var entry = entries[address.rawValue] else { return }
    addresses[entry.key] = nil
    entry.state = .declined
    entry.expiry = end
    entries[address.rawValue] = entry
  }

  /// The client does not need the address any longer; it is remembered as its last one.
  mutating func release(_ address: IPv4Address, now: Instant) { entries[address.rawValue]?.expiry = now }

  /// What is held at `now`, in order of address.
  func leases(now: Instant) -> [DHCPServerLease] {
    entries.filter { $0.value.expiry > now }.sorted { $0.key < $1.key }.map { address, entry in
      DHCPServerLease(
        address: IPv4Address(rawValue: address), hardwareAddress: entry.hardwareAddress, hostName: entry.hostName,
        state: entry.state, expiry: entry.expiry)
    }
  }
}
