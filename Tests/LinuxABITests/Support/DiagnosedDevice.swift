import Link
import Packets

/// A device whose driver answers ethtool from fields that a test looks at.
final class DiagnosedDevice: NetworkDevice, DeviceDiagnostics {
  let name = "nic0"
  let hardwareAddress = MACAddress(rawValue: 0x0200_0000_0042)
  let mtu = 1500
  var features: DeviceFeatures = [.transmitChecksum, .receiveChecksum, .segmentationIPv4]
  let isLinkUp = true
  weak var client: (any NetworkDeviceClient)?

  func reserve(capacity: Int) -> TransmitBuffer? { nil }
  func release(_ buffer: TransmitBuffer) {}
  func submit(_ buffer: TransmitBuffer, length: Int, offload: TransmitOffload) {}
  func doorbell() {}

  var diagnostics: (any DeviceDiagnostics)? { self }

  let information = DriverInformation(name: "driver", busAddress: "0000:00:01.0")
  var messageLevel: UInt32 = 7
  var linkSettings = LinkSettings(
    supported: LinkModes(rawValue: 0xEF), advertised: LinkModes(rawValue: 0xC1), speed: 100, isFullDuplex: false,
    negotiates: true, crossover: .crossed, crossoverControl: 3)
  var asked: LinkRequest?
  var restarts = 0
  var pause = PauseParameters(negotiates: true, receives: false, transmits: true)
  var rings = RingSizes(receive: 256, transmit: 128, receiveLimit: 4096, transmitLimit: 2048)
  var interval: UInt32 = 50
  var wakeUp: (supported: WakeUpEvents, enabled: WakeUpEvents) = ([.magicPacket, .unicast], [])
  var eeprom = (0..<128).map { UInt8($0) }
  /// What every setter throws, if it is not nil.
  var refusal: DeviceSettingError?

  private func set(_ body: () -> Void) throws(DeviceSettingError) {
    if let refusal { throw refusal }
    body()
  }

  func setLink(_ wanted: LinkRequest) throws(DeviceSettingError) { try set { asked = wanted } }
  func restartNegotiation() throws(DeviceSettingError) { try set { restarts += 1 } }
  func setPause(_ wanted: PauseParameters) throws(DeviceSettingError) { try set { pause = wanted } }
  func setRings(receive: Int, transmit: Int) throws(DeviceSettingError) {
    try set { (rings.receive, rings.transmit) = (receive, transmit) }
  }
  func interruptInterval() throws(DeviceSettingError) -> UInt32 { interval }
  func setInterruptInterval(_ microseconds: UInt32) throws(DeviceSettingError) { try set { interval = microseconds } }
  let changeableFeatures: DeviceFeatures = [.transmitChecksum, .receiveChecksum, .segmentationIPv4]
  func setFeatures(_ wanted: DeviceFeatures) throws(DeviceSettingError) {
    try set {
      features = wanted.intersection(changeableFeatures)
      if !features.contains(.transmitChecksum) { features.remove(.segmentationIPv4) }
    }
  }
  func setWakeUp(_ wanted: WakeUpEvents) throws(DeviceSettingError) { try set { wakeUp.enabled = wanted } }
  func dumpRegisters() -> RegisterDump { RegisterDump(version: 0x0102_0304, words: [1, 2, 3]) }
  var eepromByteCount: Int { eeprom.count }
  let eepromMagic: UInt32 = 0x100E_8086
  func readEEPROM(_ range: Range<Int>) throws(DeviceSettingError) -> [UInt8] { Array(eeprom[range]) }
  func writeEEPROM(_ bytes: [UInt8], at offset: Int) throws(DeviceSettingError) {
    try set { eeprom.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
  }
  let statisticNames = ["rx_packets", "tx_packets"]
  func statisticValues() -> [UInt64] { [5, 1 << 40] }
  let testNames = ["one", "two", "three"]
  func runTests(offline: Bool) -> [UInt64] { offline ? [0, 7, 0] : [0, 0, 0] }
}
