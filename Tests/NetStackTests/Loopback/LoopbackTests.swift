import EventLoop
import NetStack
import Packets
import Testing

@Suite("Loopback")
struct LoopbackTests {
  let network = TestNetwork(seed: 37)
  let host: TestHost

  init() { host = network.addHost("10.0.0.1/24") }

  @Test("a datagram of the largest size passes in one frame")
  func largest() throws {
    let server = host.stack.udp.open()
    try server.bind(to: Endpoint(.loopback, 9))
    let client = host.stack.udp.open()
    let payload = pattern(65_507)
    try client.send(payload, to: Endpoint(.loopback, 9))
    network.advance(.milliseconds(1))
    let arrived = server.receive()?.1 == payload
    #expect(arrived)
    #expect(host.stack.loopback.counters.sentFrames == 1)
    #expect(host.stack.ip.counters.fragCreates == 0)
  }

  @Test("its buffers are bounded: a flood is told to wait and goes on when the first have arrived")
  func bounded() throws {
    let server = host.stack.udp.open()
    server.receiveQueueLimit = 10_000_000
    try server.bind(to: Endpoint(.loopback, 9))
    let client = host.stack.udp.open()
    var sent = 0
    func flood() {
      while sent < 5000 {
        do { try client.send(pattern(8), to: Endpoint(.loopback, 9)) } catch { return }
        sent += 1
      }
    }
    client.onReadiness = { if $0.contains(.writable) { flood() } }
    flood()
    #expect(sent == 1024)
    network.advance(.milliseconds(1))
    #expect(sent == 5000 && server.queuedCount == 5000)
    #expect(network.loop.isIdle)
  }

  @Test("a closed port on the own host is refused at once")
  func refused() throws {
    let client = host.stack.udp.open()
    try client.connect(to: Endpoint(.loopback, 9))
    try client.send("x")
    network.advance(.milliseconds(1))
    #expect(client.takeError() == .connectionRefused)
  }
}
