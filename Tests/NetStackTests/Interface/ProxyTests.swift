import EventLoop
import NetStack
import Packets
import Testing

@Suite("Proxy ARP")
struct ProxyTests {
  private func answers(_ prepare: (RoutedNetwork) throws -> Void) throws -> Bool {
    let network = try RoutedNetwork(translates: false)
    try prepare(network)
    let station = Station(network.inside, "192.168.76.40", answersARP: false)
    network.advance(.seconds(1))
    _ = station.take()
    station.send(
      FrameBuilder(source: station.device.hardwareAddress, destination: .broadcast).arpRequest(
        from: station.address, for: RoutedNetwork.serverAddress))
    network.advance(.seconds(1))
    return station.takeARP().contains {
      $0.operation == .reply && $0.senderAddress == RoutedNetwork.serverAddress
        && $0.senderHardwareAddress == network.innerDevice.hardwareAddress
    }
  }

  @Test("a router answers for what it was told to, on the interface that was named, and only for what is elsewhere")
  func proxies() throws {
    #expect(try !answers { _ in })
    #expect(try answers { try $0.stack.proxies.insert(RoutedNetwork.serverAddress, on: 0) })
    #expect(try answers { try $0.stack.proxies.insert(RoutedNetwork.serverAddress, on: $0.inner.index) })
    #expect(try !answers { try $0.stack.proxies.insert(RoutedNetwork.serverAddress, on: $0.outer.index) })
    #expect(try !answers { try $0.stack.proxies.insert(RoutedNetwork.guestAddress, on: 0) })
    #expect(try answers { $0.inner.isARPProxy = true })
    #expect(try answers { $0.stack.proxies.answersForAll = true })
    #expect(
      try !answers {
        $0.inner.isARPProxy = true
        $0.stack.stopForwarding()
      })
    #expect(
      try !answers {
        $0.inner.isARPProxy = true
        try $0.stack.routes.prepend(
          Route(prefix: IPv4Subnet("10.0.2.2/32")!, interface: $0.stack.loopback, isUnreachable: true))
      })
  }
}
