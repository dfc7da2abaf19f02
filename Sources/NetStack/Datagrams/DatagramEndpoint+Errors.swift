import EventLoop
import Packets

extension QueuedError {
  /// An ICMP error about what was sent to `destination`, of which `payload` is known (Linux `ip_icmp_error`).
  init(_ problem: ICMPProblem, to destination: Endpoint, _ payload: RawSpan, at time: Instant) {
    self.init(.icmp, at: time)
    error = problem.error
    (type, code, info) = (problem.type, problem.code, problem.info)
    self.destination = destination
    offender = problem.offender ?? .any
    self.payload = payload.array
    interfaceIndex = problem.interfaceIndex
  }
}

// What is heard of datagrams that were sent (IP_RECVERR).
extension DatagramEndpoint {
  /// An ICMP error about a datagram to `destination`, of which `payload` is known; `isFatal`: to be reported even to
  /// those who did not ask for all errors.
  func report(_ problem: ICMPProblem, to destination: Endpoint, _ payload: RawSpan) {
    if receivesErrors {
      errors.append(QueuedError(problem, to: destination, payload, at: stack.loop.now))
    } else if !problem.isFatal || remote == nil {
      return
    }
    report(problem.error)
  }

  /// A datagram could not be sent: it does not fit (Linux `ip_local_error`).
  func reportTooLong(_ problem: NetworkError, on path: Path) {
    let mtu: Int
    switch problem {
    case .packetTooBig(let limit): mtu = limit
    case .messageTooLong: mtu = min(path.mtu, 65_535)
    default: return
    }
    guard receivesErrors else { return }
    var entry = QueuedError(.local, at: stack.loop.now)
    entry.error = problem
    entry.info = UInt32(clamping: mtu)
    entry.destination = Endpoint(path.destination, remote?.port ?? 0)
    errors.append(entry)
    onReadiness?(.error)
  }

  /// Takes the oldest entry of the error queue. The pending error is that of the next one, if that is of ICMP too
  /// (Linux `sock_dequeue_err_skb`).
  public func takeQueuedError() -> QueuedError? {
    guard let entry = errors.removeFirst() else { return nil }
    if let next = errors.first, next.origin == .icmp {
      error = next.error
    } else if entry.origin == .icmp {
      error = nil
    }
    return entry
  }
}
