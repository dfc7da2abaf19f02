import EventLoop
import Glibc
import Link
import Packets
import Testing
import Wires

/// Sockets of the host's loopback interface that use a port forward.
enum LoopbackClient {
  static func open(_ type: Int32, port: UInt16) -> Int32 {
    let descriptor = socket(AF_INET, type, 0)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        _ = connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return descriptor
  }

  static func receive(_ descriptor: Int32) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 2048)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    return count > 0 ? Array(bytes[..<count]) : []
  }

  /// A port that nothing listens on at present.
  static func freePort() throws -> UInt16 { try LoopbackListener().port }
}

@Suite(.serialized) struct SlirpServicesTests {
  @Test("a TCP forward brings a connection of the host to the guest as a SYN for the guest's port")
  func forwardTCP() throws {
    let hostPort = try LoopbackClient.freePort()
    var settings = SlirpSettings()
    settings.forwards = [PortForward(.tcp, hostPort: hostPort, guestPort: 80)]
    let bench = try SlirpBench(settings)
    try bench.introduce()
    let client = LoopbackClient.open(Int32(SOCK_STREAM.rawValue), port: hostPort)
    defer { close(client) }
    let port = bench.port
    #expect(try bench.run { port.frames.contains { SeenSegment($0, to: 80)?.flags == 0x02 } })
    let frame = try #require(port.frames.first { SeenSegment($0, to: 80) != nil })
    #expect(Array(frame[30..<34]) == SlirpBench.guest && Array(frame[26..<30]) == SlirpBench.host)
  }

