/// The value of a Content-Range header (RFC 9110 14.4): `bytes 0-499/1234`, the whole length being `*` if it is
/// unknown.
struct ContentRange: Equatable {
  let bytes: ClosedRange<Int64>
  let total: Int64?

  /// Nil for anything that is not the range of a part.
  init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
    let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { Self.number($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last, last < .max else { return nil }
    if parts[1] == "*" {
      total = nil
    } else {
      guard let length = Self.number(parts[1]), length > last else { return nil }
      total = length
    }
    bytes = first...last
  }

  private static func number(_ text: Substring) -> Int64? {
    text.utf8.allSatisfy { (48...57).contains($0) } ? Int64(text) : nil
  }

  var count: Int64 { bytes.upperBound - bytes.lowerBound + 1 }
}

extension FetchOptions {
  /// The caller asked for a range by a header, which is then the whole of what it wants.
  var asksForOwnRange: Bool { headers.contains { $0.name.lowercased() == "range" } }
}
