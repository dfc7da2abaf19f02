import Events
import IntelNIC
import Machine
import Memory
import Packets

/// Wake-up by the network (manual chapter 6.4 and section 13.6): filters over received frames set WUS and the PME
/// status.
extension Intel8254x {
  /// Offset of the power management control and status register.
  private var powerControl: Int { powerManagement + 4 }

  func writeWakeUpControl(_ value: UInt32) {
    store(value, Register.wakeUpControl)
    renewReceiveSettings()
    // PME_EN and PME_STATUS are the same bits as in configuration space.
    let old = configuration.get(powerControl, size: 2)
    configuration.set(old & 0x7EFF | (value & 2) << 7 | (value & 4) << 13, at: powerControl, size: 2)
  }

  /// Configuration space was written: WUC shows its PME bits, and the power state counts.
  func synchronizePowerManagement() {
    let control = configuration.get(powerControl, size: 2)
    let wasOff = isSleeping
    isSleeping = control & 3 != 0
    // From D3hot to D0 everything but configuration space and what the wake-up left is reset (section 6.3.3).
    if wasOff, !isSleeping { loadReset(bus: false) }
    let old = load(Register.wakeUpControl)
    store(old & ~6 | (control >> 7) & 2 | (control >> 13) & 4, Register.wakeUpControl)
    renewReceiveSettings()
  }

  func linkChanged() {
    guard load(Register.wakeUpControl) & 2 != 0, load(Register.wakeUpFilterControl) & 1 != 0,
      load(Register.wakeUpStatus) & 1 == 0
    else { return }
    wake(1)
  }

