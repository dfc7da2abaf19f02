import EventLoop
import Packets

/// What a ``DHCPServer`` grants.
public struct DHCPServerConfiguration: Sendable {
  /// The first and the last address of the pool. Only addresses of the interface's own network are ever granted.
  public var firstAddress: IPv4Address
  public var lastAddress: IPv4Address
  /// Addresses of the pool that are used at most, from the first on: the bound of the table.
  public var leaseLimit = 1024
  public var routers: [IPv4Address] = []
  public var domainNameServers: [IPv4Address] = []
  /// At most 64 bytes are sent.
  public var domainName: String?
  /// Option 26, for links that carry less or more than 1500 bytes.
  public var mtu: UInt16?
  /// siaddr, `file` and option 67: where to boot from, and what.
  public var bootServer: IPv4Address?
  public var bootFile: String?
  /// Granted to those who ask for no time of their own, and the most that others get.
  public var leaseTime = TimeSpan.seconds(3600)
  public var maximumLeaseTime = TimeSpan.seconds(86_400)
  /// How long an offered address is kept for its client.
  public var offerTime = TimeSpan.seconds(30)
  /// How long an address is not granted after a client found it in use.
  public var declineTime = TimeSpan.seconds(600)
  /// The only server of its link: a client that asks for a lease that is not known here is told so, instead of being
  /// left to its timeouts (RFC 2131 4.3.2 wants silence where other servers may know more).
  public var isAuthoritative = true

  /// Grants `firstAddress ... lastAddress`.
  public init(firstAddress: IPv4Address, lastAddress: IPv4Address) {
    self.firstAddress = firstAddress
    self.lastAddress = lastAddress
  }

  /// Grants the hosts of `subnet` from the fifteenth on (in networks of fewer than 32 addresses, all), with the address
  /// in it, which is the server's own, as router.
  public init(serving subnet: IPv4Subnet) {
    let size = UInt64(1) << UInt64(32 - subnet.prefixLength)
    let base = subnet.network.rawValue
    self.init(
      firstAddress: IPv4Address(rawValue: base &+ (size >= 32 ? 15 : size > 2 ? 1 : 0)),
      lastAddress: IPv4Address(rawValue: UInt32(truncatingIfNeeded: UInt64(base) + size - (size > 2 ? 2 : 1))))
    routers = [subnet.address]
  }
}

/// A lease as its server knows it.
public struct DHCPServerLease: Sendable, Equatable {
  public enum State: String, Sendable {
    /// Kept for a client that has not asked for it yet.
    case offered
    case bound
    /// Its client found the address in use by somebody else.
    case declined
  }
  public let address: IPv4Address
  public let hardwareAddress: MACAddress
  public let hostName: String?
  public let state: State
  public let expiry: Instant
}

/// What a DHCP server saw and did.
public struct DHCPServerCounters: Sendable, Equatable {
  public var discovers: UInt64 = 0
  public var requests: UInt64 = 0
  public var declines: UInt64 = 0
  public var releases: UInt64 = 0
  public var informs: UInt64 = 0
  public var offersSent: UInt64 = 0
  public var acksSent: UInt64 = 0
  public var naksSent: UInt64 = 0
  /// Messages without a DHCP message type or an Ethernet address, damaged ones, and replies of other servers.
  public var malformed: UInt64 = 0
  /// Messages of relay agents, which this server does not serve.
  public var relayed: UInt64 = 0
  /// Requests that a client made of another server.
  public var forOthers: UInt64 = 0
  /// Requests for what is not known here that were left without an answer.
  public var unknown: UInt64 = 0
  /// Discovers for which there was no free address.
  public var exhausted: UInt64 = 0
  /// Replies for which the device had no buffer.
  public var lostReplies: UInt64 = 0

  public init() {}
}
