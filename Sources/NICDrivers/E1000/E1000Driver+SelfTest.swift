import IntelNIC
import Link
import Machine
import Memory
import Synchronization

/// The tests of Linux's e1000 driver (`ethtool -t`), with its names and, where something is wrong, its numbers. They
/// wait for nothing but the device: nobody pulls the cable while they run, so that the link's state is what it is at
/// once.
extension E1000Driver {
  public var testNames: [String] {
    [
      "Register test  (offline)", "Eeprom test    (offline)", "Interrupt test (offline)", "Loopback test  (offline)",
      "Link test   (on/offline)",
    ]
  }

  public func runTests(offline: Bool) -> [UInt64] {
    let isUp = DeviceStatus(rawValue: registers.read(Register.deviceStatus)).linkUp
    let link: UInt64 = isUp && currentState != .gone ? 0 : 1
    guard offline, currentState != .gone else { return [0, 0, 0, 0, link] }
    let wasRunning = currentState == .running
    stop()
    disarmWakeUp()
    let results = [testRegisters(), testEEPROM(), testInterrupts(), testLoopback(), link]
    if wasRunning { try? start() } else { armWakeUp() }
    return results
  }

  // MARK: Registers

  /// Registers that keep what is written: offset, bits that read back, bits that are written.
  private static let patterns: [(offset: Int, readable: UInt32, written: UInt32)] = {
    let general: [(Int, UInt32, UInt32)] = [
      (Register.flowControlAddressLow, 0xFFFF_FFFF, 0xFFFF_FFFF),
      (Register.flowControlAddressHigh, 0x0000_FFFF, 0xFFFF_FFFF),
      (Register.flowControlType, 0x0000_FFFF, 0xFFFF_FFFF), (Register.vlanEtherType, 0x0000_FFFF, 0xFFFF_FFFF),
      (Register.receiveDelayTimer, 0x0000_FFFF, 0xFFFF_FFFF), (Register.receiveBaseHigh, 0xFFFF_FFFF, 0xFFFF_FFFF),
      (Register.receiveLength, 0x000F_FF80, 0x000F_FFFF), (Register.receiveHead, 0x0000_FFFF, 0x0000_FFFF),
      (Register.receiveTail, 0x0000_FFFF, 0x0000_FFFF),
      (Register.flowControlThresholdHigh, 0x0000_FFF8, 0x0000_FFF8),
      (Register.flowControlTransmitTimer, 0x0000_FFFF, 0x0000_FFFF),
      (Register.transmitInterPacketGap, 0x3FFF_FFFF, 0x3FFF_FFFF),
      (Register.transmitBaseHigh, 0xFFFF_FFFF, 0xFFFF_FFFF), (Register.transmitLength, 0x000F_FF80, 0x000F_FFFF),
      (Register.receiveBaseLow, 0xFFFF_FFF0, 0xFFFF_FFFF),
      (Register.transmitConfigurationWord, 0xC000_FFFF, 0x0000_FFFF),
      (Register.transmitBaseLow, 0xFFFF_FFF0, 0xFFFF_FFFF), (Register.transmitDelayTimer, 0x0000_FFFF, 0x0000_FFFF),
    ]
    let addresses = (0..<15).map { (Register.receiveAddressHigh + 8 * $0, 0x8003_FFFF as UInt32, UInt32.max) }
    let groups = (0..<128).map { (Register.multicastTable + 4 * $0, UInt32.max, UInt32.max) }
    return general + addresses + groups
  }()

  /// The first register that does not keep its bits; 1 if STATUS takes a write.
  private func testRegisters() -> UInt64 {
    let kept: UInt32 = 0xFFFF_F833
    let status = registers.read(Register.deviceStatus)
    registers.write(Register.deviceStatus, kept)
    guard registers.read(Register.deviceStatus) & kept == status & kept else { return 1 }
    for (offset, readable, written) in Self.patterns {
      for pattern: UInt32 in [0x5A5A_5A5A, 0xA5A5_A5A5, 0, .max] {
        registers.write(offset, pattern & written)
        guard registers.read(offset) == pattern & written & readable else { return UInt64(offset) }
      }
    }
    let receive: UInt32 = 0x06DF_B3FE
    for (offset, mask, value): (Int, UInt32, UInt32) in [
      (Register.receiveControl, .max, 0), (Register.receiveControl, receive, 0x003F_FFFB),
      (Register.transmitControl, .max, 0), (Register.receiveControl, receive, .max), (Register.receiveControl, .max, 0),
    ] {
      registers.write(offset, value & mask)
      guard registers.read(offset) & mask == value & mask else { return UInt64(offset) }
    }
    return 0
  }

