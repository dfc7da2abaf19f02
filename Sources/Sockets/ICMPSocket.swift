import NetStack
import Packets

/// An ICMP echo socket (icmp(7)): its messages are echo requests and replies with their ICMP header.
public final class ICMPSocket: DatagramSocket {
  private let icmp: ICMPEndpoint

  /// Types of the messages that it sends (with code 0): echo request, and extended echo request (RFC 8335).
  public static let types: [UInt8] = [8, 42]

  public init(on stack: NetworkStack) {
    icmp = stack.icmp.open()
    super.init(SocketKind(transport: .ping, protocolNumber: 1), on: stack, endpoint: icmp)
  }

  override func optionsChanged(_ options: SocketOptions) { icmp.reusesAddress = options.reuseAddress }

  public override func bindIfNeeded() throws(NetworkError) {
    if icmp.local.port == 0 { try icmp.bind(to: Endpoint(.any, 0)) }
  }
  override func bindEndpoint(to local: Endpoint) throws(NetworkError) { try icmp.bind(to: local) }
  override func connectEndpoint(to remote: Endpoint) throws(NetworkError) { try icmp.connect(to: remote.address) }
  override func disconnectEndpoint() { icmp.disconnect() }
  override func probe(
    _ start: RawSpan, of length: Int, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    try icmp.probe(start, to: destination?.address, control: control)
  }
  override func sendMessage(
    _ bytes: RawSpan, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    try icmp.send(bytes, to: destination?.address, control: control)
  }
}
