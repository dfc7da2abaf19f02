import IntelNIC
import Link
import Machine

/// What Linux's e1000 driver tells by ethtool, of this driver and its device.
extension E1000Driver: DeviceDiagnostics {
  public var diagnostics: (any DeviceDiagnostics)? { self }

  public var information: DriverInformation {
    DriverInformation(name: "e1000", busAddress: "0000:\(registers.function.address)")
  }

  public var messageLevel: UInt32 {
    get { settings.messageLevel }
    set { settings.messageLevel = newValue }
  }

  /// PCI device ID.
  private var deviceID: UInt32 { registers.function.readConfiguration(PCIHeader.deviceID, size: 2) }
  private var is82540: Bool { deviceID == UInt32(IntelController.i82540EM.rawValue) }

  // MARK: Rings, interrupts, features

  /// Fewest and most descriptors of a ring; the most are what RDLEN and TDLEN take, the fewest are Linux's.
  private static let ringRange = 48...4096

  public var rings: RingSizes {
    RingSizes(
      receive: settings.receiveDescriptors, transmit: settings.transmitDescriptors,
      receiveLimit: Self.ringRange.upperBound, transmitLimit: Self.ringRange.upperBound)
  }

  public func setRings(receive: Int, transmit: Int) throws(DeviceSettingError) {
    func size(_ wanted: Int) -> Int {
      (min(max(wanted, Self.ringRange.lowerBound), Self.ringRange.upperBound) + 7) / 8 * 8
    }
    try change { settings in
      settings.receiveDescriptors = size(receive)
      settings.transmitDescriptors = size(transmit)
    }
  }

  public func interruptInterval() throws(DeviceSettingError) -> UInt32 {
    guard !is82540 else { throw .unsupported }
    return settings.interruptInterval
  }

  /// 0, or 10 to 10,000 microseconds. Linux takes 1, 3 and 4 for ways to choose the interval by what goes on, none of
  /// which this driver has.
  public func setInterruptInterval(_ microseconds: UInt32) throws(DeviceSettingError) {
    guard !is82540 else { throw .unsupported }
    guard microseconds == 0 || (10...10_000).contains(microseconds) else { throw .invalid }
    let rate = microseconds == 0 ? 0 : 1_000_000 / microseconds
    settings.throttling = rate == 0 ? 0 : 1_000_000_000 / (rate * 256)
    // Linux keeps interrupts in a second, without the two low bits.
    settings.interruptInterval = rate == 0 ? 0 : 1_000_000 / (rate & ~3)
    if currentState == .running { registers.write(Register.interruptThrottling, settings.throttling) }
  }

  public var changeableFeatures: DeviceFeatures { E1000Settings(configuration).features }

  public func setFeatures(_ wanted: DeviceFeatures) throws(DeviceSettingError) {
    var features = wanted.intersection(changeableFeatures)
    if !features.contains(.transmitChecksum) { features.subtract([.segmentationIPv4, .segmentationIPv6]) }
    guard features != settings.features else { return }
    // The link goes down and up: no path that was found before keeps what is off.
    try change { $0.features = features }
  }

  /// Changes settings that the device must be stopped for.
  private func change(_ body: (inout E1000Settings) -> Void) throws(DeviceSettingError) {
    let before = settings
    let wasRunning = currentState == .running
    if wasRunning { stop() }
    body(&settings)
    guard wasRunning else { return }
    do throws(DriverError) { try start() } catch {
      settings = before
      try? start()
      throw Self.refusal(error)
    }
  }

  static func refusal(_ error: DriverError) -> DeviceSettingError {
    if case .memory = error { .noMemory } else { .failed }
  }

  // MARK: Wake-up

  /// The 82545EM has the registers, but Linux knows of no board that would wake by them.
  public var wakeUp: (supported: WakeUpEvents, enabled: WakeUpEvents) {
    (is82540 ? [.unicast, .multicast, .broadcast, .magicPacket] : [], settings.wakeUp)
  }

  public func setWakeUp(_ wanted: WakeUpEvents) throws(DeviceSettingError) {
    guard wanted.isSubset(of: wakeUp.supported) else { throw .unsupported }
    settings.wakeUp = wanted
  }