  @Test("a UDP forward brings datagrams of the host to the guest, and the answer back")
  func forwardUDP() throws {
    let hostPort = try LoopbackClient.freePort()
    let bench = try SlirpBench()
    try bench.wire.add(PortForward(.udp, hostPort: hostPort, guestPort: 7))
    try bench.introduce()
    let client = LoopbackClient.open(Int32(SOCK_DGRAM.rawValue), port: hostPort)
    defer { close(client) }
    #expect(Glibc.send(client, [1, 2, 3] as [UInt8], 3, 0) == 3)
    let port = bench.port
    #expect(try bench.run { port.frames.contains { $0[13] == 0 && $0[23] == 17 && $0[36..<38] == [0, 7] } })
    let frame = try #require(port.frames.first { $0[23] == 17 })
    #expect(frame[42..<45] == [1, 2, 3])
    let source = UInt16(frame[34]) << 8 | UInt16(frame[35])
    port.send(SlirpBench.udp(from: 7, to: source, [9, 8]))
    var answer: [UInt8] = []
    #expect(
      try bench.run {
        answer = LoopbackClient.receive(client)
        return !answer.isEmpty
      })
    #expect(answer == [9, 8])
  }

  @Test("a forward of a port that is taken is an error that names it; one that is removed can be made again")
  func forwardErrors() throws {
    let listener = try LoopbackListener()
    let bench = try SlirpBench()
    let taken = PortForward(.tcp, hostPort: listener.port, guestPort: 80)
    let error = #expect(throws: SlirpError.self) { try bench.wire.add(taken) }
    #expect(error?.description.contains("tcp port \(listener.port)") == true)

    let free = PortForward(.tcp, hostPort: try LoopbackClient.freePort(), guestPort: 80)
    try bench.wire.add(free)
    #expect(bench.wire.connectionTable.contains("HOST_FORWARD"))
    #expect(bench.wire.remove(free))
    #expect(!bench.wire.remove(free))
    try bench.wire.add(free)
  }

  @Test("a listening forward that nobody uses wakes the loop for nothing")
  func forwardAtRest() throws {
    let bench = try SlirpBench()
    try bench.wire.add(PortForward(.tcp, hostPort: try LoopbackClient.freePort(), guestPort: 80))
    let loop = bench.loop
    try loop.run { try await loop.sleep(for: .milliseconds(50)) }
    let before = loop.counters
    try loop.run { try await loop.sleep(for: .milliseconds(200)) }
    #expect(loop.counters.sleeps - before.sleeps <= 1)
    #expect(loop.counters.wakesByDescriptor == before.wakesByDescriptor)
  }

  @Test("TFTP gives a file of the folder, and names a missing one in an error")
  func tftp() throws {
    let folder = "/tmp/wirebench-tftp-\(getpid())"
    mkdir(folder, 0o755)
    let file = fopen(folder + "/boot", "w")!
    fputs("hello", file)
    fclose(file)
    defer {
      unlink(folder + "/boot")
      rmdir(folder)
    }
    var settings = SlirpSettings()
    settings.tftpFolder = folder
    let bench = try SlirpBench(settings)
    try bench.introduce()
    func request(_ name: String) -> [UInt8] { [0, 1] + Array(name.utf8) + [0] + Array("octet".utf8) + [0] }
    let data = try bench.ask(SlirpBench.udp(from: 2000, to: 69, request("boot"))) { $0[23] == 17 && $0[13] == 0 }
    #expect(data.map { Array($0[42...]) } == [0, 3, 0, 1] + Array("hello".utf8))
    bench.port.takeFrames()
    let missing = try bench.ask(SlirpBench.udp(from: 2001, to: 69, request("none"))) { $0[23] == 17 && $0[13] == 0 }
    #expect(missing.map { Array($0[42..<44]) } == [0, 5])
  }

  @Test("neighbour discovery finds the host's IPv6 address")
  func neighbourDiscovery() throws {
    let bench = try SlirpBench()
    var message: [UInt8] = [135, 0, 0, 0, 0, 0, 0, 0] + MalformedFrame.address(2) + [1, 1] + SlirpBench.guestAddress
    let pseudo =
      MalformedFrame.address(0x15) + MalformedFrame.address(2) + [0, 0, 0, UInt8(message.count), 0, 0, 0, 58]
    message.replaceSubrange(2..<4, with: SlirpBench.big(SlirpBench.checksum(pseudo + message)))
    let answer = try bench.ask(MalformedFrame.ipv6(58, message)) { $0[12..<14] == [0x86, 0xDD] && $0[54] == 136 }
    #expect(answer.map { Array($0[62..<78]) } == MalformedFrame.address(2))
  }

  @Test("hundreds of connections, one after the other, on reused descriptors: each is opened, fed and closed")
  func reusedDescriptors() throws {
    let bench = try SlirpBench()
    try bench.introduce()
    let listener = try LoopbackListener()
    let port = bench.port
    for i in 0..<200 {
      let local = UInt16(5000 + i)
      port.send(SlirpBench.tcp(from: local, to: listener.port, sequence: 100, flags: 0x02))
      #expect(try bench.run { port.frames.contains { SeenSegment($0, to: local)?.flags == 0x12 } })
      let answer = try #require(port.frames.compactMap { SeenSegment($0, to: local) }.first)
      let next = answer.sequence &+ 1
      port.send(
        SlirpBench.tcp(from: local, to: listener.port, sequence: 101, acknowledgement: next, flags: 0x10))
      let hostSide = listener.acceptOne()
      #expect(write(hostSide, [UInt8(i)], 1) == 1)
      #expect(try bench.run { port.frames.contains { SeenSegment($0, to: local)?.payload == [UInt8(i)] } })
      // A reset of the guest ends it at once; the number of its socket is free for the next one.
      port.send(
        SlirpBench.tcp(from: local, to: listener.port, sequence: 101, acknowledgement: next &+ 1, flags: 0x14))
      listener.closeConnections()
      port.takeFrames()
    }
    #expect(bench.wire.counters.dropped == 0)
  }

  @Test("a host that closes with data on the way, or resets, ends the guest's connection after the data")
  func hostCloses() throws {
    let bench = try SlirpBench()
    let connection = try SlirpConnection(bench)
    connection.send([UInt8](repeating: 1, count: 1000))
    #expect(write(connection.hostSide, [7, 7, 7], 3) == 3)
    connection.reset()
    let port = bench.port
    #expect(
      try bench.run {
        port.frames.contains { SeenSegment($0, to: connection.local).map { $0.flags & 5 != 0 } ?? false }
      })
  }

  @Test("a write of libslirp to a connection that its peer has reset does not end the process")
  func brokenPipe() throws {
    for _ in 1...5 {
      let bench = try SlirpBench()
      let connection = try SlirpConnection(bench)
      connection.reset()
      // The guest has not heard of the reset: libslirp learns of it with the first write, and breaks at the second.
      connection.send([UInt8](repeating: 1, count: 1000))
      connection.send([UInt8](repeating: 2, count: 1000))
      let port = bench.port
      #expect(
        try bench.run {
          port.frames.contains { SeenSegment($0, to: connection.local).map { $0.flags & 5 != 0 } ?? false }
        })
    }
  }

  @Test("closing the wire ends its connections and takes the carrier, and later frames are gone quietly")
  func closing() throws {
    let bench = try SlirpBench()
    let connection = try SlirpConnection(bench)
    bench.wire.close()
    bench.wire.close()
    #expect(!bench.wire.hasCarrier && bench.port.carrierChanges == 1)
    #expect(bench.port.send(SlirpBench.arp(for: SlirpBench.host)))
    var byte: UInt8 = 0
    #expect(recv(connection.hostSide, &byte, 1, 0) <= 0)
    try bench.loop.run { try await bench.loop.sleep(for: .milliseconds(5)) }
  }

  @Test("a port may close the wire from inside a delivery, whether libslirp is on the call stack or not")
  func closingInsideDelivery() throws {
    let bench = try SlirpBench()
    let connection = try SlirpConnection(bench)
    bench.port.onFrame = { [unowned bench] _ in bench.wire.close() }
    #expect(write(connection.hostSide, [1, 2, 3], 3) == 3)
    #expect(try bench.run { !bench.wire.hasCarrier })

    let other = try SlirpBench()
    other.port.onFrame = { [unowned other] _ in other.wire.close() }
    other.port.send(SlirpBench.arp(for: SlirpBench.host))
    #expect(try other.run { !other.wire.hasCarrier })
    #expect(other.wire.framesInFlight == 0)
  }

  @Test("settings out of range are refused by name")
  func settings() throws {
    var small = SlirpSettings()
    small.mtu = 67
    var outside = SlirpSettings()
    outside.host = IPv4Address(10, 0, 3, 2)
    var nowhere = SlirpSettings()
    nowhere.tftpFolder = "/nonexistent"
    for (settings, name) in [(small, "mtu"), (outside, "host"), (nowhere, "TFTP folder")] {
      let loop = try EpollLoop(seed: 1)
      let error = #expect(throws: SlirpError.self) { try SlirpWire(on: loop, settings: settings) }
      #expect(error?.description.contains(name) == true)
    }
    #expect(try SlirpWire.libraryVersion().hasPrefix("4."))
  }
}
