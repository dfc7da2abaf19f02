import EventLoop
import Link
import NetStack
import Packets

/// Two segments with a router between them: 192.168.76.0/24 inside, 10.0.2.0/24 outside; the router is .1 and .15, with
/// 10.0.2.2 as its own gateway.
final class RoutedNetwork {
  let inside: TestNetwork
  let outside: TestNetwork
  let stack: NetworkStack
  let inner: NetworkInterface
  let outer: NetworkInterface
  let innerDevice: TestDevice
  let outerDevice: TestDevice
  let guest: TestHost
  let server: TestHost
  let router: IPv4Router
  private(set) var translation: NAPT?

  static let guestAddress = IPv4Address(192, 168, 76, 15)
  static let outerAddress = IPv4Address(10, 0, 2, 15)
  static let serverAddress = IPv4Address(10, 0, 2, 2)

  init(
    seed: UInt64 = 3, translates: Bool = true, features: DeviceFeatures = [], outerMTU: Int = 1500,
    configuration: NAPTConfiguration = .init(), stackConfiguration: StackConfiguration = .init()
  ) throws {
    inside = TestNetwork(seed: seed)
    outside = TestNetwork(besides: inside)
    innerDevice = inside.addDevice(features: features)
    outerDevice = outside.addDevice(features: features, mtu: outerMTU)
    stack = NetworkStack(on: inside.loop, tap: inside.tap, configuration: stackConfiguration)
    inner = stack.attach(innerDevice)
    outer = stack.attach(outerDevice)
    inner.add(IPv4Subnet("192.168.76.1/24")!)
    outer.add(IPv4Subnet("10.0.2.15/24")!)
    try stack.routes.addDefault(gateway: Self.serverAddress, interface: outer)
    guest = inside.addHost("192.168.76.15/24", features: features)
    server = outside.addHost("10.0.2.2/24", features: features, mtu: 1500)
    try guest.stack.routes.addDefault(gateway: IPv4Address(192, 168, 76, 1), interface: guest.interface)
    router = stack.startForwarding()
    if translates {
      translation = router.translate(behind: outer, configuration)
    } else {
      try server.stack.routes.add(
        Route(prefix: IPv4Subnet("192.168.76.0/24")!, gateway: Self.outerAddress, interface: server.interface))
    }
  }

  func advance(_ span: TimeSpan) { inside.advance(span) }

  /// Frames from a station of the inner segment to the router.
  func wire(from station: Station) -> FrameBuilder {
    FrameBuilder(source: station.device.hardwareAddress, destination: innerDevice.hardwareAddress)
  }

  /// Frames from a station of the outer segment to the router.
  func outerWire(from station: Station) -> FrameBuilder {
    FrameBuilder(source: station.device.hardwareAddress, destination: outerDevice.hardwareAddress)
  }

  /// A connection of the guest to a port of the server, accepted there.
  func connect(port: UInt16 = 80) throws -> (client: TCPConnection, server: TCPConnection, listener: TCPListener) {
    let listener = try server.stack.tcp.listen(on: Endpoint(Self.serverAddress, port), backlog: 8)
    let client = try guest.stack.tcp.connect(to: Endpoint(Self.serverAddress, port))
    advance(.seconds(20))
    guard let accepted = listener.accept() else { throw NetworkError.notConnected }
    return (client, accepted, listener)
  }

  /// Moves bytes both ways at the same time, and closes; the two directions as they were at the end.
  func exchange(
    _ client: TCPConnection, _ server: TCPConnection, _ there: [UInt8], _ back: [UInt8],
    limit: TimeSpan = .seconds(600)
  ) -> (Transfer, Transfer) {
    let out = Transfer(there, from: client, to: server)
    let home = Transfer(back, from: server, to: client)
    client.onReadiness = { _ in
      out.push()
      home.pull()
    }
    server.onReadiness = { _ in
      home.push()
      out.pull()
    }
    out.push()
    home.push()
    advance(limit)
    client.onReadiness = nil
    server.onReadiness = nil
    return (out, home)
  }
}

/// Loses, doubles, delays and damages a part of the frames.
func impairment(_ network: TestNetwork, rate: Double) -> (inout Flight) -> Void {
  let random = network.loop.random
  return { flight in
    if random.chance(rate) { flight.copies = 0 }
    if random.chance(rate / 2) { flight.copies = 2 }
    if random.chance(rate) { flight.delay = .microseconds(Int(random.uniform(1...3000))) }
    if random.chance(rate / 2) {
      let place = Int(random.uniform(14...Int64(flight.bytes.count - 1)))
      flight.bytes[place] ^= UInt8(1 << random.uniform(0...7))
    }
  }
}
