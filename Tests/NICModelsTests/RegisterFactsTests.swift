import IntelNIC
import NICModels
import Testing

/// What others say of the registers, row by row, against the table: a reset value or a mask that is changed there has
/// to be changed here too, with its source.
@Suite struct RegisterFactsTests {
  /// Where the numbers of a row were read.
  enum Source: CustomStringConvertible {
    /// A page of the Software Developer's Manual (317453), as printed.
    case manual(Int)
    /// Linux's e1000: bit names, and the masks of `ethtool -t`.
    case linux
    /// The tables of VirtualBox's and gem5's device models, which follow the manual.
    case models
    /// The table of the 82574L in QEMU's e1000e, which has the same register.
    case sibling
    /// Nothing but the table's own author: not confirmed.
    case unconfirmed

    var description: String {
      switch self {
      case .manual(let page): "manual page \(page)"
      case .linux: "Linux e1000"
      case .models: "VirtualBox, gem5"
      case .sibling: "82574L"
      case .unconfirmed: "unconfirmed"
      }
    }
  }

  struct Fact: CustomStringConvertible {
    var name: String
    var offset: Int
    var section: String
    var reset: UInt32
    var readable: UInt32
    var writable: UInt32
    var source: Source
    var description: String { "\(name) (\(source))" }

    init(
      _ name: String, _ offset: Int, _ section: String, _ reset: UInt32, _ readable: UInt32, _ writable: UInt32,
      _ source: Source
    ) {
      self.name = name
      self.offset = offset
      self.section = section
      self.reset = reset
      self.readable = readable
      self.writable = writable
      self.source = source
    }
  }

  static let all: UInt32 = .max

