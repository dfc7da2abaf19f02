import EventLoop
import Events
import IntelNIC
import Machine

/// CTRL, CTRL_EXT, STATUS and the resets (manual sections 13.4.1, 13.4.2, 13.4.6 and chapter 14).
extension Intel8254x {
  func writeControl(_ value: UInt32, changed: UInt32) {
    var control = DeviceControl(rawValue: value)
    if control.phyReset {
      control.phyReset = false
      store(control.rawValue, Register.deviceControl)
      resetPHY()
    }
    if control.reset {
      loadReset(bus: false)
      return
    }
    store(control.rawValue, Register.deviceControl)
    updateStatus()
    if control.transmitFlowControl || control.receiveFlowControl || !isPaused { return }
    // Flow control was taken away while paused.
    pauseEnded()
  }

  func writeExtendedControl(_ value: UInt32) {
    var control = ExtendedDeviceControl(rawValue: value)
    if control.eepromReset {
      control.eepromReset = false
      loadAddress()
      renewReceiveSettings()
    }
    control.checkSpeed = false
    store(control.rawValue, Register.extendedDeviceControl)
  }

  /// Every register to its reset value. The PHY, its link and the wake-up registers survive a reset by CTRL.RST; a bus
  /// reset spares only the frame that woke the system (sections 14.2, 13.6.7, 13.6.8).
  func loadReset(bus: Bool) {
    count.resets &+= 1
    timers?.cancelModeration()
    isReportDelayed = false
    assembly.abandon()
    transmitGeneration &+= 1
    isStalled = false
    isPaused = false
    for row in dispatch.table.rows where !Self.survives(row, bus: bus) {
      if row.count > 1, row.stride == 4, row.reset == 0 {
        registers.window.fill(0, at: row.offset, count: 4 * row.count)
      } else {
        for offset in row.offsets { store(row.reset, offset) }
      }
    }
    clearReceiveBuffer()
    var control = EEPROMControl(rawValue: load(Register.eepromControl))
    control.is256Words = eeprom.words.count > 64
    control.dataOut = true
    store(control.rawValue, Register.eepromControl)
    eeprom.deselect()
    loadAddress()
    loadControl()
    if bus { loadAdvancedPowerManagement() }
    lastInterrupt = Instant(nanoseconds: .min / 2)
    updateInterruptPin()
    if bus {
      isSleeping = false
      ioAddress = 0
      resetPHY()
    }
    receiveControlChanged()
    updateStatus()
  }

  /// Wake-up registers stand on auxiliary power; the packet buffer is a memory without reset.
  private static func survives(_ row: RegisterDescription, bus: Bool) -> Bool {
    if row.offset == Register.wakeUpPacketLength || row.offset == Register.wakeUpPacketMemory { return true }
    return !bus && (row.section.hasPrefix("13.6.") || row.behaviour == .packetBuffer)
  }

  /// RAL0 and RAH0 from words 0...2 of the EEPROM, if it has its signature (section 5.6); else no address is valid.
  func loadAddress() {
    let words = eeprom.words
    guard EEPROMLayout.hasSignature(words) else {
      store(0, Register.receiveAddressLow)
      store(0, Register.receiveAddressHigh)
      return
    }
    store(UInt32(words[0]) | UInt32(words[1]) << 16, Register.receiveAddressLow)
    var high = ReceiveAddressHigh()
    high.address = UInt32(words[2])
    high.valid = true
    store(high.rawValue, Register.receiveAddressHigh)
  }

  /// CTRL's bits that the EEPROM decides, if it has its signature (section 5.6.8).
  private func loadControl() {
    let words = eeprom.words
    guard EEPROMLayout.hasSignature(words) else { return }
    let word = words[EEPROMLayout.initializationControl1]
    var control = DeviceControl(rawValue: load(Register.deviceControl))
    control.linkReset = word & 1 << 9 != 0
    control.fullDuplex = word & 1 << 10 != 0
    control.forceSpeed = word & 1 << 11 != 0
    store(control.rawValue, Register.deviceControl)
  }

  /// STATUS from CTRL, PHY and flow control. A change of the link raises LSC.
  func updateStatus() {
    let control = DeviceControl(rawValue: load(Register.deviceControl))
    let old = DeviceStatus(rawValue: load(Register.deviceStatus))
    var status = DeviceStatus()
    status.linkUp = control.setLinkUp && phy.isLinkUp
    status.fullDuplex = control.forceDuplex ? control.fullDuplex : phy.isFullDuplex
    status.speed = control.forceSpeed ? control.speed : phy.speed
    status.autoDetectedSpeed = phy.speed
    status.transmissionPaused = isPaused
    if pciX != nil {
      status.bus64Bit = true
      status.pciXMode = true
      status.pciXSpeed = 2
    } else {
      status.bus66MHz = true
    }
    store(status.rawValue, Register.deviceStatus)
    renewReceiveSettings()
    if phy.noteEvents() { raise(.phy) }
    guard status.linkUp != old.linkUp else { return }
    if tap.isOn {
      tap.emit(
        .model,
        .stateChange(object: "\(name) link", from: old.linkUp ? "up" : "down", to: status.linkUp ? "up" : "down"))
    }
    linkChanged()
    raise(.linkStatusChange)
    if status.linkUp {
      transmit()
      catchUpReceiving()
    }
  }
}
