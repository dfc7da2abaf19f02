extension RegisterTable {
  /// Address and VLAN filters (manual section 13.5).
  static let filterRows: [RegisterDescription] = [
    RegisterDescription(
      Register.multicastTable, "MTA", "Multicast Table Array", "13.5.1", .addressFilter, count: 128),
    RegisterDescription(
      Register.receiveAddressLow, "RAL", "Receive Address Low", "13.5.2", .addressFilter, count: 16, stride: 8),
    RegisterDescription(
      Register.receiveAddressHigh, "RAH", "Receive Address High", "13.5.3", readable: 0x8003_FFFF,
      writable: 0x8003_FFFF, .addressFilter, count: 16, stride: 8,
      fields: [BitField("RAH", 0, 16), BitField("AS", 16, 2), BitField("AV", 31)]),
    RegisterDescription(Register.vlanFilterTable, "VFTA", "VLAN Filter Table Array", "13.5.4", count: 128),
  ]

  static let wakeFilterFields: [BitField] = [
    BitField("LNKC", 0), BitField("MAG", 1), BitField("EX", 2), BitField("MC", 3), BitField("BC", 4),
    BitField("ARP", 5), BitField("IPV4", 6), BitField("IPV6", 7),
  ]

  /// Wake-up registers (manual section 13.6), and management control, which has no manual section: drivers turn the
  /// management processor's filters off in it. There is no such processor here.
  static let wakeUpRows: [RegisterDescription] = [
    RegisterDescription(
      Register.wakeUpControl, "WUC", "Wake Up Control", "13.6.1", readable: 0x0F, writable: 0x0B, writeOneToClear: 0x04,
      .wakeControl,
      fields: [
        BitField("APME", 0), BitField("PME_EN", 1), BitField("PME_STATUS", 2), BitField("APMPME", 3),
      ]),
    RegisterDescription(
      Register.wakeUpFilterControl, "WUFC", "Wake Up Filter Control", "13.6.2", readable: 0x000F_80FF,
      writable: 0x000F_80FF, fields: wakeFilterFields + [BitField("ITCO", 15), BitField("FLX", 16, 4)]),
    RegisterDescription(
      Register.wakeUpStatus, "WUS", "Wake Up Status", "13.6.3", readable: 0x000F_00FF, writable: 0,
      writeOneToClear: 0x000F_00FF, .wakeStatus, fields: wakeFilterFields + [BitField("FLX", 16, 4)]),
    RegisterDescription(
      Register.ipAddressValid, "IPAV", "IP Address Valid", "13.6.4", readable: 0x0001_000F, writable: 0x0001_000F,
      fields: [BitField("V4", 0, 4), BitField("V6", 16)]),
    RegisterDescription(
      Register.ipv4AddressTable, "IP4AT", "IPv4 Address Table", "13.6.5", count: 4, stride: 8),
    RegisterDescription(Register.ipv6AddressTable, "IP6AT", "IPv6 Address Table", "13.6.6", count: 4),
    RegisterDescription(
      Register.managementControl, "MANC", "Management Control", "TCO application notes", readable: 0x00FE_FF07,
      writable: 0x00FE_FF00,
      fields: [
        BitField("SMBUS_EN", 0), BitField("ASF_EN", 1), BitField("R_ON_FORCE", 2), BitField("RMCP_EN", 8),
        BitField("0298_EN", 9), BitField("IPV4_EN", 10), BitField("IPV6_EN", 11), BitField("SNAP_EN", 12),
        BitField("ARP_EN", 13), BitField("NEIGHBOR_EN", 14), BitField("ARP_RES_EN", 15), BitField("RCV_TCO_EN", 17),
        BitField("REPORT_STATUS", 18), BitField("RCV_ALL", 19), BitField("EN_MAC_ADDR_FILTER", 20),
        BitField("EN_MNG2HOST", 21), BitField("EN_IP_ADDR_FILTER", 22), BitField("EN_XSUM_FILTER", 23),
      ]),
    RegisterDescription(
      Register.wakeUpPacketLength, "WUPL", "Wake Up Packet Length", "13.6.7", readable: 0x0FFF, writable: 0x0FFF,
      fields: [BitField("LEN", 0, 12)]),
    RegisterDescription(Register.wakeUpPacketMemory, "WUPM", "Wake Up Packet Memory", "13.6.8", count: 32),
    RegisterDescription(
      Register.flexibleFilterLength, "FFLT", "Flexible Filter Length Table", "13.6.9", readable: 0x7FF,
      writable: 0x7FF, count: 4, stride: 8),
    RegisterDescription(
      Register.flexibleFilterMask, "FFMT", "Flexible Filter Mask Table", "13.6.10", readable: 0xF, writable: 0xF,
      count: 128, stride: 8),
    RegisterDescription(
      Register.flexibleFilterValue, "FFVT", "Flexible Filter Value Table", "13.6.11", count: 128, stride: 8),
  ]
}
