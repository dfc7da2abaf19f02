import NetStack
import Packets

// SIOCETHTOOL: what Linux answers of every interface by itself. What it would ask the driver is EOPNOTSUPP, as of a
// driver that does not say.
extension SystemCalls {
  func ethtool(_ asked: InterfaceRequest, _ memory: UserMemory) throws(Errno) {
    let pointer = asked.pointer
    let command = try memory.load(pointer, as: UInt32.self)
    let interface = try interface(asked)
    func answer(_ isOn: Bool) throws(Errno) { try memory.store(UInt32(isOn ? 1 : 0), at: pointer &+ 4) }
    let value = pointer &+ 4
    if let feature = Self.generic[command] { return try answer(interface.features.contains(feature)) }
    if let feature = Self.generic[command &- 1] {
      let isOn = try memory.load(value, as: UInt32.self) != 0
      if isOn { interface.features.insert(feature) } else { interface.features.remove(feature) }
      return
    }
    let device = interface.device.features
    switch command {
    case Ethtool.GLINK: try answer(interface.isUp)
    case Ethtool.GRXCSUM: try answer(!device.isDisjoint(with: [.receiveChecksum, .trusted]))
    case Ethtool.GTXCSUM: try answer(!device.isDisjoint(with: [.transmitChecksum, .trusted]))
    // A frame lies in one piece here; the loopback interface does not care.
    case Ethtool.GSG: try answer(device.contains(.trusted))
    case Ethtool.GFLAGS: try answer(false)
    case Ethtool.SFLAGS: guard try memory.load(value, as: UInt32.self) == 0 else { throw .EINVAL }
    case Ethtool.GPERMADDR:
      guard try memory.load(value, as: UInt32.self) >= 6 else { throw Self.tooSmall }
      let hardware = interface.permanentAddress
      try memory.copy(Self.bytes(of: UInt32(6)) + (0..<6).map { hardware[$0] }, to: value)
    case Ethtool.FLASHDEV: _ = try memory.bytes(pointer, 136)
    // No set of strings: none of those that were asked for.
    case Ethtool.GSSET_INFO:
      _ = try memory.bytes(pointer, 16)
      try memory.store(UInt64(0), at: pointer &+ 8)
    // Two words of features, of which nothing is told to who has no room for them.
    case Ethtool.GFEATURES:
      let room = min(try memory.load(value, as: UInt32.self), Self.featureWords)
      try memory.copy([UInt8](repeating: 0, count: 16 * Int(room)), to: pointer &+ 8)
      try memory.store(Self.featureWords, at: value)
    case Ethtool.SFEATURES:
      guard try memory.load(value, as: UInt32.self) == Self.featureWords else { throw .EINVAL }
      let wanted = Array(try memory.bytes(pointer &+ 8, 16))
      guard wanted.allSatisfy({ $0 == 0 }) else { throw .EINVAL }
    case Ethtool.GET_TS_INFO:
      // Software stamps both ways, and no clock of its own: SOF_TIMESTAMPING_TX_SOFTWARE, RX_SOFTWARE, SOFTWARE; -1.
      try memory.copy(
        Self.bytes(of: UInt32(0x1A)) + Self.bytes(of: Int32(-1)) + [UInt8](repeating: 0, count: 32), to: value)
    default: throw .EOPNOTSUPP
    }
  }

  /// Commands that ask for what software can do as well; the next number sets it.
  private static let generic: [UInt32: InterfaceFeatures] = [
    Ethtool.GTSO: .segmentation, Ethtool.GGSO: .genericSegmentation, Ethtool.GGRO: .genericReceive,
  ]
  private static let featureWords: UInt32 = 2
  /// ETOOSMALL, which Linux lets out here.
  private static let tooSmall = Errno(rawValue: 525)
}

/// Commands of SIOCETHTOOL (linux/ethtool.h).
private enum Ethtool {
  static let GLINK: UInt32 = 0x0A
  static let GRXCSUM: UInt32 = 0x14
  static let GTXCSUM: UInt32 = 0x16
  static let GSG: UInt32 = 0x18
  static let GTSO: UInt32 = 0x1E
  static let GPERMADDR: UInt32 = 0x20
  static let GGSO: UInt32 = 0x23
  static let GFLAGS: UInt32 = 0x25
  static let SFLAGS: UInt32 = 0x26
  static let GGRO: UInt32 = 0x2B
  static let FLASHDEV: UInt32 = 0x33
  static let GSSET_INFO: UInt32 = 0x37
  static let GFEATURES: UInt32 = 0x3A
  static let SFEATURES: UInt32 = 0x3B
  static let GET_TS_INFO: UInt32 = 0x41
}
