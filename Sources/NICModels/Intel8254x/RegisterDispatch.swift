import IntelNIC

/// The register table in the form that an access needs: masks and behaviour of a register word by its offset.
struct RegisterDispatch: Sendable {
  struct Entry: BitwiseCopyable, Sendable {
    var behaviour: RegisterBehaviour
    var writable: UInt32
    var writeOneToClear: UInt32
    var reset: UInt32
  }

  /// Made once for all devices.
  static let family8254x = RegisterDispatch(.family8254x)

  let table: RegisterTable
  private let entries: [Entry]
  private let entryOfWord: [UInt8]

  private init(_ table: RegisterTable) {
    self.table = table
    entries = table.rows.map {
      Entry(
        behaviour: $0.behaviour, writable: $0.writable, writeOneToClear: $0.writeOneToClear, reset: $0.reset)
    }
    entryOfWord = (0..<table.byteCount / 4).map { UInt8(table.rowIndex(at: $0 * 4).map { $0 + 1 } ?? 0) }
  }

  /// The register at byte `offset`, a multiple of four inside the register file; nil if there is none.
  @inline(__always) func entry(at offset: Int) -> Entry? {
    let index = Int(entryOfWord[offset &>> 2])
    return index == 0 ? nil : entries[index &- 1]
  }
}