  /// Lets a stopped device look for the frames that wake (manual section 6.4): no descriptors, no bus mastering.
  func armWakeUp() {
    guard !settings.wakeUp.isEmpty else { return }
    registers.setLinkUp()
    programFilters()
    var control = receiveControl
    control.multicastPromiscuous = control.multicastPromiscuous || settings.wakeUp.contains(.multicast)
    registers.write(Register.receiveControl, control.rawValue)
    // WUFC: LNKC, MAG, EX, MC, BC; WUC: PME_EN. WUS forgets at a write of ones.
    let filters: [(WakeUpEvents, UInt32)] = [
      (.link, 1), (.magicPacket, 2), (.unicast, 4), (.multicast, 8), (.broadcast, 16),
    ]
    let value = filters.reduce(0) { settings.wakeUp.contains($1.0) ? $0 | $1.1 : $0 }
    registers.write(Register.wakeUpStatus, .max)
    registers.write(Register.wakeUpFilterControl, value)
    registers.write(Register.wakeUpControl, 2)
    isWakeUpArmed = true
  }

  func disarmWakeUp() {
    guard isWakeUpArmed else { return }
    isWakeUpArmed = false
    registers.write(Register.wakeUpControl, 0)
    registers.write(Register.wakeUpFilterControl, 0)
  }

  // MARK: Registers

  /// 32 words as ethtool(8) decodes them for the driver e1000, with 1, PCI revision and device ID as version.
  public func dumpRegisters() -> RegisterDump {
    let function = registers.function
    let revision = function.readConfiguration(PCIHeader.revision, size: 1)
    var words = [
      Register.deviceControl, Register.deviceStatus, Register.receiveControl, Register.receiveLength,
      Register.receiveHead, Register.receiveTail, Register.receiveDelayTimer, Register.transmitControl,
      Register.transmitLength, Register.transmitHead, Register.transmitTail, Register.transmitDelayTimer,
    ].map { registers.read($0) }
    func phy(_ register: UInt8) -> UInt32 { UInt32((try? registers.readPHY(register)) ?? 0) }
    let status = phy(PHYRegister.specificStatus)
    let control = phy(PHYRegister.specificControl)
    let gigabit = phy(PHYRegister.gigabitStatus)
    // Both counters of the PHY forget by being read.
    phyErrors.idle &+= gigabit & 0xFF
    phyErrors.receive &+= phy(PHYRegister.receiveErrorCounter)
    // Kind of PHY, cable length, three words of other PHYs, 10BASE-T distance, polarity, -, its correction, errors,
    // crossover, receivers at both ends.
    words += [
      0, status, 0, 0, 0, control, status, 0, control, phyErrors.idle, phyErrors.receive, status, gigabit, gigabit,
      registers.read(Register.managementControl),
    ]
    words += [UInt32](repeating: 0, count: 32 - words.count)
    return RegisterDump(version: 1 << 24 | revision << 16 | deviceID, words: words)
  }

  // MARK: EEPROM

  private var eepromWordCount: Int {
    EEPROMControl(rawValue: registers.read(Register.eepromControl)).is256Words ? 256 : EEPROMLayout.wordCount
  }

  public var eepromByteCount: Int { eepromWordCount * 2 }
  public var eepromMagic: UInt32 { UInt32(IntelPCI.vendor) | deviceID << 16 }

  public func readEEPROM(_ range: Range<Int>) throws(DeviceSettingError) -> [UInt8] {
    guard !range.isEmpty else { return [] }
    let words = range.lowerBound / 2...(range.upperBound - 1) / 2
    var bytes: [UInt8] = []
    for index in words {
      guard let word = try? registers.readEEPROM(index) else { throw .failed }
      bytes += [UInt8(truncatingIfNeeded: word), UInt8(word >> 8)]
    }
    return Array(bytes.dropFirst(range.lowerBound & 1).prefix(range.count))
  }

  public func writeEEPROM(_ bytes: [UInt8], at offset: Int) throws(DeviceSettingError) {
    guard !bytes.isEmpty else { return }
    // Whole words: what is written now, between what stands there.
    let first = offset & ~1
    var image = try readEEPROM(first..<(offset + bytes.count + 1) & ~1)
    image.replaceSubrange((offset - first)..<(offset - first + bytes.count), with: bytes)
    var words = stride(from: 0, to: image.count, by: 2).map { place in
      (index: (first + place) / 2, value: UInt16(image[place]) | UInt16(image[place + 1]) << 8)
    }
    let large = eepromWordCount > EEPROMLayout.wordCount
    do throws(DriverError) {
      try registers.writeEEPROM(words, isLarge: large)
      guard words[0].index <= EEPROMLayout.checksumWord else { return }
      var all: [UInt16] = []
      for index in 0..<EEPROMLayout.wordCount { all.append(try registers.readEEPROM(index)) }
      words = [(EEPROMLayout.checksumWord, EEPROMLayout.checksum(completing: all))]
      try registers.writeEEPROM(words, isLarge: large)
    } catch {
      throw Self.refusal(error)
    }
  }
}
