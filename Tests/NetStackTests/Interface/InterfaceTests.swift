import EventLoop
import Link
import NetStack
import Packets
import Testing

@Suite("Interfaces that are configured")
struct InterfaceTests {
  let network = TestNetwork(seed: 77)
  let host: TestHost
  let other: TestHost
  var interface: NetworkInterface { host.interface }

  init() {
    host = network.addHost("10.0.0.1/24")
    other = network.addHost("10.0.0.2/24")
    network.advance(.seconds(1))
  }

  /// True if a datagram from `a` reaches `b`.
  private func reaches(_ a: TestHost, _ b: TestHost, at target: IPAddress) throws -> Bool {
    let server = b.stack.udp.open()
    try server.bind(to: Endpoint(IPv4Address.any, 7))
    defer { server.close() }
    let client = a.stack.udp.open()
    defer { client.close() }
    try client.send("x", to: Endpoint(target, 7))
    network.advance(.seconds(5))
    return server.receive() != nil
  }

  @Test("the device is told which groups are joined, and which frames a user wants besides")
  func filter() throws {
    let all = MACAddress(multicast: IPv4Address(224, 0, 0, 1))
    let device = host.device
    #expect(device.groups == [all])
    let group = IPv4Address(239, 1, 2, 3)
    let endpoint = host.stack.udp.open()
    try endpoint.groups.join(group, on: interface)
    #expect(device.groups == [all, MACAddress(multicast: group)])
    let wanted = MACAddress("01:80:c2:00:00:0e")!
    try interface.addHardwareGroup(wanted)
    #expect(device.groups == [all, MACAddress(multicast: group), wanted])
    endpoint.close()
    #expect(interface.removeHardwareGroup(wanted) && !interface.removeHardwareGroup(wanted))
    #expect(device.groups == [all])
    // Another station's frames are not for this host, whoever asks for them.
    let station = MACAddress("02:00:00:00:00:99")!
    try interface.addHardwareGroup(station)
    #expect(device.groups == [all] && interface.removeHardwareGroup(station))
    interface.setFlags([.up, .promiscuous])
    #expect(host.device.filter.isPromiscuous && !host.device.filter.acceptsAllMulticast)
    interface.setFlags([.up, .allMulticast])
    #expect(!host.device.filter.isPromiscuous && host.device.filter.acceptsAllMulticast)
    #expect(interface.flags == [.up, .broadcast, .running, .allMulticast])
  }

  @Test("of a group that is joined more than once the device hears when the first comes and when the last goes")
  func sharedGroups() throws {
    let device = host.device
    let before = device.groupChanges
    // 239.1.2.3 and 238.129.2.3 are one group of the hardware.
    let (group, twin) = (IPv4Address(239, 1, 2, 3), IPv4Address(238, 129, 2, 3))
    let hardware = MACAddress(multicast: group)
    let endpoints = (0..<3).map { _ in host.stack.udp.open() }
    for endpoint in endpoints { try endpoint.groups.join(group, on: interface) }
    try endpoints[0].groups.join(twin, on: interface)
    try interface.addHardwareGroup(hardware)
    #expect(device.groups.contains(hardware) && device.groupChanges == before + 1)
    for endpoint in endpoints { endpoint.close() }
    #expect(device.groups.contains(hardware) && device.groupChanges == before + 1)
    #expect(interface.removeHardwareGroup(hardware))
    #expect(!device.groups.contains(hardware) && device.groupChanges == before + 2)
  }

  @Test("a new station address is received under, sent from, and announced")
  func hardwareAddress() throws {
    let old = interface.hardwareAddress
    #expect(try reaches(other, host, at: host.address))
    let new = MACAddress("02:00:00:00:00:77")!
    network.isRecording = true
    try interface.setHardwareAddress(new)
    network.advance(.milliseconds(1))
    #expect(network.recording.contains { Array($0.bytes[6..<12]) == new.octets })
    #expect(host.device.filter.station == new && interface.permanentAddress == old)
    #expect(try reaches(other, host, at: host.address))
    #expect(try reaches(host, other, at: other.address))
    #expect(throws: NetworkError.addressNotAvailable) { try interface.setHardwareAddress(.broadcast) }
    #expect(throws: NetworkError.addressNotAvailable) { try interface.setHardwareAddress(.zero) }
    #expect(interface.hardwareAddress == new)
  }

