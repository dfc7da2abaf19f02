import IntelNIC
import Link

/// Speed, duplex and flow control as somebody asked for them (manual sections 8.6, 8.7 and 11.3).
extension E1000Driver {
  public var linkSettings: LinkSettings {
    let status = DeviceStatus(rawValue: registers.read(Register.deviceStatus))
    let wanted = settings.link
    var advertised: LinkModes = .twistedPair
    if wanted.negotiates { advertised.formUnion(wanted.advertised.union(.negotiation)) }
    var crossover = PairCrossover.unknown
    if linkIsUp, let value = try? registers.readPHY(PHYRegister.specificStatus) {
      crossover = PHYSpecificStatus(rawValue: value).contains(.crossed) ? .crossed : .straight
    }
    return LinkSettings(
      supported: E1000Settings.linkModes.union([.negotiation, .twistedPair]), advertised: advertised,
      speed: status.linkUp ? [10, 100, 1000, 1000][Int(status.speed)] : nil,
      isFullDuplex: status.linkUp ? status.fullDuplex : nil, negotiates: wanted.negotiates, crossover: crossover,
      crossoverControl: wanted.crossoverControl)
  }

  public func setLink(_ wanted: LinkRequest) throws(DeviceSettingError) {
    let automatic = PairCrossover.automatic.rawValue
    var link = wanted
    if wanted.crossoverControl != 0, wanted.crossoverControl != automatic, !wanted.negotiates { throw .invalid }
    if wanted.crossoverControl == 0 { link.crossoverControl = settings.link.crossoverControl }
    if wanted.negotiates {
      link.advertised.formIntersection(E1000Settings.linkModes)
      if link.advertised.isEmpty { link.advertised = E1000Settings.linkModes }
    } else {
      link.crossoverControl = automatic
      switch (wanted.speed, wanted.duplex) {
      case (10, 0...1), (100, 0...1): break
      case (1000, 1):
        // A gigabit needs negotiation (IEEE 802.3 40.5.1), with nothing else on offer.
        link.negotiates = true
        link.advertised = .base1000Full
      default: throw .invalid
      }
    }
    settings.link = link
    settings.isLinkSet = true
    try apply { () throws(DriverError) in try programLink() }
  }

  public func restartNegotiation() throws(DeviceSettingError) {
    guard settings.link.negotiates else { return }
    try apply { () throws(DriverError) in
      var control = PHYControl(rawValue: try registers.readPHY(PHYRegister.control))
      control.formUnion([.negotiate, .restartNegotiation])
      try registers.writePHY(PHYRegister.control, control.rawValue)
    }
  }

  /// Does something to a running device, and looks at the link after it.
  private func apply(_ body: () throws(DriverError) -> Void) throws(DeviceSettingError) {
    guard currentState == .running else { return }
    do throws(DriverError) { try body() } catch { throw Self.refusal(error) }
    updateLink()
  }

  /// Writes the modes of ``E1000Settings/link`` into PHY and MAC, from which the link comes up anew.
  func programLink() throws(DriverError) {
    let link = settings.link
    var control = DeviceControl(rawValue: registers.read(Register.deviceControl))
    control.forceSpeed = !link.negotiates
    control.forceDuplex = !link.negotiates
    control.autoSpeedDetection = link.negotiates
    if !link.negotiates {
      control.speed = link.speed == 100 ? 1 : 0
      control.fullDuplex = link.duplex == 1
    }
    registers.write(Register.deviceControl, control.rawValue)

    var crossover = try registers.readPHY(PHYRegister.specificControl) & ~PHYSpecificControl.crossover
    switch PairCrossover(rawValue: link.crossoverControl) {
    case .straight: break
    case .crossed: crossover |= PHYSpecificControl.crossed
    default: crossover |= PHYSpecificControl.crossover
    }
    try registers.writePHY(PHYRegister.specificControl, crossover)

    var phy: PHYControl = []
    if link.negotiates {
      var abilities = PHYAdvertisement(rawValue: try registers.readPHY(PHYRegister.advertisement))
      abilities.subtract([.base10Half, .base10Full, .base100Half, .base100Full])
      for (mode, ability) in PHYAdvertisement.modes where link.advertised.contains(mode) { abilities.insert(ability) }
      if settings.pause != PauseParameters() {
        abilities.subtract([.pause, .asymmetricPause])
        if settings.pause.receives { abilities.formUnion([.pause, .asymmetricPause]) }
        if settings.pause.transmits, !settings.pause.receives { abilities.insert(.asymmetricPause) }
      }
      try registers.writePHY(PHYRegister.advertisement, abilities.rawValue)
      let gigabit = try registers.readPHY(PHYRegister.gigabitControl) & ~0x0300
      try registers.writePHY(
        PHYRegister.gigabitControl, gigabit | (link.advertised.contains(.base1000Full) ? 0x0200 : 0))
      phy = [.negotiate, .restartNegotiation, .fullDuplex, .speedHigh]
    } else {
      if link.speed == 100 { phy.insert(.speedLow) }
      if link.duplex == 1 { phy.insert(.fullDuplex) }
    }
    try registers.writePHY(PHYRegister.control, phy.rawValue)
  }

