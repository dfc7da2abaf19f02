/// A number of bytes as people write it: 1500, 64KiB, 1MB, 2GiB.
public struct ByteCount: Sendable, Equatable, CustomStringConvertible {
  public let bytes: Int

  private static let units: [(suffix: String, factor: Int)] = [
    ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("kb", 1000), ("mb", 1_000_000), ("gb", 1_000_000_000),
    ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("b", 1),
  ]

  public init(_ bytes: Int) { self.bytes = bytes }

  /// Digits and an optional unit; nil for anything else, and beyond 1 TiB.
  public init?(_ text: String) {
    let lower = text.lowercased()
    let unit = Self.units.first { lower.hasSuffix($0.suffix) }
    let digits = unit.map { lower.dropLast($0.suffix.count) } ?? lower[...]
    guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits) else { return nil }
    let (size, overflow) = number.multipliedReportingOverflow(by: unit?.factor ?? 1)
    guard !overflow, size <= 1 << 40 else { return nil }
    bytes = size
  }

  public var description: String {
    let mebibytes = Double(bytes) / Double(1 << 20)
    if mebibytes >= 1 { return "\((mebibytes * 10).rounded() / 10) MiB" }
    return bytes >= 1024 ? "\(bytes / 1024) KiB" : "\(bytes) B"
  }
}
