import EventLoop
import Packets

/// How one question to one server ended.
enum DNSOutcome {
  case answer(DNSAnswer, DNSMessage)
  case timedOut
  case unreachable
  case malformed
  case cancelled
}

/// A response that fits the question, or what keeps it from being one.
enum DNSVerdict {
  case fits(DNSMessage)
  case foreign
  case malformed
}

extension Resolver {
  /// Sends one question over UDP, and again over TCP if the answer is truncated.
  func exchange(_ question: DNSQuestion, with server: Endpoint, until deadline: Instant) async -> DNSOutcome {
    let identifier = UInt16(truncatingIfNeeded: stack.random.next())
    let query = DNSMessage.query(identifier: identifier, name: question.name, type: question.type).encoded()
    let endpoint = stack.udp.open()
    defer { endpoint.close() }
    let waiter = Waiter(on: loop)
    endpoint.onReadiness = { _ in waiter.wake() }
    // An unreachable server is as good as none: every error counts.
    endpoint.receivesErrors = true
    do {
      try endpoint.connect(to: server)
      try unsafe endpoint.send(query.span.bytes)
    } catch .wouldBlock {
      // The device is busy: the question is lost like one on the wire.
    } catch {
      return .unreachable
    }
    count { $0.queriesSent &+= 1 }
    while true {
      while let (_, bytes) = endpoint.receive() {
        switch verdict(on: bytes, identifier, question) {
        case .foreign: count { $0.mismatched &+= 1 }
        case .malformed:
          count { $0.malformed &+= 1 }
          return .malformed
        case .fits(let message) where message.isTruncated:
          count { $0.truncated &+= 1 }
          return await exchangeOverTCP(question, with: server, until: deadline)
        case .fits(let message):
          return .answer(DNSAnswer(message, to: question), message)
        }
      }
      if endpoint.takeError() != nil { return .unreachable }
      switch await waiter.wait(until: deadline) {
      case .woken: continue
      case .timedOut: return .timedOut
      case .cancelled: return .cancelled
      }
    }
  }

  /// Only a response with this identifier to exactly this question is one (RFC 5452 9.1); a message that begins as one
  /// and is damaged further on ends the exchange.
  func verdict(on bytes: [UInt8], _ identifier: UInt16, _ question: DNSQuestion) -> DNSVerdict {
    guard bytes.count >= 12, UInt16(bytes[0]) << 8 | UInt16(bytes[1]) == identifier, bytes[2] & 0x80 != 0 else {
      return .foreign
    }
    do {
      let message = try unsafe DNSMessage(parsing: bytes.span.bytes)
      guard message.operationCode == 0 else { return .foreign }
      // Servers that did not understand the question may leave it out.
      if message.questions.isEmpty && message.responseCode != .noError { return .fits(message) }
      return message.questions == [question] ? .fits(message) : .foreign
    } catch {
      return .malformed
    }
  }
}