  @Test("down, an interface loses its routes and neighbours and keeps its addresses; up, it has its own routes again")
  func upAndDown() throws {
    try host.stack.routes.addDefault(gateway: IPv4Address(10, 0, 0, 2), interface: interface)
    try interface.neighbours.setPermanent(IPv4Address(10, 0, 0, 9), MACAddress("02:00:00:00:00:09")!)
    interface.setEnabled(false)
    #expect(host.stack.routes.entries.isEmpty && interface.neighbours.entries.isEmpty)
    #expect(host.stack.isLocal(host.address.v4!) && !host.stack.isBroadcast(IPv4Address(10, 0, 0, 255)))
    #expect(throws: NetworkError.noRoute) { try host.stack.path(to: other.address, from: nil) }
    #expect(try host.stack.path(to: host.address, from: nil).interface.isLoopback)
    interface.setEnabled(true)
    #expect(host.stack.routes.entries.map(\.prefix) == [IPv4Subnet("10.0.0.0/24")!])
    #expect(try reaches(host, other, at: other.address))
  }

  @Test("what is sent over lo while it is down is gone, and a connection survives it")
  func loopbackDown() throws {
    let stack = host.stack
    let server = stack.udp.open()
    try server.bind(to: Endpoint(IPv4Address.loopback, 7))
    let client = stack.udp.open()
    stack.loopback.setEnabled(false)
    try client.send("lost", to: Endpoint(IPv4Address.loopback, 7))
    network.advance(.milliseconds(1))
    #expect(server.receive() == nil)
    stack.loopback.setEnabled(true)
    try client.send("here", to: Endpoint(IPv4Address.loopback, 7))
    network.advance(.milliseconds(1))
    #expect(server.receive()?.1 == Array("here".utf8))
  }

