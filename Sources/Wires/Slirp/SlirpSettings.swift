import Packets

/// The virtual network behind a ``SlirpWire``; the defaults are those of QEMU's user network.
public struct SlirpSettings: Sendable, Equatable {
  /// IPv4 network, with the host, the first address that DHCP gives out, and the DNS forwarder in it.
  public var network = IPv4Subnet(IPv4Address(10, 0, 2, 0), prefixLength: 24)!
  public var host = IPv4Address(10, 0, 2, 2)
  public var firstLease = IPv4Address(10, 0, 2, 15)
  public var nameServer = IPv4Address(10, 0, 2, 3)
  public var isIPv4Enabled = true

  /// IPv6 prefix (length in bits), host and DNS forwarder.
  public var prefix6 = IPv6Address(high: 0xFEC0 << 48, low: 0)
  public var prefix6Length = 64
  public var host6 = IPv6Address(high: 0xFEC0 << 48, low: 2)
  public var nameServer6 = IPv6Address(high: 0xFEC0 << 48, low: 3)
  public var isIPv6Enabled = true

  /// Largest IP packet in bytes, from libslirp to the port and back; 68...65521.
  public var mtu = 1500
  /// The name that DHCP gives to the guest.
  public var hostName: String?
  /// Folder that the host's TFTP server offers, read-only; nil: no TFTP.
  public var tftpFolder: String?
  /// What DHCP calls the TFTP server and the file to boot from.
  public var tftpServerName: String?
  public var bootFile: String?
  /// Domain and search list of DHCP.
  public var domain: String?
  public var searchDomains: [String] = []
  /// Cuts the network off from everything but the host's own services and the forwards.
  public var isRestricted = false
  /// Ports of the host that lead to the guest.
  public var forwards: [PortForward] = []

  /// Frames that wait for the port before the sockets are no longer read, and before frames are dropped.
  public var pauseFrames = 256
  public var dropFrames = 8192

  public init() {}
}

/// A port of the host that leads to a port of the guest.
public struct PortForward: Sendable, Equatable {
  public enum Transport: String, Sendable { case tcp, udp }
  public var transport: Transport
  public var hostAddress: IPAddress
  public var hostPort: UInt16
  /// Nil: the first address that DHCP gives out.
  public var guestAddress: IPAddress?
  public var guestPort: UInt16

  public init(
    _ transport: Transport = .tcp, hostAddress: IPAddress = IPAddress(IPv4Address(127, 0, 0, 1)), hostPort: UInt16,
    guestAddress: IPAddress? = nil, guestPort: UInt16
  ) {
    self.transport = transport
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.guestAddress = guestAddress
    self.guestPort = guestPort
  }
}

/// Why a ``SlirpWire`` could not be made.
public enum SlirpError: Error, Equatable, CustomStringConvertible {
  /// A setting is out of range: which, and what is accepted.
  case invalidSetting(name: String, value: String, accepted: String)
  /// libslirp refused the configuration.
  case notCreated
  /// libslirp is not installed, or too old.
  case libraryMissing(reason: String)
  /// The host port of a forward could not be taken: errno of the attempt.
  case forwardFailed(PortForward, code: Int32)

  public var description: String {
    switch self {
    case .invalidSetting(let name, let value, let accepted):
      "user network: \(name) '\(value)' is out of range; accepted: \(accepted)"
    case .libraryMissing(let reason): "libslirp cannot be loaded (\(reason)); install it: apt-get install libslirp0"
    case .notCreated: "user network: libslirp refused the configuration"
    case .forwardFailed(let forward, let code):
      "user network: cannot forward \(forward.transport.rawValue) port \(forward.hostPort) of the host: "
        + (code == 0 ? "the port is in use or not permitted" : systemMessage(code))
    }
  }
}
