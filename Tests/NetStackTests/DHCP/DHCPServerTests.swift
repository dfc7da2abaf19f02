import EventLoop
import NetStack
import Packets
import Testing

@Suite("DHCP server")
struct DHCPServerTests {
  let network = TestNetwork(seed: 23)
  let host: TestHost
  let server: DHCPServer

  /// 10.0.0.1/24 with a pool from .50 on.
  init() throws {
    host = network.addHost("10.0.0.1/24")
    server = try Self.server(on: host)
  }

  static func server(
    on host: TestHost, size: UInt8 = 10, _ change: (inout DHCPServerConfiguration) -> Void = { _ in }
  ) throws -> DHCPServer {
    var configuration = DHCPServerConfiguration(
      firstAddress: IPv4Address(10, 0, 0, 50), lastAddress: IPv4Address(10, 0, 0, 49 + size))
    configuration.routers = [IPv4Address(10, 0, 0, 1)]
    configuration.domainNameServers = [IPv4Address(10, 0, 0, 3), IPv4Address(10, 0, 0, 4)]
    configuration.domainName = "example.org"
    configuration.mtu = 1400
    configuration.bootServer = IPv4Address(10, 0, 0, 9)
    configuration.bootFile = "boot.ipxe"
    change(&configuration)
    let server = try DHCPServer(host.interface, configuration)
    try server.start()
    return server
  }

  private func client() -> (host: TestHost, client: DHCPClient, resolver: Resolver) {
    let host = network.addHost()
    let resolver = Resolver(host.stack)
    return (host, DHCPClient(host.interface, resolver: resolver, hostName: "guest"), resolver)
  }

  private func lease(_ client: DHCPClient) throws -> DHCPLease {
    try network.loop.run { try await client.acquire(timeout: .seconds(100)) }
  }

  @Test("a client gets an address of the pool with mask, router, name servers, domain, MTU and times")
  func grants() throws {
    let (guest, client, resolver) = client()
    let lease = try lease(client)
    #expect(lease.address == IPv4Subnet("10.0.0.50/24") && lease.server == IPv4Address(10, 0, 0, 1))
    #expect(lease.routers == [IPv4Address(10, 0, 0, 1)] && lease.mtu == 1400 && lease.domainName == "example.org")
    #expect((lease.expiry - lease.requested) == .seconds(3600) && (lease.renewal - lease.requested) == .seconds(1800))
    #expect(resolver.configuration.servers.count == 2)
    #expect(guest.stack.routes.lookUp(IPv4Address(8, 8, 8, 8)).route?.gateway == IPv4Address(10, 0, 0, 1))
    let known = try #require(server.leases.first)
    #expect(known.address == lease.address.address && known.state == .bound && known.hostName == "guest")
    #expect(known.hardwareAddress == guest.device.hardwareAddress)
    #expect(server.counters.discovers == 1 && server.counters.offersSent == 1 && server.counters.acksSent == 1)
  }

  @Test("every client gets an address of its own, and the one that finds none left gets no offer")
  func exhaustion() throws {
    server.stop()
    let small = try Self.server(on: host, size: 3)
    var addresses: Set<IPv4Address> = []
    var clients: [DHCPClient] = []
    for _ in 0..<3 {
      let (_, client, _) = client()
      addresses.insert(try lease(client).address.address)
      clients.append(client)
    }
    #expect(addresses.count == 3)
    let (_, late, _) = client()
    #expect(throws: DHCPError.timedOut) { try lease(late) }
    #expect(small.counters.exhausted > 0)
    // One gives its address back.
    clients[1].release()
    #expect(try lease(late).address.address == IPv4Address(10, 0, 0, 51))
  }

  @Test("a lease is renewed by unicast, again and again; without renewal it runs out on the loop's clock")
  func renewalAndExpiry() throws {
    let (guest, client, _) = client()
    let first = try lease(client)
    network.advance(.seconds(10_000))
    #expect(client.state == .bound && client.lease?.address == first.address)
    #expect(server.counters.acksSent >= 5 && server.counters.naksSent == 0 && server.counters.discovers == 1)
    guest.device.isLinkUp = false
    network.advance(.seconds(3601))
    #expect(server.leases.isEmpty)
  }

