import EventLoop
import NetStack

// Options below SOL_SOCKET (ip(7), tcp(7)).
extension TCPSocket {
  public func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    switch option {
    case .typeOfService: return .integer(Int(parameters.typeOfService))
    case .timeToLive: return .integer(Int(parameters.timeToLive ?? stack.configuration.defaultTTL))
    case .pathMTU:
      // With bind(2) the path of a connection that is over is forgotten.
      guard let connection, binding == nil else { throw .notConnected }
      return .integer(min(connection.info.pathMTU, 65_535))
    case .noDelay: return .integer(parameters.noDelay ? 1 : 0)
    case .cork: return .integer(parameters.isCorked ? 1 : 0)
    case .maximumSegment where repair.isOn: return .integer(repairSegment)
    case .maximumSegment:
      return .integer(connection?.info.sendMSS ?? parameters.maximumSegment ?? lastSegment)
    case .keepAliveIdle: return .integer(Int(parameters.keepAliveIdle.seconds))
    case .keepAliveInterval: return .integer(Int(parameters.keepAliveInterval.seconds))
    case .keepAliveCount: return .integer(parameters.keepAliveCount)
    case .quickAcknowledge: return .integer(acknowledgesQuickly ? 1 : 0)
    case .congestionControl: return .text(parameters.congestionControl.rawValue)
    case .userTimeout:
      return .integer(parameters.userTimeout.map { Int(clamping: $0.nanoseconds / 1_000_000) } ?? 0)
    case .information: return .information(connection?.info)
    case .synRetries: return .integer(parameters.synRetries ?? stack.tcp.configuration.synRetries)
    case .finWait2Timeout:
      return .integer(Int((parameters.finWait2Timeout ?? stack.tcp.configuration.finWait2Timeout).seconds))
    case .deferredAccept: return .integer(Self.seconds(ofRetries: parameters.deferredAccept))
    case .windowClamp: return .integer(parameters.windowClamp ?? 0)
    case .notSentLowWater: return .integer(notSentLowWater)
    case .linearTimeouts: return .integer(parameters.hasLinearTimeouts ? 1 : 0)
    // Early retransmission of thin streams is gone from Linux, and so it is here.
    case .thinDuplicates: return .integer(0)
    case .headerIncluded: return .integer(0)
    case .datagramCork: throw .unknownOption
    case .pathMTUDiscovery: return .integer(unusedOptions.pathMTUDiscovery)
    case .receiveErrors: return .integer(unusedOptions.receivesErrors ? 1 : 0)
    case .multicastTimeToLive: return .integer(unusedOptions.multicastTTL)
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
      connection?.hearsErrors = number != 0
      if number == 0 { errors.removeAll() }
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
    case (.synRetries, .integer(let number)):
      guard (1...127).contains(number) else { throw .invalidArgument }
      changed.synRetries = number
    case (.finWait2Timeout, .integer(let number)):
      // Zero asks for the stack's own, and two minutes are the most.
      changed.finWait2Timeout = number == 0 ? nil : .seconds(number < 0 ? -1 : min(number, 120))
    case (.deferredAccept, .integer(let number)): changed.deferredAccept = Self.retries(inSeconds: number)
    case (.windowClamp, .integer(let number)):
      if number == 0 {
        guard connection?.state ?? .closed == .closed && !isListening else { throw .invalidArgument }
        changed.windowClamp = nil
      } else {
        changed.windowClamp = max(number, Self.smallestWindowClamp)
      }
    case (.notSentLowWater, .integer(let number)):
      notSentLowWater = number
      // Without sign; zero asks for the stack's own, which is no limit.
      changed.notSentLowWater = number == 0 ? nil : Int(UInt32(truncatingIfNeeded: number))
    case (.linearTimeouts, .integer(let number)), (.thinDuplicates, .integer(let number)):
      guard number == 0 || number == 1 else { throw .invalidArgument }
      if option == .linearTimeouts { changed.hasLinearTimeouts = number == 1 }
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
    applyParameters()
  }

  /// Half of what SO_RCVBUF is at least (Linux SOCK_MIN_RCVBUF / 2), bytes.
  private static let smallestWindowClamp = 1152

  /// How many retransmissions of a SYN-ACK fill so many seconds (Linux `secs_to_retrans`).
  private static func retries(inSeconds seconds: Int) -> Int {
    guard seconds > 0 else { return 0 }
    var (retries, timeout, period) = (1, 1, 1)
    while seconds > period && retries < 255 {
      retries += 1
      timeout = min(timeout * 2, 120)
      period += timeout
    }
    return retries
  }

  /// How many seconds so many retransmissions take (Linux `retrans_to_secs`).
  private static func seconds(ofRetries retries: Int) -> Int {
    guard retries > 0 else { return 0 }
    var (timeout, period) = (1, 1)
    for _ in 1..<retries {
      timeout = min(timeout * 2, 120)
      period += timeout
    }
    return period
  }
}

extension TCPParameters {
  /// TCP_RTO_MAX_MS, TCP_RTO_MIN_US and TCP_DELACK_MAX_US, as far as they differ from the stack's.
  mutating func chooseTimes(_ options: SocketOptions) {
    let (most, least) = (options.maximumRetransmitTimeout, options.minimumRetransmitTimeout)
    maximumRetransmitTimeout = most == 120_000 ? nil : .milliseconds(Int(most))
    minimumRetransmitTimeout = least == 200_000 ? nil : .microseconds(Int(least))
    maximumAckDelay = options.maximumAckDelay == 200_000 ? nil : .microseconds(Int(options.maximumAckDelay))
  }
}

/// What ip(7) lets a stream socket set and read back, though a stream has little use for it.
struct UnusedOptions {
  /// IP_MTU_DISCOVER: the stack always discovers the MTU of a stream's path.
  var pathMTUDiscovery = 1
  var receivesErrors = false
  var loopsMulticast = true
  var multicastTTL = 1
}
