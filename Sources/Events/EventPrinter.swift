import EventLoop

/// Writes the event stream for people, one line an event:
///
///         0.001203 driver    write 0:0x3818 TDT = 0x00000004 (4)
///         0.001203 model     descriptor tx[3] length 74 status 0x00000001
///
/// Time in seconds with microseconds, rounded down; layer; what happened. The form is stable: tests and scripts may
/// compare it. Control characters and line ends in texts that come from outside are escaped, so an event is always
/// one line.
public final class EventPrinter {
  /// The layers to print.
  public var layers: Set<EventLayer>
  private let write: (String) -> Void

  /// A printer that gives each line, without a line end, to `write`.
  public init(layers: Set<EventLayer> = Set(EventLayer.allCases), write: @escaping (String) -> Void) {
    self.layers = layers
    self.write = write
  }

  /// Prints everything that passes `tap` from now on.
  public func attach(to tap: EventTap) {
    tap.attach { [self] record in print(record) }
  }

  /// Prints one event, if its layer is wanted.
  public func print(_ record: EventRecord) {
    if layers.contains(record.layer) { write(Self.line(record)) }
  }

  /// The line of one event.
  public static func line(_ record: EventRecord) -> String {
    let layer = record.layer.rawValue
    let padding = String(repeating: " ", count: max(1, 10 - layer.count))
    return "\(time(record.time)) \(layer)\(padding)\(singleLine(record.event.description))"
  }

  /// Seconds with six decimals, right-aligned to 12 columns.
  static func time(_ instant: Instant) -> String {
    let microseconds = max(0, instant.nanoseconds) / 1_000
    let fraction = String(microseconds % 1_000_000)
    let text = "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
    return String(repeating: " ", count: max(0, 12 - text.utf8.count)) + text
  }

  private static func singleLine(_ text: String) -> String {
    if !text.unicodeScalars.contains(where: isUnprintable) { return text }
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": escaped += "\\n"
      case "\r": escaped += "\\r"
      case "\t": escaped += "\\t"
      case _ where isUnprintable(scalar): escaped += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    // C0, DEL, C1, and the line and paragraph separators.
    scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
  }
}
