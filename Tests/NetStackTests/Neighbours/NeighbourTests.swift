import EventLoop
import Events
import Link
import NetStack
import Packets
import Testing

@Suite("Neighbour cache")
struct NeighbourTests {
  let network = TestNetwork(seed: 3)
  let host: TestHost
  let station: Station
  let endpoint: UDPEndpoint

  init() {
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.9", answersARP: false)
    endpoint = host.stack.udp.open()
    network.advance(.seconds(2))
    _ = station.take()
  }

  var state: NeighbourState? { host.interface.neighbours.state(of: station.address) }
  var cache: NeighbourCache { host.interface.neighbours }

  func send() { try? endpoint.send("x", to: Endpoint(station.address, 9)) }
  func answer() { station.send(station.wire(to: host).arpReply(from: station.address, to: IPv4Address(10, 0, 0, 1))) }

  @Test("an unknown neighbour is asked for three times by broadcast, a second apart, then fails")
  func fails() {
    endpoint.receivesErrors = true
    send()
    #expect(state == .incomplete)
    network.advance(.milliseconds(2500))
    let requests = station.takeARP()
    #expect(requests.count == 3)
    #expect(requests.allSatisfy { $0.operation == .request && $0.targetAddress == station.address })
    #expect(state == .incomplete)
    network.advance(.seconds(1))
    #expect(state == .failed)
    #expect(cache.counters.failures == 1 && cache.counters.droppedUnreachable == 1)
    #expect(endpoint.takeError() == .hostUnreachable)
    #expect(host.device.buffersInUse == 0)
    send()
    #expect(state == .incomplete, "the next datagram starts over")
  }

  @Test("an answer resolves the entry and lets the waiting datagrams go, the last hundred and one in order")
  func resolves() {
    for number in UInt8(1)...103 {
      try? endpoint.send(String(UnicodeScalar(number)), to: Endpoint(station.address, 9))
    }
    #expect(cache.counters.queueOverflows == 2)
    answer()
    network.advance(.milliseconds(10))
    #expect(state == .reachable)
    #expect(station.takeDatagrams().map { $0[28] } == Array(3...103))
    #expect(host.device.buffersInUse == 0)
  }

  @Test("the reachable time lies between a half and one and a half of 30 s, and a quiet entry then is stale")
  func becomesStale() {
    #expect((TimeSpan.seconds(15)...TimeSpan.seconds(45)).contains(cache.reachableTime))
    send()
    answer()
    network.advance(cache.reachableTime - .seconds(1))
    #expect(state == .reachable)
    network.advance(.seconds(2))
    #expect(state == .stale)
    #expect(network.loop.isIdle, "nothing is left to do for a stale entry")
  }

  @Test("using a stale entry sends at once, waits 5 s, then probes three times by unicast and fails")
  func probes() {
    send()
    answer()
    network.advance(.seconds(60))
    _ = station.take()
    send()
    #expect(state == .delay)
    network.advance(.milliseconds(4900))
    #expect(state == .delay)
    #expect(station.takeDatagrams().count == 1)
    network.advance(.milliseconds(2500))
    #expect(state == .probe)
    let probes = station.take()
    #expect(probes.count == 3)
    #expect(probes.allSatisfy { Array($0[0..<6]) == station.device.hardwareAddress.octets })
    network.advance(.seconds(1))
    #expect(state == .failed)
  }

  @Test("an answer to a probe, and progress of the transport during the delay, make the entry reachable")
  func confirmations() throws {
    send()
    answer()
    network.advance(.seconds(60))
    send()
    network.advance(.milliseconds(5500))
    #expect(state == .probe)
    answer()
    network.advance(.milliseconds(10))
    #expect(state == .reachable)

    network.advance(.seconds(60))
    #expect(state == .stale)
    let path = try host.stack.path(to: IPAddress(station.address), from: nil)
    let buffer = try #require(path.reserve(transportLength: 8))
    path.submit(buffer, transportLength: 8, protocol: .udp, offload: .none)
    #expect(state == .delay)
    network.advance(.seconds(1))
    path.confirmReachability()
    network.advance(.seconds(5))
    #expect(state == .reachable)
  }

