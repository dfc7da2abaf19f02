import ArgumentParser
import EventLoop
import Link
import Packets
import Wires

/// libslirp called directly, without NIC, driver, stack and sockets: what a fetch over it can reach at the most.
struct Slirp: ParsableCommand {
  @Argument(help: "Port of the HTTP server on the host's loopback.")
  var port: UInt16

  @Argument(help: "Path of the file.")
  var path: String

  func run() throws {
    let loop = try EpollLoop(seed: 1)
    let wire = try SlirpWire(on: loop)
    let client = BareClient(wire, on: loop, port: port)
    let request = "GET \(path) HTTP/1.1\r\nHost: 10.0.2.2\r\nConnection: close\r\n\r\n"
    let clock = ContinuousClock()
    var elapsed = Duration.zero
    try loop.run {
      let start = clock.now
      client.fetch(Array(request.utf8))
      _ = await client.end.wait(until: loop.now + .seconds(60))
      elapsed = clock.now - start
    }
    guard client.hasEnded else { throw ValidationError("the server did not end within a minute") }
    print(Int(Double(client.received) / (elapsed / .seconds(1))))
  }
}

/// The least that can receive over TCP: a peer that loses nothing, one connection, every byte in order.
private final class BareClient: WirePort {
  let end: Waiter
  private(set) var received = 0
  private(set) var hasEnded = false
  private let wire: SlirpWire
  private let builder = FrameBuilder(
    source: MACAddress(rawValue: 0x5254_0012_3456), destination: MACAddress(rawValue: 0x5255_0A00_0202))
  private let guest = IPv4Address(10, 0, 2, 15)
  private let host = IPv4Address(10, 0, 2, 2)
  private let port: UInt16
  private var acknowledgement: DeferredWork!
  private var request: [UInt8] = []
  private var sequence: UInt32 = 1
  private var expected: UInt32 = 0
  private var sinceAcknowledged = 0

  init(_ wire: SlirpWire, on loop: EpollLoop, port: UInt16) {
    self.wire = wire
    self.port = port
    end = Waiter(on: loop)
    acknowledgement = DeferredWork(on: loop) { [unowned self] in send(.ack) }
    wire.port = self
  }

  func fetch(_ request: [UInt8]) {
    self.request = request
    _ = wire.send(builder.arpRequest(from: guest, for: host).span.bytes)
    send(.syn)
    sequence &+= 1
  }

  private func send(_ flags: TCPFlags, _ payload: [UInt8] = []) {
    let fields = TCPHeader.Fields(
      sourcePort: 40_000, destinationPort: port, sequenceNumber: sequence, acknowledgmentNumber: expected, flags: flags,
      window: .max)
    sinceAcknowledged = 0
    _ = wire.send(builder.tcp(from: guest, to: host, fields, payload: payload).span.bytes)
    sequence &+= UInt32(payload.count)
  }

  func receive(_ frame: RawSpan) -> Bool {
    let isTCP = frame.byteCount >= 54 && frame.octet(12) == 8 && frame.octet(13) == 0 && frame.octet(23) == 6
    guard isTCP else { return true }
    let total = Int(frame.loadBigEndian(16, as: UInt16.self))
    guard let segment = TCPHeader(frame.extracting(34..<(14 + total))) else { return true }
    if segment.flags.contains(.syn) {
      expected = segment.sequenceNumber &+ 1
      send([.ack, .psh], request)
      return true
    }
    guard segment.sequenceNumber == expected else { return true }
    let length = segment.payload.byteCount
    expected &+= UInt32(length)
    received += length
    sinceAcknowledged += length
    if segment.flags.contains(.fin) || segment.flags.contains(.rst) {
      hasEnded = true
      end.wake()
    }
    // As often as the stack does: when half of the window is used, or at the end of what came.
    if sinceAcknowledged >= 1 << 15 { send(.ack) } else if length > 0 { acknowledgement.schedule() }
    return true
  }

  func wireIsReady() {}
  func carrierChanged() {}
}
