import EventLoop
import Packets

/// Which addresses are asked for.
public enum AddressFamily: Sendable, Hashable, CaseIterable {
  /// Those that this host can reach: IPv4, as long as no interface has an IPv6 address (`AI_ADDRCONFIG`).
  case any
  case ipv4
  case ipv6
}

/// What `/etc/resolv.conf` and `/etc/hosts` say. The defaults are glibc's.
public struct ResolverConfiguration: Sendable, Equatable {
  /// Servers in order of preference. At most three are asked, as in glibc.
  public var servers: [Endpoint] = []

  /// The port of name servers that are not said to have another (RFC 1035 4.2).
  public static let port: UInt16 = 53

  /// Domains that are tried behind a short name; at most six.
  public var searchDomains: [String] = []
  /// A name with at least so many dots is first tried as it is.
  public var dots = 1
  /// Time for one server in the first round; later rounds share double the time among the servers.
  public var timeout = TimeSpan.seconds(5)
  /// Rounds over all servers.
  public var attempts = 2
  /// Names that are answered without a server, lower case.
  public var hosts: [String: [IPAddress]] = [
    "localhost": [IPAddress(.loopback), IPAddress(high: 0, low: 1)],
    "localhost.localdomain": [IPAddress(.loopback), IPAddress(high: 0, low: 1)],
  ]
  /// Answers kept at most, and the longest time an answer and a negative answer are kept.
  public var cacheLimit = 512
  public var maximumLifetime = TimeSpan.seconds(86_400)
  public var maximumNegativeLifetime = TimeSpan.seconds(10_800)

  public init() {}
}

/// Why a name has no address.
public enum ResolveError: Error, Equatable, Sendable {
  /// The name does not exist.
  case notFound
  /// The name exists, but has no address of the wanted family.
  case noAddress
  /// No server answered in time.
  case timedOut
  /// All servers answered with a failure, or refused.
  case serverFailure
  /// No server is configured, or none can be reached.
  case noServers
  /// The name cannot be one, or the only answers were damaged.
  case malformed
  /// The waiting task was cancelled.
  case cancelled
}

/// What a resolver did and saw.
public struct ResolverCounters: Sendable, Equatable {
  public var queriesSent: UInt64 = 0
  public var answers: UInt64 = 0
  public var cacheHits: UInt64 = 0
  public var negativeCacheHits: UInt64 = 0
  public var timeouts: UInt64 = 0
  /// Responses with another identifier or question: late, or forged.
  public var mismatched: UInt64 = 0
  public var malformed: UInt64 = 0
  public var truncated: UInt64 = 0
  /// Questions that were asked again over TCP.
  public var overTCP: UInt64 = 0
  /// SERVFAIL, REFUSED and the like.
  public var serverFailures: UInt64 = 0
  /// Servers that could not be reached at all.
  public var unreachable: UInt64 = 0

  public init() {}
}
