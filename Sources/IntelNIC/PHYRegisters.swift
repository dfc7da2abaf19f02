/// Registers of the internal PHY, a Marvell 88E1000 type (manual section 11.3 and IEEE 802.3 clause 22). Numbers for
/// MDIC.REGADD; the internal PHY's address is 1.
public enum PHYRegister {
  public static let control: UInt8 = 0
  public static let status: UInt8 = 1
  public static let identifier1: UInt8 = 2
  public static let identifier2: UInt8 = 3
  /// ANA
  public static let advertisement: UInt8 = 4
  /// LPA
  public static let partnerAbility: UInt8 = 5
  /// ANE
  public static let expansion: UInt8 = 6
  public static let nextPage: UInt8 = 7
  public static let partnerNextPage: UInt8 = 8
  /// GCON: 1000BASE-T control
  public static let gigabitControl: UInt8 = 9
  /// GSTATUS: 1000BASE-T status
  public static let gigabitStatus: UInt8 = 10
  public static let extendedStatus: UInt8 = 15
  /// PSCON
  public static let specificControl: UInt8 = 16
  /// PSSTAT
  public static let specificStatus: UInt8 = 17
  public static let interruptEnable: UInt8 = 18
  public static let interruptStatus: UInt8 = 19
  public static let extendedSpecificControl: UInt8 = 20
  public static let receiveErrorCounter: UInt8 = 21

  /// MDIC.PHYADD of the internal PHY.
  public static let internalAddress: UInt8 = 1
  /// Values of the identifier registers. The 88E1000 family's member inside 82540 and 82545 is the 88E1011, model 2;
  /// the e1000 drivers of Linux and the BSDs refuse an 82540 with another model number (0x0C50 is the 82543's).
  public static let identifier1Value: UInt16 = 0x0141
  public static let identifier2Value: UInt16 = 0x0C20
}

/// Register 0 (BMCR).
public struct PHYControl: OptionSet, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let speedHigh = PHYControl(rawValue: 1 << 6)
  public static let fullDuplex = PHYControl(rawValue: 1 << 8)
  public static let restartNegotiation = PHYControl(rawValue: 1 << 9)
  public static let isolate = PHYControl(rawValue: 1 << 10)
  public static let powerDown = PHYControl(rawValue: 1 << 11)
  public static let negotiate = PHYControl(rawValue: 1 << 12)
  public static let speedLow = PHYControl(rawValue: 1 << 13)
  public static let loopback = PHYControl(rawValue: 1 << 14)
  public static let reset = PHYControl(rawValue: 1 << 15)
}

/// Register 1 (BMSR). Link status latches low until it is read.
public struct PHYStatus: OptionSet, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let linkUp = PHYStatus(rawValue: 1 << 2)
  public static let negotiationComplete = PHYStatus(rawValue: 1 << 5)
  /// What the part can: 100 and 10 Mbit/s, both duplexes, extended status and registers, auto-negotiation.
  public static let abilities = PHYStatus(rawValue: 0x7949)
}

/// Registers 18 (PINTE) and 19 (PINTS): what may interrupt, and what happened.
public struct PHYInterrupts: OptionSet, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let linkStatus = PHYInterrupts(rawValue: 1 << 10)
  public static let negotiationComplete = PHYInterrupts(rawValue: 1 << 11)
  public static let duplex = PHYInterrupts(rawValue: 1 << 13)
  public static let speed = PHYInterrupts(rawValue: 1 << 14)
}

/// Register 17 (PSSTAT).
public struct PHYSpecificStatus: OptionSet, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// MDI-X: the pairs are crossed.
  public static let crossed = PHYSpecificStatus(rawValue: 1 << 6)
  public static let linkUp = PHYSpecificStatus(rawValue: 1 << 10)
  /// Speed and duplex are resolved.
  public static let resolved = PHYSpecificStatus(rawValue: 1 << 11)
  public static let fullDuplex = PHYSpecificStatus(rawValue: 1 << 13)
  /// Speed in bits 14 and 15: 0 = 10, 1 = 100, 2 = 1000 Mbit/s.
  public static let speed100 = PHYSpecificStatus(rawValue: 1 << 14)
  public static let speed1000 = PHYSpecificStatus(rawValue: 1 << 15)
}

/// Registers 4 (ANA) and 5 (LPA): what an end offers (IEEE 802.3 28.2.4.1).
public struct PHYAdvertisement: OptionSet, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let base10Half = PHYAdvertisement(rawValue: 1 << 5)
  public static let base10Full = PHYAdvertisement(rawValue: 1 << 6)
  public static let base100Half = PHYAdvertisement(rawValue: 1 << 7)
  public static let base100Full = PHYAdvertisement(rawValue: 1 << 8)
  public static let pause = PHYAdvertisement(rawValue: 1 << 10)
  /// ASM_DIR
  public static let asymmetricPause = PHYAdvertisement(rawValue: 1 << 11)
}

/// Register 16 (PSCON), the bits that say which pair sends.
public enum PHYSpecificControl {
  /// Both bits of the field; both set: automatic. None: MDI.
  public static let crossover: UInt16 = 0x0060
  /// MDI-X
  public static let crossed: UInt16 = 0x0020
}