  static let facts: [Fact] = [
    // General.
    Fact("CTRL", 0x0000, "13.4.1", 0x0000_0A09, 0x58FC_1BE9, 0xDCFC_1BE9, .models),
    Fact("STATUS", 0x0008, "13.4.2", 0x0000_0081, 0x0000_FBFF, 0, .models),
    Fact("EECD", 0x0010, "13.4.3", 0x0000_0110, 0x0000_03FF, 0x0000_0077, .models),
    Fact("EERD", 0x0014, "13.4.4", 0, 0xFFFF_FF10, 0x0000_FF01, .models),
    Fact("CTRL_EXT", 0x0018, "13.4.6", 0, 0x00FF_CFFF, 0x00FF_FFFF, .unconfirmed),
    Fact("FLA", 0x001C, "13.4.5", 0, 0x4000_000F, 0x0000_0007, .unconfirmed),
    Fact("MDIC", 0x0020, "13.4.7", 0x1000_0000, 0x7FFF_FFFF, 0x2FFF_FFFF, .models),
    Fact("FCAL", 0x0028, "13.4.8", 0, all, all, .linux),
    Fact("FCAH", 0x002C, "13.4.9", 0, 0xFFFF, 0xFFFF, .linux),
    Fact("FCT", 0x0030, "13.4.10", 0, 0xFFFF, 0xFFFF, .linux),
    Fact("VET", 0x0038, "13.4.11", 0x8100, 0xFFFF, 0xFFFF, .linux),
    Fact("FCTTV", 0x0170, "13.4.12", 0, 0xFFFF, 0xFFFF, .linux),
    Fact("TXCW", 0x0178, "13.4.13", 0, 0xC000_FFFF, 0xC000_FFFF, .linux),
    Fact("RXCW", 0x0180, "13.4.14", 0, all, 0, .linux),
    Fact("LEDCTL", 0x0E00, "13.4.15", 0x0706_8302, 0xCFCF_CFEF, 0xCFCF_CFEF, .sibling),
    Fact("PBA", 0x1000, "13.4.16", 0x0010_0030, 0x007F_007F, 0x0000_007F, .manual(288)),
    // Interrupts. Bits 5, 8 and 11 are reserved, but Linux's test sets them.
    Fact("ICR", 0x00C0, "13.4.17", 0, 0x0001_FFFF, 0, .manual(289)),
    Fact("ITR", 0x00C4, "13.4.18", 0, 0xFFFF, 0xFFFF, .manual(291)),
    Fact("ICS", 0x00C8, "13.4.19", 0, 0, 0x0001_FFFF, .linux),
    Fact("IMS", 0x00D0, "13.4.20", 0, 0x0001_FFFF, 0x0001_FFFF, .linux),
    Fact("IMC", 0x00D8, "13.4.21", 0, 0, 0x0001_FFFF, .manual(295)),
    // Receive.
    Fact("RCTL", 0x0100, "13.4.22", 0, 0x06DF_B3FE, 0x06DF_B3FE, .linux),
    // XONE is named for other members only; section 8.7.5 knows no difference, and Linux sets it in all.
    Fact("FCRTL", 0x2160, "13.4.23", 0, 0x8000_FFF8, 0x8000_FFF8, .manual(300)),
    Fact("FCRTH", 0x2168, "13.4.24", 0, 0x0000_FFF8, 0x0000_FFF8, .manual(301)),
    Fact("RDBAL", 0x2800, "13.4.25", 0, 0xFFFF_FFF0, 0xFFFF_FFF0, .linux),
    Fact("RDBAH", 0x2804, "13.4.26", 0, all, all, .linux),
    Fact("RDLEN", 0x2808, "13.4.27", 0, 0x000F_FF80, 0x000F_FF80, .manual(303)),
    Fact("RDH", 0x2810, "13.4.28", 0, 0xFFFF, 0xFFFF, .manual(303)),
    Fact("RDT", 0x2818, "13.4.29", 0, 0xFFFF, 0xFFFF, .manual(304)),
    Fact("RDTR", 0x2820, "13.4.30", 0, 0xFFFF, 0x8000_FFFF, .manual(304)),
    Fact("RADV", 0x282C, "13.4.31", 0, 0xFFFF, 0xFFFF, .manual(305)),
    Fact("RSRPD", 0x2C00, "13.4.32", 0, 0x0FFF, 0x0FFF, .models),
    Fact("RXDCTL", 0x2828, "13.4.46", 0x0101_0000, 0x013F_3F3F, 0x013F_3F3F, .manual(320)),
    Fact("RXCSUM", 0x5000, "13.4.47", 0, 0x07FF, 0x07FF, .manual(322)),
    // Transmit.
    Fact("TCTL", 0x0400, "13.4.33", 0, 0x013F_FFFA, 0x017F_FFFA, .manual(307)),
    Fact("TIPG", 0x0410, "13.4.34", 0x0060_2008, 0x3FFF_FFFF, 0x3FFF_FFFF, .sibling),
    Fact("AIFS", 0x0458, "13.4.35", 0, 0xFFFF, 0xFFFF, .models),
    Fact("TDBAL", 0x3800, "13.4.36", 0, 0xFFFF_FFF0, 0xFFFF_FFF0, .manual(312)),
    Fact("TDBAH", 0x3804, "13.4.37", 0, all, all, .manual(312)),
    Fact("TDLEN", 0x3808, "13.4.38", 0, 0x000F_FF80, 0x000F_FF80, .manual(312)),
    Fact("TDH", 0x3810, "13.4.39", 0, 0xFFFF, 0xFFFF, .manual(313)),
    Fact("TDT", 0x3818, "13.4.40", 0, 0xFFFF, 0xFFFF, .manual(314)),
    Fact("TIDV", 0x3820, "13.4.41", 0, 0xFFFF, 0xFFFF, .manual(314)),
    Fact("TXDMAC", 0x3000, "13.4.42", 0, 1, 1, .linux),
    Fact("TXDCTL", 0x3828, "13.4.43", 0, 0xFF3F_3F3F, 0xFF3F_3F3F, .manual(316)),
    Fact("TADV", 0x382C, "13.4.44", 0, 0xFFFF, 0xFFFF, .manual(317)),
    Fact("TSPMT", 0x3830, "13.4.45", 0x0100_0400, all, all, .models),
    // Filters.
    Fact("MTA", 0x5200, "13.5.1", 0, all, all, .linux),
    Fact("RAL", 0x5400, "13.5.2", 0, all, all, .manual(325)),
    Fact("RAH", 0x5404, "13.5.3", 0, 0x8003_FFFF, 0x8003_FFFF, .linux),
    Fact("VFTA", 0x5600, "13.5.4", 0, all, all, .models),
    // Wake-up.
    Fact("WUC", 0x5800, "13.6.1", 0, 0x0F, 0x0B, .linux),
    Fact("WUFC", 0x5808, "13.6.2", 0, 0x000F_80FF, 0x000F_80FF, .linux),
    Fact("WUS", 0x5810, "13.6.3", 0, 0x000F_00FF, 0, .linux),
    Fact("IPAV", 0x5838, "13.6.4", 0, 0x0001_000F, 0x0001_000F, .unconfirmed),
    Fact("IP4AT", 0x5840, "13.6.5", 0, all, all, .models),
    Fact("IP6AT", 0x5880, "13.6.6", 0, all, all, .models),
    Fact("MANC", 0x5820, "TCO application notes", 0, 0x00FE_FF07, 0x00FE_FF00, .linux),
    Fact("WUPL", 0x5900, "13.6.7", 0, 0x0FFF, 0x0FFF, .manual(334)),
    Fact("WUPM", 0x5A00, "13.6.8", 0, all, all, .manual(334)),
    Fact("FFLT", 0x5F00, "13.6.9", 0, 0x7FF, 0x7FF, .manual(334)),
    Fact("FFMT", 0x9000, "13.6.10", 0, 0xF, 0xF, .linux),
    Fact("FFVT", 0x9800, "13.6.11", 0, all, all, .linux),
    // Diagnostics.
    Fact("RDFH", 0x2410, "13.8.1", 0, 0x1FFF, 0x1FFF, .manual(364)),
    Fact("RDFT", 0x2418, "13.8.2", 0, 0x1FFF, 0x1FFF, .manual(365)),
    Fact("RDFHS", 0x2420, "13.8.3", 0, 0x1FFF, 0x1FFF, .manual(365)),
    Fact("RDFTS", 0x2428, "13.8.4", 0, 0x1FFF, 0x1FFF, .manual(366)),
    Fact("RDFPC", 0x2430, "13.8.5", 0, 0x1FFF, 0x1FFF, .manual(366)),
    Fact("TDFH", 0x3410, "13.8.6", 0, 0x1FFF, 0x1FFF, .manual(366)),
    Fact("TDFT", 0x3418, "13.8.7", 0, 0x1FFF, 0x1FFF, .models),
    Fact("TDFHS", 0x3420, "13.8.8", 0, 0x1FFF, 0x1FFF, .models),
    Fact("TDFTS", 0x3428, "13.8.9", 0, 0x1FFF, 0x1FFF, .models),
    Fact("TDFPC", 0x3430, "13.8.10", 0, 0x1FFF, 0x1FFF, .models),
    Fact("PBM", 0x1_0000, "13.8.11", 0, all, all, .models),
  ]

