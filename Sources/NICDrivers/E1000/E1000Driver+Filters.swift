import IntelNIC
import Link
import Packets

/// Address filters (manual sections 13.5.1 to 13.5.3). They hold over stop and start.
extension E1000Driver {
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

  /// The same all at once, and the station address (RAL0, RAH0): groups and zero are no addresses of a station, and
  /// leave it as it is.
  public func apply(_ new: ReceiveFilter) {
    change { filter in
      let station = new.station.isGroup || new.station == .zero ? filter.station : new.station
      filter = new
      filter.station = station
    }
  }

  /// Everybody is no group here, and a station none at all: both are left out.
  public func setReception(of group: MACAddress, isWanted: Bool) {
    guard group.isGroup, !group.isBroadcast else { return }
    let change = isWanted ? groups.insert(group) : groups.remove(group)
    guard currentState == .running else { return }
    switch change {
    case .entry(let entry): programEntry(entry)
    case .word(let word): programWord(word)
    case nil: break
    }
  }

  private func change(_ body: (inout ReceiveFilter) -> Void) {
    let before = filter
    body(&filter)
    guard filter != before, currentState == .running else { return }
    if filter.station != before.station { programEntry(0) }
    registers.write(Register.receiveControl, receiveControl.rawValue)
  }

  /// Writes RAL, RAH and MTA.
  func programFilters() {
    for entry in 0..<GroupFilter.entryCount { programEntry(entry) }
    for word in 0..<GroupFilter.wordCount { programWord(word) }
  }

  /// Writes an entry of the exact filter, which is invalid while its address changes: the device may look at any time.
  private func programEntry(_ entry: Int) {
    let offset = entry * 8
    registers.write(Register.receiveAddressHigh + offset, 0)
    guard let address = entry == 0 ? filter.station : groups.entries[entry] else { return }
    let octets = address.rawValue.byteSwapped >> 16
    var high = ReceiveAddressHigh()
    high.address = UInt32(truncatingIfNeeded: octets >> 32)
    high.valid = true
    registers.write(Register.receiveAddressLow + offset, UInt32(truncatingIfNeeded: octets))
    registers.write(Register.receiveAddressHigh + offset, high.rawValue)
  }

  private func programWord(_ word: Int) {
    registers.write(Register.multicastTable + word * 4, groups.words[word])
  }
}