  // MARK: EEPROM

  /// 1 if a word cannot be read, 2 if the sum is wrong.
  private func testEEPROM() -> UInt64 {
    guard (try? registers.reset()) != nil else { return 1 }
    var words: [UInt16] = []
    for index in 0..<EEPROMLayout.wordCount {
      guard let word = try? registers.readEEPROM(index) else { return 1 }
      words.append(word)
    }
    return EEPROMLayout.isValid(words) ? 0 : 2
  }

  // MARK: Interrupts

  /// The first ten causes, each forced: 3 if the pin tells of one that is masked, 4 if it does not of one that is not,
  /// 5 if it tells of the others. The pin is asked by the function's PCI status, since nobody listens to the line now.
  private func testInterrupts() -> UInt64 {
    guard (try? registers.reset()) != nil else { return 1 }
    defer { registers.write(Register.interruptMaskClear, .max) }
    func force(_ causes: UInt32) -> (isRaised: Bool, causes: UInt32) {
      registers.write(Register.interruptCauseSet, causes)
      let status = registers.function.readConfiguration(PCIHeader.status, size: 2)
      return (status & 1 << 3 != 0, registers.read(Register.interruptCauseRead))
    }
    for bit in 0..<10 {
      let mask: UInt32 = 1 << UInt32(bit)
      registers.write(Register.interruptMaskClear, .max)
      if force(mask).isRaised { return 3 }
      registers.write(Register.interruptMaskSet, mask)
      let forced = force(mask)
      guard forced.isRaised, forced.causes & mask != 0 else { return 4 }
      if force(~mask & 0x7FFF).isRaised { return 5 }
    }
    return 0
  }

  // MARK: Loopback

  /// 64 frames through the PHY's loopback: 1 if there is no memory for rings, 9 if the PHY does not do it, 13 if a
  /// frame does not come back as it was.
  private func testLoopback() -> UInt64 {
    defer { shutDown() }
    do throws(DriverError) { try bringUp() } catch { return Self.refusal(error) == .noMemory ? 1 : 9 }
    var phy: PHYControl = [.loopback, .speedHigh, .fullDuplex]
    guard (try? registers.writePHY(PHYRegister.control, phy.rawValue)) != nil else { return 9 }
    defer {
      phy = settings.link.negotiates ? [.negotiate, .restartNegotiation, .speedHigh, .fullDuplex] : .fullDuplex
      try? registers.writePHY(PHYRegister.control, phy.rawValue)
    }
    var control = DeviceControl(rawValue: registers.read(Register.deviceControl))
    control.forceSpeed = true
    control.forceDuplex = true
    control.speed = 2
    control.fullDuplex = true
    control.invertLossOfSignal = true
    registers.write(Register.deviceControl, control.rawValue)
    for round in 0..<64 {
      guard comesBack(Self.testFrame(round)) else { return 13 }
    }
    return 0
  }

  /// To everybody, so that it passes the filter; the rest differs from frame to frame.
  private static func testFrame(_ round: Int) -> [UInt8] {
    let length = min(1024, 60 + 17 * round)
    return [UInt8](repeating: 0xFF, count: 6) + (6..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ round) }
  }

  private func comesBack(_ frame: [UInt8]) -> Bool {
    guard let buffer = transmitRing.reserve(capacity: frame.count),
      let number = transmitRing.claim(buffer.token)
    else { return false }
    for index in frame.indices { buffer.window.store(frame[index], index) }
    transmitRing.submitPlain(number, length: frame.count)
    guard let tail = transmitRing.publish() else { return false }
    registers.write(Register.transmitTail, tail)
    var polls = 0
    while !receiveRing.isNextDone || transmitRing.inFlight > 0 {
      polls += 1
      guard polls < configuration.pollLimit, registers.read(Register.deviceStatus) != .max else { return false }
      _ = transmitRing.reclaim()
    }
    atomicMemoryFence(ordering: .acquiring)
    let ring = receiveRing
    let length = Int(ring.descriptors.load(ring.next * ReceiveDescriptor.byteCount + 8, as: UInt16.self))
    let received = ring.buffers.window.slice(ring.next * ring.bufferByteCount, ring.bufferByteCount)
    let isSame =
      length == frame.count && length <= received.count
      && frame.indices.allSatisfy { received.load($0, as: UInt8.self) == frame[$0] }
    ring.free(ring.next)
    ring.next = ring.next + 1 == ring.count ? 0 : ring.next + 1
    registers.write(Register.receiveTail, ring.tail)
    return isSame
  }
}
