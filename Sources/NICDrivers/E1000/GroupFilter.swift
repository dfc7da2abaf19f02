import IntelNIC
import Packets

/// Where the groups of a driver stand in the device's filters: each in an entry of the exact filter (RAL, RAH) if one
/// is free when it comes, all others in the hash table (MTA), through which some frames of other groups come too. A
/// group keeps its place until it goes, so that others' coming and going costs it no frame.
struct GroupFilter {
  /// A register that another word is to be written to.
  enum Change: Equatable {
    case entry(Int)
    case word(Int)
  }

  /// Entries of the exact filter: the first is the station address.
  static let entryCount = 16
  /// Words of the hash table.
  static let wordCount = 128

  /// Groups in the exact filter, by entry; the first stays nil.
  private(set) var entries = [MACAddress?](repeating: nil, count: entryCount)
  private(set) var words = [UInt32](repeating: 0, count: wordCount)
  private var places: [MACAddress: Place] = [:]
  /// How many groups share a bit of the hash table.
  private var uses: [Int: Int] = [:]

  private enum Place {
    case entry(Int)
    case bit(Int)
  }

  func contains(_ group: MACAddress) -> Bool { places[group] != nil }

  /// Takes a group in. Nil: nothing is to be written.
  mutating func insert(_ group: MACAddress) -> Change? {
    guard places[group] == nil else { return nil }
    if let entry = entries.indices.dropFirst().first(where: { entries[$0] == nil }) {
      entries[entry] = group
      places[group] = .entry(entry)
      return .entry(entry)
    }
    let bit = Self.hash(group)
    places[group] = .bit(bit)
    uses[bit, default: 0] += 1
    return set(bit, true)
  }

  /// Lets a group go. Nil: nothing is to be written.
  mutating func remove(_ group: MACAddress) -> Change? {
    switch places.removeValue(forKey: group) {
    case .entry(let entry):
      entries[entry] = nil
      return .entry(entry)
    case .bit(let bit):
      let count = uses[bit, default: 0] - 1
      uses[bit] = count > 0 ? count : nil
      return count > 0 ? nil : set(bit, false)
    case nil: return nil
    }
  }

  private mutating func set(_ bit: Int, _ isOn: Bool) -> Change? {
    let mask: UInt32 = 1 << UInt32(bit & 31)
    let word = isOn ? words[bit >> 5] | mask : words[bit >> 5] & ~mask
    guard word != words[bit >> 5] else { return nil }
    words[bit >> 5] = word
    return .word(bit >> 5)
  }

  /// The 12 bits of a group address that select its bit of MTA with RCTL.MO = 0: bits 47 to 36, counting from the last
  /// octet's top.
  private static func hash(_ group: MACAddress) -> Int { Int(group[4] >> 4) | Int(group[5]) << 4 }
}
