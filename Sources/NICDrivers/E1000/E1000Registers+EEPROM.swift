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
