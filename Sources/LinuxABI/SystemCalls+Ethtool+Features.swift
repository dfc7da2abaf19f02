import Link
import NetStack

// What device and stack do to frames by themselves: `struct ethtool_value` for one feature, `ethtool_gfeatures` and
// `ethtool_sfeatures` for all of them, by the bits of Linux 6.18 (``EthtoolNames/features``).
extension EthtoolQuestion {
  func features() throws(Errno) {
    switch command {
    case EthtoolCommand.GFLAGS: try answer([0])
    case EthtoolCommand.SFLAGS:
      // LRO, VLAN tags, filters and hashes: no interface here has any of them.
      let flags = try value()
      guard flags & ~Self.flags == 0 else { throw .EINVAL }
      guard flags == 0 else { throw .EOPNOTSUPP }
    case EthtoolCommand.GFEATURES: try tellFeatures()
    default: try oneFeature()
    }
  }

  /// ETH_FLAG_LRO, RXVLAN, TXVLAN, NTUPLE, RXHASH
  private static let flags: UInt32 = 0x1800_8180

  /// Commands of one feature; the next number sets it.
  private static let single: [UInt32: EthtoolFeatures] = [
    EthtoolCommand.GRXCSUM: .receiveChecksum, EthtoolCommand.GTXCSUM: .transmitChecksums,
    EthtoolCommand.GSG: .gathering, EthtoolCommand.GTSO: .segmentation, EthtoolCommand.GGSO: .genericSegmentation,
    EthtoolCommand.GGRO: .genericReceive,
  ]

  private func oneFeature() throws(Errno) {
    if let feature = Self.single[command] { return try answer([active.isDisjoint(with: feature) ? 0 : 1]) }
    guard let feature = Self.single[command - 1] else { throw .EOPNOTSUPP }
    let isOn = try value() != 0
    let changed = feature.intersection(available)
    guard !changed.isEmpty else { throw .EOPNOTSUPP }
    try change(changed, to: isOn ? changed : [])
  }

  // MARK: All of them

  private static let featureWords: UInt32 = 2

  /// Four words for every 32 features: those that can be changed, that are wanted, that are on, that nobody ever
  /// changes. Nothing is told to who has no room.
  private func tellFeatures() throws(Errno) {
    let room = min(try value(), Self.featureWords)
    let sets = [available, wanted, active, EthtoolFeatures.constant]
    let words = (0..<room).flatMap { word in sets.map { UInt32(truncatingIfNeeded: $0.rawValue >> UInt64(32 * word)) } }
    try answer([Self.featureWords] + words)
  }

  /// Two words for every 32 features: which are meant, and which of them are wanted. Returns 1 if some cannot be
  /// changed (ETHTOOL_F_UNSUPPORTED), 2 if some are not as they are wanted now (ETHTOOL_F_WISH), or both.
  func setFeatures() throws(Errno) -> Int {
    guard try value() == Self.featureWords else { throw .EINVAL }
    let words = try words(6)
    var meant = EthtoolFeatures(rawValue: UInt64(words[2]) | UInt64(words[4]) << 32)
    let asked = EthtoolFeatures(rawValue: UInt64(words[3]) | UInt64(words[5]) << 32)
    guard meant.isDisjoint(with: .constant) else { throw .EINVAL }
    let isUnsupported = !meant.isSubset(of: available)
    meant.formIntersection(available)
    try change(meant, to: asked.intersection(meant))
    let isWish = !active.symmetricDifference(wanted).isDisjoint(with: meant)
    return (isUnsupported ? 1 : 0) | (isWish ? 2 : 0)
  }

  // MARK: What they stand for

  private var hardware: DeviceFeatures { interface.device.features }

  /// Segmentation by the device that `lo` pretends to, or that the device does, by IPv4 and by IPv6.
  private var segmentation: EthtoolFeatures {
    if interface.isLoopback { return .segmentation }
    let changeable = interface.device.diagnostics?.changeableFeatures ?? []
    var features: EthtoolFeatures = []
    if changeable.contains(.segmentationIPv4) { features.insert(.segmentationIPv4) }
    if changeable.contains(.segmentationIPv6) { features.insert(.segmentationIPv6) }
    return features
  }

