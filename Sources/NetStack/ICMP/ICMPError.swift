import Packets

/// An ICMP error that a host (RFC 1122 3.2.2) or a router (RFC 1812 5.2.7) sends about a datagram.
enum ICMPError {
  case portUnreachable
  case protocolUnreachable
  case networkUnreachable
  case hostUnreachable
  case administrativelyProhibited
  /// The datagram is longer than the next link's `mtu`, and must not be fragmented (RFC 1191 4).
  case fragmentationNeeded(mtu: UInt16)
  case timeExceeded
  case reassemblyTimeExceeded
  /// Offset of the offending octet in the header.
  case parameterProblem(pointer: UInt8)

  /// Type, code and second word of the message.
  var fields: ICMPFields {
    switch self {
    case .portUnreachable:
      ICMPFields(type: 3, code: ICMPv4Message.UnreachableCode.port)
    case .protocolUnreachable:
      ICMPFields(type: 3, code: ICMPv4Message.UnreachableCode.protocol)
    case .networkUnreachable:
      ICMPFields(type: 3, code: ICMPv4Message.UnreachableCode.network)
    case .hostUnreachable:
      ICMPFields(type: 3, code: ICMPv4Message.UnreachableCode.host)
    case .administrativelyProhibited:
      ICMPFields(type: 3, code: ICMPv4Message.UnreachableCode.administrativelyProhibited)
    case .fragmentationNeeded(let mtu):
      ICMPFields(type: 3, code: ICMPv4Message.UnreachableCode.fragmentationNeeded, parameter: UInt32(mtu))
    case .timeExceeded:
      ICMPFields(type: 11)
    case .reassemblyTimeExceeded:
      ICMPFields(type: 11, code: 1)
    case .parameterProblem(let pointer):
      ICMPFields(type: 12, parameter: UInt32(pointer) << 24)
    }
  }
}

/// What an ICMP error that came in means to the flow it quotes: Linux's `icmp_err_convert`.
struct ICMPProblem {
  let error: NetworkError
  /// Also reported to those who did not ask for all errors.
  let isFatal: Bool
  /// Type and code of the message, and what its second word says; as if a router had found the host unreachable, where
  /// this host did so itself.
  var type: UInt8 = 3
  var code: UInt8 = 1
  var info: UInt32 = 0
  /// Who sent it, and the interface that it came by.
  var offender: IPv4Address?
  var interfaceIndex = 0

  /// Nil if the message is no error that concerns a flow.
  init?(_ message: borrowing ICMPv4Message) {
    switch message.kind {
    case .destinationUnreachable:
      guard let problem = ICMPProblem.unreachable(code: message.code, mtu: Int(message.nextHopMTU)) else { return nil }
      self = problem
    case .timeExceeded:
      self.init(.hostUnreachable, isFatal: false)
    case .parameterProblem:
      self.init(.protocolError, isFatal: true)
    default:
      return nil
    }
    (type, code) = (message.kind.rawValue, message.code)
    if case .packetTooBig(let mtu) = error { info = UInt32(mtu) }
    if message.kind == .parameterProblem { info = message.parameter >> 24 }
  }

  init(_ error: NetworkError, isFatal: Bool) {
    self.error = error
    self.isFatal = isFatal
  }

  /// The same message, with another meaning.
  func saying(_ error: NetworkError) -> ICMPProblem {
    var other = ICMPProblem(error, isFatal: isFatal)
    (other.type, other.code, other.info) = (type, code, info)
    (other.offender, other.interfaceIndex) = (offender, interfaceIndex)
    return other
  }

  private static func unreachable(code: UInt8, mtu: Int) -> ICMPProblem? {
    switch code {
    case 0: ICMPProblem(.networkUnreachable, isFatal: false)
    case 1: ICMPProblem(.hostUnreachable, isFatal: false)
    case 2: ICMPProblem(.protocolUnreachable, isFatal: true)
    case 3: ICMPProblem(.connectionRefused, isFatal: true)
    case 4: ICMPProblem(.packetTooBig(mtu: mtu), isFatal: true)
    case 5: ICMPProblem(.operationNotSupported, isFatal: false)
    case 6: ICMPProblem(.networkUnreachable, isFatal: true)
    case 7: ICMPProblem(.hostDown, isFatal: true)
    case 8: ICMPProblem(.hostIsolated, isFatal: true)
    case 9: ICMPProblem(.networkUnreachable, isFatal: true)
    case 10: ICMPProblem(.hostUnreachable, isFatal: true)
    case 11: ICMPProblem(.networkUnreachable, isFatal: false)
    case 12: ICMPProblem(.hostUnreachable, isFatal: false)
    case 13, 14, 15: ICMPProblem(.hostUnreachable, isFatal: true)
    default: nil
    }
  }
}
