import EventLoop
import Packets

/// A stub resolver (RFC 1034 5.3.1) that behaves like glibc's: several servers in order with growing timeouts, search
/// domains, `/etc/hosts` entries, TCP for truncated answers, and a cache besides.
///
///     resolver.configure(servers: lease.servers, searchDomains: [])
///     let addresses = try await resolver.resolve("www.example.com")
///
/// Each question has an identifier and a source port of its own, both random, and only the asked server's answer to
/// exactly this question counts (RFC 5452).
public final class Resolver {
  public let stack: NetworkStack
  public var configuration: ResolverConfiguration
  private var cache: DNSCache
  private var counts = ResolverCounters()
  let loop: any EventLoop

  public init(_ stack: NetworkStack, configuration: ResolverConfiguration = .init()) {
    self.stack = stack
    self.configuration = configuration
    loop = stack.loop
    cache = DNSCache(limit: configuration.cacheLimit)
  }

  public var counters: ResolverCounters { counts }
  public var cacheCount: Int { cache.count }
  public func flushCache() { cache.removeAll() }
  func count(_ change: (inout ResolverCounters) -> Void) { change(&counts) }

  /// Takes over what DHCP said; answers of the servers before are forgotten if the servers change.
  public func configure(servers addresses: [IPAddress], searchDomains: [String]) {
    let servers = addresses.map { Endpoint($0, ResolverConfiguration.port) }
    if servers != configuration.servers { cache.removeAll() }
    configuration.servers = servers
    configuration.searchDomains = searchDomains
  }

  // MARK: Names

  /// The addresses of `name`, in the order of the answer; at least one. Literal addresses stand for themselves.
  public func resolve(
    _ name: String, family: AddressFamily = .any
  ) async throws(ResolveError) -> [IPAddress] {
    if let literal = Resolver.literal(name) {
      guard Resolver.fits(literal, family) else { throw .notFound }
      return [literal]
    }
    if let known = hostsEntry(name) {
      let fitting = known.filter { Resolver.fits($0, family) }
      if fitting.isEmpty { throw .notFound }
      return fitting
    }
    guard !name.isEmpty, name != ".", let plain = DNSName(name) else { throw .malformed }
    let type = family == .ipv6 ? DNSRecordType.aaaa : .a
    return try await first(of: candidates(plain, isAbsolute: name.hasSuffix("."))) {
      [self] (candidate) async throws(ResolveError) in try await look(candidate, type)
    }
  }

  /// What the first name has that has something; otherwise the failure that says most.
  func first<T>(
    of names: [DNSName], _ look: (DNSName) async throws(ResolveError) -> T
  ) async throws(ResolveError) -> T {
    var failure = ResolveError.notFound
    for candidate in names {
      do throws(ResolveError) {
        return try await look(candidate)
      } catch .notFound {
        continue
      } catch .noAddress {
        // As glibc, which remembers it while it tries the other domains.
        failure = failure == .notFound ? .noAddress : failure
      } catch .serverFailure {
        // Another domain may be served better; if none is, the failure is what there is to tell.
        failure = .serverFailure
      }
    }
    throw failure
  }

  static func literal(_ text: String) -> IPAddress? {
    if let address = IPv4Address(text) { return IPAddress(address) }
    if let address = IPv6Address(text) { return IPAddress(high: address.high, low: address.low) }
    return nil
  }

  static func fits(_ address: IPAddress, _ family: AddressFamily) -> Bool {
    family == .ipv6 ? !address.isIPv4 : address.isIPv4
  }

  func hostsEntry(_ name: String) -> [IPAddress]? {
    var key = name.lowercased()
    if key.hasSuffix(".") { key.removeLast() }
    if let known = configuration.hosts[key] { return known }
    // Names below localhost never leave the host (RFC 6761 6.3).
    return key.hasSuffix(".localhost") ? configuration.hosts["localhost"] : nil
  }

  /// The names to try, in order (resolv.conf(5), `search` and `ndots`).
  func candidates(_ name: DNSName, isAbsolute: Bool) -> [DNSName] {
    if isAbsolute { return [name] }
    let searched = configuration.searchDomains.prefix(6).compactMap { domain in
      DNSName(domain).flatMap { DNSName(labels: name.labels + $0.labels) }
    }
    return name.labels.count - 1 >= configuration.dots ? [name] + searched : searched + [name]
  }

  // MARK: Questions

  /// The addresses of one name, through aliases that the servers do not follow themselves.
  private func look(_ name: DNSName, _ type: DNSRecordType) async throws(ResolveError) -> [IPAddress] {
    let key = DNSCache.Key(name: name, type: type)
    if let kept = cache.look(key, now: loop.now) {
      if kept.addresses.isEmpty {
        counts.negativeCacheHits &+= 1
        throw kept.nameExists ? .noAddress : .notFound
      }
      counts.cacheHits &+= 1
      return kept.addresses
    }
    var current = name
    var longest = configuration.maximumLifetime
    for _ in 0..<8 {
      switch try await ask(DNSQuestion(name: current, type: type)).answer {
      case .addresses(let addresses, let lifetime):
        cache.keep(.init(addresses: addresses), for: key, lifetime: min(lifetime, longest), now: loop.now)
        if addresses.isEmpty { throw .noAddress }
        return addresses
      case .alias(let target, let lifetime):
        longest = min(longest, lifetime)
        current = target
      case .negative(let nameExists, let lifetime):
        cache.keep(
          .init(nameExists: nameExists), for: key,
          lifetime: min(lifetime, longest, configuration.maximumNegativeLifetime), now: loop.now)
        throw nameExists ? .noAddress : .notFound
      case .serverFailure:
        throw .serverFailure
      }
    }
    throw .notFound
  }

  /// Asks the servers in turn until one answers (glibc's `res_nsend`).
  func ask(_ question: DNSQuestion) async throws(ResolveError) -> (answer: DNSAnswer, message: DNSMessage) {
    let servers = Array(configuration.servers.prefix(3))
    guard !servers.isEmpty else { throw .noServers }
    var failure: ResolveError?
    for round in 0..<max(configuration.attempts, 1) {
      for server in servers {
        // Doubled each round, and from the second on shared by the servers; a second at least.
        let share = configuration.timeout * (1 << min(round, 6)) / (round == 0 ? 1 : servers.count)
        let deadline = loop.now + max(share, .seconds(1))
        switch await exchange(question, with: server, until: deadline) {
        case .answer(let answer, let message):
          if answer != .serverFailure {
            counts.answers &+= 1
            return (answer, message)
          }
          counts.serverFailures &+= 1
          failure = .serverFailure
        case .timedOut:
          counts.timeouts &+= 1
          if failure != .serverFailure { failure = .timedOut }
        case .unreachable:
          counts.unreachable &+= 1
          failure = failure ?? .noServers
        case .malformed:
          if failure != .serverFailure { failure = .malformed }
        case .cancelled:
          throw .cancelled
        }
      }
      // A server that failed has spoken; only silence is worth asking again.
      if failure == .serverFailure || failure == .noServers { break }
    }
    throw failure ?? .timedOut
  }
}
