import Packets

/// The result of walking the options of an IPv4 header (RFC 791 3.1; Linux's `ip_options_compile`).
enum IPv4OptionScan: Equatable {
  case fine
  /// A loose or strict source route is among them.
  case sourceRoute
  /// The offending octet, from the start of the options.
  case malformed(offset: Int)

  init(_ options: RawSpan) {
    var offset = 0
    var sawRoute = false
    while offset < options.byteCount {
      let kind = options.octet(offset)
      if kind == 0 { break }
      if kind == 1 {
        offset += 1
        continue
      }
      guard offset + 1 < options.byteCount else {
        self = .malformed(offset: offset)
        return
      }
      let length = Int(options.octet(offset + 1))
      guard length >= 2, offset + length <= options.byteCount else {
        self = .malformed(offset: offset)
        return
      }
      switch kind {
      case 0x83, 0x89:
        guard length >= 3, options.octet(offset + 2) >= 4 else {
          self = .malformed(offset: offset + 2)
          return
        }
        sawRoute = true
      case 0x07 where length < 3 || options.octet(offset + 2) < 4,
        0x44 where length < 4 || options.octet(offset + 2) < 5:
        self = .malformed(offset: min(offset + 2, options.byteCount - 1))
        return
      default:
        break
      }
      offset += length
    }
    self = sawRoute ? .sourceRoute : .fine
  }
}
