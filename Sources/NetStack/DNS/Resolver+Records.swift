import Packets

extension Resolver {
  /// The records of one type that `name` has, behind the aliases that lead to them, each as the servers tell it now:
  /// the cache is not asked. Short names get the search domains as in ``resolve(_:family:)``.
  ///
  /// - Throws: ``ResolveError/noAddress`` if the name has no such record.
  public func records(of name: String, type: DNSRecordType) async throws(ResolveError) -> [DNSRecord] {
    guard !name.isEmpty, name != ".", let plain = DNSName(name) else { throw .malformed }
    return try await first(of: candidates(plain, isAbsolute: name.hasSuffix("."))) {
      [self] (candidate) async throws(ResolveError) in try await chain(from: candidate, type)
    }
  }

  private func chain(from name: DNSName, _ type: DNSRecordType) async throws(ResolveError) -> [DNSRecord] {
    var current = name
    var found: [DNSRecord] = []
    for _ in 0..<8 {
      let (answer, message) = try await ask(DNSQuestion(name: current, type: type))
      var followed = 0
      while followed < 16, let alias = message.answers.first(where: { $0.name == current && $0.type == .cname }),
        case .cname(let target) = alias.data
      {
        found.append(alias)
        current = target
        followed += 1
      }
      switch answer {
      case .addresses: return found + message.answers.filter { $0.name == current && $0.type == type }
      case .alias(let target, _): current = target
      case .negative(let nameExists, _): throw nameExists ? .noAddress : .notFound
      case .serverFailure: throw .serverFailure
      }
    }
    throw .notFound
  }

  /// The addresses that stand for `name` without a server: of a literal, or of an entry in `/etc/hosts`; nil for
  /// others.
  public func knownAddresses(of name: String) -> [IPAddress]? {
    Resolver.literal(name).map { [$0] } ?? hostsEntry(name)
  }
}
