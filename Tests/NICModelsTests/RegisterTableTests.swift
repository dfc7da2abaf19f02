import IntelNIC
import NICModels
import Testing

@Suite struct RegisterTableTests {
  static let table = RegisterTable.family8254x

  @Test("no two registers share an offset, none leaves the file, every word is found again")
  func layout() {
    var seen: [Int: String] = [:]
    for row in Self.table.rows {
      for offset in row.offsets {
        #expect(offset % 4 == 0 && offset >= 0 && offset + 4 <= Self.table.byteCount)
        #expect(seen[offset] == nil, "\(row.abbreviation) and \(seen[offset] ?? "")")
        seen[offset] = row.abbreviation
        #expect(Self.table.row(at: offset)?.abbreviation == row.abbreviation)
      }
    }
    #expect(Set(Self.table.rows.map(\.abbreviation)).count == Self.table.rows.count)
    #expect(Self.table.row(at: 0x0004) == nil && Self.table.row(at: 0x2_0000) == nil && Self.table.row(at: -4) == nil)
  }

  @Test("masks agree with each other", arguments: table.rows)
  func masks(_ row: RegisterDescription) {
    #expect(row.reset & ~row.readable == 0, "the reset value shows")
    #expect(row.writeOneToClear & ~row.readable == 0)
    #expect(row.writable & row.writeOneToClear == 0)
    #expect(!row.name.isEmpty && row.section.hasPrefix("13."))
    var used: UInt32 = 0
    for field in row.fields {
      #expect(used & field.mask == 0, "\(field.name) overlaps")
      used |= field.mask
    }
    #expect(used == 0 || used & ~(row.readable | row.writable) == 0, "fields lie in bits that exist")
  }

  @Test("names and fields decode")
  func decoding() {
    #expect(Self.table.label(at: 0x5400) == "RAL[0]")
    #expect(Self.table.label(at: 0x547C) == "RAH[15]")
    #expect(Self.table.label(at: 0x0004) == "0x4")
    #expect(Self.table.row(named: "GORCL")?.offset == 0x4088)
    let fields = Self.table.decode(Register.deviceStatus, 0x0000_0083)
    #expect(fields.first { $0.field == "LU" }?.value == 1)
    #expect(fields.first { $0.field == "SPEED" }?.value == 2)
  }

  /// Registers whose content is the device's business and not the table's.
  static let own: Set<String> = ["EECD", "STATUS", "RAL", "RAH", "CTRL", "WUC", "ICR"]

  @Test("after a reset every register has its reset value", arguments: [IntelController.i82540EM, .i82545EM])
  func resetValues(_ controller: IntelController) {
    let bench = ModelBench(controller)
    for row in Self.table.rows where !Self.own.contains(row.abbreviation) && row.behaviour != .packetBuffer {
      for offset in row.offsets { #expect(bench.read(offset) == row.reset, "\(row.label(at: offset))") }
    }
  }

  @Test("plain registers keep what their masks let through, at their own offset of the register file")
  func storage() {
    let bench = ModelBench()
    for row in Self.table.rows where row.behaviour == .storage && row.abbreviation != "PBA" {
      for offset in row.offsets {
        for pattern: UInt32 in [0x5A5A_5A5A, 0xA5A5_A5A5, 0, 0xFFFF_FFFF] {
          bench.write(offset, pattern)
          #expect(bench.read(offset) == row.reset & ~row.writable | pattern & row.writable, "\(row.label(at: offset))")
          #expect(bench.registers.load(offset, as: UInt32.self) == bench.read(offset))
        }
      }
    }
  }

  @Test("read-only registers do not change")
  func readOnly() {
    let bench = ModelBench()
    for row in Self.table.rows where row.writable == 0 && row.writeOneToClear == 0 {
      for offset in row.offsets {
        let before = bench.registers.load(offset, as: UInt32.self)
        bench.write(offset, ~before)
        #expect(bench.registers.load(offset, as: UInt32.self) == before, "\(row.label(at: offset))")
      }
    }
  }

  /// The register test of Linux's `ethtool -t eth0 offline` (e1000_ethtool.c, e1000_reg_test): register, bits that must
  /// read back, bits that are written.
  @Test("the registers of Linux's offline test read back")
  func ethtoolRegisterTest() {
    let bench = ModelBench()
    let status = bench.read(Register.deviceStatus)
    bench.write(Register.deviceStatus, status & 0xFFFF_F833)
    #expect(bench.read(Register.deviceStatus) & 0xFFFF_F833 == status & 0xFFFF_F833)
    func patterns(_ offset: Int, _ mask: UInt32, _ written: UInt32) {
      for pattern: UInt32 in [0x5A5A_5A5A, 0xA5A5_A5A5, 0x0000_0000, 0xFFFF_FFFF] {
        bench.write(offset, pattern & written)
        #expect(bench.read(offset) == pattern & written & mask, "\(Self.table.label(at: offset))")
      }
    }
    func setAndCheck(_ offset: Int, _ mask: UInt32, _ value: UInt32) {
      bench.write(offset, value & mask)
      #expect(bench.read(offset) & mask == value & mask, "\(Self.table.label(at: offset))")
    }
    patterns(Register.flowControlAddressLow, 0xFFFF_FFFF, 0xFFFF_FFFF)
    patterns(Register.flowControlAddressHigh, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.flowControlType, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.vlanEtherType, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.receiveDelayTimer, 0x0000_FFFF, 0xFFFF_FFFF)
    patterns(Register.receiveBaseHigh, 0xFFFF_FFFF, 0xFFFF_FFFF)
    patterns(Register.receiveLength, 0x000F_FF80, 0x000F_FFFF)
    patterns(Register.receiveHead, 0x0000_FFFF, 0x0000_FFFF)
    patterns(Register.receiveTail, 0x0000_FFFF, 0x0000_FFFF)
    patterns(Register.flowControlThresholdHigh, 0x0000_FFF8, 0x0000_FFF8)
    patterns(Register.flowControlTransmitTimer, 0x0000_FFFF, 0x0000_FFFF)
    patterns(Register.transmitInterPacketGap, 0x3FFF_FFFF, 0x3FFF_FFFF)
    patterns(Register.transmitBaseHigh, 0xFFFF_FFFF, 0xFFFF_FFFF)
    patterns(Register.transmitLength, 0x000F_FF80, 0x000F_FFFF)
    setAndCheck(Register.receiveControl, 0xFFFF_FFFF, 0)
    setAndCheck(Register.receiveControl, 0x06DF_B3FE, 0x003F_FFFB)
    setAndCheck(Register.transmitControl, 0xFFFF_FFFF, 0)
    setAndCheck(Register.receiveControl, 0x06DF_B3FE, 0xFFFF_FFFF)
    patterns(Register.receiveBaseLow, 0xFFFF_FFF0, 0xFFFF_FFFF)
    patterns(Register.transmitConfigurationWord, 0xC000_FFFF, 0x0000_FFFF)
    patterns(Register.transmitBaseLow, 0xFFFF_FFF0, 0xFFFF_FFFF)
    patterns(Register.transmitDelayTimer, 0x0000_FFFF, 0x0000_FFFF)
    for index in 0..<15 { patterns(Register.receiveAddressHigh + 8 * index, 0x8003_FFFF, 0xFFFF_FFFF) }
    for index in 0..<128 { patterns(Register.multicastTable + 4 * index, 0xFFFF_FFFF, 0xFFFF_FFFF) }
  }
}
