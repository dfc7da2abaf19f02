extension RegisterTable {
  /// Transmit registers (manual sections 13.4.33 to 13.4.45).
  static let transmitRows: [RegisterDescription] = [
    RegisterDescription(
      Register.transmitControl, "TCTL", "Transmit Control", "13.4.33", readable: 0x013F_FFFA, writable: 0x017F_FFFA,
      .transmitControl,
      fields: [
        BitField("EN", 1), BitField("PSP", 3), BitField("CT", 4, 8), BitField("COLD", 12, 10), BitField("SWXOFF", 22),
        BitField("RTLC", 24),
      ]),
    RegisterDescription(
      Register.transmitInterPacketGap, "TIPG", "Transmit Inter Packet Gap", "13.4.34", reset: 0x0060_2008,
      readable: 0x3FFF_FFFF, writable: 0x3FFF_FFFF,
      fields: [BitField("IPGT", 0, 10), BitField("IPGR1", 10, 10), BitField("IPGR2", 20, 10)]),
    RegisterDescription(
      Register.adaptiveInterFrameSpacing, "AIFS", "Adaptive IFS Throttle", "13.4.35", readable: 0xFFFF,
      writable: 0xFFFF, fields: [BitField("AIFS", 0, 16)]),
    RegisterDescription(
      Register.transmitDMAControl, "TXDMAC", "TX DMA Control", "13.4.42", readable: 1, writable: 1,
      fields: [BitField("DPP", 0)]),
    RegisterDescription(
      Register.transmitBaseLow, "TDBAL", "Transmit Descriptor Base Low", "13.4.36", readable: 0xFFFF_FFF0,
      writable: 0xFFFF_FFF0, .transmitBase),
    RegisterDescription(
      Register.transmitBaseHigh, "TDBAH", "Transmit Descriptor Base High", "13.4.37", .transmitBase),
    RegisterDescription(
      Register.transmitLength, "TDLEN", "Transmit Descriptor Length", "13.4.38", readable: 0x000F_FF80,
      writable: 0x000F_FF80, .transmitBase, fields: [BitField("LEN", 7, 13)]),
    RegisterDescription(
      Register.transmitHead, "TDH", "Transmit Descriptor Head", "13.4.39", readable: 0xFFFF, writable: 0xFFFF,
      .transmitHead, fields: [BitField("TDH", 0, 16)]),
    RegisterDescription(
      Register.transmitTail, "TDT", "Transmit Descriptor Tail", "13.4.40", readable: 0xFFFF, writable: 0xFFFF,
      .transmitTail, fields: [BitField("TDT", 0, 16)]),
    RegisterDescription(
      Register.transmitDelayTimer, "TIDV", "Transmit Interrupt Delay Value", "13.4.41", readable: 0xFFFF,
      writable: 0xFFFF, fields: delayFields),
    RegisterDescription(
      Register.transmitDescriptorControl, "TXDCTL", "Transmit Descriptor Control", "13.4.43", readable: 0xFF3F_3F3F,
      writable: 0xFF3F_3F3F,
      fields: [
        BitField("PTHRESH", 0, 6), BitField("HTHRESH", 8, 6), BitField("WTHRESH", 16, 6), BitField("GRAN", 24),
        BitField("LWTHRESH", 25, 7),
      ]),
    RegisterDescription(
      Register.transmitAbsoluteDelay, "TADV", "Transmit Absolute Interrupt Delay Value", "13.4.44", readable: 0xFFFF,
      writable: 0xFFFF, fields: delayFields),
    RegisterDescription(
      Register.segmentationPadThreshold, "TSPMT", "TCP Segmentation Pad And Minimum Threshold", "13.4.45",
      reset: 0x0100_0400, fields: [BitField("TSMT", 0, 16), BitField("TSPBP", 16, 16)]),
  ]
}
