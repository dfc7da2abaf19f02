import EventLoop
import NetStack
import Packets

/// What is known of a name.
public struct NameRecords: Sendable, Codable, Equatable {
  public struct Record: Sendable, Codable, Equatable {
    public let name: String
    /// A, AAAA or CNAME.
    public let type: String
    public let value: String
    /// Seconds; nil for what no server said.
    public let timeToLive: UInt32?
  }

  public let name: String
  /// Of both families.
  public var addresses: [String] { records.filter { $0.type != "CNAME" }.map(\.value) }
  /// Aliases before what they lead to.
  public internal(set) var records: [Record] = []
  /// What could not be found out, and why.
  public internal(set) var failures: [String] = []

  mutating func add(_ found: [DNSRecord]) {
    for record in found {
      let value: String
      switch record.data {
      case .a(let address): value = address.description
      case .aaaa(let address): value = address.description
      case .cname(let target): value = target.description
      default: continue
      }
      let new = Record(
        name: record.name.description, type: record.type.description, value: value, timeToLive: record.timeToLive)
      // The questions for both families meet the same aliases.
      let isKnown = records.contains { $0.name == new.name && $0.type == new.type && $0.value == new.value }
      if !isKnown { records.append(new) }
    }
  }

  /// A line a record: name, time to live, type, value.
  public var text: String {
    let width = (records.map(\.name.count).max() ?? 0) + 2
    return records.map { record in
      let life = record.timeToLive.map(String.init) ?? "-"
      return pad(record.name, width) + pad(life, 8) + pad(record.type, 7) + record.value
    }.joined(separator: "\n")
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

extension Bench {
  /// The addresses of both families that a name has, and the aliases that lead to them.
  public func records(of name: String, within limit: TimeSpan? = nil) async throws(FetchError) -> NameRecords {
    var answer = NameRecords(name: name)
    if let known = resolver.knownAddresses(of: name) {
      answer.records = known.map { address in
        NameRecords.Record(
          name: name, type: address.isIPv4 ? "A" : "AAAA", value: IPAddressText(address).text, timeToLive: nil)
      }
      return answer
    }
    if let fault = NameRecords.fault(of: name) { throw .unknownHost(name, reason: fault) }
    let deadline = limit.map { loop.now + $0 }
    for type in [DNSRecordType.a, .aaaa] {
      do throws(ResolveError) {
        let left = deadline.map { max($0 - loop.now, .milliseconds(1)) }
        answer.add(
          try await ask(within: left) { [resolver] () async throws(ResolveError) in
            try await resolver.records(of: name, type: type)
          })
      } catch .cancelled {
        throw .interrupted
      } catch .noAddress {
        continue
      } catch {
        // With addresses of one family at hand the other is no reason to fail.
        guard !answer.records.isEmpty else { throw .unknownHost(name, reason: reason(error)) }
        answer.failures.append("\(type): \(reason(error))")
      }
    }
    guard !answer.records.isEmpty else { throw .unknownHost(name, reason: "it has no address") }
    return answer
  }
}
