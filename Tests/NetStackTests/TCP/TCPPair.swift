import EventLoop
import Link
import NetStack
import Packets
import Testing

/// Two hosts on a cable with one connection between them.
final class TCPPair {
  let network: TestNetwork
  let a: TestHost
  let b: TestHost
  private(set) var listener: TCPListener!
  private(set) var client: TCPConnection!
  private(set) var server: TCPConnection!

  init(
    seed: UInt64 = 1, features: DeviceFeaturesOfTest = .none, buffers: Int = 256,
    configure: (TCPLayer) -> Void = { _ in }
  ) {
    network = TestNetwork(seed: seed)
    a = network.addHost("10.0.0.1/24", features: features.value, buffers: buffers)
    b = network.addHost("10.0.0.2/24", features: features.value, buffers: buffers)
    configure(a.stack.tcp)
    configure(b.stack.tcp)
  }

  var serverEndpoint: Endpoint { Endpoint(b.address, 80) }

  func listen(backlog: Int = 8, parameters: TCPParameters? = nil) throws {
    listener = try b.stack.tcp.listen(on: serverEndpoint, backlog: backlog, parameters: parameters)
  }

  /// Opens the connection and lets the handshake finish.
  func connect(_ parameters: TCPParameters? = nil, server serverParameters: TCPParameters? = nil) throws {
    try listen(parameters: serverParameters)
    client = try a.stack.tcp.connect(to: serverEndpoint, parameters: parameters)
    network.advance(.milliseconds(10))
    guard let accepted = listener.accept() else { throw NetworkError.notConnected }
    server = accepted
    #expect(client.state == .established && server.state == .established)
  }

  /// Closes everything and lets all timers run out; nothing may be left.
  func expectNothingLeft() {
    listener?.close()
    network.advance(.seconds(400))
    #expect(a.stack.tcp.connections.isEmpty)
    #expect(b.stack.tcp.connections.isEmpty)
    #expect(network.loop.timers.armedCount <= neighbourTimers)
    #expect(a.device.buffersInUse == 0)
    #expect(b.device.buffersInUse == 0)
  }

  /// Timers that are not TCP's.
  private var neighbourTimers: Int { 4 }
}

/// Devices that compute checksums in software, in hardware, or cut segments up.
enum DeviceFeaturesOfTest: CaseIterable {
  case none, checksums, segmentation

  var value: DeviceFeatures {
    switch self {
    case .none: []
    case .checksums: [.transmitChecksum, .receiveChecksum]
    case .segmentation: [.transmitChecksum, .receiveChecksum, .segmentationIPv4]
    }
  }
}

extension TCPConnection {
  /// Sends as much of the UTF-8 bytes of `text` as goes.
  @discardableResult func send(_ text: String) -> Int { send(Array(text.utf8)) }

  @discardableResult func send(_ bytes: [UInt8]) -> Int { send(bytes.span.bytes) }

  /// Everything that can be read.
  func receiveAll() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: readableCount)
    let count = bytes.withUnsafeMutableBytes { receive(into: $0) }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}

/// One direction of a transfer: writes when there is room, reads when there is something.
final class Transfer {
  let source: TCPConnection
  let sink: TCPConnection
  let bytes: [UInt8]
  private var sent = 0
  private(set) var received: [UInt8] = []
  private(set) var isFinished = false
  let closes: Bool

  init(_ bytes: [UInt8], from source: TCPConnection, to sink: TCPConnection, closes: Bool = true) {
    self.bytes = bytes
    self.source = source
    self.sink = sink
    self.closes = closes
  }

  /// All bytes and the end of the stream have arrived, and nothing else.
  var isComplete: Bool { isFinished && received == bytes }

  /// How far it came, for failures (the bytes themselves are too many to print).
  var progress: String {
    let place = zip(received, bytes).enumerated().first { $1.0 != $1.1 }?.offset
    return "\(sent) sent, \(received.count) of \(bytes.count) received, end: \(isFinished), first wrong: \(place ?? -1)"
  }

  func push() {
    let bytes = self.bytes
    let span = bytes.span.bytes
    while sent < bytes.count {
      let taken = source.send(span.extracting(sent..<bytes.count))
      guard taken > 0 else { return }
      sent += taken
    }
    if closes { source.shutdownSend() }
  }

  func pull() {
    received.append(contentsOf: sink.receiveAll())
    if sink.isReceiveClosed { isFinished = true }
  }
}

/// Moves `there` from client to server and `back` from server to client at the same time, only by readiness.
func exchange(_ pair: TCPPair, there: [UInt8], back: [UInt8], limit: TimeSpan = .seconds(2000)) -> (
  Transfer, Transfer
) {
  let out = Transfer(there, from: pair.client, to: pair.server)
  let home = Transfer(back, from: pair.server, to: pair.client)
  pair.client.onReadiness = { _ in
    out.push()
    home.pull()
  }
  pair.server.onReadiness = { _ in
    home.push()
    out.pull()
  }
  out.push()
  home.push()
  pair.network.advance(limit)
  pair.client.onReadiness = nil
  pair.server.onReadiness = nil
  return (out, home)
}