  @Test("a changed address is believed after the lock time, at once from a gratuitous request, never when permanent")
  func overrides() throws {
    let other = MACAddress(rawValue: 0x5254_00AA_BBCC)
    let forged = FrameBuilder(source: other, destination: host.device.hardwareAddress)
    let own = IPv4Address(10, 0, 0, 1)
    func hardware() -> MACAddress? { cache.entries.first { $0.address == station.address }?.hardwareAddress }
    send()
    answer()
    network.advance(.milliseconds(100))
    station.send(forged.arpReply(from: station.address, to: own))
    network.advance(.milliseconds(100))
    #expect(hardware() == station.device.hardwareAddress, "within the lock time")
    network.advance(.seconds(2))
    station.send(forged.arpReply(from: station.address, to: own))
    network.advance(.milliseconds(100))
    #expect(hardware() == other)
    station.send(
      FrameBuilder(source: station.device.hardwareAddress, destination: .broadcast).arpRequest(
        from: station.address, for: station.address))
    network.advance(.milliseconds(100))
    #expect(hardware() == station.device.hardwareAddress, "gratuitous")
    #expect(state == .stale)
    try cache.setPermanent(station.address, MACAddress(rawValue: 0x0200_0000_0001))
    network.advance(.seconds(5))
    station.send(forged.arpReply(from: station.address, to: own))
    network.advance(.seconds(100))
    #expect(hardware() == MACAddress(rawValue: 0x0200_0000_0001) && state == .permanent)
  }

  @Test("a path follows a neighbour that changes its address")
  func pathFollows() throws {
    let path = try host.stack.path(to: IPAddress(station.address), from: nil)
    func emit() throws {
      let buffer = try #require(path.reserve(transportLength: 4))
      path.submit(buffer, transportLength: 4, protocol: .udp, offload: .none)
    }
    try emit()
    answer()
    network.advance(.seconds(3))
    let second = Station(network, "10.0.0.9", answersARP: false)
    second.send(second.wire(to: host).arpReply(from: second.address, to: IPv4Address(10, 0, 0, 1)))
    network.advance(.milliseconds(10))
    _ = station.take()
    try emit()
    network.advance(.milliseconds(10))
    #expect(station.takeDatagrams().isEmpty)
    #expect(second.takeDatagrams().count == 1)
    cache.remove(station.address)
    try emit()
    network.advance(.milliseconds(10))
    #expect(state == .incomplete, "an evicted entry is made anew")
  }

  @Test("the table is bounded: unused stale entries are evicted, oldest first")
  func bounded() {
    var configuration = StackConfiguration()
    configuration.neighbours.softLimit = 4
    configuration.neighbours.hardLimit = 8
    let small = network.addHost("10.0.0.200/24", configuration: configuration)
    for last in 1...40 {
      let asker = FrameBuilder(
        source: MACAddress(rawValue: 0x0200_0000_0000 + UInt64(last)), destination: .broadcast)
      station.send(asker.arpRequest(from: IPv4Address(10, 0, 0, UInt8(100 + last)), for: IPv4Address(10, 0, 0, 200)))
      network.advance(.milliseconds(10))
    }
    let cache = small.interface.neighbours!
    #expect(cache.entries.map { $0.address.rawValue & 255 } == Array(133...140))
    #expect(cache.counters.evicted == 32)
  }

  @Test("those that were set by hand do not make others' go sooner, nor does looking for room happen at each newcomer")
  func permanentApart() throws {
    var configuration = StackConfiguration()
    configuration.neighbours.softLimit = 4
    configuration.neighbours.hardLimit = 8
    let small = network.addHost("10.0.0.200/24", configuration: configuration)
    let cache = small.interface.neighbours!
    func ask(_ last: UInt8) {
      let asker = FrameBuilder(
        source: MACAddress(rawValue: 0x0200_0000_0000 + UInt64(last)), destination: .broadcast)
      station.send(asker.arpRequest(from: IPv4Address(10, 0, 0, last), for: IPv4Address(10, 0, 0, 200)))
      network.advance(.milliseconds(10))
    }
    let hardware = MACAddress("02:00:00:00:00:09")!
    func isPermanent(_ last: UInt8) -> Bool { cache.state(of: IPv4Address(10, 0, 0, last)) == .permanent }
    for last in 1...20 as ClosedRange<UInt8> { try cache.setPermanent(IPv4Address(10, 0, 0, last), hardware) }
    for last in 101...103 as ClosedRange<UInt8> { ask(last) }
    network.advance(.seconds(100))
    // Three of eight are not many, old as they are.
    ask(104)
    #expect(cache.entries.count == 24 && cache.counters.evicted == 0)
    // Above the soft limit the old ones go; the next newcomers do not look again.
    ask(105)
    #expect(cache.entries.count == 22 && cache.counters.evicted == 3)
    // What was set by hand and is not any more counts as others do.
    for last in 1...20 as ClosedRange<UInt8> {
      try cache.set(IPv4Address(10, 0, 0, last), hardware, isPermanent: false)
    }
    network.advance(.seconds(100))
    try cache.setPermanent(IPv4Address(10, 0, 0, 21), hardware)
    #expect(isPermanent(21) && cache.forget(IPv4Address(10, 0, 0, 21)))
    #expect(cache.entries.isEmpty && cache.counters.evicted == 26)
    for last in 106...110 as ClosedRange<UInt8> { ask(last) }
    #expect(cache.entries.count == 5 && cache.counters.evicted == 26)
  }
}
