import EventLoop

/// An item of an impairment text that is not understood: which, what is wrong, and what would be accepted.
public struct ImpairmentError: Error, Equatable, CustomStringConvertible {
  /// The item as it was written.
  public let item: String
  public let problem: String
  public let accepted: String

  public var description: String { "impairment '\(item)': \(problem); accepted: \(accepted)" }
}

extension ImpairmentSettings {
  /// Reads settings from text, for example `loss=1%,delay=20ms±5ms,out.rate=100mbit`; empty text is no impairment.
  public init(_ text: String) throws(ImpairmentError) {
    self.init()
    var both: [ImpairmentItem] = []
    var single: [ImpairmentItem] = []
    if text.allSatisfy(\.isWhitespace) { return }
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let item = try ImpairmentItem(part)
      if item.side == nil { both.append(item) } else { single.append(item) }
      if (both + single).count(where: { $0.side == item.side && $0.name == item.name }) > 1 {
        throw item.error("given twice", accepted: "each item once for each direction")
      }
    }
    for item in both + single {
      if item.side != "out" { try item.apply(to: &inbound) }
      if item.side != "in" { try item.apply(to: &outbound) }
    }
  }
}

/// One `side.name=value` of an impairment text.
private struct ImpairmentItem {
  let text: String
  let side: String?
  let name: String
  let value: String

  private static let names = "loss, delay, reorder, hold, duplicate, corrupt, rate, queue"
  private static let longest = TimeSpan.seconds(3600)

  init(_ part: Substring) throws(ImpairmentError) {
    func trimmed(_ s: Substring) -> String {
      String(s.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
    text = trimmed(part)
    guard let equals = text.firstIndex(of: "=") else {
      throw ImpairmentError(
        item: text, problem: text.isEmpty ? "the item is empty" : "it has no value",
        accepted: "name=value with one of \(Self.names)")
    }
    var key = trimmed(text[..<equals]).lowercased()
    value = trimmed(text[text.index(after: equals)...]).lowercased()
    if key.hasPrefix("in.") {
      side = "in"
      key.removeFirst(3)
    } else if key.hasPrefix("out.") {
      side = "out"
      key.removeFirst(4)
    } else {
      side = nil
    }
    name = key
  }

  func error(_ problem: String, accepted: String) -> ImpairmentError {
    ImpairmentError(item: text, problem: problem, accepted: accepted)
  }

  func apply(to lane: inout LaneImpairment) throws(ImpairmentError) {
    switch name {
    case "loss": lane.loss = try probability()
    case "reorder": lane.reorder = try probability()
    case "duplicate": lane.duplicate = try probability()
    case "corrupt": lane.corrupt = try probability()
    case "delay": (lane.delay, lane.jitter) = try delayAndJitter()
    case "hold": lane.hold = try span(value)
    case "rate": lane.rate = try bitRate()
    case "queue":
      guard let frames = Int(value), (1...100_000).contains(frames) else {
        throw error("'\(value)' is no number of frames", accepted: "a whole number, 1 to 100000")
      }
      lane.queue = frames
    default:
      throw error("'\(name)' is unknown", accepted: "\(Self.names), each also with the prefix in. or out.")
    }
  }

  private func probability() throws(ImpairmentError) -> Double {
    let percent = value.hasSuffix("%")
    guard let number = decimal(percent ? value.dropLast() : value[...]), number <= (percent ? 100 : 1) else {
      throw error("'\(value)' is no probability", accepted: "0% to 100%, or a fraction from 0 to 1")
    }
    return percent ? number / 100 : number
  }

  private func delayAndJitter() throws(ImpairmentError) -> (TimeSpan, TimeSpan) {
    for sign in ["±", "+-", "+/-"] {
      guard let range = value.firstRange(of: sign) else { continue }
      let delay = try span(String(value[..<range.lowerBound]))
      let jitter = try span(String(value[range.upperBound...]))
      guard jitter <= delay else {
        throw error("the jitter is larger than the delay", accepted: "delay±jitter with jitter at most the delay")
      }
      return (delay, jitter)
    }
    return (try span(value), .zero)
  }

  private func span(_ text: String) throws(ImpairmentError) -> TimeSpan {
    let units: [(String, Double)] = [("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]
    for (unit, size) in units where text.hasSuffix(unit) {
      guard let number = decimal(text.dropLast(unit.count)) else { continue }
      let span = (number * size).rounded()
      if span <= Double(Self.longest.nanoseconds) { return TimeSpan(nanoseconds: Int64(span)) }
    }
    throw error("'\(text)' is no time", accepted: "a number with ns, us, ms or s, up to 3600s; delay also as 20ms±5ms")
  }

  private func bitRate() throws(ImpairmentError) -> UInt64 {
    let units: [(String, Double)] = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1)]
    for (unit, size) in units where value.hasSuffix(unit) {
      guard let number = decimal(value.dropLast(unit.count)) else { continue }
      let bits = (number * size).rounded()
      if (1_000...1e12).contains(bits) { return UInt64(bits) }
    }
    throw error("'\(value)' is no rate", accepted: "a number with bit, kbit, mbit or gbit, 1kbit to 1000gbit")
  }

  /// Digits with at most one point: no sign, exponent, infinity or hexadecimal.
  private func decimal(_ text: Substring) -> Double? {
    guard !text.isEmpty, text.utf8.count <= 32, text.utf8.first != UInt8(ascii: "."),
      text.utf8.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") })
    else { return nil }
    return Double(text)
  }
}