  @Test("an MTU above the device's is the device's to allow; below 68 there is no IPv4 on lo")
  func mtu() throws {
    #expect(throws: NetworkError.invalidArgument) { try interface.changeMTU(to: 67) }
    #expect(throws: NetworkError.invalidArgument) { try interface.changeMTU(to: 1501) }
    try interface.changeMTU(to: 600)
    #expect(interface.mtu == 600 && interface.linkMTU == 600)
    #expect(try host.stack.path(to: other.address, from: nil).mtu == 600)
    try interface.changeMTU(to: 1500)
    let loopback = host.stack.loopback!
    try loopback.changeMTU(to: 1 << 20)
    #expect(loopback.linkMTU == 1 << 20 && loopback.mtu == 65_536)
    try loopback.changeMTU(to: 67)
    #expect(loopback.addresses.isEmpty && !host.stack.isLocal(.loopback))
    #expect(throws: NetworkError.noBuffers) {
      try loopback.insert(InterfaceAddress(IPv4Subnet("127.0.0.1/8")!, label: "lo"))
    }
    try loopback.changeMTU(to: 65_536)
    #expect(loopback.addresses.isEmpty)
    loopback.setEnabled(false)
    loopback.setEnabled(true)
    #expect(host.stack.isLocal(.loopback))
  }

  @Test("a second address of a network goes with the first; one that is put in another's place keeps its connections")
  func secondary() throws {
    interface.add(IPv4Subnet("10.0.0.7/24")!)
    interface.add(IPv4Subnet("172.16.0.1/16")!)
    #expect(interface.addresses.map(\.isSecondary) == [false, false, true])
    #expect(try host.stack.path(to: IPAddress(IPv4Address(10, 0, 0, 50)), from: nil).source == host.address)
    let server = try other.stack.tcp.listen(on: Endpoint(IPv4Address.any, 80))
    let connection = try host.stack.tcp.connect(to: Endpoint(other.address, 80))
    network.advance(.seconds(1))
    #expect(connection.state == .established)
    let first = interface.addresses[0]
    try interface.replace(first, with: InterfaceAddress(IPv4Subnet("10.0.0.1/16")!, label: first.label))
    #expect(interface.addresses.map(\.address.description) == ["172.16.0.1", "10.0.0.1"])
    #expect(connection.state == .established)
    interface.remove(IPv4Address(10, 0, 0, 1))
    network.advance(.seconds(1))
    #expect(connection.state == .closed)
    _ = server
  }

  @Test("without ARP frames go to the interface's own address, and nobody is answered")
  func withoutARP() throws {
    interface.setFlags([.up, .noARP])
    network.isRecording = true
    let client = host.stack.udp.open()
    try client.send("x", to: Endpoint(other.address, 7))
    network.advance(.seconds(1))
    let own = interface.hardwareAddress.octets
    #expect(network.recording.map { Array($0.bytes.prefix(6)) } == [own])
    #expect(interface.neighbours.entry(of: other.address.v4!)?.state == .noARP)
    network.recording = []
    let knocking = other.stack.udp.open()
    try knocking.send("x", to: Endpoint(host.address, 7))
    network.advance(.seconds(5))
    #expect(!network.recording.contains { $0.sender === host.device })
  }

  @Test("those who need no ARP make room for others, and those set by hand leave it")
  func neighbourRoom() throws {
    for number in 0..<3000 as Range<UInt32> {
      let address = IPv4Address(rawValue: 0x0A00_1000 + number)
      try interface.neighbours.setPermanent(address, MACAddress("02:00:00:00:00:09")!)
    }
    #expect(try reaches(host, other, at: other.address))
    interface.setFlags([.up, .noARP])
    host.stack.loopback.setEnabled(true)
    try interface.insert(InterfaceAddress(IPv4Subnet("10.0.0.1/8")!, label: "eth0:wide"))
    let client = host.stack.udp.open()
    network.advance(.seconds(1))
    network.isRecording = true
    for number in 0..<3000 as Range<UInt32> {
      try client.send("x", to: Endpoint(IPv4Address(rawValue: 0x0A00_1000 + number), 7))
      network.advance(.milliseconds(1))
    }
    #expect(network.recording.count == 3000)
    #expect(host.device.buffersInUse == 0)
  }

  @Test("a route's small window is no window of zero, and stays when options of the socket change")
  func smallWindow() throws {
    var limits = Route.Limits()
    limits.window = 100
    try host.stack.routes.prepend(
      Route(prefix: IPv4Subnet("10.0.0.2/32")!, interface: interface, limits: limits))
    let server = try other.stack.tcp.listen(on: Endpoint(IPv4Address.any, 80))
    let connection = try host.stack.tcp.connect(to: Endpoint(other.address, 80))
    network.advance(.seconds(1))
    let accepted = try #require(server.accept())
    let data = [UInt8](repeating: 7, count: 1000)
    var sent = 0
    var got = 0
    var parameters = connection.parameters
    #expect(parameters.windowClamp == nil)
    parameters.noDelay = true
    connection.apply(parameters)
    for _ in 0..<200 {
      sent += accepted.send(data.span.bytes.extracting(sent..<data.count))
      network.advance(.milliseconds(100))
      got += connection.receiveAll().count
    }
    #expect(sent == 1000 && got == 1000)
    #expect(connection.info.receiveBuffer == 100)
    // What the socket says comes before the route.
    connection.receiveBuffer = 5000
    #expect(connection.info.receiveBuffer == 100)
    parameters.windowClamp = 3000
    connection.apply(parameters)
    connection.receiveBuffer = 5000
    #expect(connection.info.receiveBuffer == 3000)
  }

  @Test("with the least MTU TCP's segments still fit the link")
  func leastMTU() throws {
    try interface.changeMTU(to: 68)
    let server = try other.stack.tcp.listen(on: Endpoint(IPv4Address.any, 80))
    let connection = try host.stack.tcp.connect(to: Endpoint(other.address, 80))
    network.advance(.seconds(1))
    let accepted = try #require(server.accept())
    network.isRecording = true
    let data = [UInt8](repeating: 7, count: 500)
    #expect(connection.send(data.span.bytes) == 500)
    network.advance(.seconds(10))
    #expect(accepted.receiveAll() == data)
    #expect(network.recording.allSatisfy { $0.sender !== host.device || $0.bytes.count <= 14 + 68 })
  }

  @Test("a name belongs to one interface, and its addresses are called after it")
  func names() throws {
    try interface.insert(InterfaceAddress(IPv4Subnet("172.16.0.1/16")!, label: "eth0:web"))
    #expect(throws: NetworkError.alreadyExists) { try host.stack.rename(interface, to: "lo") }
    try host.stack.rename(interface, to: "lan")
    #expect(host.stack.interface(named: "lan") === interface && host.stack.interface(named: "eth0") == nil)
    #expect(interface.addresses.map(\.label) == ["lan", "lan:web"])
  }

  @Test("tables that a user fills are bounded")
  func bounds() throws {
    for number in 0..<4096 { try interface.addHardwareGroup(MACAddress(rawValue: 0x0100_5E00_0000 + UInt64(number))) }
    #expect(throws: NetworkError.noBuffers) { try interface.addHardwareGroup(.broadcast) }
    for number in 0..<UInt32(host.stack.proxies.limit) {
      try host.stack.proxies.insert(IPv4Address(rawValue: number), on: 0)
    }
    #expect(throws: NetworkError.noBuffers) { try host.stack.proxies.insert(.broadcast, on: 0) }
    let route = { (number: UInt32) in
      Route(prefix: IPv4Subnet(IPv4Address(rawValue: number << 8), prefixLength: 24)!, interface: interface)
    }
    for number in 0..<1023 as Range<UInt32> { try host.stack.routes.prepend(route(number)) }
    #expect(throws: NetworkError.noBuffers) { try host.stack.routes.prepend(route(5000)) }
  }
}
