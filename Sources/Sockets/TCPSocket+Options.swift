import EventLoop
import NetStack

// Options below SOL_SOCKET (ip(7), tcp(7)).
extension TCPSocket {
  public func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    switch option {
    case .typeOfService: return .integer(Int(parameters.typeOfService))
    case .timeToLive: return .integer(Int(parameters.timeToLive ?? stack.configuration.defaultTTL))
    case .pathMTU:
      guard let connection else { throw .notConnected }
      return .integer(min(connection.info.pathMTU, 65_535))
    case .noDelay: return .integer(parameters.noDelay ? 1 : 0)
    case .cork: return .integer(parameters.isCorked ? 1 : 0)
    case .maximumSegment: return .integer(connection?.info.sendMSS ?? parameters.maximumSegment ?? 536)
    case .keepAliveIdle: return .integer(Int(parameters.keepAliveIdle.seconds))
    case .keepAliveInterval: return .integer(Int(parameters.keepAliveInterval.seconds))
    case .keepAliveCount: return .integer(parameters.keepAliveCount)
    case .quickAcknowledge: return .integer(acknowledgesQuickly ? 1 : 0)
    case .congestionControl: return .text(parameters.congestionControl.rawValue)
    case .userTimeout:
      return .integer(parameters.userTimeout.map { Int(clamping: $0.nanoseconds / 1_000_000) } ?? 0)
    case .information: return .information(connection?.info)
    case .headerIncluded: return .integer(0)
    case .datagramCork: throw .unknownOption
    case .pathMTUDiscovery: return .integer(unusedOptions.pathMTUDiscovery)
    case .receiveErrors: return .integer(unusedOptions.receivesErrors ? 1 : 0)
    case .multicastTimeToLive: return .integer(1)
    case .multicastLoop: return .integer(unusedOptions.loopsMulticast ? 1 : 0)
    }
  }

  public func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError) {
    var changed = parameters
    switch (option, value) {
    // The ECN bits belong to TCP.
    case (.typeOfService, .integer(let number)): changed.typeOfService = UInt8(truncatingIfNeeded: number) & 0xFC
    case (.pathMTUDiscovery, .integer(let number)):
      guard (0...5).contains(number) else { throw .invalidArgument }
      unusedOptions.pathMTUDiscovery = number
      return
    case (.receiveErrors, .integer(let number)):
      unusedOptions.receivesErrors = number != 0
      return
    case (.multicastLoop, .integer(let number)):
      unusedOptions.loopsMulticast = number != 0
      return
    case (.timeToLive, .integer(let number)):
      guard number == -1 || (1...255).contains(number) else { throw .invalidArgument }
      changed.timeToLive = number == -1 ? nil : UInt8(number)
    case (.noDelay, .integer(let number)): changed.noDelay = number != 0
    case (.cork, .integer(let number)): changed.isCorked = number != 0
    case (.maximumSegment, .integer(let number)):
      guard number == 0 || (88...32767).contains(number) else { throw .invalidArgument }
      changed.maximumSegment = number == 0 ? nil : number
    case (.keepAliveIdle, .integer(let number)):
      guard (1...32767).contains(number) else { throw .invalidArgument }
      changed.keepAliveIdle = .seconds(number)
    case (.keepAliveInterval, .integer(let number)):
      guard (1...32767).contains(number) else { throw .invalidArgument }
      changed.keepAliveInterval = .seconds(number)
    case (.keepAliveCount, .integer(let number)):
      guard (1...127).contains(number) else { throw .invalidArgument }
      changed.keepAliveCount = number
    case (.userTimeout, .integer(let number)):
      guard number >= 0 else { throw .invalidArgument }
      changed.userTimeout = number == 0 ? nil : .milliseconds(number)
    case (.congestionControl, .text(let name)):
      guard let algorithm = CongestionAlgorithm(rawValue: name) else {
        throw .unknownAlgorithm
      }
      changed.congestionControl = algorithm
    case (.quickAcknowledge, .integer(let number)):
      acknowledgesQuickly = number != 0
      connection?.setQuickAcknowledge(number != 0)
      return
    case (.pathMTU, _), (.headerIncluded, _), (.information, _), (.datagramCork, _): throw .unknownOption
    default: throw .invalidArgument
    }
    parameters = changed
    connection?.apply(changed)
  }
}

/// What ip(7) lets a stream socket set and read back, though a stream has no use for it.
struct UnusedOptions {
  /// IP_MTU_DISCOVER: the stack always discovers the MTU of a stream's path.
  var pathMTUDiscovery = 1
  var receivesErrors = false
  var loopsMulticast = true
}
