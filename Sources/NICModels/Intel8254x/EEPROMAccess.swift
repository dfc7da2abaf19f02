import IntelNIC

/// EECD and EERD (manual sections 5.3, 13.4.3 and 13.4.4).
extension Intel8254x {
  /// The pins answer only while software holds the EEPROM (EE_REQ and EE_GNT).
  func writeEEPROMControl(_ value: UInt32) {
    var control = EEPROMControl(rawValue: value)
    control.grant = control.request
    if control.grant {
      if !eeprom.drive(select: control.chipSelect, clock: control.clock, dataIn: control.dataIn) {
        refuse(.eepromCommand)
      }
    } else {
      eeprom.deselect()
    }
    control.dataOut = eeprom.dataOut
    store(control.rawValue, Register.eepromControl)
  }

  /// A word by EERD, at once. While software bit-bangs, the request waits for ever, as in the part; an address beyond
  /// the end wraps.
  func readEEPROM(_ value: UInt32) {
    let request = EEPROMRead(rawValue: value)
    var result = EEPROMRead()
    result.address = request.address
    if request.start, !EEPROMControl(rawValue: load(Register.eepromControl)).grant {
      result.data = eeprom.words[Int(request.address) & (eeprom.words.count - 1)]
      result.done = true
    }
    store(result.rawValue, Register.eepromRead)
  }
}
