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
    #expect(!row.name.isEmpty && (row.section.hasPrefix("13.") || row.abbreviation == "MANC"))
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

  @Test("no register shows a bit that its mask does not name, whatever is written", arguments: table.rows)
  func readableBits(_ row: RegisterDescription) {
    let bench = ModelBench()
    bench.bringLinkUp()
    for value: UInt32 in [.max, 0xFBFF_FFFF, 0x5A5A_5A5A] {
      bench.write(row.offset, value)
      #expect(bench.read(row.offset) & ~row.readable == 0, "\(row.abbreviation)")
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

  @Test("the reference has a row for every register, with its masks, and the fields of those that have any")
  func reference() {
    let text = Self.table.reference(title: "Registers")
    let lines = text.split(separator: "\n")
    for row in Self.table.rows {
      let name = row.count > 1 ? "\(row.abbreviation)[\(row.count)]" : row.abbreviation
      #expect(lines.count { $0.hasPrefix("| \(row.place) | \(name) | ") } == 1, "\(name)")
      #expect(lines.count { $0.hasPrefix("- **\(row.abbreviation)**: ") } == (row.fields.isEmpty ? 0 : 1))
    }
    #expect(
      lines.contains(
        """
        | 05404...0547C step 8 | RAH[16] | Receive Address High | 13.5.3 | 0 | 8003FFFF | 8003FFFF | 0 | 0 | \
        address filter |
        """))
    #expect(lines.contains("- **RAH**: RAH 15:0, AS 17:16, AV 31"))
    let some = Self.table.reference(title: "One", only: ["ICR"])
    #expect(some.contains("| 000C0 | ICR |") && !some.contains("IMS"))
  }
}
