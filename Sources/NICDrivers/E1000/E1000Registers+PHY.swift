import IntelNIC

extension E1000Registers {
  /// A register of the internal PHY, through MDIC (manual section 13.4.7).
  func readPHY(_ register: UInt8) throws(DriverError) -> UInt16 {
    try access(MDIControl(read: register, phy: PHYRegister.internalAddress), register).data
  }

  func writePHY(_ register: UInt8, _ value: UInt16) throws(DriverError) {
    _ = try access(MDIControl(write: register, value, phy: PHYRegister.internalAddress), register)
  }

  private func access(_ command: MDIControl, _ register: UInt8) throws(DriverError) -> MDIControl {
    write(Register.mdiControl, command.rawValue)
    let answer = try poll(Register.mdiControl) {
      MDIControl(rawValue: $0).ready || MDIControl(rawValue: $0).error
    }
    guard let answer else { throw .phyTimedOut(register: register) }
    let control = MDIControl(rawValue: answer)
    guard !control.error else { throw .phyAbsent(register: register) }
    return control
  }

  /// Finds the PHY and sees to it that it is powered and negotiates. A PHY that does already is left alone, so that a
  /// link that is up stays up. Without `negotiates` it need not negotiate.
  ///
  /// - Returns: the PHY's identifier, registers 2 and 3.
  func startPHY(negotiates: Bool) throws(DriverError) -> UInt32 {
    let identifier =
      UInt32(try readPHY(PHYRegister.identifier1)) << 16 | UInt32(try readPHY(PHYRegister.identifier2))
    guard identifier != 0, identifier != .max else { throw .unknownPHY(identifier: identifier) }
    var control = PHYControl(rawValue: try readPHY(PHYRegister.control))
    let obstacles: PHYControl = [.powerDown, .isolate, .loopback]
    if !control.isDisjoint(with: obstacles) || negotiates && !control.contains(.negotiate) {
      control.subtract(obstacles)
      control.formUnion([.negotiate, .restartNegotiation])
      try writePHY(PHYRegister.control, control.rawValue)
    }
    return identifier
  }
}
