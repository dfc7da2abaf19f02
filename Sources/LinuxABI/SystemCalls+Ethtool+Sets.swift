import Link
import NetStack

// Sets of strings, and what is listed in their order: statistics and the results of tests.
extension EthtoolQuestion {
  /// ETH_GSTRING_LEN
  private static let nameByteCount = 32

  func sets() throws(Errno) {
    switch command {
    case EthtoolCommand.GSTRINGS:
      let set = try words(3)[1]
      guard let names = names(set) else { throw .EOPNOTSUPP }
      try answer([set, UInt32(names.count)], names.flatMap { Self.field($0, Self.nameByteCount) })
    case EthtoolCommand.GSSET_INFO: try tellCounts()
    case EthtoolCommand.GSTATS:
      let driver = try diagnostics()
      _ = try words(2)
      try tell(driver.statisticValues()) { [UInt32($0)] }
    default:
      let driver = try diagnostics()
      // struct ethtool_test: flags, a reserved word, the number of results.
      let words = try words(4)
      let results = driver.runTests(offline: words[1] == Self.offline)
      let hasFailed = results.contains { $0 != 0 }
      try tell(results) { [words[1] | (hasFailed ? Self.failed : 0), words[2], UInt32($0)] }
    }
  }

  /// ETH_TEST_FL_OFFLINE, ETH_TEST_FL_FAILED
  private static let offline: UInt32 = 1
  private static let failed: UInt32 = 2

  private func tell(_ values: [UInt64], _ header: (Int) -> [UInt32]) throws(Errno) {
    try answer(header(values.count), values.flatMap { SystemCalls.bytes(of: $0) })
  }

  /// A set of strings by its number (ETH_SS_); nil if nobody here has it.
  private func names(_ set: UInt32) -> [String]? {
    switch set {
    case 0: interface.device.diagnostics?.testNames
    case 1: interface.device.diagnostics?.statisticNames
    case 4: EthtoolNames.features
    case 5: EthtoolNames.hashFunctions
    case 6: EthtoolNames.tunables
    case 8: EthtoolNames.phyTunables
    case 9: EthtoolNames.linkModes
    default: nil
    }
  }

  /// `struct ethtool_sset_info`: a reserved word, 64 bits that name sets, and behind them how many strings each set
  /// has. Nothing is stored if none is named.
  private func tellCounts() throws(Errno) {
    let words = try words(4)
    let asked = UInt64(words[2]) | UInt64(words[3]) << 32
    guard asked != 0 else { return }
    var known: UInt64 = 0
    var counts: [UInt32] = []
    for set in 0..<64 as Range<UInt32> where asked >> UInt64(set) & 1 != 0 {
      guard let names = names(set) else { continue }
      known |= 1 << UInt64(set)
      counts.append(UInt32(names.count))
    }
    try answer([0, UInt32(truncatingIfNeeded: known), UInt32(known >> 32)] + counts)
  }
}