  /// Runs the filters. With PME_EN those of WUFC count; with APME alone, in a sleeping state, the magic packet does.
  @inline(never) func considerWakeUp(_ frame: RawSpan) {
    let control = load(Register.wakeUpControl)
    var enabled = control & 2 != 0 ? load(Register.wakeUpFilterControl) : 0
    if control & 1 != 0, isSleeping { enabled |= 2 }
    // After the first wake-up frame the others are passed over until software has cleared its reasons (section 6.4.2).
    guard enabled != 0, load(Register.wakeUpStatus) & ~1 == 0 else { return }
    let destination = frame.loadLittleEndian(0, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    let station = registers.load(Register.receiveAddressLow, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    var reasons: UInt32 = 0
    let isForUs = destination == station
    let isBroadcast = destination == 0xFFFF_FFFF_FFFF
    if enabled & 2 != 0, isForUs || destination & 1 != 0, Self.isMagic(frame, station) { reasons |= 2 }
    if enabled & 4 != 0, isForUs { reasons |= 4 }
    if enabled & 8 != 0, destination & 1 != 0, !isBroadcast,
      match(destination, source: 0, ReceiveControl(rawValue: load(Register.receiveControl))) != .none
    {
      reasons |= 8
    }
    if enabled & 16 != 0, isBroadcast { reasons |= 16 }
    if enabled & 0x20 != 0, isBroadcast || isForUs, asksForOurAddress(frame) { reasons |= 0x20 }
    if enabled & 0x40 != 0, isForUs, isForOurIPv4(frame) { reasons |= 0x40 }
    if enabled & 0x80 != 0, isForUs || destination & 1 != 0, isForOurIPv6(frame) { reasons |= 0x80 }
    for filter in 0..<4 where enabled & 0x1_0000 << UInt32(filter) != 0 && matchesFlexible(frame, filter) {
      reasons |= 0x1_0000 << UInt32(filter)
    }
    guard reasons != 0 else { return }
    keepWakeUpPacket(frame)
    wake(reasons)
  }

  private func wake(_ reasons: UInt32) {
    store(load(Register.wakeUpStatus) | reasons, Register.wakeUpStatus)
    store(load(Register.wakeUpControl) | 4, Register.wakeUpControl)
    configuration.set(configuration.get(powerControl, size: 2) | 0x8000, at: powerControl, size: 2)
    if tap.isOn { tap.emit(.model, .note("\(name): power management event, reasons 0x\(String(reasons, radix: 16))")) }
  }

  /// WUC.APME as the EEPROM has it (section 5.6.20).
  func loadAdvancedPowerManagement() {
    let words = eeprom.words
    guard EEPROMLayout.hasSignature(words), words[EEPROMLayout.initializationControl3] & 0x400 != 0 else { return }
    store(load(Register.wakeUpControl) | 1, Register.wakeUpControl)
  }

  /// WUPL and WUPM: the first 128 bytes of the frame that woke the system, and its length (2047 for all beyond).
  private func keepWakeUpPacket(_ frame: RawSpan) {
    let length = frame.byteCount
    store(UInt32(min(length, 2047)), Register.wakeUpPacketLength)
    registers.window.fill(0, at: Register.wakeUpPacketMemory, count: 128)
    registers.window.copy(from: frame.extracting(0..<min(length, 128)), to: Register.wakeUpPacketMemory)
  }

  /// Six octets of ones, then sixteen times the station address, anywhere in the frame.
  static func isMagic(_ frame: RawSpan, _ station: UInt64) -> Bool {
    var position = 0
    var ones = 0
    let last = frame.byteCount - 96
    while position < last {
      ones = frame.octet(position) == 0xFF ? ones + 1 : 0
      position += 1
      if ones >= 6, (0..<16).allSatisfy({ Self.address(frame, position + 6 * $0) == station }) { return true }
    }
    return ones >= 6 && position == last && (0..<16).allSatisfy { Self.address(frame, position + 6 * $0) == station }
  }

  private static func address(_ frame: RawSpan, _ offset: Int) -> UInt64 {
    UInt64(frame.loadLittleEndian(offset, as: UInt32.self))
      | UInt64(frame.loadLittleEndian(offset + 4, as: UInt16.self)) << 32
  }

  private func isOurs(_ address: UInt32) -> Bool {
    let valid = load(Register.ipAddressValid)
    return (0..<4).contains { valid >> UInt32($0) & 1 != 0 && load(Register.ipv4AddressTable + 8 * $0) == address }
  }

  private func asksForOurAddress(_ frame: RawSpan) -> Bool {
    frame.byteCount >= 42 && frame.loadBigEndian(12, as: UInt16.self) == 0x0806
      && frame.loadBigEndian(20, as: UInt16.self) == 1 && isOurs(frame.loadLittleEndian(38))
  }

  private func isForOurIPv4(_ frame: RawSpan) -> Bool {
    frame.byteCount >= 34 && frame.loadBigEndian(12, as: UInt16.self) == 0x0800 && isOurs(frame.loadLittleEndian(30))
  }

  private func isForOurIPv6(_ frame: RawSpan) -> Bool {
    guard frame.byteCount >= 54, frame.loadBigEndian(12, as: UInt16.self) == 0x86DD,
      load(Register.ipAddressValid) & 0x1_0000 != 0
    else { return false }
    return (0..<4).allSatisfy {
      frame.loadLittleEndian(38 + 4 * $0, as: UInt32.self) == load(Register.ipv6AddressTable + 4 * $0)
    }
  }

  /// A flexible filter: the bytes of FFVT where FFMT has the filter's bit, over FFLT bytes.
  private func matchesFlexible(_ frame: RawSpan, _ filter: Int) -> Bool {
    let length = Int(load(Register.flexibleFilterLength + 8 * filter))
    guard length > 0, length <= 128, length <= frame.byteCount else { return false }
    for index in 0..<length where load(Register.flexibleFilterMask + 8 * index) >> UInt32(filter) & 1 != 0 {
      let value = load(Register.flexibleFilterValue + 8 * index) >> UInt32(8 * filter) & 0xFF
      if value != UInt32(frame.octet(index)) { return false }
    }
    return true
  }
}
