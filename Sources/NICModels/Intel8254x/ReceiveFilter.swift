import IntelNIC
import Packets

/// Which frames are taken (manual sections 3.2.1, 13.4.22 and 13.5).
extension Intel8254x {
  /// How a frame passed the address filters.
  enum Match {
    case none
    /// Promiscuous mode or the multicast hash: software has to look itself (status PIF).
    case inexact
    case exact
  }

  /// Asks the filters about a destination, given in memory order (first octet in the lowest byte); `source` likewise.
  @inline(__always) func match(_ destination: UInt64, source: UInt64, _ control: ReceiveControl) -> Match {
    if destination & 1 == 0 {
      // The station's own address is in entry 0, where RAL and RAH lie one behind the other.
      if registers.load(Register.receiveAddressLow, as: UInt64.self) == destination | 1 << 63 { return .exact }
      return matchUnicast(destination, source, control)
    }
    return matchGroup(destination, source, control)
  }

  @inline(never) private func matchUnicast(
    _ destination: UInt64, _ source: UInt64, _ control: ReceiveControl
  ) -> Match {
    if matchesAddressTable(destination, source) { return .exact }
    return control.unicastPromiscuous ? .inexact : .none
  }

  @inline(never) private func matchGroup(
    _ destination: UInt64, _ source: UInt64, _ control: ReceiveControl
  ) -> Match {
    if matchesAddressTable(destination, source) { return .exact }
    if destination == 0xFFFF_FFFF_FFFF, control.acceptBroadcast { return .exact }
    if control.multicastPromiscuous { return .inexact }
    // MO picks 12 of the last 16 bits of the address.
    let last = UInt32(truncatingIfNeeded: destination >> 32)
    let shift = 0x0234 &>> (4 &* control.multicastOffset) & 15
    let hash = last &>> shift & 0xFFF
    let word = load(Register.multicastTable &+ 4 &* Int(hash &>> 5))
    return word &>> (hash & 31) & 1 != 0 ? .inexact : .none
  }

  /// The sixteen exact addresses; entries with AS = 1 are compared with the source.
  private func matchesAddressTable(_ destination: UInt64, _ source: UInt64) -> Bool {
    for index in 0..<16 {
      let entry = registers.load(Register.receiveAddressLow &+ 8 &* index, as: UInt64.self)
      guard entry >> 63 != 0 else { continue }
      let address = entry & 0xFFFF_FFFF_FFFF
      switch entry >> 48 & 3 {
      case 0: if address == destination { return true }
      case 1: if address == source { return true }
      default: break
      }
    }
    return false
  }

  /// The VLAN filter of a frame with the given TCI (sections 9.3 and 13.5.4).
  func passesVLANFilter(_ tag: UInt16, _ control: ReceiveControl) -> Bool {
    guard control.vlanFilter else { return true }
    if control.compareCanonicalForm, (tag & 0x1000 != 0) != control.canonicalForm { return false }
    let identifier = UInt32(tag & 0xFFF)
    return load(Register.vlanFilterTable &+ 4 &* Int(identifier &>> 5)) &>> (identifier & 31) & 1 != 0
  }
}
