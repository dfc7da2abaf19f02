import EventLoop
import IntelNIC
import NetStack
import Packets
import Wires

/// What a ``Gateway`` is put together from.
public struct GatewayOptions: Sendable {
  /// Where the guest's QEMU is met.
  public var wire: WireAddress
  /// The guest's network, with the gateway's own address in it.
  public var subnet = GatewayOptions.standardSubnet
  /// Answers DHCP on the guest's network.
  public var servesDHCP = true
  /// Routes the guest's datagrams to libslirp's network, translated to the gateway's address there.
  public var routes = true
  /// Port of the HTTP origin on the guest's side; nil: none.
  public var originPort: UInt16?
  /// What DHCP calls the file to boot from; TFTP is libslirp's, an URL is the guest's own matter.
  public var bootFile: String?
  public var slirp = SlirpSettings()
  public var translation = NAPTConfiguration()
  public var controller = IntelController.i82540EM
  public var mtu = 1500
  /// Faults between the guest and the gateway.
  public var impairment: ImpairmentSettings?
  /// A pcapng file that gets every frame of both sides, an interface each.
  public var capturePath: String?
  public var seed: UInt64 = 0
  /// Gets a line an event.
  public var eventSink: (@Sendable (String) -> Void)?

  public init(wire: WireAddress) { self.wire = wire }

  /// 192.168.76.0/24, the gateway is .1.
  public static let standardSubnet = IPv4Subnet(IPv4Address(192, 168, 76, 1), prefixLength: 24)!
}