  // MARK: Flow control

  public var pause: PauseParameters {
    var pause = settings.pause
    guard pause.negotiates, currentState == .running, linkIsUp else { return pause }
    let control = DeviceControl(rawValue: registers.read(Register.deviceControl))
    pause.receives = control.receiveFlowControl
    pause.transmits = control.transmitFlowControl
    return pause
  }

  public func setPause(_ wanted: PauseParameters) throws(DeviceSettingError) {
    settings.pause = wanted
    try apply { () throws(DriverError) in
      programFlowControl()
      if wanted.negotiates, settings.link.negotiates { try programLink() } else { forceFlowControl(wanted) }
    }
  }

  /// The pause frame's addresses and type, and when to send one (manual section 8.7.3): below nine tenths of the packet
  /// buffer, and with room for one more frame. Nothing of it without flow control.
  func programFlowControl() {
    let isOn = settings.pause != PauseParameters()
    let room = Int(registers.read(Register.packetBufferAllocation) & 0xFFFF) << 10
    let high = UInt32(clamping: max(8, min(room * 9 / 10, room - sizes.frame - 4))) & 0xFFF8
    registers.write(Register.flowControlAddressLow, isOn ? 0x00C2_8001 : 0)
    registers.write(Register.flowControlAddressHigh, isOn ? 0x0100 : 0)
    registers.write(Register.flowControlType, isOn ? 0x8808 : 0)
    registers.write(Register.flowControlTransmitTimer, isOn ? 0xFFFF : 0)
    // Bit 31 is XONE: say when there is room again.
    registers.write(Register.flowControlThresholdLow, settings.pause.transmits ? (high &- 8) | 1 << 31 : 0)
    registers.write(Register.flowControlThresholdHigh, settings.pause.transmits ? high : 0)
  }

  private func forceFlowControl(_ pause: PauseParameters) {
    var control = DeviceControl(rawValue: registers.read(Register.deviceControl))
    control.receiveFlowControl = pause.receives
    control.transmitFlowControl = pause.transmits
    registers.write(Register.deviceControl, control.rawValue)
  }

  /// The link came up: what both ends said of pause frames holds (IEEE 802.3 28B.3), or what was asked for if nothing
  /// is negotiated.
  func resolveFlowControl() {
    var pause = settings.pause
    guard pause != PauseParameters() else { return }
    if pause.negotiates, settings.link.negotiates {
      let own = PHYAdvertisement(rawValue: (try? registers.readPHY(PHYRegister.advertisement)) ?? 0)
      let other = PHYAdvertisement(rawValue: (try? registers.readPHY(PHYRegister.partnerAbility)) ?? 0)
      let isFullDuplex = DeviceStatus(rawValue: registers.read(Register.deviceStatus)).fullDuplex
      if own.contains(.pause), other.contains(.pause) {
        // Own asymmetry was only said to be able to receive.
      } else if own.contains(.asymmetricPause), other.isSuperset(of: [.pause, .asymmetricPause]) {
        pause.receives = false
      } else {
        // To listen costs nothing, whatever the other end says.
        pause.transmits = false
      }
      pause.receives = pause.receives && isFullDuplex
      pause.transmits = pause.transmits && isFullDuplex
    }
    forceFlowControl(pause)
  }
}

extension PHYAdvertisement {
  fileprivate static let modes: [(LinkModes, PHYAdvertisement)] = [
    (.base10Half, .base10Half), (.base10Full, .base10Full), (.base100Half, .base100Half),
    (.base100Full, .base100Full),
  ]
}
