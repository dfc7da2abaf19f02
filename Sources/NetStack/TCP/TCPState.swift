/// The states of RFC 9293 3.3.2. Raw values are those of `TCP_INFO` (Linux `include/net/tcp_states.h`).
public enum TCPState: UInt8, Sendable, CaseIterable {
  case established = 1
  case synSent = 2
  case synReceived = 3
  case finWait1 = 4
  case finWait2 = 5
  case timeWait = 6
  case closed = 7
  case closeWait = 8
  case lastAck = 9
  case listen = 10
  case closing = 11
}

extension TCPState: CustomStringConvertible {
  /// The name in the RFC, for example `FIN-WAIT-1`.
  public var description: String {
    switch self {
    case .established: "ESTABLISHED"
    case .synSent: "SYN-SENT"
    case .synReceived: "SYN-RECEIVED"
    case .finWait1: "FIN-WAIT-1"
    case .finWait2: "FIN-WAIT-2"
    case .timeWait: "TIME-WAIT"
    case .closed: "CLOSED"
    case .closeWait: "CLOSE-WAIT"
    case .lastAck: "LAST-ACK"
    case .listen: "LISTEN"
    case .closing: "CLOSING"
    }
  }
}

extension TCPState {
  /// The application may still hand over bytes: ESTABLISHED and CLOSE-WAIT.
  @inline(__always) var canSendData: Bool { self == .established || self == .closeWait }

  /// The peer may still send bytes: ESTABLISHED, FIN-WAIT-1 and FIN-WAIT-2.
  @inline(__always) var canReceiveData: Bool { self == .established || self == .finWait1 || self == .finWait2 }

  /// Both SYNs have been exchanged and acknowledged.
  @inline(__always) var isSynchronized: Bool {
    switch self {
    case .closed, .listen, .synSent, .synReceived: false
    default: true
    }
  }

  /// The state in which our FIN is queued, or has been sent.
  var afterSendClosed: TCPState {
    switch self {
    case .synReceived, .established: .finWait1
    case .closeWait: .lastAck
    default: self
    }
  }
}
