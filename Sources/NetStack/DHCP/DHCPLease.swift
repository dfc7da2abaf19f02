import EventLoop
import Packets

/// What a DHCP server granted (RFC 2131), and until when.
public struct DHCPLease: Sendable, Equatable {
  public let address: IPv4Subnet
  /// The server that granted it.
  public let server: IPv4Address
  public let routers: [IPv4Address]
  public let domainNameServers: [IPv4Address]
  public let domainName: String?
  public let hostName: String?
  /// Option 26; nil if the server did not say or said less than 576.
  public let mtu: Int?
  /// When it was asked for; the times below count from here (RFC 2131 4.4.1).
  public let requested: Instant
  /// T1, T2 and the end; all ``Instant/distantFuture`` for a lease without end.
  public let renewal: Instant
  public let rebinding: Instant
  public let expiry: Instant

  /// Seconds at least: a server that grants less would keep both sides busy.
  static let minimumTime: UInt32 = 10

  /// The lease of an ACK; nil if it lacks what a lease must have, or an address in it cannot be one.
  init?(_ message: borrowing DHCPMessage, requested: Instant) {
    let offered = message.yourAddress
    guard let server = message.serverIdentifier, let time = message.leaseTime, DHCPLease.isHost(offered) else {
      return nil
    }
    let mask = message.subnetMask ?? DHCPLease.classfulMask(of: offered)
    guard let subnet = IPv4Subnet(offered, mask: mask), subnet.prefixLength > 0,
      !subnet.hasBroadcast || (offered != subnet.broadcast && offered != subnet.network)
    else { return nil }
    address = subnet
    self.server = server
    routers = message.routers.filter(DHCPLease.isHost)
    domainNameServers = message.domainNameServers.filter { DHCPLease.isHost($0) || $0.isLoopback }
    domainName = message.domainName
    hostName = message.hostName
    mtu = message.interfaceMTU.flatMap { $0 >= 576 ? Int($0) : nil }
    self.requested = requested
    guard time != .max else {
      renewal = .distantFuture
      rebinding = .distantFuture
      expiry = .distantFuture
      return
    }
    let length = Int(max(time, DHCPLease.minimumTime))
    var first = message.renewalTime.map(Int.init) ?? length / 2
    var second = message.rebindingTime.map(Int.init) ?? length / 8 * 7
    if !(first > 0 && first < second && second < length) {
      first = length / 2
      second = length * 7 / 8
    }
    renewal = requested + .seconds(first)
    rebinding = requested + .seconds(second)
    expiry = requested + .seconds(length)
  }

  /// True for addresses that a host can have.
  static func isHost(_ address: IPv4Address) -> Bool {
    address.rawValue >> 24 != 0 && !address.isLoopback && address.rawValue >> 29 != 7
  }

  private static func classfulMask(of address: IPv4Address) -> IPv4Address {
    switch address.rawValue >> 30 {
    case 0, 1: IPv4Address(255, 0, 0, 0)
    case 2: IPv4Address(255, 255, 0, 0)
    default: IPv4Address(255, 255, 255, 0)
    }
  }
}

/// Where a DHCP client is (RFC 2131 4.4, figure 5).
public enum DHCPState: String, Sendable {
  case stopped, selecting, requesting, bound, renewing, rebinding
}

/// What a DHCP client did and saw.
public struct DHCPCounters: Sendable, Equatable {
  public var discoversSent: UInt64 = 0
  public var requestsSent: UInt64 = 0
  public var releasesSent: UInt64 = 0
  public var offersReceived: UInt64 = 0
  public var acksReceived: UInt64 = 0
  public var naksReceived: UInt64 = 0
  /// Replies that are damaged, or offer what cannot be.
  public var malformed: UInt64 = 0
  /// Replies to others, to earlier transactions, from wrong servers, or that do not fit the state.
  public var unexpected: UInt64 = 0
  public var expirations: UInt64 = 0

  public init() {}
}

/// Why there is no lease.
public enum DHCPError: Error, Equatable, Sendable, CustomStringConvertible {
  /// No server granted a lease in time.
  case timedOut
  /// The client was stopped, or the waiting task cancelled.
  case cancelled
  /// Port 68 could not be had.
  case network(NetworkError)

  public var description: String {
    switch self {
    case .timedOut: "no server granted a lease in time"
    case .cancelled: "interrupted"
    case .network(let error): "port 68: \(error)"
    }
  }
}