  /// The statistics block: offset, and section where its page was read (339 to 355) or lies between such pages.
  static let statistics: [(name: String, offset: Int, section: Int)] = [
    ("CRCERRS", 0x4000, 1), ("ALGNERRC", 0x4004, 2), ("SYMERRS", 0x4008, 3), ("RXERRC", 0x400C, 4), ("MPC", 0x4010, 5),
    ("SCC", 0x4014, 6), ("ECOL", 0x4018, 7), ("MCC", 0x401C, 8), ("LATECOL", 0x4020, 9), ("COLC", 0x4028, 10),
    ("DC", 0x4030, 11), ("TNCRS", 0x4034, 12), ("SEC", 0x4038, 13), ("CEXTERR", 0x403C, 14), ("RLEC", 0x4040, 15),
    ("XONRXC", 0x4048, 16), ("XONTXC", 0x404C, 17), ("XOFFRXC", 0x4050, 18), ("XOFFTXC", 0x4054, 19),
    ("FCRUC", 0x4058, 20), ("PRC64", 0x405C, 21), ("PRC127", 0x4060, 22), ("PRC255", 0x4064, 23),
    ("PRC511", 0x4068, 24), ("PRC1023", 0x406C, 25), ("PRC1522", 0x4070, 26), ("GPRC", 0x4074, 27),
    ("BPRC", 0x4078, 28), ("MPRC", 0x407C, 29), ("GPTC", 0x4080, 30), ("GORCL", 0x4088, 31), ("GORCH", 0x408C, 31),
    ("GOTCL", 0x4090, 32), ("GOTCH", 0x4094, 32), ("RNBC", 0x40A0, 33), ("RUC", 0x40A4, 34), ("RFC", 0x40A8, 35),
    ("ROC", 0x40AC, 36), ("RJC", 0x40B0, 37), ("MGTPRC", 0x40B4, 38), ("MGTPDC", 0x40B8, 39), ("MGTPTC", 0x40BC, 40),
    ("TORL", 0x40C0, 41), ("TORH", 0x40C4, 41), ("TOTL", 0x40C8, 42), ("TOTH", 0x40CC, 42), ("TPR", 0x40D0, 43),
    ("TPT", 0x40D4, 44), ("PTC64", 0x40D8, 45), ("PTC127", 0x40DC, 46), ("PTC255", 0x40E0, 47), ("PTC511", 0x40E4, 48),
    ("PTC1023", 0x40E8, 49), ("PTC1522", 0x40EC, 50), ("MPTC", 0x40F0, 51), ("BPTC", 0x40F4, 52), ("TSCTC", 0x40F8, 53),
    ("TSCTFC", 0x40FC, 54),
  ]

