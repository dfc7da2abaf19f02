/// What a driver tells of its device beyond what the stack needs, and lets a user set: the questions of ethtool(8).
///
/// What is told is the device's: its registers, its EEPROM, its counters. What is set has its effect before the call
/// returns, or is refused with a ``DeviceSettingError``, and then everything is as before.
public protocol DeviceDiagnostics: AnyObject {
  var information: DriverInformation { get }
  /// Which kinds of messages the driver shall write (`NETIF_MSG_`): kept, as a word of the user.
  var messageLevel: UInt32 { get set }

  var linkSettings: LinkSettings { get }
  /// Negotiates anew with other modes, or forces one.
  func setLink(_ wanted: LinkRequest) throws(DeviceSettingError)
  /// Restarts auto-negotiation, if the link negotiates.
  func restartNegotiation() throws(DeviceSettingError)

  var pause: PauseParameters { get }
  func setPause(_ wanted: PauseParameters) throws(DeviceSettingError)

  var rings: RingSizes { get }
  /// Makes rings of at least these sizes. The device stops and starts for it if it runs.
  func setRings(receive: Int, transmit: Int) throws(DeviceSettingError)

  /// Microseconds between two interrupts at least, 0 for none held back. Unsupported: the device does not tell.
  func interruptInterval() throws(DeviceSettingError) -> UInt32
  func setInterruptInterval(_ microseconds: UInt32) throws(DeviceSettingError)

  /// What of ``NetworkDevice/features`` can be turned off and on.
  var changeableFeatures: DeviceFeatures { get }
  /// Turns on those of the changeable features that are in `wanted`, and the others off; what needs a feature that is
  /// off goes off with it.
  func setFeatures(_ wanted: DeviceFeatures) throws(DeviceSettingError)

  /// The events that can wake the system, and those that shall, from the next stop of the device on.
  var wakeUp: (supported: WakeUpEvents, enabled: WakeUpEvents) { get }
  func setWakeUp(_ wanted: WakeUpEvents) throws(DeviceSettingError)

  func dumpRegisters() -> RegisterDump

  var eepromByteCount: Int { get }
  /// The number that a write must name, so that it does not go to another kind of device.
  var eepromMagic: UInt32 { get }
  /// The bytes of `range`, which lies in the EEPROM.
  func readEEPROM(_ range: Range<Int>) throws(DeviceSettingError) -> [UInt8]
  /// Writes `bytes` at `offset`, all of them in the EEPROM, and makes its checksum right.
  func writeEEPROM(_ bytes: [UInt8], at offset: Int) throws(DeviceSettingError)

  /// Names of ``statisticValues()``, in their order.
  var statisticNames: [String] { get }
  /// What was counted since the driver was made.
  func statisticValues() -> [UInt64]

  /// Names of ``runTests(offline:)``, in their order.
  var testNames: [String] { get }
  /// Tests the device; `offline` with what interrupts its traffic, after which it runs as before. For every test 0 if
  /// it is passed or was left out, otherwise what is wrong, in the driver's own numbers.
  func runTests(offline: Bool) -> [UInt64]
}

/// Why a device is not set.
public enum DeviceSettingError: Error, Equatable, Sendable {
  /// The device does not have this.
  case unsupported
  /// It does, but not with this value.
  case invalid
  /// Memory for it could not be had.
  case noMemory
  /// The device does not answer.
  case failed
}
