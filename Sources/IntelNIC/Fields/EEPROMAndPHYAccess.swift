/// EECD, EEPROM/Flash Control and Data (manual section 13.4.3): the four wires of a Microwire EEPROM.
@frozen public struct EEPROMControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// SK: clock
  @inlinable public var clock: Bool {
    get { self[bit: 0] }
    set { self[bit: 0] = newValue }
  }
  /// CS: chip select
  @inlinable public var chipSelect: Bool {
    get { self[bit: 1] }
    set { self[bit: 1] = newValue }
  }
  /// DI: data to the EEPROM
  @inlinable public var dataIn: Bool {
    get { self[bit: 2] }
    set { self[bit: 2] = newValue }
  }
  /// DO: data from the EEPROM
  @inlinable public var dataOut: Bool {
    get { self[bit: 3] }
    set { self[bit: 3] = newValue }
  }
  /// FWE: 2 = flash writes enabled
  @inlinable public var flashWrite: UInt32 {
    get { self[bits: 4..<6] }
    set { self[bits: 4..<6] = newValue }
  }
  /// EE_REQ: software asks for the EEPROM
  @inlinable public var request: Bool {
    get { self[bit: 6] }
    set { self[bit: 6] = newValue }
  }
  /// EE_GNT: software has it
  @inlinable public var grant: Bool {
    get { self[bit: 7] }
    set { self[bit: 7] = newValue }
  }
  /// EE_PRES
  @inlinable public var present: Bool {
    get { self[bit: 8] }
    set { self[bit: 8] = newValue }
  }
  /// EE_SIZE: 0 = 64 words, 1 = 256 words
  @inlinable public var is256Words: Bool {
    get { self[bit: 9] }
    set { self[bit: 9] = newValue }
  }
}

/// EERD, EEPROM Read, in its 8254x form (manual section 13.4.4): DONE is bit 4, the address is shifted by 8.
@frozen public struct EEPROMRead: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  @inlinable public init(address: UInt8) {
    rawValue = 1 | UInt32(address) << 8
  }

  /// START
  @inlinable public var start: Bool {
    get { self[bit: 0] }
    set { self[bit: 0] = newValue }
  }
  /// DONE
  @inlinable public var done: Bool {
    get { self[bit: 4] }
    set { self[bit: 4] = newValue }
  }
  /// ADDR: number of the word
  @inlinable public var address: UInt32 {
    get { self[bits: 8..<16] }
    set { self[bits: 8..<16] = newValue }
  }
  /// DATA
  @inlinable public var data: UInt16 {
    get { UInt16(truncatingIfNeeded: self[bits: 16..<32]) }
    set { self[bits: 16..<32] = UInt32(newValue) }
  }
}

/// EERD in the form of the 82541 and 8257x: DONE is bit 1, the address is shifted by 2.
@frozen public struct EEPROMReadExpress: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  @inlinable public init(address: UInt16) {
    rawValue = 1 | (UInt32(address) & 0x3FFF) << 2
  }

  @inlinable public var start: Bool {
    get { self[bit: 0] }
    set { self[bit: 0] = newValue }
  }
  @inlinable public var done: Bool {
    get { self[bit: 1] }
    set { self[bit: 1] = newValue }
  }
  @inlinable public var address: UInt32 {
    get { self[bits: 2..<16] }
    set { self[bits: 2..<16] = newValue }
  }
  @inlinable public var data: UInt16 {
    get { UInt16(truncatingIfNeeded: self[bits: 16..<32]) }
    set { self[bits: 16..<32] = UInt32(newValue) }
  }
}

/// MDIC, MDI Control (manual section 13.4.7): one access to a PHY register.
@frozen public struct MDIControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A read of a PHY register.
  @inlinable public init(read register: UInt8, phy: UInt8 = 1) {
    rawValue = 2 << 26 | UInt32(phy & 31) << 21 | UInt32(register & 31) << 16
  }
  /// A write to a PHY register.
  @inlinable public init(write register: UInt8, _ value: UInt16, phy: UInt8 = 1) {
    rawValue = 1 << 26 | UInt32(phy & 31) << 21 | UInt32(register & 31) << 16 | UInt32(value)
  }

  /// DATA
  @inlinable public var data: UInt16 {
    get { UInt16(truncatingIfNeeded: rawValue) }
    set { self[bits: 0..<16] = UInt32(newValue) }
  }
  /// REGADD
  @inlinable public var register: UInt32 {
    get { self[bits: 16..<21] }
    set { self[bits: 16..<21] = newValue }
  }
  /// PHYADD: the internal PHY is 1
  @inlinable public var phy: UInt32 {
    get { self[bits: 21..<26] }
    set { self[bits: 21..<26] = newValue }
  }
  /// OP: 1 = write, 2 = read
  @inlinable public var operation: UInt32 {
    get { self[bits: 26..<28] }
    set { self[bits: 26..<28] = newValue }
  }
  /// R: ready
  @inlinable public var ready: Bool {
    get { self[bit: 28] }
    set { self[bit: 28] = newValue }
  }
  /// I: interrupt at the end of the access (cause MDAC)
  @inlinable public var interrupt: Bool {
    get { self[bit: 29] }
    set { self[bit: 29] = newValue }
  }
  /// E: no PHY answered
  @inlinable public var error: Bool {
    get { self[bit: 30] }
    set { self[bit: 30] = newValue }
  }
}
