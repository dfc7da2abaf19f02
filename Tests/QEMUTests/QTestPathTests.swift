import EventLoop
import Events
import Foundation
import Glibc
import Machine
import Memory
import NICDrivers
import NetStack
import Packets
import QEMU
import Sockets
import Testing

@Suite(
  "Our driver and stack on QEMU's e1000", .serialized,
  .enabled(if: RealQEMU.isThere, Comment(rawValue: RealQEMU.reason)))
struct QTestPathTests {
  static var accelerators: [String] { QTestMachineTests.accelerators }

  /// Driver and stack over a machine of QEMU's, with the address that the user network expects.
  final class Host {
    let loop: EpollLoop
    let machine: QTestMachine
    let driver: E1000Driver
    let stack: NetworkStack
    let interface: NetworkInterface

    init(on loop: EpollLoop, _ options: QTestMachine.Options = .init()) throws {
      self.loop = loop
      let tap = EventTap(on: loop)
      machine = try QTestMachine(try RealQEMU.result.get(), on: loop, tap: tap, options: options)
      let function = try #require(machine.networkController)
      driver = try DriverTable.standard.probe(function, on: loop, tap: tap)
      stack = NetworkStack(on: loop, tap: tap)
      interface = stack.attach(driver)
      interface.add(try #require(IPv4Subnet("10.0.2.15/24")))
      try stack.routes.addDefault(gateway: IPv4Address(10, 0, 2, 2), interface: interface)
      try driver.start()
    }

    func end() async {
      driver.stop()
      #expect(machine.allocator.counters.bytesInUse == 0)
      #expect(machine.connection.counters.refused == 0)
      await machine.close()
    }

    func waitForLink() async throws { try await expectEventually(on: loop) { self.driver.isLinkUp } }
  }

  private func withHost(
    _ options: QTestMachine.Options = .init(), _ body: @escaping @Sendable (Host) async throws -> Void
  ) throws {
    try onLoop { loop in
      let host = try Host(on: loop, options)
      try await host.waitForLink()
      try await body(host)
      await host.end()
    }
  }

  @Test("the driver comes up: address, PHY, link; and goes down and up again", arguments: accelerators)
  func bringUp(_ accelerator: String) throws {
    var options = QTestMachine.Options()
    options.accelerator = accelerator
    options.device = "e1000,mac=52:54:00:ab:cd:ef"
    try withHost(options) { host in
      #expect(host.driver.hardwareAddress == MACAddress(rawValue: 0x5254_00AB_CDEF))
      // QEMU's 82540EM has the M88E1000.
      #expect(host.driver.phyIdentifier & 0xFFFF_FFF0 == 0x0141_0C20)
      #expect(host.driver.state == .running)
      host.driver.stop()
      #expect(!host.driver.isLinkUp)
      try host.driver.start()
      try await host.waitForLink()
      try await self.ping(host, 1)
    }
  }

  @Test("the gateway answers ARP and ping", arguments: accelerators)
  func ping(_ accelerator: String) throws {
    var options = QTestMachine.Options()
    options.accelerator = accelerator
    try withHost(options) { host in
      for sequence in 1...5 { try await self.ping(host, sequence) }
      let counters = host.driver.counters
      #expect(counters.interrupts > 0)
      #expect(counters.spuriousInterrupts == 0)
      #expect(counters.interruptStorms == 0)
    }
  }

  /// Sends an echo request to the gateway and expects its reply.
  private func ping(_ host: Host, _ sequence: Int) async throws {
    let socket = ICMPSocket(on: host.stack)
    let payload = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * sequence) }
    let request = [8, 0, 0, 0, 0, 0, 0, UInt8(sequence)] + payload
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 2000, alignment: 8)
    defer { bytes.deallocate() }
    bytes.copyBytes(from: request)
    socket.options.receiveTimeout = .seconds(5)
    let gateway = Endpoint(IPAddress(IPv4Address(10, 0, 2, 2)), 0)
    let whole = UnsafeRawBufferPointer(rebasing: bytes[..<request.count])
    let sent = try await socket.send(whole, to: gateway, flags: [])
    #expect(sent == request.count)
    let result = try await socket.receive(into: bytes, flags: [])
    await socket.close()
    #expect(result.count == request.count)
    #expect(bytes[0] == 0, "an echo reply")
    let isSame = bytes[8..<request.count].elementsEqual(payload)
    #expect(isSame)
  }

  @Test("4 MiB to a server of this machine and back are the same bytes, offloads used", arguments: accelerators)
  func transfer(_ accelerator: String) throws {
    var options = QTestMachine.Options()
    options.accelerator = accelerator
    let server = try EchoServer()
    try withHost(options) { host in
      let socket = TCPSocket(on: host.stack)
      try await socket.connect(to: Endpoint(IPAddress(IPv4Address(10, 0, 2, 2)), server.port))
      let total = 4 << 20
      let sent = (0..<total).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
      let writer = host.loop.spawn { () async throws -> Void in
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: total, alignment: 8)
        defer { bytes.deallocate() }
        bytes.copyBytes(from: sent)
        var offset = 0
        while offset < total {
          offset += try await socket.send(UnsafeRawBufferPointer(rebasing: bytes[offset...]), to: nil, flags: [])
        }
        try socket.shutdown(.send)
      }
      var received: [UInt8] = []
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
      defer { buffer.deallocate() }
      while true {
        let count = try await socket.receive(into: buffer, flags: []).count
        if count == 0 { break }
        received += buffer[..<count]
      }
      try await writer.join()
      await socket.close()
      let isSame = received == sent
      #expect(isSame, "\(received.count) bytes")
      #expect(host.driver.features.contains(.segmentationIPv4))
      #expect(host.driver.counters.spuriousInterrupts == 0)
    }
    server.stop()
  }

  @Test("a forwarded port leads to a listener of our stack")
  func portForward() throws {
    let port = try freePort()
    var options = QTestMachine.Options()
    options.portForwards = [PortForward(hostPort: port, guestPort: 80)]
    try withHost(options) { host in
      let listener = TCPSocket(on: host.stack)
      try listener.bind(to: Endpoint(IPAddress(.any), 80))
      try listener.listen(backlog: 4)
      let client = try connectTCP(to: port)
      defer { close(client) }
      let socket = try await listener.accept(isNonBlocking: false)
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 5, alignment: 8)
      defer { bytes.deallocate() }
      bytes.copyBytes(from: "hello".utf8)
      let sent = try await socket.send(UnsafeRawBufferPointer(bytes), to: nil, flags: [])
      #expect(sent == 5)
      await socket.close()
      // The bytes come by the loop, on which this runs.
      var answer: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 16)
      try await expectEventually(on: host.loop) {
        let count = recv(client, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        if count > 0 { answer += chunk[..<count] }
        return answer.count == 5
      }
      #expect(answer == Array("hello".utf8))
      await listener.close()
    }
  }

  @Test("when QEMU dies the driver says that the device is gone")
  func gone() throws {
    try onLoop { loop in
      let host = try Host(on: loop)
      try await host.waitForLink()
      var failures = 0
      host.machine.onFailure = { _ in failures += 1 }
      host.machine.process.send(SIGKILL)
      try await expectEventually(on: loop) { failures == 1 }
      host.driver.stop()
      #expect(host.machine.allocator.counters.bytesInUse == 0)
      #expect(throws: DriverError.functionAbsent) { try host.driver.start() }
      await host.machine.close()
    }
  }
}
