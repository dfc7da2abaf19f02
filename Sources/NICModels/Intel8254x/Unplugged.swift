import Link

/// What a port without a cable looks at: no carrier, and no room for any frame.
final class Unplugged: Wire {
  weak var port: (any WirePort)?
  var hasCarrier: Bool { false }
  func send(_ frame: RawSpan) -> Bool { false }
  func portIsReady() {}
}