  @Test("who comes back after its lease ran out finds the old address, even if others came meanwhile")
  func remembersClients() throws {
    let (_, first, _) = client()
    let old = try lease(first).address
    first.stop()
    network.advance(.seconds(4000))
    #expect(server.leases.isEmpty)
    let (_, second, _) = client()
    #expect(try lease(second).address != old)
    #expect(try lease(first).address == old)
  }

  @Test("a decline keeps an address from everybody for a time; a release frees it at once")
  func declineAndRelease() throws {
    let guest = Station(network, "0.0.0.0", answersARP: false)
    let talk = Conversation(guest, host)
    let offered = try #require(talk.ask(.discover)).yourAddress
    #expect(
      try #require(talk.ask(.request, [DHCPOption(.requestedAddress, offered), talk.serverIdentifier])).type
        == .acknowledge)
    talk.tell(.decline, [DHCPOption(.requestedAddress, offered), talk.serverIdentifier])
    #expect(server.leases.map(\.state) == [.declined])
    let second = try #require(talk.ask(.discover)).yourAddress
    #expect(second != offered)
    _ = talk.ask(.request, [DHCPOption(.requestedAddress, second), talk.serverIdentifier])
    talk.tell(.release, [talk.serverIdentifier], clientAddress: second)
    #expect(server.leases.map(\.state) == [.declined])
    network.advance(.seconds(601))
    #expect(server.leases.isEmpty)
    #expect(server.counters.declines == 1 && server.counters.releases == 1)
  }

  @Test("an offer that was not taken is free again when another server was chosen, or after its time")
  func offersEnd() throws {
    let talk = Conversation(Station(network, "0.0.0.0", answersARP: false), host)
    _ = talk.ask(.discover)
    #expect(server.leases.map(\.state) == [.offered])
    talk.tell(
      .request,
      [
        DHCPOption(.requestedAddress, IPv4Address(10, 0, 0, 50)),
        DHCPOption(.serverIdentifier, IPv4Address(10, 0, 0, 77)),
      ])
    #expect(server.leases.isEmpty && server.counters.forOthers == 1)
    _ = talk.ask(.discover)
    network.advance(.seconds(31))
    #expect(server.leases.isEmpty)
  }

  @Test("after a reboot: the own address is confirmed, another one or a foreign network's is refused")
  func initReboot() throws {
    let talk = Conversation(Station(network, "0.0.0.0", answersARP: false), host)
    let address = try #require(talk.ask(.discover)).yourAddress
    _ = talk.ask(.request, [DHCPOption(.requestedAddress, address), talk.serverIdentifier])
    #expect(talk.ask(.request, [DHCPOption(.requestedAddress, address)])?.type == .acknowledge)
    #expect(
      talk.ask(.request, [DHCPOption(.requestedAddress, IPv4Address(10, 0, 0, 55))])?.type == .negativeAcknowledge)
    #expect(
      talk.ask(.request, [DHCPOption(.requestedAddress, IPv4Address(172, 16, 0, 5))])?.type == .negativeAcknowledge)
  }

  @Test("what is not known is refused by the only server of a link, and left to others by one of several")
  func authority() throws {
    let talk = Conversation(Station(network, "0.0.0.0", answersARP: false), host)
    let wish = [DHCPOption(.requestedAddress, IPv4Address(10, 0, 0, 52))]
    #expect(talk.ask(.request, wish)?.type == .negativeAcknowledge)
    server.stop()
    let modest = try Self.server(on: host) { $0.isAuthoritative = false }
    #expect(talk.ask(.request, wish) == nil && modest.counters.unknown == 1)
  }

  @Test("INFORM gets the options, but neither address nor lease time, at its own address")
  func inform() throws {
    let guest = Station(network, "10.0.0.200")
    let talk = Conversation(guest, host)
    let answer = try #require(talk.ask(.inform, clientAddress: guest.address))
    #expect(answer.type == .acknowledge && answer.yourAddress == .any && answer.leaseTime == nil)
    #expect(answer.mask == IPv4Address(255, 255, 255, 0) && answer.destination == guest.address)
    #expect(server.leases.isEmpty)
    // An address that is not of this network is no place to send to.
    #expect(talk.ask(.inform, clientAddress: IPv4Address(8, 8, 8, 8)) == nil)
  }

  @Test("the boot file stands in its field and in option 67, the boot server in siaddr")
  func booting() throws {
    let talk = Conversation(Station(network, "0.0.0.0", answersARP: false), host)
    let offer = try #require(talk.ask(.discover, [DHCPOption(.parameterRequestList, [67])]))
    #expect(offer.bootFile == "boot.ipxe" && offer.fileField == "boot.ipxe")
    #expect(offer.serverAddress == IPv4Address(10, 0, 0, 9))
    // Only what was asked for.
    #expect(offer.mask == nil)
  }

  @Test("an offer goes to everybody if the client wants that, else to its hardware address", arguments: [true, false])
  func destination(broadcast: Bool) throws {
    let guest = Station(network, "0.0.0.0", answersARP: false)
    let talk = Conversation(guest, host)
    talk.wantsBroadcast = broadcast
    let offer = try #require(talk.ask(.discover))
    #expect(offer.destination == (broadcast ? .broadcast : offer.yourAddress))
    #expect(offer.station == (broadcast ? .broadcast : guest.device.hardwareAddress))
  }

  @Test("lease times that clients wish are kept within limits")
  func times() throws {
    let talk = Conversation(Station(network, "0.0.0.0", answersARP: false), host)
    #expect(talk.ask(.discover, [DHCPOption(.leaseTime, number: UInt32(120))])?.leaseTime == 120)
    #expect(talk.ask(.discover, [DHCPOption(.leaseTime, number: UInt32(0))])?.leaseTime == 10)
    #expect(talk.ask(.discover, [DHCPOption(.leaseTime, number: UInt32.max)])?.leaseTime == 86_400)
  }

  @Test("a flood of clients neither grows the table beyond the pool nor takes bound leases away")
  func flood() throws {
    let (_, client, _) = client()
    let lease = try lease(client)
    let guest = Station(network, "0.0.0.0", answersARP: false)
    let talk = Conversation(guest, host)
    for i in 0..<500 {
      talk.hardwareAddress = MACAddress(rawValue: 0x0200_0000_0000 + UInt64(i))
      _ = talk.ask(.discover)
    }
    #expect(server.leases.count == 10 && server.counters.exhausted == 491)
    #expect(server.leases.first { $0.state == .bound }?.address == lease.address.address)
  }

  @Test("damaged messages, replies, relayed ones and group addresses are counted and change nothing")
  func hostile() throws {
    let guest = Station(network, "0.0.0.0", answersARP: false)
    let talk = Conversation(guest, host)
    talk.sendPayload([1, 1, 6, 0])
    talk.sendPayload(talk.message(.discover, []).encoded().map { $0 == 0x63 ? 0 : $0 })
    var relayed = talk.message(.discover, [])
    relayed.relayAddress = IPv4Address(10, 0, 0, 8)
    talk.sendPayload(relayed.encoded())
    var reply = talk.message(.offer, [])
    reply.isRequest = false
    talk.sendPayload(reply.encoded())
    talk.sendPayload(talk.message(.acknowledge, []).encoded())
    talk.hardwareAddress = .broadcast
    talk.sendPayload(talk.message(.discover, []).encoded())
    #expect(server.counters.malformed == 5 && server.counters.relayed == 1)
    #expect(server.leases.isEmpty && guest.takeDatagrams().isEmpty)
  }

  @Test(
    "a host name that is none is not kept",
    arguments: ["a\u{1B}[2J", "two words", "", String(repeating: "x", count: 65)])
  func hostNames(name: String) throws {
    let talk = Conversation(Station(network, "0.0.0.0", answersARP: false), host)
    _ = talk.ask(.discover, [DHCPOption(.hostName, text: name)])
    #expect(server.leases.count == 1 && server.leases[0].hostName == nil)
  }

  @Test("a pool outside of the interface's network is refused")
  func pool() {
    #expect(throws: NetworkError.invalidArgument) {
      try DHCPServer(
        host.interface,
        DHCPServerConfiguration(firstAddress: IPv4Address(10, 0, 1, 5), lastAddress: IPv4Address(10, 0, 1, 9)))
    }
    #expect(throws: NetworkError.addressNotAvailable) {
      try DHCPServer(network.addHost().interface, DHCPServerConfiguration(serving: IPv4Subnet("10.0.0.1/24")!))
    }
  }

  @Test(
    "the standard pool leaves out network, broadcast and the server itself",
    arguments: [
      ("192.168.76.1/24", "192.168.76.15", "192.168.76.254"), ("10.0.0.1/30", "10.0.0.1", "10.0.0.2"),
      ("10.0.0.0/31", "10.0.0.0", "10.0.0.1"),
    ])
  func standardPool(subnet: String, first: String, last: String) {
    let configuration = DHCPServerConfiguration(serving: IPv4Subnet(subnet)!)
    #expect(configuration.firstAddress.description == first && configuration.lastAddress.description == last)
  }
}

