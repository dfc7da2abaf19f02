import Link
import NetStack

// Speed, duplex, negotiation and flow control: `struct ethtool_cmd`, `ethtool_link_settings`, `ethtool_pauseparam`.
extension EthtoolQuestion {
  func link() throws(Errno) {
    switch command {
    case EthtoolCommand.GLINK: try answer([interface.isUp ? 1 : 0])
    case EthtoolCommand.GSET: try tellCommand(try diagnostics().linkSettings)
    case EthtoolCommand.SSET: try setByCommand()
    case EthtoolCommand.GLINKSETTINGS: try tellSettings()
    case EthtoolCommand.SLINKSETTINGS: try setBySettings()
    case EthtoolCommand.NWAY_RST:
      let driver = try diagnostics()
      guard interface.isEnabled else { return }
      try attempt { () throws(DeviceSettingError) in try driver.restartNegotiation() }
    case EthtoolCommand.GPAUSEPARAM:
      let pause = try diagnostics().pause
      try answer([pause.negotiates, pause.receives, pause.transmits].map { $0 ? 1 : 0 })
    default:
      let driver = try diagnostics()
      let flags = try words(4).map { $0 != 0 }
      let pause = PauseParameters(negotiates: flags[1], receives: flags[2], transmits: flags[3])
      try attempt { () throws(DeviceSettingError) in try driver.setPause(pause) }
    }
  }

  // MARK: The old structure: 11 words

  private func tellCommand(_ link: LinkSettings) throws(Errno) {
    let speed = link.speed ?? .max
    try answer([
      link.supported.rawValue, link.advertised.rawValue,
      speed & 0xFFFF | UInt32(Self.duplex(link)) << 16,
      (link.negotiates ? 1 : 0) << 16, 0, 0,
      speed >> 16 | UInt32(link.crossover.rawValue) << 16 | UInt32(link.crossoverControl) << 24, 0, 0, 0,
    ])
  }

  private func setByCommand() throws(Errno) {
    let words = try words(11)
    let driver = try diagnostics()
    // Coalescing of frames was once set here.
    guard words[5] == 0, words[6] == 0 else { throw .EINVAL }
    let request = LinkRequest(
      negotiates: words[4] >> 16 & 0xFF == 1, advertised: LinkModes(rawValue: words[2]),
      speed: words[3] & 0xFFFF | words[7] << 16, duplex: UInt8(words[3] >> 16 & 0xFF),
      crossoverControl: UInt8(words[7] >> 24))
    try attempt { () throws(DeviceSettingError) in try driver.setLink(request) }
  }

  /// DUPLEX_HALF, DUPLEX_FULL, DUPLEX_UNKNOWN.
  private static func duplex(_ link: LinkSettings) -> UInt8 { link.isFullDuplex.map { $0 ? 1 : 0 } ?? 0xFF }

  // MARK: The new structure: 48 bytes, and three bitmaps of link modes

  /// Words of a bitmap.
  private static let bitmapWords = (EthtoolNames.linkModes.count + 31) / 32
  private static let baseByteCount = 48
  /// Where the base says how many words a bitmap has, in eight bits with a sign.
  private static let countOffset = 15

  private func tellSettings() throws(Errno) {
    let driver = try diagnostics()
    let asked = try bytes(Self.baseByteCount)
    var base = [UInt8](repeating: 0, count: Self.baseByteCount)
    base.replaceSubrange(0..<4, with: Self.bytes(of: [command]))
    base[Self.countOffset] = UInt8(Self.bitmapWords)
    guard asked[Self.countOffset] == base[Self.countOffset] else {
      // How many there are, as a negative number, for the next time.
      base[Self.countOffset] = UInt8(bitPattern: Int8(-Self.bitmapWords))
      return try memory.copy(base, to: pointer)
    }
    let link = driver.linkSettings
    base.replaceSubrange(4..<8, with: Self.bytes(of: [link.speed ?? .max]))
    base[8] = Self.duplex(link)
    base[11] = link.negotiates ? 1 : 0
    base[13] = link.crossover.rawValue
    base[14] = link.crossoverControl
    let bitmaps = [link.supported, link.advertised, []].flatMap { modes in
      [modes.rawValue] + [UInt32](repeating: 0, count: Self.bitmapWords - 1)
    }
    try memory.copy(base + Self.bytes(of: bitmaps), to: pointer)
  }

  private func setBySettings() throws(Errno) {
    let driver = try diagnostics()
    let base = try bytes(Self.baseByteCount)
    guard base[Self.countOffset] == UInt8(Self.bitmapWords) else { throw .EINVAL }
    let all = try bytes(Self.baseByteCount + 3 * 4 * Self.bitmapWords)
    // Which end is the clock's master is not for this interface.
    guard base[17] == 0, base[18] == 0 else { throw .EINVAL }
    func word(_ offset: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(all[offset + $1]) << UInt32(8 * $1) } }
    let request = LinkRequest(
      negotiates: base[11] == 1, advertised: LinkModes(rawValue: word(Self.baseByteCount + 4 * Self.bitmapWords)),
      speed: word(4), duplex: base[8], crossoverControl: base[14])
    try attempt { () throws(DeviceSettingError) in try driver.setLink(request) }
  }
}
