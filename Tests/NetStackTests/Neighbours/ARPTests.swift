import EventLoop
import NetStack
import Packets
import Testing

@Suite("ARP")
struct ARPTests {
  let network = TestNetwork(seed: 5)
  let host: TestHost
  let station: Station
  let own = IPv4Address(10, 0, 0, 1)

  init() {
    host = network.addHost("10.0.0.1/24")
    station = Station(network, "10.0.0.9", answersARP: false)
  }

  @Test("an added address is announced")
  func announces() {
    network.advance(.seconds(1))
    let announcements = station.takeARP()
    #expect(announcements.count == 1)
    #expect(announcements.first?.senderAddress == own && announcements.first?.targetAddress == own)
  }

  @Test("a request for an own address is answered by unicast, and its sender learned as stale")
  func answers() throws {
    network.advance(.seconds(1))
    _ = station.take()
    station.send(
      FrameBuilder(source: station.device.hardwareAddress, destination: .broadcast).arpRequest(
        from: station.address, for: own))
    network.advance(.seconds(1))
    let reply = try #require(station.takeARP().first)
    #expect(reply.operation == .reply)
    #expect(reply.senderAddress == own && reply.senderHardwareAddress == host.device.hardwareAddress)
    #expect(reply.targetAddress == station.address)
    #expect(host.interface.neighbours.state(of: station.address) == .stale)
  }

  @Test("a request for a foreign address is neither answered nor learned from; a probe is answered, not learned from")
  func foreign() {
    network.advance(.seconds(1))
    _ = station.take()
    let wire = FrameBuilder(source: station.device.hardwareAddress, destination: .broadcast)
    station.send(wire.arpRequest(from: station.address, for: IPv4Address(10, 0, 0, 77)))
    network.advance(.seconds(1))
    #expect(station.take().isEmpty)
    #expect(host.interface.neighbours.entries.isEmpty)
    station.send(wire.arpRequest(from: .any, for: own))
    network.advance(.seconds(1))
    #expect(station.takeARP().count == 1)
    #expect(host.interface.neighbours.entries.isEmpty)
  }

  @Test(
    "hostile packets are counted and change nothing",
    arguments: [
      "short", "hardware type", "protocol type", "hardware length", "protocol length", "operation", "group sender",
      "zero sender", "multicast address", "loopback target",
    ])
  func hostile(kind: String) {
    network.advance(.seconds(1))
    var frame = FrameBuilder(source: station.device.hardwareAddress, destination: .broadcast).arpRequest(
      from: station.address, for: own)
    switch kind {
    case "short": frame.removeLast(3)
    case "hardware type": frame[15] = 6
    case "protocol type": frame[16] = 0x86
    case "hardware length": frame[18] = 8
    case "protocol length": frame[19] = 16
    case "operation": frame[21] = 9
    case "group sender": frame[22] |= 1
    case "zero sender": for i in 22..<28 { frame[i] = 0 }
    case "multicast address": frame[28] = 224
    default: frame[38] = 127
    }
    _ = station.take()
    station.send(frame)
    network.advance(.seconds(1))
    #expect(host.interface.arpCounters.malformed == 1)
    #expect(station.take().isEmpty)
    #expect(host.interface.neighbours.entries.isEmpty)
  }

  @Test("a station that claims our address is counted and not believed")
  func conflict() {
    network.advance(.seconds(1))
    station.send(station.wire(to: host).arpReply(from: own, to: own))
    network.advance(.seconds(1))
    #expect(host.interface.arpCounters.conflicts == 1)
    #expect(host.interface.neighbours.entries.isEmpty)
  }
}
