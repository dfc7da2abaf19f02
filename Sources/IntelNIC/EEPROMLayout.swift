/// The contents of the EEPROM as the 8254x and its drivers read it (manual section 5.6).
public enum EEPROMLayout {
  /// Words of the small part (82540EM) and of the large one.
  public static let wordCount = 64
  /// Words 0x00...0x3F sum to this, modulo 2^16.
  public static let checksum: UInt16 = 0xBABA
  /// Word that makes the sum come out.
  public static let checksumWord = 0x3F

  /// Words 0, 1, 2: the MAC address, low byte of a word first on the wire.
  public static let address = 0
  public static let compatibility = 0x03
  public static let partNumberHigh = 0x08
  public static let partNumberLow = 0x09
  /// Bits of this word that CTRL has after a reset: 9 LRST, 10 FD, 11 FRCSPD (manual section 5.6.8).
  public static let initializationControl1 = 0x0A
  public static let subsystemID = 0x0B
  public static let subsystemVendorID = 0x0C
  public static let deviceID = 0x0D
  public static let vendorID = 0x0E
  public static let initializationControl2 = 0x0F
  public static let powerManagement = 0x22
  /// Bit 10 of this word: WUC.APME after power-up.
  public static let initializationControl3 = 0x24

  /// The part loads its registers only if bits 14 and 15 of initialization control 1 hold 01 (manual section 5.6.8).
  public static func hasSignature(_ words: [UInt16]) -> Bool { words[initializationControl1] >> 14 == 1 }

  /// The words of an EEPROM that holds `address`, with the right checksum.
  public static func image(
    address: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8), controller: IntelController, words: Int = wordCount
  ) -> [UInt16] {
    var image = [UInt16](repeating: 0, count: words)
    image[0] = UInt16(address.0) | UInt16(address.1) << 8
    image[1] = UInt16(address.2) | UInt16(address.3) << 8
    image[2] = UInt16(address.4) | UInt16(address.5) << 8
    image[compatibility] = 0x0000
    image[partNumberHigh] = 0x3000
    image[partNumberLow] = 0x1000
    image[initializationControl1] = 0x6400  // signature 01, FD
    image[subsystemID] = 0x001E
    image[subsystemVendorID] = IntelPCI.vendor
    image[deviceID] = controller.rawValue
    image[vendorID] = IntelPCI.vendor
    image[initializationControl2] = 0x3040
    image[checksumWord] = checksum(completing: image)
    return image
  }

  /// What word 0x3F must hold so that the sum of words 0...0x3F is ``checksum``.
  public static func checksum(completing words: [UInt16]) -> UInt16 {
    checksum &- words.prefix(checksumWord).reduce(0, &+)
  }

  /// True if words 0...0x3F sum to ``checksum``.
  public static func isValid(_ words: [UInt16]) -> Bool {
    words.count >= wordCount && words.prefix(wordCount).reduce(0, &+) == checksum
  }
}

/// Microwire commands (manual section 5.3.1): a start bit, two bits of opcode, then the address (6 bits of a 64-word
/// part, 8 of a 256-word part); data most significant bit first.
public enum Microwire {
  /// Start bit and opcode.
  public static let read: UInt32 = 0b110
  public static let write: UInt32 = 0b101
  public static let erase: UInt32 = 0b111
  /// Start bit and opcode 00; the top two address bits say which: 11 write enable, 00 write disable, 10 erase all,
  /// 01 write all.
  public static let special: UInt32 = 0b100
}
