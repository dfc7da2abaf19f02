extension RegisterTable {
  static let causeFields: [BitField] = [
    BitField("TXDW", 0), BitField("TXQE", 1), BitField("LSC", 2), BitField("RXSEQ", 3), BitField("RXDMT0", 4),
    BitField("RXO", 6), BitField("RXT0", 7), BitField("MDAC", 9), BitField("RXCFG", 10), BitField("PHYINT", 12),
    BitField("GPI_SDP6", 13), BitField("GPI_SDP7", 14), BitField("TXD_LOW", 15), BitField("SRPD", 16),
  ]

  /// Interrupt registers (manual sections 13.4.17 to 13.4.21).
  static let interruptRows: [RegisterDescription] = {
    let causes = InterruptCauses.all.rawValue
    return [
      RegisterDescription(
        Register.interruptCauseRead, "ICR", "Interrupt Cause Read", "13.4.17", readable: causes, writable: 0,
        writeOneToClear: causes, clearOnRead: causes, .interruptCause, fields: causeFields),
      RegisterDescription(
        Register.interruptThrottling, "ITR", "Interrupt Throttling", "13.4.18", readable: 0xFFFF, writable: 0xFFFF,
        .interruptThrottle, fields: [BitField("INTERVAL", 0, 16)]),
      RegisterDescription(
        Register.interruptCauseSet, "ICS", "Interrupt Cause Set", "13.4.19", readable: 0, writable: causes,
        .interruptCauseSet, fields: causeFields),
      RegisterDescription(
        Register.interruptMaskSet, "IMS", "Interrupt Mask Set/Read", "13.4.20", readable: causes, writable: causes,
        .interruptMaskSet, fields: causeFields),
      RegisterDescription(
        Register.interruptMaskClear, "IMC", "Interrupt Mask Clear", "13.4.21", readable: 0, writable: causes,
        .interruptMaskClear, fields: causeFields),
    ]
  }()
}
