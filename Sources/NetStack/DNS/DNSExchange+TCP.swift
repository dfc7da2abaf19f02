import EventLoop
import Packets

extension Resolver {
  /// Asks over TCP, where messages have their length in front (RFC 1035 4.2.2, RFC 7766).
  func exchangeOverTCP(_ question: DNSQuestion, with server: Endpoint, until deadline: Instant) async -> DNSOutcome {
    let identifier = UInt16(truncatingIfNeeded: stack.random.next())
    let query = DNSMessage.query(identifier: identifier, name: question.name, type: question.type).encoded()
    let framed = [UInt8(query.count >> 8), UInt8(query.count & 255)] + query
    let connection: TCPConnection
    do {
      connection = try stack.tcp.connect(local: nil, remote: server)
    } catch {
      return .unreachable
    }
    count { $0.overTCP &+= 1 }
    let waiter = Waiter(on: loop)
    connection.onReadiness = { _ in waiter.wake() }
    defer {
      connection.onReadiness = nil
      connection.abort()
    }
    var sent = 0
    var received: [UInt8] = []
    while true {
      if sent < framed.count {
        sent += unsafe connection.send(framed.span.bytes.clamped(sent))
      }
      drain(connection, into: &received)
      while let (message, rest) = Resolver.split(received) {
        received = rest
        switch verdict(on: message, identifier, question) {
        case .foreign: count { $0.mismatched &+= 1 }
        case .malformed:
          count { $0.malformed &+= 1 }
          return .malformed
        case .fits(let message): return .answer(DNSAnswer(message, to: question), message)
        }
      }
      if connection.takeError() != nil { return .unreachable }
      if connection.isReceiveClosed { return .malformed }
      switch await waiter.wait(until: deadline) {
      case .woken: continue
      case .timedOut: return .timedOut
      case .cancelled: return .cancelled
      }
    }
  }

  /// What has arrived, of which no more than two messages are kept.
  private func drain(_ connection: TCPConnection, into received: inout [UInt8]) {
    var chunk = [UInt8](repeating: 0, count: 4096)
    while received.count < 2 * 65_537 {
      var span = chunk.mutableSpan
      var bytes = unsafe span.mutableBytes
      let count = connection.receive(into: &bytes)
      guard count > 0 else { return }
      received.append(contentsOf: chunk[..<count])
    }
  }

  /// The first whole message of a stream, and what follows it.
  private static func split(_ stream: [UInt8]) -> (message: [UInt8], rest: [UInt8])? {
    guard stream.count >= 2 else { return nil }
    let length = Int(stream[0]) << 8 | Int(stream[1])
    guard stream.count >= 2 + length else { return nil }
    return (Array(stream[2..<(2 + length)]), Array(stream[(2 + length)...]))
  }
}
