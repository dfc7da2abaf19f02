import Link
import NetStack
import Packets

// The driver and its device: name, registers, EEPROM, address; and what is set of it.
extension EthtoolQuestion {
  func device() throws(Errno) {
    switch command {
    case EthtoolCommand.GDRVINFO: try tellDriver(try diagnostics())
    case EthtoolCommand.GMSGLVL: try answer([try diagnostics().messageLevel])
    case EthtoolCommand.SMSGLVL:
      let driver = try diagnostics()
      driver.messageLevel = try value()
    case EthtoolCommand.GREGS:
      let driver = try diagnostics()
      let room = try words(3)[2]
      let dump = driver.dumpRegisters()
      let bytes = Self.bytes(of: dump.words)
      let count = min(room, UInt32(bytes.count))
      try answer([dump.version, count], Array(bytes.prefix(Int(count))))
    case EthtoolCommand.GPERMADDR:
      // ETOOSMALL, which Linux lets out here.
      guard try value() >= 6 else { throw Errno(rawValue: 525) }
      let hardware = interface.permanentAddress
      try answer([6], (0..<6).map { hardware[$0] })
    default: try eeprom(try diagnostics())
    }
  }

  /// `struct ethtool_drvinfo`. Its version is that of the kernel: the one whose answers these are.
  private func tellDriver(_ driver: any DeviceDiagnostics) throws(Errno) {
    let information = driver.information
    let texts =
      Self.field(information.name, 32) + Self.field("6.18.0", 32) + Self.field("", 32)
      + Self.field(information.busAddress, 32) + Self.field("", 32 + 12)
    let counts = [
      0, driver.statisticNames.count, driver.testNames.count, driver.eepromByteCount,
      driver.dumpRegisters().words.count * 4,
    ]
    try answer([], texts + Self.bytes(of: counts.map { UInt32($0) }))
  }

  /// `struct ethtool_eeprom`: number of the kind of device, offset, length; and the bytes behind it.
  private func eeprom(_ driver: any DeviceDiagnostics) throws(Errno) {
    let words = try words(4)
    let (magic, offset, length) = (words[1], words[2], words[3])
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard length > 0, !overflow, end <= driver.eepromByteCount else { throw .EINVAL }
    let data = pointer &+ 16
    if command == EthtoolCommand.GEEPROM {
      let bytes = try attempt { () throws(DeviceSettingError) in try driver.readEEPROM(Int(offset)..<Int(end)) }
      try memory.copy(bytes, to: data)
      try answer([driver.eepromMagic, offset, length])
    } else {
      let bytes = Array(try memory.bytes(data, Int(length)))
      guard magic == driver.eepromMagic else { throw .EFAULT }
      try attempt { () throws(DeviceSettingError) in try driver.writeEEPROM(bytes, at: Int(offset)) }
    }
  }

  /// Wake-up, interrupts, rings.
  func parameters() throws(Errno) {
    let driver = try diagnostics()
    switch command {
    case EthtoolCommand.GWOL:
      let events = driver.wakeUp
      try answer([events.supported.rawValue, events.enabled.rawValue, 0, 0])
    case EthtoolCommand.SWOL:
      let wanted = WakeUpEvents(rawValue: try words(5)[2])
      guard wanted.isSubset(of: driver.wakeUp.supported) else { throw .EINVAL }
      try attempt { () throws(DeviceSettingError) in try driver.setWakeUp(wanted) }
    case EthtoolCommand.GCOALESCE:
      let interval = try attempt { () throws(DeviceSettingError) in try driver.interruptInterval() }
      try answer([interval] + [UInt32](repeating: 0, count: 21))
    case EthtoolCommand.SCOALESCE:
      _ = try attempt { () throws(DeviceSettingError) in try driver.interruptInterval() }
      let words = try words(23)
      // No driver here counts frames, or delays anything but the interrupt.
      guard words[2...].allSatisfy({ $0 == 0 }) else { throw .EOPNOTSUPP }
      try attempt { () throws(DeviceSettingError) in try driver.setInterruptInterval(words[1]) }
    case EthtoolCommand.GRINGPARAM:
      let rings = driver.rings
      try answer(
        [rings.receiveLimit, 0, 0, rings.transmitLimit, rings.receive, 0, 0, rings.transmit].map { UInt32($0) })
    default:
      let words = try words(9)
      let rings = driver.rings
      guard words[5] <= rings.receiveLimit, words[6] == 0, words[7] == 0, words[8] <= rings.transmitLimit else {
        throw .EINVAL
      }
      try attempt { () throws(DeviceSettingError) in
        try driver.setRings(receive: Int(words[5]), transmit: Int(words[8]))
      }
    }
  }
}
