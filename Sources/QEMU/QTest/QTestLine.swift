/// A line that a QEMU writes on a qtest connection (QEMU's `system/qtest.c`): the reply to a command, or word of an
/// intercepted interrupt line, which comes at any time between replies.
enum QTestLine: Equatable {
  /// The command was done; what it was to find out, if anything.
  case ok(String)
  case fail(String)
  case interrupt(line: Int, asserted: Bool)

  /// Bytes of the longest line, without its end.
  static let limit = 4096
  /// No interrupt controller has more inputs.
  static let interruptLimit = 1024

  /// The line without its end; nil if it is none of the protocol.
  init?(_ bytes: some Collection<UInt8>) {
    let text = String(decoding: bytes, as: UTF8.self)
    let words = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
    let rest = words.count > 1 ? String(words[1]) : ""
    switch words[0] {
    case "OK": self = .ok(rest)
    case "FAIL", "ERR": self = .fail(rest)
    case "IRQ":
      let parts = rest.split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[0] == "raise" || parts[0] == "lower",
        parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let line = Int(parts[1]), line < Self.interruptLimit
      else { return nil }
      self = .interrupt(line: line, asserted: parts[0] == "raise")
    default: return nil
    }
  }

  /// The number in the reply to a reading command: `0x` and hexadecimal digits.
  static func value(of reply: String) -> UInt64? {
    guard reply.hasPrefix("0x") else { return nil }
    let digits = reply.dropFirst(2)
    guard digits.utf8.first != UInt8(ascii: "+"), digits.utf8.first != UInt8(ascii: "-") else { return nil }
    return UInt64(digits, radix: 16)
  }
}
