import IntelNIC

/// The device's own statistics (manual section 13.7), added up over reads, resets and starts.
public struct DeviceStatistics: Sendable, Equatable {
  /// One counter by the manual's abbreviation; the octet counters without L and H.
  public struct Entry: Sendable, Equatable {
    public let name: String
    public internal(set) var value: UInt64
    let offset: Int
    let isWide: Bool
  }

  /// In the order of their offsets.
  public internal(set) var entries: [Entry]

  init() {
    entries = RegisterTable.family8254x.rows.compactMap { row in
      switch row.behaviour {
      case .counter: Entry(name: row.abbreviation, value: 0, offset: row.offset, isWide: false)
      case .counterLow: Entry(name: String(row.abbreviation.dropLast()), value: 0, offset: row.offset, isWide: true)
      default: nil
      }
    }.sorted { $0.offset < $1.offset }
  }

  /// The counter with the given abbreviation (`GPRC`, `GOTC`), or nil.
  public subscript(_ name: String) -> UInt64? { entries.first { $0.name == name }?.value }
}

extension E1000Driver {
  /// Reads the device's counters, which clears them, and returns the sums since the driver was made.
  public func statistics() -> DeviceStatistics {
    if currentState == .running { readStatistics() }
    return accumulated
  }

  func readStatistics() {
    for index in accumulated.entries.indices {
      let entry = accumulated.entries[index]
      let low = registers.read(entry.offset)
      // A device that is gone would add nonsense. (A counter saturates at all ones, but not both halves of a wide one.)
      let high = entry.isWide ? registers.read(entry.offset + 4) : 0
      guard low != .max || registers.read(Register.deviceStatus) != .max else { return }
      accumulated.entries[index].value &+= UInt64(high) << 32 | UInt64(low)
    }
  }

  /// Lets the counters start from zero (a reset leaves them alone on some controllers).
  func clearStatistics() {
    for entry in accumulated.entries {
      _ = registers.read(entry.offset)
      if entry.isWide { _ = registers.read(entry.offset + 4) }
    }
  }
}
