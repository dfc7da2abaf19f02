import Packets

/// Addresses for which a router answers ARP requests (RFC 1027; arp(7), ATF_PUBL).
public struct ProxyTable {
  private struct Entry: Hashable {
    let address: IPv4Address
    /// Index of the interface; 0: all.
    let interface: Int
  }
  private var entries: Set<Entry> = []
  /// Answers for every address that is reached over another interface, on all interfaces (Linux's `proxy_arp` for
  /// all).
  public var answersForAll = false
  /// Entries at most.
  public let limit = 4096

  /// Answers for `address` on an interface (0: on all). Nothing happens if it does already.
  ///
  /// - Throws: ``NetworkError/noBuffers`` if the table is full.
  public mutating func insert(_ address: IPv4Address, on interface: Int) throws(NetworkError) {
    guard !holds(address, interface) else { return }
    guard entries.count < limit else { throw .noBuffers }
    entries.insert(Entry(address: address, interface: interface))
  }

  /// False if it was not there.
  public mutating func remove(_ address: IPv4Address, on interface: Int) -> Bool {
    entries.remove(Entry(address: address, interface: interface)) != nil
  }

  /// True if the host answers for `address` on the interface.
  func contains(_ address: IPv4Address, on interface: Int) -> Bool {
    answersForAll || !entries.isEmpty && holds(address, interface)
  }

  private func holds(_ address: IPv4Address, _ interface: Int) -> Bool {
    entries.contains(Entry(address: address, interface: interface))
      || entries.contains(Entry(address: address, interface: 0))
  }
}
