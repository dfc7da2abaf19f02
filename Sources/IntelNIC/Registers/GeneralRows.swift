extension RegisterTable {
  /// General, PHY, EEPROM and flow control registers (manual sections 13.4.1 to 13.4.16).
  static let generalRows: [RegisterDescription] = [
    RegisterDescription(
      Register.deviceControl, "CTRL", "Device Control", "13.4.1", reset: 0x0000_0A09, readable: 0x58FC_1BE9,
      writable: 0xDCFC_1BE9, .control,
      fields: [
        BitField("FD", 0), BitField("LRST", 3), BitField("ASDE", 5), BitField("SLU", 6), BitField("ILOS", 7),
        BitField("SPEED", 8, 2), BitField("FRCSPD", 11), BitField("FRCDPLX", 12), BitField("SDP0_DATA", 18),
        BitField("SDP1_DATA", 19), BitField("ADVD3WUC", 20), BitField("EN_PHY_PWR_MGMT", 21),
        BitField("SDP0_IODIR", 22), BitField("SDP1_IODIR", 23), BitField("RST", 26), BitField("RFCE", 27),
        BitField("TFCE", 28), BitField("VME", 30), BitField("PHY_RST", 31),
      ]),
    RegisterDescription(
      Register.deviceStatus, "STATUS", "Device Status", "13.4.2", reset: 0x0000_0081, readable: 0x0000_FBFF,
      writable: 0, .status,
      fields: [
        BitField("FD", 0), BitField("LU", 1), BitField("FUNCTION_ID", 2, 2), BitField("TXOFF", 4),
        BitField("TBIMODE", 5), BitField("SPEED", 6, 2), BitField("ASDV", 8, 2), BitField("PCI66", 11),
        BitField("BUS64", 12), BitField("PCIX_MODE", 13), BitField("PCIXSPD", 14, 2),
      ]),
    RegisterDescription(
      Register.eepromControl, "EECD", "EEPROM/Flash Control & Data", "13.4.3", reset: 0x0000_0110,
      readable: 0x0000_03FF, writable: 0x0000_0077, .eepromControl,
      fields: [
        BitField("SK", 0), BitField("CS", 1), BitField("DI", 2), BitField("DO", 3), BitField("FWE", 4, 2),
        BitField("EE_REQ", 6), BitField("EE_GNT", 7), BitField("EE_PRES", 8), BitField("EE_SIZE", 9),
      ]),
    RegisterDescription(
      Register.eepromRead, "EERD", "EEPROM Read", "13.4.4", readable: 0xFFFF_FF10, writable: 0x0000_FF01, .eepromRead,
      fields: [BitField("START", 0), BitField("DONE", 4), BitField("ADDR", 8, 8), BitField("DATA", 16, 16)]),
    RegisterDescription(
      Register.extendedDeviceControl, "CTRL_EXT", "Extended Device Control", "13.4.6", readable: 0x00FF_CFFF,
      writable: 0x00FF_FFFF, .extendedControl,
      fields: [
        BitField("GPI_EN", 0, 4), BitField("PHYINT", 5), BitField("SDP6_DATA", 6), BitField("SDP7_DATA", 7),
        BitField("SDP6_IODIR", 10), BitField("SDP7_IODIR", 11), BitField("ASDCHK", 12), BitField("EE_RST", 13),
        BitField("SPD_BYPS", 15), BitField("RO_DIS", 17), BitField("VREG_POWER_DOWN", 21),
        BitField("LINK_MODE", 22, 2),
      ]),
    RegisterDescription(
      Register.flashAccess, "FLA", "Flash Access", "13.4.5", readable: 0x4000_000F, writable: 0x0000_0007,
      fields: [
        BitField("FL_SCK", 0), BitField("FL_CE", 1), BitField("FL_SI", 2), BitField("FL_SO", 3),
        BitField("FL_BUSY", 30),
      ]),
    RegisterDescription(
      Register.mdiControl, "MDIC", "MDI Control", "13.4.7", reset: 0x1000_0000, readable: 0x7FFF_FFFF,
      writable: 0x2FFF_FFFF, .mdiControl,
      fields: [
        BitField("DATA", 0, 16), BitField("REGADD", 16, 5), BitField("PHYADD", 21, 5), BitField("OP", 26, 2),
        BitField("R", 28), BitField("I", 29), BitField("E", 30),
      ]),
    RegisterDescription(Register.flowControlAddressLow, "FCAL", "Flow Control Address Low", "13.4.8"),
    RegisterDescription(
      Register.flowControlAddressHigh, "FCAH", "Flow Control Address High", "13.4.9", readable: 0xFFFF,
      writable: 0xFFFF),
    RegisterDescription(
      Register.flowControlType, "FCT", "Flow Control Type", "13.4.10", readable: 0xFFFF, writable: 0xFFFF),
    RegisterDescription(
      Register.vlanEtherType, "VET", "VLAN Ether Type", "13.4.11", reset: 0x8100, readable: 0xFFFF, writable: 0xFFFF),
    RegisterDescription(
      Register.flowControlTransmitTimer, "FCTTV", "Flow Control Transmit Timer Value", "13.4.12", readable: 0xFFFF,
      writable: 0xFFFF, fields: [BitField("TTV", 0, 16)]),
    RegisterDescription(
      Register.transmitConfigurationWord, "TXCW", "Transmit Configuration Word", "13.4.13", readable: 0xC000_FFFF,
      writable: 0xC000_FFFF,
      fields: [BitField("TXCONFIGWORD", 0, 16), BitField("TXCONFIG", 30), BitField("ANE", 31)]),
    RegisterDescription(
      Register.receiveConfigurationWord, "RXCW", "Receive Configuration Word", "13.4.14", writable: 0,
      fields: [
        BitField("RXCONFIGWORD", 0, 16), BitField("NOCARRIER", 26), BitField("INVALID", 27), BitField("CHANGE", 28),
        BitField("CONFIG", 29), BitField("SYNC", 30), BitField("ANC", 31),
      ]),
    RegisterDescription(
      Register.ledControl, "LEDCTL", "LED Control", "13.4.15", reset: 0x0706_8302, readable: 0xCFCF_CFEF,
      writable: 0xCFCF_CFEF,
      fields: (0..<4).flatMap {
        [
          BitField("LED\($0)_MODE", $0 * 8, 4), BitField("LED\($0)_IVRT", $0 * 8 + 6),
          BitField("LED\($0)_BLINK", $0 * 8 + 7),
        ]
      }),
    RegisterDescription(
      Register.packetBufferAllocation, "PBA", "Packet Buffer Allocation", "13.4.16", reset: 0x0010_0030,
      readable: 0x007F_007F, writable: 0x0000_007F, .packetBufferAllocation,
      fields: [BitField("RXA", 0, 7), BitField("TXA", 16, 7)]),
    RegisterDescription(
      Register.flowControlThresholdLow, "FCRTL", "Flow Control Receive Threshold Low", "13.4.23",
      readable: 0x8000_FFF8, writable: 0x8000_FFF8, fields: [BitField("RTL", 3, 13), BitField("XONE", 31)]),
    RegisterDescription(
      Register.flowControlThresholdHigh, "FCRTH", "Flow Control Receive Threshold High", "13.4.24",
      readable: 0x0000_FFF8, writable: 0x0000_FFF8, fields: [BitField("RTH", 3, 13)]),
  ]
}