/// A client's side of DHCP, message by message.
final class Conversation {
  struct Answer {
    let type: DHCPMessageType?
    let yourAddress: IPv4Address
    let serverAddress: IPv4Address
    let destination: IPv4Address
    let station: MACAddress
    let mask: IPv4Address?
    let leaseTime: UInt32?
    let bootFile: String?
    let fileField: String
  }

  private let guest: Station
  private let host: TestHost
  var hardwareAddress: MACAddress
  var wantsBroadcast = true
  private var transaction: UInt32 = 7

  init(_ guest: Station, _ host: TestHost) {
    self.guest = guest
    self.host = host
    hardwareAddress = guest.device.hardwareAddress
  }

  var serverIdentifier: DHCPOption { DHCPOption(.serverIdentifier, IPv4Address(10, 0, 0, 1)) }

  func message(
    _ type: DHCPMessageType, _ options: [DHCPOption], clientAddress: IPv4Address = .any
  ) -> DHCPMessage.Fields {
    transaction += 1
    return DHCPMessage.Fields(
      isRequest: true, transactionIdentifier: transaction, clientHardwareAddress: hardwareAddress,
      wantsBroadcast: wantsBroadcast, clientAddress: clientAddress, options: [DHCPOption(type)] + options)
  }

  func sendPayload(_ payload: [UInt8], from source: IPv4Address = .any) {
    let wire = FrameBuilder(source: guest.device.hardwareAddress, destination: .broadcast)
    guest.send(
      wire.udp(from: source, 68, to: .broadcast, 67, payload: payload))
    guest.network.advance(.milliseconds(1))
  }

