import EventLoop
import NetStack
import Packets
import Sockets
import Testing

@Suite("Echo sockets")
struct PingTests {
  /// An echo request with a sequence number.
  private func request(_ sequence: UInt8, _ payload: [UInt8]) -> [UInt8] { [8, 0, 0, 0, 0, 0, 0, sequence] + payload }

  @Test("a request is answered to the socket that sent it, with its identifier")
  func echo() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let (a, b) = (ICMPSocket(on: host.stack), ICMPSocket(on: host.stack))
      try await a.write(request(1, [7, 7]), to: Endpoint(.loopback, 0))
      try await b.write(request(2, [9]), to: Endpoint(.loopback, 0))
      #expect(a.localEndpoint.port != b.localEndpoint.port)
      for (socket, sequence, payload) in [(a, 1, [7, 7]), (b, 2, [9])] as [(ICMPSocket, UInt8, [UInt8])] {
        let reply = try await socket.read(100)
        let identifier = socket.localEndpoint.port
        #expect(reply[0] == 0)
        #expect(Array(reply[4...]) == [UInt8(identifier >> 8), UInt8(identifier & 255), 0, sequence] + payload)
        await #expect(throws: SocketError.wouldBlock) { try await socket.read(100, .nonBlocking) }
      }
    }
  }

  @Test("only echo requests with a destination are sent")
  func refused() throws {
    let host = LoopbackHost()
    try host.loop.run {
      let socket = ICMPSocket(on: host.stack)
      await #expect(throws: SocketError.network(.destinationRequired)) { try await socket.write(request(1, [])) }
      await #expect(throws: SocketError.invalidArgument) {
        try await socket.write([8, 0, 0], to: Endpoint(.loopback, 0))
      }
      await #expect(throws: SocketError.invalidArgument) {
        try await socket.write([0, 0, 0, 0, 0, 0, 0, 1], to: Endpoint(.loopback, 0))
      }
      #expect(throws: SocketError.operationNotSupported) { try socket.listen(backlog: 1) }
    }
  }
}
