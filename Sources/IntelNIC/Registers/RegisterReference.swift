/// A register table as a page for people: the same rows that dispatch, dumps and traces come from.
extension RegisterTable {
  /// A Markdown page: a table of all registers, then the fields of those that have any.
  ///
  /// - Parameters:
  ///   - title: the page's heading.
  ///   - names: abbreviations (in capitals) of the registers to take; empty = all.
  public func reference(title: String, only names: Set<String> = []) -> String {
    let chosen = rows.filter { names.isEmpty || names.contains($0.abbreviation.uppercased()) }
      .sorted { $0.offset < $1.offset }
    var lines = [
      "# \(title)", "",
      "Sections are those of Intel's \"PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual\".",
      "*Read* and *write* are the bits that reading shows and writing changes; *W1C* those that a write of 1 clears,",
      "*RC* those that reading clears. All numbers but sections and counts are hexadecimal.", "",
      "| offset | name | register | section | reset | read | write | W1C | RC | behaviour |",
      "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += chosen.map(\.referenceRow)
    lines += ["", "## Fields", ""]
    for row in chosen where !row.fields.isEmpty {
      lines.append("- **\(row.abbreviation)**: " + row.fields.map(\.reference).joined(separator: ", "))
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension RegisterDescription {
  /// `00000`, or `05400...05478 step 8` of an array.
  public var place: String {
    let first = offset.hexadecimal(digits: 5)
    guard count > 1 else { return first }
    return "\(first)...\((offset + (count - 1) * stride).hexadecimal(digits: 5)) step \(stride)"
  }

  fileprivate var referenceRow: String {
    let name = count > 1 ? "\(abbreviation)[\(count)]" : abbreviation
    let masks = [reset, readable, writable, writeOneToClear, clearOnRead].map {
      $0 == 0 ? "0" : $0.hexadecimal(digits: 8)
    }
    return
      "| \(place) | \(name) | \(self.name) | \(section) | \(masks.joined(separator: " | ")) | \(behaviour.summary) |"
  }
}

extension BitField {
  /// `EN 1` or `SPEED 9:8`.
  fileprivate var reference: String { width == 1 ? "\(name) \(low)" : "\(name) \(low + width - 1):\(low)" }
}

extension BinaryInteger {
  fileprivate func hexadecimal(digits: Int) -> String {
    let text = String(self, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
