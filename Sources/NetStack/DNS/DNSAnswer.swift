import EventLoop
import Packets

/// What a response means for the question that was asked.
enum DNSAnswer: Equatable {
  case addresses([IPAddress], lifetime: TimeSpan)
  /// The name is an alias of another one, about which the response says nothing.
  case alias(DNSName, lifetime: TimeSpan)
  /// The name does not exist or has no such record; for how long that may be remembered (zero: not at all).
  case negative(nameExists: Bool, lifetime: TimeSpan)
  case serverFailure

  /// Reads the answer section along the chain of aliases (RFC 1034 4.3.2, 5.2.2). Records that are not on the chain are
  /// left alone: nobody asked for them.
  init(_ message: DNSMessage, to question: DNSQuestion) {
    switch message.responseCode {
    case .noError: break
    case .nameError:
      self = .negative(nameExists: false, lifetime: DNSAnswer.negativeLifetime(message))
      return
    default:
      self = .serverFailure
      return
    }
    var name = question.name
    var lifetime = UInt32.max
    var followed = 0
    while true {
      let owned = message.answers.filter { $0.name == name && $0.classCode == 1 }
      let matching = owned.filter { $0.type == question.type }
      if !matching.isEmpty {
        let addresses: [IPAddress] = matching.compactMap { record in
          switch record.data {
          case .a(let address): IPAddress(address)
          case .aaaa(let address): IPAddress(high: address.high, low: address.low)
          default: nil
          }
        }
        for record in matching { lifetime = min(lifetime, DNSAnswer.lifetime(record)) }
        self = .addresses(addresses, lifetime: .seconds(Int(lifetime)))
        return
      }
      guard let alias = owned.first(where: { $0.type == .cname }), case .cname(let target) = alias.data, followed < 16
      else { break }
      followed += 1
      lifetime = min(lifetime, DNSAnswer.lifetime(alias))
      name = target
    }
    self =
      followed == 0 || message.authorities.contains { $0.type == .soa }
      ? .negative(nameExists: true, lifetime: DNSAnswer.negativeLifetime(message))
      : .alias(name, lifetime: .seconds(Int(lifetime)))
  }

  /// A TTL with its highest bit set counts as zero (RFC 2181 8).
  private static func lifetime(_ record: DNSRecord) -> UInt32 {
    record.timeToLive >> 31 == 0 ? record.timeToLive : 0
  }

  /// The lesser of the SOA record's TTL and its minimum field; without one the answer is not kept (RFC 2308 5).
  private static func negativeLifetime(_ message: DNSMessage) -> TimeSpan {
    for record in message.authorities where record.type == .soa {
      if case .soa(let authority) = record.data { return .seconds(Int(min(lifetime(record), authority.minimum))) }
    }
    return .zero
  }
}