  func tell(_ type: DHCPMessageType, _ options: [DHCPOption], clientAddress: IPv4Address = .any) {
    sendPayload(message(type, options, clientAddress: clientAddress).encoded(), from: clientAddress)
  }

  /// The server's answer, nil if there is none.
  func ask(_ type: DHCPMessageType, _ options: [DHCPOption] = [], clientAddress: IPv4Address = .any) -> Answer? {
    _ = guest.take()
    tell(type, options, clientAddress: clientAddress)
    for frame in guest.take() {
      let packet = Array(frame.dropFirst(14))
      guard frame[12] == 8, frame[13] == 0, let header = IPv4Header(packet.span.bytes),
        let datagram = UDPHeader(header.payload), datagram.destinationPort == 68,
        let message = DHCPMessage(datagram.payload), message.transactionIdentifier == transaction
      else { continue }
      let file = message.bytes.extracting(108..<236).array.prefix { $0 != 0 }
      return Answer(
        type: message.messageType, yourAddress: message.yourAddress, serverAddress: message.serverAddress,
        destination: header.destination, station: EthernetHeader(frame.span.bytes)!.destination,
        mask: message.subnetMask, leaseTime: message.leaseTime, bootFile: message.text(.bootFile),
        fileField: String(decoding: file, as: UTF8.self))
    }
    return nil
  }
}
