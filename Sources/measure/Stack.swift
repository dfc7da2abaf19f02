import ArgumentParser
import Bench
import EventLoop
import Events
import LinuxABI
import Packets
import Wires

/// One station sends to another over a loop wire, in real time: sockets, TCP, driver and model of both sides in one
/// thread.
struct Stack: ParsableCommand {
  @Option(help: "How many megabytes.")
  var megabytes = 1000

  @Option(help: "Largest IP datagram of a frame.")
  var mtu = 1500

  @Flag(help: "Let the NIC cut segments.")
  var segmentationOffload = false

  func run() throws {
    let loop = try EpollLoop(seed: 1)
    let tap = EventTap(on: loop)
    let cable = LoopWire(on: loop)
    var options = Station.Options()
    options.mtu = mtu
    options.driver.segmentation = segmentationOffload
    options.board.hardwareAddress = MACAddress(rawValue: 0x0200_0000_0001)
    let sender = try Station(name: "sender", on: loop, tap: tap, options: options)
    options.board.hardwareAddress = MACAddress(rawValue: 0x0200_0000_0002)
    let receiver = try Station(name: "receiver", on: loop, tap: tap, options: options)
    try sender.start(on: cable.a)
    try receiver.start(on: cable.b)
    try sender.configure(IPv4Subnet(IPv4Address(192, 0, 2, 1), prefixLength: 24)!)
    try receiver.configure(IPv4Subnet(IPv4Address(192, 0, 2, 2), prefixLength: 24)!)
    let total = megabytes * 1_000_000
    let clock = ContinuousClock()
    var elapsed = Duration.zero
    try loop.run {
      try await sender.waitForLink()
      try await receiver.waitForLink()
      let listener = try receiver.system.socket(SocketDomain.AF_INET, SocketType.SOCK_STREAM, 0)
      try receiver.system.bind(listener, to: Endpoint(.any, 9))
      try receiver.system.listen(listener, backlog: 1)
      let receiving = loop.spawn { try await drain(receiver, listener) }
      let start = clock.now
      try await send(total, from: sender)
      let received = try await receiving.value
      elapsed = clock.now - start
      guard received == total else { throw ValidationError("\(received) of \(total) bytes arrived") }
      await sender.stop()
      await receiver.stop()
    }
    let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
    let counters = sender.stack.tcp.counters
    print(
      "stack to stack, MTU \(mtu)\(segmentationOffload ? ", segmentation offload" : ""): "
        + "\((Double(total) * 8 / seconds / 1e7).rounded() / 100) Gbit/s, \(counters.outSegments) segments, "
        + "\(counters.retransmittedSegments) retransmissions")
  }

  private func send(_ total: Int, from station: Station) async throws {
    let connection = try station.system.socket(SocketDomain.AF_INET, SocketType.SOCK_STREAM, 0)
    // A send buffer that stays in the processor's cache: on this wire more in flight gains nothing.
    try station.system.setsockopt(connection, OptionName.SOL_SOCKET, OptionName.SO_SNDBUF, 128 << 10)
    try await station.system.connect(connection, to: Endpoint(IPv4Address(192, 0, 2, 2), 9))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 0x5A)
    var left = total
    while left > 0 {
      left -= try await station.system.write(
        connection, UnsafeRawBufferPointer(rebasing: buffer[..<min(left, buffer.count)]))
    }
    try await station.system.close(connection)
  }

  private func drain(_ station: Station, _ listener: Int32) async throws -> Int {
    let (connection, _) = try await station.system.accept4(listener)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    defer { buffer.deallocate() }
    var received = 0
    while true {
      let count = try await station.system.read(connection, buffer)
      if count == 0 { return received }
      received += count
    }
  }
}
