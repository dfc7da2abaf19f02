import IntelNIC
import Link
import Packets

/// Address filters (manual sections 13.5.1 to 13.5.3). They hold over stop and start.
extension E1000Driver {
  /// Entries of the exact filter: the first is the station address.
  private static var exactEntries: Int { 16 }
  private static var multicastWords: Int { 128 }

  /// Take every frame (RCTL.UPE and MPE).
  public var isPromiscuous: Bool {
    get { filter.isPromiscuous }
    set { change { $0.isPromiscuous = newValue } }
  }

  /// Take every multicast frame (RCTL.MPE).
  public var acceptsAllMulticast: Bool {
    get { filter.acceptsAllMulticast }
    set { change { $0.acceptsAllMulticast = newValue } }
  }

  /// The groups to receive. The first 15 go into the exact filter, all others into the hash table, through which some
  /// frames of other groups come too. Addresses that are no groups, and repetitions, are left out.
  public var multicastAddresses: [MACAddress] {
    get { filter.groups }
    set {
      change { $0.groups = Self.groups(newValue) }
    }
  }

  /// The same all at once, and the station address (RAL0, RAH0): groups and zero are no addresses of a station, and leave
  /// it as it is.
  public func apply(_ new: ReceiveFilter) {
    change { filter in
      let station = new.station.isGroup || new.station == .zero ? filter.station : new.station
      filter = new
      filter.station = station
      filter.groups = Self.groups(new.groups)
    }
  }

  private static func groups(_ addresses: [MACAddress]) -> [MACAddress] {
    var seen: Set<MACAddress> = []
    return addresses.filter { $0.isGroup && !$0.isBroadcast && seen.insert($0).inserted }
  }

  private func change(_ body: (inout ReceiveFilter) -> Void) {
    let before = filter
    body(&filter)
    guard filter != before, currentState == .running else { return }
    if (filter.station, filter.groups) != (before.station, before.groups) { programFilters() }
    registers.write(Register.receiveControl, receiveControl.rawValue)
  }

  /// Writes RAL, RAH and MTA.
  func programFilters() {
    let exact = [filter.station] + filter.groups.prefix(Self.exactEntries - 1)
    for entry in 0..<Self.exactEntries {
      let offset = entry * 8
      guard entry < exact.count else {
        // Invalid before the address changes under it.
        registers.write(Register.receiveAddressHigh + offset, 0)
        registers.write(Register.receiveAddressLow + offset, 0)
        continue
      }
      let octets = exact[entry].rawValue.byteSwapped >> 16
      var high = ReceiveAddressHigh()
      high.address = UInt32(truncatingIfNeeded: octets >> 32)
      high.valid = true
      registers.write(Register.receiveAddressLow + offset, UInt32(truncatingIfNeeded: octets))
      registers.write(Register.receiveAddressHigh + offset, high.rawValue)
    }
    var words = [UInt32](repeating: 0, count: Self.multicastWords)
    for group in filter.groups.dropFirst(Self.exactEntries - 1) {
      let hash = Self.hash(group)
      words[hash >> 5] |= 1 << UInt32(hash & 31)
    }
    for (index, word) in words.enumerated() { registers.write(Register.multicastTable + index * 4, word) }
  }

  /// The 12 bits of a group address that select its bit of MTA with RCTL.MO = 0: bits 47 to 36, counting from the last
  /// octet's top.
  static func hash(_ group: MACAddress) -> Int { Int(group[4] >> 4) | Int(group[5]) << 4 }
}