  @Test("the table says what the sources say", arguments: facts)
  func fact(_ fact: Fact) throws {
    let row = try #require(RegisterTable.family8254x.row(named: fact.name))
    #expect(row.offset == fact.offset && row.section == fact.section)
    #expect(row.reset == fact.reset && row.readable == fact.readable && row.writable == fact.writable)
  }

  @Test("statistics: read-only, cleared by reading, a pair by reading its high half")
  func statisticsBlock() throws {
    for (name, offset, section) in Self.statistics {
      let row = try #require(RegisterTable.family8254x.row(named: name))
      #expect(row.offset == offset && row.section == "13.7.\(section)", "\(name)")
      #expect(row.reset == 0 && row.readable == .max && row.writable == 0, "\(name)")
      #expect(row.clearOnRead == (row.behaviour == .counterLow ? 0 : .max), "\(name)")
    }
  }

  @Test("every row has its facts")
  func complete() {
    let known = Set(Self.facts.map(\.name) + Self.statistics.map(\.name))
    #expect(known == Set(RegisterTable.family8254x.rows.map(\.abbreviation)))
  }

  /// Rows whose bits have another life than storage, and are tested where that is.
  static let alive: Set<RegisterBehaviour> = [
    .control, .status, .extendedControl, .eepromControl, .eepromRead, .mdiControl, .interruptCause,
    .interruptCauseSet, .interruptMaskClear, .counter, .counterLow, .counterHigh, .wakeControl, .wakeStatus,
    .packetBufferAllocation,
  ]

  @Test("ones and zeros written to every element of every row come back as far as the masks say", arguments: [0, 1])
  func readBack(_ controller: Int) {
    let bench = ModelBench([IntelController.i82540EM, .i82545EM][controller])
    for row in RegisterTable.family8254x.rows where !Self.alive.contains(row.behaviour) {
      let stored = row.readable & row.writable
      let fixed = row.reset & ~row.writable
      for offset in row.offsets {
        bench.write(offset, .max)
        #expect(bench.read(offset) == fixed | stored, "\(row.label(at: offset)) of ones")
        // What a write of zeros cannot clear is IMS.
        bench.write(offset, 0)
        let left = row.behaviour == .interruptMaskSet ? stored : 0
        #expect(bench.read(offset) == fixed | left, "\(row.label(at: offset)) of zeros")
      }
    }
    #expect(bench.model.counters.guestErrors.total == 0)
  }

  @Test("CTRL's bits come from the EEPROM, if it has its signature")
  func controlFromEEPROM() {
    let bench = ModelBench()
    #expect(bench.read(Register.deviceControl) == 0x0000_0201)
    let pins = BitBang(bench: bench, addressBits: 6)
    pins.acquire()
    for (word, control): (UInt16, UInt32) in [(0x6E00, 0x0A09), (0x4200, 0x0208), (0x0000, 0x0A09)] {
      pins.enableWrites(true)
      pins.write(UInt32(EEPROMLayout.initializationControl1), word)
      bench.write(Register.deviceControl, 1 << 26)
      #expect(bench.read(Register.deviceControl) == control, "word 0Ah is \(word)")
      pins.acquire()
    }
  }
}
