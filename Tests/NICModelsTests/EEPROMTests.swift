import IntelNIC
import NICModels
import Testing

/// A guest that drives the EEPROM's pins as the manual draws them (section 5.3.1).
struct BitBang {
  let bench: ModelBench
  let addressBits: Int

  private func set(_ change: (inout EEPROMControl) -> Void) {
    var control = EEPROMControl(rawValue: bench.read(Register.eepromControl))
    change(&control)
    bench.write(Register.eepromControl, control.rawValue)
  }

  func acquire() {
    set { $0.request = true }
    #expect(EEPROMControl(rawValue: bench.read(Register.eepromControl)).grant)
  }

  func release() {
    set { $0.chipSelect = false }
    set { $0.request = false }
    #expect(!EEPROMControl(rawValue: bench.read(Register.eepromControl)).grant)
  }

  func select() {
    set {
      $0.chipSelect = false
      $0.clock = false
      $0.dataIn = false
    }
    set { $0.chipSelect = true }
  }

  func shiftOut(_ bits: UInt32, _ count: Int) {
    for index in (0..<count).reversed() {
      set { $0.dataIn = bits >> UInt32(index) & 1 == 1 }
      set { $0.clock = true }
      set { $0.clock = false }
    }
  }

  func shiftIn(_ count: Int = 16) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<count {
      set { $0.clock = true }
      value = value << 1 | (EEPROMControl(rawValue: bench.read(Register.eepromControl)).dataOut ? 1 : 0)
      set { $0.clock = false }
    }
    return value
  }

  func read(_ address: UInt32) -> UInt16 {
    select()
    shiftOut(Microwire.read, 3)
    shiftOut(address, addressBits)
    return shiftIn()
  }

  func enableWrites(_ on: Bool) {
    select()
    shiftOut(Microwire.special, 3)
    shiftOut((on ? 0b11 : 0b00) << UInt32(addressBits - 2), addressBits)
  }

  /// ERASE of one word, or the opcode 00 with the two bits that say which command it is.
  func erase(_ address: UInt32) {
    select()
    shiftOut(Microwire.erase, 3)
    shiftOut(address, addressBits)
  }

  func special(_ bits: UInt32, data: UInt16? = nil) {
    select()
    shiftOut(Microwire.special, 3)
    shiftOut(bits << UInt32(addressBits - 2), addressBits)
    if let data { shiftOut(UInt32(data), 16) }
  }

  func write(_ address: UInt32, _ value: UInt16) {
    select()
    shiftOut(Microwire.write, 3)
    shiftOut(address, addressBits)
    shiftOut(UInt32(value), 16)
    select()
    #expect(EEPROMControl(rawValue: bench.read(Register.eepromControl)).dataOut, "ready")
  }
}

@Suite struct EEPROMTests {
  @Test("EERD gives the MAC address and words that sum to BABA", arguments: [IntelController.i82540EM, .i82545EM])
  func eepromRead(_ controller: IntelController) {
    let bench = ModelBench(controller)
    let words = (0..<64).map { bench.eepromWord($0) }
    #expect(words[0] == 0x5452 && words[1] == 0x1200 && words[2] == 0x5634)
    #expect(words.reduce(0, &+) == 0xBABA)
    #expect(words[EEPROMLayout.deviceID] == controller.rawValue)
    #expect(EEPROMLayout.isValid(words))
  }

  @Test("the 8257x form of EERD never gets an answer in bit 1")
  func expressForm() {
    let bench = ModelBench()
    for address: UInt16 in [0, 1, 0x3F] {
      bench.write(Register.eepromRead, EEPROMReadExpress(address: address).rawValue)
      #expect(!EEPROMReadExpress(rawValue: bench.read(Register.eepromRead)).done)
    }
  }

  @Test("bit-banging reads what EERD reads", arguments: [IntelController.i82540EM, .i82545EM])
  func microwire(_ controller: IntelController) {
    let bench = ModelBench(controller)
    let expected = bench.model.eepromWords
    #expect(expected.count == (controller == .i82545EM ? 256 : 64))
    let control = EEPROMControl(rawValue: bench.read(Register.eepromControl))
    #expect(control.present && control.is256Words == (controller == .i82545EM))
    let pins = BitBang(bench: bench, addressBits: controller == .i82545EM ? 8 : 6)
    pins.acquire()
    #expect((0..<UInt32(expected.count)).map { pins.read($0) } == expected)
    pins.release()
  }

