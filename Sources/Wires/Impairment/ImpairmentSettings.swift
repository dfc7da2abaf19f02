import EventLoop

/// What an ``ImpairmentWire`` does to the frames of each direction.
///
/// As text: items with commas between them, for both directions or, with a prefix, for one:
/// `loss=1%,delay=20ms±5ms,in.rate=100mbit`. `in` is towards the port (received), `out` away from it (sent). An item
/// for one direction stands beside what the items without prefix say of it, whatever their order.
public struct ImpairmentSettings: Sendable, Equatable {
  /// Towards the port.
  public var inbound = LaneImpairment()
  /// Away from the port.
  public var outbound = LaneImpairment()

  public init() {}

  /// The same for both directions.
  public init(both lane: LaneImpairment) {
    inbound = lane
    outbound = lane
  }

  public var isNone: Bool { inbound.isNone && outbound.isNone }
}

/// What is done to the frames of one direction. Each fault strikes a frame independently of the others.
public struct LaneImpairment: Sendable, Equatable {
  /// Probabilities, 0...1.
  public var loss = 0.0
  public var reorder = 0.0
  public var duplicate = 0.0
  /// One bit of the frame, chosen at random, is inverted.
  public var corrupt = 0.0
  /// How long each frame is under way, and how much that varies (uniformly, more or less). Jitter alone changes no
  /// order: a frame never overtakes the one before it.
  public var delay = TimeSpan.zero
  public var jitter = TimeSpan.zero
  /// How long a frame that is struck by `reorder` is held back, while later ones overtake it.
  public var hold = TimeSpan.milliseconds(1)
  /// Bits a second, counted over the frame without preamble and FCS. Nil: unlimited.
  public var rate: UInt64?
  /// Most frames that wait for the rate limit; a further one is dropped.
  public var queue = 1000

  public init() {}

  public var isNone: Bool {
    loss == 0 && reorder == 0 && duplicate == 0 && corrupt == 0 && delay == .zero && jitter == .zero && rate == nil
  }

  /// True if frames pass in the same call: nothing takes time.
  var isSynchronous: Bool { delay == .zero && jitter == .zero && rate == nil }
}

extension ImpairmentSettings: CustomStringConvertible {
  /// The shortest text that parses to the same settings; empty if nothing is disturbed.
  public var description: String {
    if inbound == outbound { return inbound.items.joined(separator: ",") }
    let common = inbound.items.filter(outbound.items.contains)
    let onlyIn = inbound.items.filter { !common.contains($0) }.map { "in." + $0 }
    let onlyOut = outbound.items.filter { !common.contains($0) }.map { "out." + $0 }
    return (common + onlyIn + onlyOut).joined(separator: ",")
  }
}

extension LaneImpairment {
  fileprivate var items: [String] {
    let standard = LaneImpairment()
    var items: [String] = []
    func probability(_ name: String, _ value: Double) {
      if value > 0 { items.append("\(name)=\(Self.percent(value))") }
    }
    probability("loss", loss)
    if delay > .zero || jitter > .zero {
      items.append("delay=\(Self.text(delay))" + (jitter > .zero ? "±\(Self.text(jitter))" : ""))
    }
    probability("reorder", reorder)
    if hold != standard.hold { items.append("hold=\(Self.text(hold))") }
    probability("duplicate", duplicate)
    probability("corrupt", corrupt)
    if let rate { items.append("rate=\(Self.text(rate: rate))") }
    if queue != standard.queue { items.append("queue=\(queue)") }
    return items
  }

  /// A probability in percent, as short as it parses back to the same value; else as a fraction.
  private static func percent(_ value: Double) -> String {
    let text = shortest((value * 1e6).rounded() / 1e4)
    if let back = Double(text), back / 100 == value { return text + "%" }
    return shortest(value)
  }

  private static func shortest(_ value: Double) -> String {
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  private static func text(_ span: TimeSpan) -> String {
    let n = span.nanoseconds
    for (unit, size) in [("s", Int64(1_000_000_000)), ("ms", 1_000_000), ("us", 1_000)] where n % size == 0 {
      return "\(n / size)\(unit)"
    }
    return "\(n)ns"
  }

  private static func text(rate: UInt64) -> String {
    for (unit, size) in [("gbit", UInt64(1_000_000_000)), ("mbit", 1_000_000), ("kbit", 1_000)]
    where rate % size == 0 { return "\(rate / size)\(unit)" }
    return "\(rate)bit"
  }
}
