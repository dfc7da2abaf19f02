import EventLoop
import Events
import NetStack
import Packets
import Sockets

/// A stack in virtual time whose sockets speak with each other over its loopback interface.
final class LoopbackHost {
  let loop: VirtualLoop
  let tap: EventTap
  let stack: NetworkStack

  init(seed: UInt64 = 1) {
    loop = VirtualLoop(seed: seed, limit: .zero + .seconds(7200))
    tap = EventTap(on: loop)
    stack = NetworkStack(on: loop, tap: tap)
  }

  func listener(backlog: Int = 8) throws -> TCPSocket {
    let listener = TCPSocket(on: stack)
    try listener.bind(to: Endpoint(.loopback, 0))
    try listener.listen(backlog: backlog)
    return listener
  }

  /// Both ends of a connection: the one that connected first.
  func pair() async throws -> (TCPSocket, TCPSocket) {
    let listener = try listener()
    let a = TCPSocket(on: stack)
    try await a.connect(to: listener.localEndpoint)
    guard let b = try await listener.accept(isNonBlocking: false) as? TCPSocket else { preconditionFailure() }
    await listener.close()
    return (a, b)
  }

  func boundUDP() throws -> UDPSocket {
    let socket = UDPSocket(on: stack)
    try socket.bind(to: Endpoint(.loopback, 0))
    return socket
  }

  /// A port of 127.0.0.1 on which nobody listens.
  func closedPort() async throws -> Endpoint {
    let socket = TCPSocket(on: stack)
    try socket.bind(to: Endpoint(.loopback, 0))
    let endpoint = socket.localEndpoint
    await socket.close()
    return endpoint
  }

  /// Lets the loop run `count` other passes.
  func steps(_ count: Int) async {
    for _ in 0..<count { await Task.yield() }
  }
}

extension Socket {
  func read(_ count: Int, _ flags: TransferFlags = []) async throws -> [UInt8] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { buffer.deallocate() }
    let result = try await receive(into: buffer, flags: flags)
    return Array(buffer.prefix(result.count))
  }

  @discardableResult
  func write(_ bytes: [UInt8], to destination: Endpoint? = nil, _ flags: TransferFlags = []) async throws -> Int {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { buffer.deallocate() }
    buffer.copyBytes(from: bytes)
    return try await send(UnsafeRawBufferPointer(buffer), to: destination, flags: flags)
  }

  /// Writes until nothing more is taken, and lets the segments arrive.
  func fill(on loop: any EventLoop) async throws {
    for _ in 0..<20 {
      while try await !wouldBlock({ try await write([UInt8](repeating: 7, count: 65536), to: nil, .nonBlocking) }) {}
      try await loop.sleep(for: .milliseconds(1))
    }
  }

  /// Reads what is there.
  func drain() async throws {
    while try await !wouldBlock({ try await read(65536, .nonBlocking).count }) {}
  }

  /// Makes a call; true if it moved nothing because it would have had to wait.
  private func wouldBlock(_ call: () async throws -> Int) async throws -> Bool {
    do {
      return try await call() == 0
    } catch let error as SocketError {
      guard error == .wouldBlock else { throw error }
      return true
    }
  }

  func reset() async {
    options.lingers = true
    options.lingerTime = .zero
    await close()
  }
}
