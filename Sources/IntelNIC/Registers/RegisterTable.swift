/// A controller's registers: the one place that knows their offsets, names, reset values, masks and behaviour. Model
/// dispatch, register dumps, traces and documentation read it.
public struct RegisterTable: Sendable {
  public let rows: [RegisterDescription]
  /// Bytes of the memory-mapped register file.
  public let byteCount: Int
  /// Row number plus one of every register word; 0 where there is no register.
  private let rowOfWord: [UInt8]

  /// The table of the PCI/PCI-X family (82540EM, 82545EM), manual chapter 13.
  public static let family8254x = RegisterTable(
    byteCount: Intel8254xBAR.memoryByteCount,
    rows: generalRows + interruptRows + receiveRows + transmitRows + filterRows + wakeUpRows + statisticsRows
      + diagnosticRows)

  /// A table of `rows`, which must not overlap and must number at most 255.
  public init(byteCount: Int, rows: [RegisterDescription]) {
    precondition(rows.count <= 255)
    self.rows = rows
    self.byteCount = byteCount
    var words = [UInt8](repeating: 0, count: byteCount / 4)
    for (index, row) in rows.enumerated() {
      for offset in row.offsets {
        precondition(words[offset / 4] == 0 && offset % 4 == 0, "\(row.abbreviation) overlaps another register")
        words[offset / 4] = UInt8(index + 1)
      }
    }
    rowOfWord = words
  }

  /// Index in ``rows`` of the register at byte `offset`, or nil.
  @inline(__always) public func rowIndex(at offset: Int) -> Int? {
    guard offset >= 0, offset / 4 < rowOfWord.count else { return nil }
    let row = Int(rowOfWord[offset / 4])
    return row == 0 ? nil : row - 1
  }

  /// The register (or array of registers) that holds byte `offset`, or nil.
  public func row(at offset: Int) -> RegisterDescription? { rowIndex(at: offset).map { rows[$0] } }

  /// The register with the given abbreviation, or nil.
  public func row(named abbreviation: String) -> RegisterDescription? {
    rows.first { $0.abbreviation == abbreviation }
  }

  /// A name for the register at byte `offset`: `CTRL`, `RAL[3]`, or the offset itself.
  public func label(at offset: Int) -> String {
    row(at: offset)?.label(at: offset & ~3) ?? "0x" + String(offset, radix: 16)
  }

  /// The named fields of the register at byte `offset`, lowest first; empty if it has none.
  public func decode(_ offset: Int, _ value: UInt32) -> [(field: String, value: UInt32)] {
    row(at: offset)?.decode(value) ?? []
  }
}
