extension RegisterTable {
  /// The statistics block (manual section 13.7): cleared by reading, saturating at all ones.
  static let statisticsRows: [RegisterDescription] = {
    func counter(_ offset: Int, _ abbreviation: String, _ name: String, _ section: Int) -> RegisterDescription {
      RegisterDescription(
        offset, abbreviation, name, "13.7.\(section)", writable: 0, clearOnRead: .max, .counter)
    }
    func pair(_ offset: Int, _ abbreviation: String, _ name: String, _ section: Int) -> [RegisterDescription] {
      return [
        RegisterDescription(
          offset, abbreviation + "L", name + " Low", "13.7.\(section)", writable: 0, .counterLow),
        RegisterDescription(
          offset + 4, abbreviation + "H", name + " High", "13.7.\(section)", writable: 0, clearOnRead: .max,
          .counterHigh),
      ]
    }
    let sizes = ["64", "127", "255", "511", "1023", "1522"]
    let sizeNames = [
      "64 Bytes", "65-127 Bytes", "128-255 Bytes", "256-511 Bytes", "512-1023 Bytes", "1024 to Max Bytes",
    ]
    var rows = [
      counter(0x4000, "CRCERRS", "CRC Error Count", 1),
      counter(0x4004, "ALGNERRC", "Alignment Error Count", 2),
      counter(0x4008, "SYMERRS", "Symbol Error Count", 3),
      counter(0x400C, "RXERRC", "RX Error Count", 4),
      counter(0x4010, "MPC", "Missed Packets Count", 5),
      counter(0x4014, "SCC", "Single Collision Count", 6),
      counter(0x4018, "ECOL", "Excessive Collisions Count", 7),
      counter(0x401C, "MCC", "Multiple Collision Count", 8),
      counter(0x4020, "LATECOL", "Late Collisions Count", 9),
      counter(0x4028, "COLC", "Collision Count", 10),
      counter(0x4030, "DC", "Defer Count", 11),
      counter(0x4034, "TNCRS", "Transmit with No CRS", 12),
      counter(0x4038, "SEC", "Sequence Error Count", 13),
      counter(0x403C, "CEXTERR", "Carrier Extension Error Count", 14),
      counter(0x4040, "RLEC", "Receive Length Error Count", 15),
      counter(0x4048, "XONRXC", "XON Received Count", 16),
      counter(0x404C, "XONTXC", "XON Transmitted Count", 17),
      counter(0x4050, "XOFFRXC", "XOFF Received Count", 18),
      counter(0x4054, "XOFFTXC", "XOFF Transmitted Count", 19),
      counter(0x4058, "FCRUC", "FC Received Unsupported Count", 20),
      counter(0x4074, "GPRC", "Good Packets Received Count", 27),
      counter(0x4078, "BPRC", "Broadcast Packets Received Count", 28),
      counter(0x407C, "MPRC", "Multicast Packets Received Count", 29),
      counter(0x4080, "GPTC", "Good Packets Transmitted Count", 30),
      counter(0x40A0, "RNBC", "Receive No Buffers Count", 33),
      counter(0x40A4, "RUC", "Receive Undersize Count", 34),
      counter(0x40A8, "RFC", "Receive Fragment Count", 35),
      counter(0x40AC, "ROC", "Receive Oversize Count", 36),
      counter(0x40B0, "RJC", "Receive Jabber Count", 37),
      counter(0x40B4, "MGTPRC", "Management Packets Received Count", 38),
      counter(0x40B8, "MGTPDC", "Management Packets Dropped Count", 39),
      counter(0x40BC, "MGTPTC", "Management Packets Transmitted Count", 40),
      counter(0x40D0, "TPR", "Total Packets Received", 43),
      counter(0x40D4, "TPT", "Total Packets Transmitted", 44),
      counter(0x40F0, "MPTC", "Multicast Packets Transmitted Count", 51),
      counter(0x40F4, "BPTC", "Broadcast Packets Transmitted Count", 52),
      counter(0x40F8, "TSCTC", "TCP Segmentation Context Transmitted Count", 53),
      counter(0x40FC, "TSCTFC", "TCP Segmentation Context Transmit Fail Count", 54),
    ]
    for index in 0..<6 {
      rows.append(
        counter(0x405C + 4 * index, "PRC" + sizes[index], "Packets Received (\(sizeNames[index]))", 21 + index))
      rows.append(
        counter(0x40D8 + 4 * index, "PTC" + sizes[index], "Packets Transmitted (\(sizeNames[index]))", 45 + index))
    }
    rows += pair(0x4088, "GORC", "Good Octets Received Count", 31)
    rows += pair(0x4090, "GOTC", "Good Octets Transmitted Count", 32)
    rows += pair(0x40C0, "TOR", "Total Octets Received", 41)
    rows += pair(0x40C8, "TOT", "Total Octets Transmitted", 42)
    return rows.sorted { $0.offset < $1.offset }
  }()

  /// Diagnostic registers (manual section 13.8).
  static let diagnosticRows: [RegisterDescription] = {
    func pointer(_ offset: Int, _ abbreviation: String, _ name: String, _ section: Int) -> RegisterDescription {
      RegisterDescription(
        offset, abbreviation, name, "13.8.\(section)", readable: 0x1FFF, writable: 0x1FFF)
    }
    return [
      pointer(0x2410, "RDFH", "Receive Data FIFO Head", 1),
      pointer(0x2418, "RDFT", "Receive Data FIFO Tail", 2),
      pointer(0x2420, "RDFHS", "Receive Data FIFO Head Saved", 3),
      pointer(0x2428, "RDFTS", "Receive Data FIFO Tail Saved", 4),
      pointer(0x2430, "RDFPC", "Receive Data FIFO Packet Count", 5),
      pointer(0x3410, "TDFH", "Transmit Data FIFO Head", 6),
      pointer(0x3418, "TDFT", "Transmit Data FIFO Tail", 7),
      pointer(0x3420, "TDFHS", "Transmit Data FIFO Head Saved", 8),
      pointer(0x3428, "TDFTS", "Transmit Data FIFO Tail Saved", 9),
      pointer(0x3430, "TDFPC", "Transmit Data FIFO Packet Count", 10),
      RegisterDescription(
        Register.packetBufferMemory, "PBM", "Packet Buffer Memory", "13.8.11", .packetBuffer, count: 0x4000),
    ]
  }()
}