  private var available: EthtoolFeatures {
    var features = segmentation.union([.genericSegmentation, .genericReceive])
    let changeable = interface.device.diagnostics?.changeableFeatures ?? []
    if changeable.contains(.transmitChecksum) { features.insert(.transmitChecksum) }
    if changeable.contains(.receiveChecksum) { features.insert(.receiveChecksum) }
    return features
  }

  /// Those of the available ones that somebody wants, whether they can be on now or not.
  private var wanted: EthtoolFeatures {
    var features: EthtoolFeatures = []
    if interface.features.contains(.segmentation) { features.formUnion(segmentation) }
    if interface.features.contains(.genericSegmentation) { features.insert(.genericSegmentation) }
    if interface.features.contains(.genericReceive) { features.insert(.genericReceive) }
    if hardware.contains(.transmitChecksum) { features.insert(.transmitChecksum) }
    if hardware.contains(.receiveChecksum) { features.insert(.receiveChecksum) }
    return features.intersection(available)
  }

  private var active: EthtoolFeatures {
    var features = wanted
    if interface.isLoopback { return features.union(.loopback) }
    features.subtract(.segmentation)
    if hardware.contains(.segmentationIPv4) { features.insert(.segmentationIPv4) }
    if hardware.contains(.segmentationIPv6) { features.insert(.segmentationIPv6) }
    if hardware.contains(.transmitChecksum) { features.insert(.transmitChecksum) }
    if hardware.contains(.receiveChecksum) { features.insert(.receiveChecksum) }
    return features
  }

  /// Makes the features of `changed`, all of them available, as in `asked`.
  private func change(_ changed: EthtoolFeatures, to asked: EthtoolFeatures) throws(Errno) {
    for (mask, feature): (EthtoolFeatures, InterfaceFeatures) in [
      (.segmentation, .segmentation), (.genericSegmentation, .genericSegmentation), (.genericReceive, .genericReceive),
    ] where !changed.isDisjoint(with: mask) {
      if asked.isDisjoint(with: mask) {
        interface.features.remove(feature)
      } else {
        interface.features.insert(feature)
      }
    }
    guard let driver = interface.device.diagnostics else { return }
    var features = hardware.subtracting([.segmentationIPv4, .segmentationIPv6])
    if interface.features.contains(.segmentation) { features.formUnion([.segmentationIPv4, .segmentationIPv6]) }
    for (mask, feature): (EthtoolFeatures, DeviceFeatures) in [
      (.transmitChecksum, .transmitChecksum), (.receiveChecksum, .receiveChecksum),
    ] where !changed.isDisjoint(with: mask) {
      if asked.isDisjoint(with: mask) { features.remove(feature) } else { features.insert(feature) }
    }
    try attempt { () throws(DeviceSettingError) in try driver.setFeatures(features) }
  }
}

/// Features by their bits (NETIF_F_) in Linux 6.18.
private struct EthtoolFeatures: OptionSet {
  let rawValue: UInt64

  /// NETIF_F_SG and NETIF_F_FRAGLIST: frames that do not lie in one piece. All of them do here, but `lo` does not care.
  static let gathering = Self(rawValue: 1 | 1 << 6)
  /// NETIF_F_HW_CSUM: of TCP and UDP, over IPv4 and IPv6.
  static let transmitChecksum = Self(rawValue: 1 << 3)
  /// Every kind of it (NETIF_F_CSUM_MASK, and those of FCoE and SCTP).
  static let transmitChecksums = Self(rawValue: 0b11010 | 0b11 << 36)
  static let receiveChecksum = Self(rawValue: 1 << 40)
  static let genericSegmentation = Self(rawValue: 1 << 11)
  static let genericReceive = Self(rawValue: 1 << 14)
  static let segmentationIPv4 = Self(rawValue: 1 << 16)
  static let segmentationIPv6 = Self(rawValue: 1 << 20)
  /// NETIF_F_ALL_TSO: besides these with ECN, and with identifications that do not count up.
  static let segmentation = Self(rawValue: 0b11101 << 16)
  /// NETIF_F_NEVER_CHANGE: VLAN_CHALLENGED.
  static let constant = Self(rawValue: 1 << 10)
  /// What `lo` has on besides. (Some of it can be turned off in Linux.)
  static let loopback = Self(rawValue: 0x52E_4000_0469)
}
