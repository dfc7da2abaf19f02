/// The record locks that one owner has on a file: ranges of bytes, sorted and disjoint. What touches and is of the same
/// type is one range, as in Linux, where F_GETLK shows the whole of it (fs/locks.c, `posix_lock_inode`).
package struct LockedRanges: Sendable {
  /// F_RDLCK and F_WRLCK.
  package enum Kind: Sendable { case shared, exclusive }

  package struct Element: Sendable, Equatable {
    package var kind: Kind
    package var bytes: ClosedRange<Int64>

    package init(_ kind: Kind, _ bytes: ClosedRange<Int64>) {
      self.kind = kind
      self.bytes = bytes
    }
  }

  package private(set) var elements: [Element] = []

  package init() {}

  /// The first range that overlaps `bytes`, and that an owner who wants `kind` may not share; nil wants to know of any.
  package func first(overlapping bytes: ClosedRange<Int64>, conflictingWith kind: Kind?) -> Element? {
    for element in elements[firstIndex(endingAtOrAfter: bytes.lowerBound)...] {
      if element.bytes.lowerBound > bytes.upperBound { return nil }
      if kind != .shared || element.kind == .exclusive { return element }
    }
    return nil
  }

  /// Makes all of `bytes` locked as `kind`, or (nil) not locked. Changes nothing and returns nil if there would be more
  /// than `room` ranges more than now; else how many more there are, which may be less than none.
  package mutating func set(_ bytes: ClosedRange<Int64>, to kind: Kind?, room: Int) -> Int? {
    var replaced = firstIndex(endingAtOrAfter: bytes.lowerBound)..<firstIndex(startingAfter: bytes.upperBound)
    var pieces: [Element] = []
    // What stays of the ranges that it cuts.
    if let first = elements[replaced].first, first.bytes.lowerBound < bytes.lowerBound {
      pieces.append(Element(first.kind, first.bytes.lowerBound...(bytes.lowerBound - 1)))
    } else if replaced.lowerBound > 0, touches(elements[replaced.lowerBound - 1], bytes, kind) {
      pieces.append(elements[replaced.lowerBound - 1])
      replaced = (replaced.lowerBound - 1)..<replaced.upperBound
    }
    if let kind { Self.append(Element(kind, bytes), to: &pieces) }
    if let last = elements[replaced].last, last.bytes.upperBound > bytes.upperBound {
      Self.append(Element(last.kind, (bytes.upperBound + 1)...last.bytes.upperBound), to: &pieces)
    } else if replaced.upperBound < elements.count, touches(elements[replaced.upperBound], bytes, kind) {
      Self.append(elements[replaced.upperBound], to: &pieces)
      replaced = replaced.lowerBound..<(replaced.upperBound + 1)
    }
    let growth = pieces.count - replaced.count
    guard growth <= room else { return nil }
    elements.replaceSubrange(replaced, with: pieces)
    return growth
  }

  /// True if `element`, which does not overlap `bytes`, would be one range with them.
  private func touches(_ element: Element, _ bytes: ClosedRange<Int64>, _ kind: Kind?) -> Bool {
    guard element.kind == kind else { return false }
    return element.bytes.upperBound < bytes.lowerBound
      ? element.bytes.upperBound + 1 == bytes.lowerBound : bytes.upperBound + 1 == element.bytes.lowerBound
  }

  /// Adds a piece right behind the last one.
  private static func append(_ piece: Element, to pieces: inout [Element]) {
    if let last = pieces.last, last.kind == piece.kind, last.bytes.upperBound + 1 == piece.bytes.lowerBound {
      pieces[pieces.count - 1].bytes = last.bytes.lowerBound...piece.bytes.upperBound
    } else {
      pieces.append(piece)
    }
  }

  private func firstIndex(endingAtOrAfter offset: Int64) -> Int { firstIndex { $0.bytes.upperBound >= offset } }
  private func firstIndex(startingAfter offset: Int64) -> Int { firstIndex { $0.bytes.lowerBound > offset } }

  /// The first of the elements for which `isBehind` holds, as it does for all that follow.
  private func firstIndex(_ isBehind: (Element) -> Bool) -> Int {
    var (low, high) = (0, elements.count)
    while low < high {
      let middle = (low + high) / 2
      if isBehind(elements[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
