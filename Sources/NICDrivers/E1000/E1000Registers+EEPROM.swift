import IntelNIC
import Packets

extension E1000Registers {
  /// The EEPROM's word `index`, through EERD (manual section 5.6.1 and 13.4.4).
  func readEEPROM(_ index: Int) throws(DriverError) -> UInt16 {
    write(Register.eepromRead, EEPROMRead(address: UInt8(index)).rawValue)
    guard let value = try poll(Register.eepromRead, until: { EEPROMRead(rawValue: $0).done }) else {
      throw .eepromTimedOut(word: index)
    }
    return EEPROMRead(rawValue: value).data
  }

  /// The station address of the EEPROM, after its checksum was found right.
  func readHardwareAddress() throws(DriverError) -> MACAddress {
    var words: [UInt16] = []
    words.reserveCapacity(EEPROMLayout.wordCount)
    for index in 0..<EEPROMLayout.wordCount { words.append(try readEEPROM(index)) }
    guard EEPROMLayout.isValid(words) else { throw .eepromChecksum(sum: words.reduce(0, &+)) }
    let octets = (0..<3).reduce(0 as UInt64) { value, index in
      value << 16 | UInt64(words[EEPROMLayout.address + index].byteSwapped)
    }
    let address = MACAddress(rawValue: octets)
    guard !address.isGroup, address != .zero else { throw .badHardwareAddress(address) }
    return address
  }
}

/// Writing, by the wires of EECD (manual sections 5.3.1 and 13.4.3): EERD only reads.
extension E1000Registers {
  /// Writes words of a small (64 words) or large (256 words) Microwire EEPROM. The device's reads wait meanwhile.
  func writeEEPROM(_ words: [(index: Int, value: UInt16)], isLarge: Bool) throws(DriverError) {
    var pins = EEPROMControl(rawValue: read(Register.eepromControl))
    let before = pins
    pins.request = true
    write(Register.eepromControl, pins.rawValue)
    defer { write(Register.eepromControl, before.rawValue) }
    guard try poll(Register.eepromControl, until: { EEPROMControl(rawValue: $0).grant }) != nil else {
      throw .eepromTimedOut(word: words.first?.index ?? 0)
    }
    let addressBits = isLarge ? 8 : 6
    // The two top bits of a special command's address: 11 allows writing, 00 forbids it.
    command(&pins, Microwire.special, UInt32(0b11) << UInt32(addressBits - 2), addressBits)
    defer { command(&pins, Microwire.special, 0, addressBits) }
    for word in words {
      command(&pins, Microwire.write, UInt32(word.index), addressBits, data: word.value)
      // Selected again, the part shows by DO when it has written.
      set(&pins, select: true)
      let isDone = try poll(Register.eepromControl, until: { EEPROMControl(rawValue: $0).dataOut })
      set(&pins, select: false)
      guard isDone != nil else { throw .eepromTimedOut(word: word.index) }
    }
  }

  /// A command from select to deselect, with 16 bits of data if there are any.
  private func command(
    _ pins: inout EEPROMControl, _ code: UInt32, _ address: UInt32, _ addressBits: Int, data: UInt16? = nil
  ) {
    set(&pins, select: true)
    shift(&pins, code, 3)
    shift(&pins, address, addressBits)
    if let data { shift(&pins, UInt32(data), 16) }
    set(&pins, select: false)
  }

  /// Clocks out the low `count` bits of `value`, the highest first.
  private func shift(_ pins: inout EEPROMControl, _ value: UInt32, _ count: Int) {
    for bit in (0..<count).reversed() {
      pins.dataIn = value >> UInt32(bit) & 1 != 0
      write(Register.eepromControl, pins.rawValue)
      pins.clock = true
      write(Register.eepromControl, pins.rawValue)
      pins.clock = false
      write(Register.eepromControl, pins.rawValue)
    }
    pins.dataIn = false
  }

  private func set(_ pins: inout EEPROMControl, select: Bool) {
    pins.chipSelect = select
    pins.clock = false
    write(Register.eepromControl, pins.rawValue)
  }
}
