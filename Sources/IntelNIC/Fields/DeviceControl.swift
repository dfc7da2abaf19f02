/// CTRL, Device Control (manual section 13.4.1).
@frozen public struct DeviceControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// FD
  @inlinable public var fullDuplex: Bool {
    get { self[bit: 0] }
    set { self[bit: 0] = newValue }
  }
  /// LRST
  @inlinable public var linkReset: Bool {
    get { self[bit: 3] }
    set { self[bit: 3] = newValue }
  }
  /// ASDE
  @inlinable public var autoSpeedDetection: Bool {
    get { self[bit: 5] }
    set { self[bit: 5] = newValue }
  }
  /// SLU: the MAC takes the PHY's word about the link
  @inlinable public var setLinkUp: Bool {
    get { self[bit: 6] }
    set { self[bit: 6] = newValue }
  }
  /// ILOS
  @inlinable public var invertLossOfSignal: Bool {
    get { self[bit: 7] }
    set { self[bit: 7] = newValue }
  }
  /// SPEED: 0 = 10, 1 = 100, 2 = 1000 Mbit/s
  @inlinable public var speed: UInt32 {
    get { self[bits: 8..<10] }
    set { self[bits: 8..<10] = newValue }
  }
  /// FRCSPD
  @inlinable public var forceSpeed: Bool {
    get { self[bit: 11] }
    set { self[bit: 11] = newValue }
  }
  /// FRCDPLX
  @inlinable public var forceDuplex: Bool {
    get { self[bit: 12] }
    set { self[bit: 12] = newValue }
  }
  /// ADVD3WUC
  @inlinable public var advertiseD3WakeUp: Bool {
    get { self[bit: 20] }
    set { self[bit: 20] = newValue }
  }
  /// RST: the whole MAC is reset; clears itself
  @inlinable public var reset: Bool {
    get { self[bit: 26] }
    set { self[bit: 26] = newValue }
  }
  /// RFCE
  @inlinable public var receiveFlowControl: Bool {
    get { self[bit: 27] }
    set { self[bit: 27] = newValue }
  }
  /// TFCE
  @inlinable public var transmitFlowControl: Bool {
    get { self[bit: 28] }
    set { self[bit: 28] = newValue }
  }
  /// VME
  @inlinable public var vlanMode: Bool {
    get { self[bit: 30] }
    set { self[bit: 30] = newValue }
  }
  /// PHY_RST
  @inlinable public var phyReset: Bool {
    get { self[bit: 31] }
    set { self[bit: 31] = newValue }
  }
}

/// STATUS, Device Status (manual section 13.4.2). Read-only.
@frozen public struct DeviceStatus: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// FD
  @inlinable public var fullDuplex: Bool {
    get { self[bit: 0] }
    set { self[bit: 0] = newValue }
  }
  /// LU
  @inlinable public var linkUp: Bool {
    get { self[bit: 1] }
    set { self[bit: 1] = newValue }
  }
  /// TXOFF: transmission is paused by flow control
  @inlinable public var transmissionPaused: Bool {
    get { self[bit: 4] }
    set { self[bit: 4] = newValue }
  }
  /// TBIMODE
  @inlinable public var tenBitInterface: Bool {
    get { self[bit: 5] }
    set { self[bit: 5] = newValue }
  }
  /// SPEED: 0 = 10, 1 = 100, 2 or 3 = 1000 Mbit/s
  @inlinable public var speed: UInt32 {
    get { self[bits: 6..<8] }
    set { self[bits: 6..<8] = newValue }
  }
  /// ASDV
  @inlinable public var autoDetectedSpeed: UInt32 {
    get { self[bits: 8..<10] }
    set { self[bits: 8..<10] = newValue }
  }
  /// PCI66: means nothing in PCI-X mode
  @inlinable public var bus66MHz: Bool {
    get { self[bit: 11] }
    set { self[bit: 11] = newValue }
  }
  /// BUS64
  @inlinable public var bus64Bit: Bool {
    get { self[bit: 12] }
    set { self[bit: 12] = newValue }
  }
  /// PCIX_MODE
  @inlinable public var pciXMode: Bool {
    get { self[bit: 13] }
    set { self[bit: 13] = newValue }
  }
  /// PCIXSPD: 0 = up to 66, 1 = up to 100, 2 = up to 133 MHz
  @inlinable public var pciXSpeed: UInt32 {
    get { self[bits: 14..<16] }
    set { self[bits: 14..<16] = newValue }
  }
}

/// CTRL_EXT, Extended Device Control (manual section 13.4.6).
@frozen public struct ExtendedDeviceControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// GPI_EN: which of SDP 4...7 raise interrupts
  @inlinable public var pinInterrupts: UInt32 {
    get { self[bits: 0..<4] }
    set { self[bits: 0..<4] = newValue }
  }
  /// ASDCHK: start auto speed detection; clears itself
  @inlinable public var checkSpeed: Bool {
    get { self[bit: 12] }
    set { self[bit: 12] = newValue }
  }
  /// EE_RST: reload from the EEPROM; clears itself
  @inlinable public var eepromReset: Bool {
    get { self[bit: 13] }
    set { self[bit: 13] = newValue }
  }
  /// SPD_BYPS
  @inlinable public var bypassSpeedSelection: Bool {
    get { self[bit: 15] }
    set { self[bit: 15] = newValue }
  }
  /// RO_DIS
  @inlinable public var noRelaxedOrdering: Bool {
    get { self[bit: 17] }
    set { self[bit: 17] = newValue }
  }
  /// LINK_MODE: 0 = copper
  @inlinable public var linkMode: UInt32 {
    get { self[bits: 22..<24] }
    set { self[bits: 22..<24] = newValue }
  }
}
