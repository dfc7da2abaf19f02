/// A domain name (RFC 1035 3.1): labels of 1...63 octets, 255 octets in all. Names compare without regard to the case
/// of ASCII letters (RFC 4343).
public struct DNSName: Sendable {
  /// The name as on the wire, not compressed: each label behind its length, and a zero at the end.
  public let wire: [UInt8]

  /// `.`
  public static let root = DNSName(checked: [0])

  init(checked wire: [UInt8]) { self.wire = wire }

  /// The labels, in order, as they are.
  public var labels: [[UInt8]] {
    var result: [[UInt8]] = []
    var offset = 0
    while offset < wire.count, wire[offset] > 0 {
      let end = offset + 1 + Int(wire[offset])
      result.append([UInt8](wire[(offset + 1)..<end]))
      offset = end
    }
    return result
  }

  /// Nil if a label or the whole is too long or a label is empty.
  public init?(labels: [[UInt8]]) {
    var wire: [UInt8] = []
    for label in labels {
      guard (1...63).contains(label.count) else { return nil }
      wire.append(UInt8(label.count))
      wire += label
      guard wire.count < 255 else { return nil }
    }
    wire.append(0)
    self.init(checked: wire)
  }

  /// The name with one more label in front; nil if it becomes too long.
  public func prepending(_ label: String) -> DNSName? { DNSName(labels: [[UInt8](label.utf8)] + labels) }

  /// The name that asks for the name of an address: `15.2.0.10.in-addr.arpa` (RFC 1035 3.5).
  public init(reverse address: IPv4Address) {
    let octets = (0..<4).map { [UInt8]("\(address.rawValue >> UInt32(8 * $0) & 255)".utf8) }
    self = DNSName(labels: octets + [[UInt8]("in-addr".utf8), [UInt8]("arpa".utf8)]) ?? .root
  }

  /// The name that asks for the name of an address: 32 nibbles and `ip6.arpa` (RFC 3596 2.5).
  public init(reverse address: IPv6Address) {
    let nibbles = (0..<32).map { index in
      let half = index < 16 ? address.low : address.high
      return [UInt8](String(half >> UInt64(4 * (index & 15)) & 15, radix: 16).utf8)
    }
    self = DNSName(labels: nibbles + [[UInt8]("ip6".utf8), [UInt8]("arpa".utf8)]) ?? .root
  }

  static func lowercased(_ octet: UInt8) -> UInt8 { (65...90).contains(octet) ? octet + 32 : octet }
}

extension DNSName: Hashable {
  public static func == (a: DNSName, b: DNSName) -> Bool {
    a.wire.count == b.wire.count && zip(a.wire, b.wire).allSatisfy { lowercased($0) == lowercased($1) }
  }
  public func hash(into hasher: inout Hasher) {
    for octet in wire { hasher.combine(Self.lowercased(octet)) }
  }
}

extension DNSName: CustomStringConvertible, LosslessStringConvertible {
  /// The labels with dots between and none at the end; `.` for the root. Dots, backslashes and octets that are not
  /// printable ASCII are escaped as in zone files (RFC 1035 5.1).
  public var description: String {
    if wire.count <= 1 { return "." }
    return labels.map { label in
      label.reduce(into: "") { text, octet in
        switch octet {
        case UInt8(ascii: "."), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(octet))
        case 33...126: text.unicodeScalars.append(UnicodeScalar(octet))
        default:
          let number = String(octet)
          text += "\\" + String(repeating: "0", count: 3 - number.count) + number
        }
      }
    }.joined(separator: ".")
  }

  /// Labels between dots, with or without a dot at the end, with the escapes of RFC 1035 5.1; nil if a label is empty
  /// or too long.
  public init?(_ description: String) {
    if description == "." {
      self = .root
      return
    }
    guard description.utf8.count <= 1024 else { return nil }
    var labels: [[UInt8]] = [[]]
    var input = description.utf8.makeIterator()
    while let octet = input.next() {
      if octet == UInt8(ascii: ".") {
        labels.append([])
      } else if octet == UInt8(ascii: "\\") {
        guard let next = input.next() else { return nil }
        if (48...57).contains(next) {
          guard let b = input.next(), let c = input.next(), (48...57).contains(b), (48...57).contains(c),
            let value = UInt8(exactly: Int(next - 48) * 100 + Int(b - 48) * 10 + Int(c - 48))
          else { return nil }
          labels[labels.count - 1].append(value)
        } else {
          labels[labels.count - 1].append(next)
        }
      } else {
        labels[labels.count - 1].append(octet)
      }
    }
    if labels.count > 1, labels[labels.count - 1].isEmpty { labels.removeLast() }
    self.init(labels: labels)
  }
}
