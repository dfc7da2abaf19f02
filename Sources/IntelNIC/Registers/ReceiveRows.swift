extension RegisterTable {
  static let delayFields = [BitField("DELAY", 0, 16)]

  /// Receive registers (manual sections 13.4.22 to 13.4.32, 13.4.46, 13.4.47).
  static let receiveRows: [RegisterDescription] = [
    RegisterDescription(
      Register.receiveControl, "RCTL", "Receive Control", "13.4.22", readable: 0x06DF_B3FE, writable: 0x06DF_B3FE,
      .receiveControl,
      fields: [
        BitField("EN", 1), BitField("SBP", 2), BitField("UPE", 3), BitField("MPE", 4), BitField("LPE", 5),
        BitField("LBM", 6, 2), BitField("RDMTS", 8, 2), BitField("MO", 12, 2), BitField("BAM", 15),
        BitField("BSIZE", 16, 2), BitField("VFE", 18), BitField("CFIEN", 19), BitField("CFI", 20), BitField("DPF", 22),
        BitField("PMCF", 23), BitField("BSEX", 25), BitField("SECRC", 26),
      ]),
    RegisterDescription(
      Register.receiveBaseLow, "RDBAL", "Receive Descriptor Base Low", "13.4.25", readable: 0xFFFF_FFF0,
      writable: 0xFFFF_FFF0, .receiveBase),
    RegisterDescription(
      Register.receiveBaseHigh, "RDBAH", "Receive Descriptor Base High", "13.4.26", .receiveBase),
    RegisterDescription(
      Register.receiveLength, "RDLEN", "Receive Descriptor Length", "13.4.27", readable: 0x000F_FF80,
      writable: 0x000F_FF80, .receiveBase, fields: [BitField("LEN", 7, 13)]),
    RegisterDescription(
      Register.receiveHead, "RDH", "Receive Descriptor Head", "13.4.28", readable: 0xFFFF, writable: 0xFFFF,
      .receiveHead, fields: [BitField("RDH", 0, 16)]),
    RegisterDescription(
      Register.receiveTail, "RDT", "Receive Descriptor Tail", "13.4.29", readable: 0xFFFF, writable: 0xFFFF,
      .receiveTail, fields: [BitField("RDT", 0, 16)]),
    RegisterDescription(
      Register.receiveDelayTimer, "RDTR", "Receive Interrupt Packet Delay Timer", "13.4.30", readable: 0xFFFF,
      writable: 0x8000_FFFF, .receiveDelay, fields: delayFields + [BitField("FPD", 31)]),
    RegisterDescription(
      Register.receiveDescriptorControl, "RXDCTL", "Receive Descriptor Control", "13.4.46", reset: 0x0101_0000,
      readable: 0x013F_3F3F, writable: 0x013F_3F3F,
      fields: [BitField("PTHRESH", 0, 6), BitField("HTHRESH", 8, 6), BitField("WTHRESH", 16, 6), BitField("GRAN", 24)]),
    RegisterDescription(
      Register.receiveAbsoluteDelay, "RADV", "Receive Interrupt Absolute Delay Timer", "13.4.31", readable: 0xFFFF,
      writable: 0xFFFF, .receiveAbsoluteDelay, fields: delayFields),
    RegisterDescription(
      Register.receiveSmallPacketDetect, "RSRPD", "Receive Small Packet Detect Interrupt", "13.4.32", readable: 0x0FFF,
      writable: 0x0FFF, fields: [BitField("SIZE", 0, 12)]),
    RegisterDescription(
      Register.receiveChecksumControl, "RXCSUM", "Receive Checksum Control", "13.4.47", readable: 0x07FF,
      writable: 0x07FF, .receiveChecksum,
      fields: [BitField("PCSS", 0, 8), BitField("IPOFLD", 8), BitField("TUOFLD", 9), BitField("IPV6OFL", 10)]),
  ]
}