  @Test("clocking on after a word reads the next one")
  func sequentialRead() {
    let bench = ModelBench()
    let pins = BitBang(bench: bench, addressBits: 6)
    pins.acquire()
    #expect(pins.read(0) == 0x5452)
    #expect(pins.shiftIn() == 0x1200)
    #expect(pins.shiftIn() == 0x5634)
  }

  @Test("writes need write enable, and survive a device reset")
  func writing() {
    let bench = ModelBench()
    let pins = BitBang(bench: bench, addressBits: 6)
    pins.acquire()
    pins.write(0x20, 0xCAFE)
    #expect(pins.read(0x20) == 0)
    #expect(bench.errors(.eepromCommand) == 1)
    pins.enableWrites(true)
    pins.write(0x20, 0xCAFE)
    #expect(pins.read(0x20) == 0xCAFE)
    pins.enableWrites(false)
    pins.write(0x20, 0xBEEF)
    #expect(pins.read(0x20) == 0xCAFE)
    pins.release()
    bench.write(Register.deviceControl, 1 << 26)
    #expect(bench.eepromWord(0x20) == 0xCAFE)
  }

  @Test("a new address in the EEPROM is loaded into RAL0 and RAH0 by reset")
  func newAddress() {
    let bench = ModelBench()
    let pins = BitBang(bench: bench, addressBits: 6)
    pins.acquire()
    pins.enableWrites(true)
    pins.write(2, 0x7856)
    pins.release()
    #expect(bench.read(Register.receiveAddressHigh) == 0x8000_5634)
    bench.write(Register.deviceControl, 1 << 26)
    #expect(bench.read(Register.receiveAddressLow) == 0x1200_5452)
    #expect(bench.read(Register.receiveAddressHigh) == 0x8000_7856)
  }

  @Test("the pins answer only while software holds the EEPROM")
  func needsGrant() {
    let bench = ModelBench()
    let pins = BitBang(bench: bench, addressBits: 6)
    #expect(pins.read(0) == 0xFFFF)
  }

  @Test("ERASE, ERAL and WRAL, with write enable only", arguments: [IntelController.i82540EM, .i82545EM])
  func erasing(_ controller: IntelController) {
    let bench = ModelBench(controller)
    let pins = BitBang(bench: bench, addressBits: controller == .i82545EM ? 8 : 6)
    let before = bench.model.eepromWords
    pins.acquire()
    pins.erase(1)
    pins.special(0b10)
    pins.special(0b01, data: 0x1234)
    #expect(bench.model.eepromWords == before && bench.errors(.eepromCommand) == 3)
    pins.enableWrites(true)
    pins.erase(1)
    #expect(pins.read(1) == 0xFFFF && pins.read(2) == before[2])
    pins.special(0b01, data: 0x1234)
    #expect(bench.model.eepromWords.allSatisfy { $0 == 0x1234 })
    pins.special(0b10)
    #expect(bench.model.eepromWords.allSatisfy { $0 == 0xFFFF })
    #expect(bench.errors(.eepromCommand) == 3)
  }

  @Test("an EEPROM without its signature gives no address; broadcasts are still received")
  func noSignature() {
    let bench = ModelBench()
    let pins = BitBang(bench: bench, addressBits: 6)
    pins.acquire()
    pins.enableWrites(true)
    pins.special(0b10)
    pins.release()
    bench.write(Register.deviceControl, 1 << 26)
    #expect(bench.read(Register.receiveAddressLow) == 0 && bench.read(Register.receiveAddressHigh) == 0)
    bench.bringLinkUp()
    bench.setUpReceive()
    bench.deliver(Frames.plain(64, to: .broadcast))
    #expect(bench.receiveDescriptor(0).status.contains(.done))
  }

  @Test("CTRL_EXT.EE_RST reloads the address and clears itself")
  func reload() {
    let bench = ModelBench()
    bench.write(Register.receiveAddressLow, 0)
    bench.write(Register.extendedDeviceControl, 1 << 13)
    #expect(bench.read(Register.extendedDeviceControl) == 0)
    #expect(bench.read(Register.receiveAddressLow) == 0x1200_5452)
  }

  @Test("while software holds the EEPROM, EERD waits")
  func readWaits() {
    let bench = ModelBench()
    BitBang(bench: bench, addressBits: 6).acquire()
    bench.write(Register.eepromRead, EEPROMRead(address: 0).rawValue)
    #expect(!EEPROMRead(rawValue: bench.read(Register.eepromRead)).done)
  }
}
