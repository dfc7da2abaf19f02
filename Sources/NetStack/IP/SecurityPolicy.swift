import Packets

/// One way's policy of a socket: which datagrams it means, and whether they pass (RFC 4301 4.4.1; Linux
/// `struct xfrm_policy`). There are no security associations here, so what shall pass protected does not pass.
public struct SecurityPolicy: Sendable, Equatable {
  public enum Action: Sendable, Equatable {
    case pass
    case block
    /// Passes by a security association only.
    case protect
  }

  /// One side of the datagrams that are meant; zero bits of the masks: any.
  public struct Side: Sendable, Equatable {
    public var address: IPv4Address
    public var prefixLength: Int
    public var port: UInt16
    public var portMask: UInt16

    public init(address: IPv4Address, prefixLength: Int, port: UInt16, portMask: UInt16) {
      self.address = address
      self.prefixLength = prefixLength
      self.port = port
      self.portMask = portMask
    }

    func matches(_ endpoint: Endpoint) -> Bool {
      guard let other = endpoint.address.v4, (endpoint.port ^ port) & portMask == 0 else { return false }
      return prefixLength == 0 || (other.rawValue ^ address.rawValue) >> UInt32(32 - prefixLength) == 0
    }
  }

  public var action: Action
  public var source: Side
  public var destination: Side
  /// 0: any
  public var `protocol`: UInt8
  public var interface: Int

  public init(action: Action, source: Side, destination: Side, protocol: UInt8, interface: Int) {
    self.action = action
    self.source = source
    self.destination = destination
    self.protocol = `protocol`
    self.interface = interface
  }

  /// Why a datagram does not pass; nil: it does.
  func refusal(
    from sender: Endpoint, to receiver: Endpoint, _ protocol: IPProtocol, interface index: Int
  ) -> NetworkError? {
    guard action != .pass, self.protocol == 0 || self.protocol == `protocol`.rawValue,
      interface == 0 || interface == index, source.matches(sender), destination.matches(receiver)
    else { return nil }
    return action == .block ? .operationNotPermitted : .noSecurityAssociation
  }
}

/// The policies of a socket for what it receives and sends (Linux `sk_policy`); each set that is made differs from any
/// other.
public final class SecurityPolicies: Sendable, Equatable {
  public let inbound: SecurityPolicy?
  public let outbound: SecurityPolicy?

  public init(inbound: SecurityPolicy?, outbound: SecurityPolicy?) {
    self.inbound = inbound
    self.outbound = outbound
  }

  public static func == (a: SecurityPolicies, b: SecurityPolicies) -> Bool { a === b }

  /// Throws if nothing may be sent to `remote`.
  func checkSending(_ protocol: IPProtocol, from port: UInt16, to remote: Endpoint, on path: Path) throws(NetworkError)
  {
    let refusal = outbound?.refusal(
      from: Endpoint(path.source, port), to: remote, `protocol`, interface: path.interface.index)
    if let refusal { throw refusal }
  }

  /// False if a datagram must not be received.
  func admits(_ protocol: IPProtocol, from remote: Endpoint, to local: Endpoint, interface: Int) -> Bool {
    inbound?.refusal(from: remote, to: local, `protocol`, interface: interface) == nil
  }

  /// The same for a segment of TCP behind the first `headerLength` octets of `datagram`.
  func admits(_ datagram: RawSpan, _ headerLength: Int, interface: Int) -> Bool {
    let addresses = datagram.loadBigEndian(IPv4Field.source, as: UInt64.self)
    let ports = datagram.loadBigEndian(headerLength, as: UInt32.self)
    return admits(
      .tcp,
      from: Endpoint(
        IPv4Address(rawValue: UInt32(truncatingIfNeeded: addresses >> 32)), UInt16(truncatingIfNeeded: ports >> 16)),
      to: Endpoint(IPv4Address(rawValue: UInt32(truncatingIfNeeded: addresses)), UInt16(truncatingIfNeeded: ports)),
      interface: interface)
  }
}
