import EventLoop
import NetStack
import Packets

/// A DHCP server whose answers a test writes; 10.0.0.2 on its own stack.
final class ScriptedDHCPServer {
  /// A request of the client, copied.
  struct Request {
    let type: DHCPMessageType
    let transaction: UInt32
    let hardware: MACAddress
    let clientAddress: IPv4Address
    let requested: IPv4Address?
    let server: IPv4Address?
    let isBroadcast: Bool
    let time: Instant
  }

  let host: TestHost
  private let endpoint: UDPEndpoint
  private(set) var requests: [Request] = []
  /// The types of what came so far.
  var types: [DHCPMessageType] { requests.map(\.type) }
  /// Answers a request; the default grants 10.0.0.50 for ``leaseTime`` seconds.
  var respond: ((Request) -> DHCPMessage.Fields?)?
  var leaseTime: UInt32 = 3600
  var isSilent = false
  /// Unicast to the offered address instead of broadcast.
  var unicastsTo: TestHost?
  static let offered = IPv4Address(10, 0, 0, 50)

  init(_ network: TestNetwork) throws {
    host = network.addHost("10.0.0.2/24")
    endpoint = host.stack.udp.open()
    endpoint.allowsBroadcast = true
    endpoint.boundInterface = host.interface
    try endpoint.bind(to: Endpoint(.any, 67))
    endpoint.onReadiness = { [unowned self] in if $0.contains(.readable) { receive() } }
  }

  private func receive() {
    while let (record, bytes) = endpoint.receive() {
      guard let message = DHCPMessage(bytes.span.bytes), let type = message.messageType else { continue }
      let request = Request(
        type: type, transaction: message.transactionIdentifier, hardware: message.clientHardwareAddress ?? .zero,
        clientAddress: message.clientAddress, requested: message.requestedAddress, server: message.serverIdentifier,
        isBroadcast: record.destination == IPAddress(.broadcast), time: host.stack.loop.now)
      requests.append(request)
      if !isSilent, let reply = respond.map({ $0(request) }) ?? grant(request) { send(reply) }
    }
  }

  func send(_ reply: DHCPMessage.Fields) {
    if let unicastsTo {
      try? host.interface.neighbours.setPermanent(Self.offered, unicastsTo.device.hardwareAddress)
      try? endpoint.send(reply.encoded(), to: Endpoint(Self.offered, 68))
    } else {
      try? endpoint.send(reply.encoded(), to: Endpoint(.broadcast, 68))
    }
  }

  func reply(_ type: DHCPMessageType, to request: Request, options: [DHCPOption] = []) -> DHCPMessage.Fields {
    DHCPMessage.Fields(
      isRequest: false, transactionIdentifier: request.transaction, clientHardwareAddress: request.hardware,
      yourAddress: type == .negativeAcknowledge ? .any : Self.offered,
      options: [DHCPOption(type), DHCPOption(.serverIdentifier, IPv4Address(10, 0, 0, 2))] + options)
  }

  var grantOptions: [DHCPOption] {
    [
      DHCPOption(.leaseTime, number: leaseTime), DHCPOption(.subnetMask, IPv4Address(255, 255, 255, 0)),
      DHCPOption(.router, IPv4Address(10, 0, 0, 2)), DHCPOption(.domainNameServer, IPv4Address(10, 0, 0, 3)),
      DHCPOption(.domainName, text: "example.org"), DHCPOption(.interfaceMTU, number: UInt16(1400)),
    ]
  }

  func grant(_ request: Request) -> DHCPMessage.Fields? {
    switch request.type {
    case .discover: reply(.offer, to: request, options: grantOptions)
    case .request: reply(.acknowledge, to: request, options: grantOptions)
    default: nil
    }
  }
}
